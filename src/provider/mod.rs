//! The world outside: how the hub calls other servers.
//!
//! [`client`] is the only way out. It asks [`address`] where it may go, when an address is saved and again
//! when it is dialled.

pub mod address;
pub mod client;
