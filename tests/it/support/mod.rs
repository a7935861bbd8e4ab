//! What tests stand on: a hub of their own, on a database of their own, with a clock they move.

pub mod cpu;
pub mod database;
pub mod hub;
pub mod records;
pub mod reply;
pub mod request;
pub mod text;

pub use hub::TestHub;
pub use reply::Reply;
