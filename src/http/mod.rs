//! Doors: parse, authenticate, call, answer.
//!
//! ```text
//! socket ─▶ serve ─▶ frame (id, address, span, time-out, panic, headers) ─▶ route
//!                                                     /graphql ─▶ params ─▶ caller ─▶ endpoint
//!                                                     upgraded ─▶ socket;  event-stream ─▶ stream
//!                                                     /playground ─▶ pages
//!                                                     /oauth/callback ─▶ oauth;  /hooks/… ─▶ hooks
//! ```
//!
//! Everything around a request that is the same for all routes is in [`frame`]. A route reads what came,
//! finds out who asks, and hands over; rules are the domain's. Every refusal has the shape of a GraphQL
//! answer, so that no client shows a "network error" where a code would say what is wrong.

pub mod body;
pub mod caller;
mod door;
mod frame;
pub mod graphql;
pub mod headers;
mod hooks;
pub mod json;
pub mod negotiate;
mod oauth;
pub mod operations;
pub mod pages;
pub mod params;
pub mod pulse;
pub mod seat;
pub mod serve;
pub mod socket;
pub mod stream;
pub mod unsent;
pub mod watch;
mod welcome;

pub use door::{Door, LiveLimits, Profile, Settings};
pub use frame::router;
