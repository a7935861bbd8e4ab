//! The coverage matrix: every field of the schema by every kind of caller.
//!
//! The schema is walked, and whatever no case touches fails the build by its coordinate: a field cannot be
//! added without saying who may use it and how it treats another tenant's ids.
//!
//! ```text
//! schema ──▶ rules:   every coordinate touched, every id tried with a stranger's     (by name)
//! cases  ──▶ walk ─┐
//! world ───────────┼▶ matrix: each case × each principal ──▶ verdict                 (by asking)
//! principal ───────┘
//! ```
//!
//! `proofs` shows that the matrix itself can fail: with cases that lie and with answers that are wrong.
//!
//! **Adding a root field**: one entry in the file of its concern under `cases`, and, if it speaks of a new
//! kind of thing, one line in `Side::prepare` that makes one. Nothing else knows of it.

mod case;
mod cases;
mod connection;
mod matrix;
mod nul;
mod partner;
pub mod principal;
mod proofs;
mod rules;
mod schema;
mod verdict;
mod walk;
pub mod world;
