//! The integration tests: one binary, so that it is linked once.
//!
//! They run on `SQLite`, or on PostgreSQL with `TEST_DATABASE=postgres` and `TEST_POSTGRES_URL`.
//! `tests/all.sh` runs them on both.
#![expect(unreachable_pub, reason = "what tests share needs no narrower word")]

mod access;
mod architecture;
mod migration;
mod support;
