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
    reason = "a test that cannot go on ends there, and the helpers of tests are tests too"
)]

mod access;
mod architecture;
mod command_line;
mod crash;
mod migration;
mod process;
mod support;
