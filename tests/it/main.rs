//! The integration tests: one binary, so that it is linked once.
//!
//! They run on `SQLite`, or on PostgreSQL with `TEST_DATABASE=postgres` and `TEST_POSTGRES_URL`.
//! `tests/all.sh` runs them on both.
#![expect(unreachable_pub, reason = "what tests share needs no narrower word")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints its figures"
)]

mod access;
mod architecture;
mod audit;
mod command_line;
mod coverage;
mod crash;
mod documents;
mod hostile;
mod keyring;
mod lists;
mod metrics;
mod migration;
mod once;
mod process;
mod provider;
mod session;
mod storage;
mod support;
mod tenant;
mod transport;
