//! The GraphQL endpoint as a transport: what HTTP sees of it, whatever the operation says.
//!
//! [`answers`] holds the table of statuses and media types in both profiles, [`refusals`] what is turned
//! away before it runs, [`heads`] the headers of requests and answers, [`limits`] cost, size and time,
//! [`panics`] what a fault of ours does to the others, and [`unsent`] responses that clients do not read.

mod answers;
mod heads;
mod limits;
mod panics;
mod refusals;
mod unsent;
