//! Portolan: a multi-tenant integration hub with a GraphQL API, in one binary.
//!
//! ```text
//!            in:  http ──▶ graphql ──▶ domain ──▶ entity
//!           out:  domain ─▶ transaction ─▶ event log ─▶ readers of the log
//! ```
//!
//! The rooms, outside in. [`http`]: doors; they parse, find out who asks, call, answer. [`graphql`]: names
//! and shapes, and what bounds a document. [`domain`]: all rules, one file per concern. [`context`]: who
//! asks, with what, in which commit. [`worker`]: work nobody waits for. [`event`]: changes as facts. [`entity`]: tables and the safe ways to
//! select. [`vault`]: keys and sealed bytes. [`provider`]: other servers, and the one way to call them. [`kernel`]: words everyone uses. [`app`] puts them together, [`cli`] is how people start it,
//! [`config`] what they may choose, [`telemetry`] what they see.
//!
//! One word names a concern in every room: `tenant` is a file in `entity`, `event`, `domain` and
//! `graphql`. A test reads the imports and holds the direction of the arrows.

pub mod app;
pub mod cli;
pub mod config;
pub mod context;
pub mod domain;
pub mod entity;
pub mod event;
pub mod graphql;
pub mod http;
pub mod kernel;
pub mod provider;
pub mod telemetry;
pub mod vault;
pub mod worker;
