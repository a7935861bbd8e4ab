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
mod agent;
mod alert;
mod architecture;
mod audit;
mod bus;
mod canary;
mod clock;
mod command_line;
mod coverage;
mod crash;
mod demo;
mod disk;
mod documents;
mod feed;
mod first_start;
mod gapless;
mod health;
mod hostile;
mod inbox;
mod integration;
mod invitation;
mod issuer;
mod jobs;
mod keyring;
mod lifecycle;
mod lists;
mod live;
mod live_list;
mod localstripe;
mod metrics;
mod migration;
mod once;
mod outage;
mod outbound;
mod pages;
mod partner;
mod process;
mod provider;
mod refresh;
mod refusal;
mod reset;
mod rotation;
mod session;
mod slow;
mod storage;
mod support;
mod sync;
mod tail;
mod tenant;
mod transport;
