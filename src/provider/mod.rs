//! Providers: what each is like, and everything that can be said about it without asking it.
//!
//! A provider is one TOML file ([`manifest`]); the files of the binary and of the operator are the
//! [`catalogue`]. What they say is carried out by engines, one file each, that do no I/O: they make a request
//! or judge an answer, so each can be tried alone, and the simulator can be their mirror image.
//!
//! | engine | from | to |
//! |---|---|---|
//! | [`request`] | a request of the file, values | what is sent |
//! | [`auth`] | an auth method, values | the credential in what is sent |
//! | [`token`] | an auth method, values | OAuth calls, and what their answers give |
//! | [`classify`] | an answer | success, or a class of failure with the provider's own words |
//! | [`probe`] | an answer to the probe | a verdict on credential, reach and permission |
//! | [`limit`] | what was asked and answered so far, the time | go, or wait until |
//! | [`paging`] | a request, its answer | the next request, or the end |
//! | [`extract`] | an answer | records with id and time |
//! | [`mapping`] | a word | the word it stands for, as the user wrote it down |
//! | [`webhook`] | raw bytes and headers | a verdict on the signature; events in our words |
//! | [`warning`] | a file, the time | what to know before it hurts |
//!
//! The [`connector`] joins them: it asks a provider and tells what came of it; the [`verifier`] checks
//! webhooks, for some of which something has to be fetched.
//!
//! [`client`] is the only way out. It asks [`address`] where it may go, when an address is saved and again
//! when it is dialled.
//!
//! Expressions are [`expression`], texts with gaps [`template`]. The [`simulator`] plays any provider from its
//! file; it is the one part that listens on a socket, and only on the loopback.

pub mod address;
pub mod auth;
pub mod catalogue;
pub mod classify;
pub mod client;
pub mod connector;
pub mod expression;
pub mod extract;
pub mod limit;
pub mod locate;
pub mod manifest;
pub mod mapping;
pub mod paging;
pub mod probe;
pub mod redact;
pub mod request;
pub mod simulator;
pub mod template;
pub mod token;
pub mod verifier;
pub mod warning;
pub mod webhook;
