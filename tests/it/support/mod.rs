//! What tests stand on: a hub of their own, on a database of their own, with a clock they move; and for what
//! only a process can show, a server of their own.

pub mod bulk;
pub mod cluster;
pub mod cpu;
pub mod database;
pub mod faulty_disk;
pub mod hub;
pub mod issuer;
pub mod log;
pub mod nats;
pub mod played;
pub mod process;
pub mod records;
pub mod reply;
pub mod request;
pub mod served;
pub mod socket;
pub mod spent;
pub mod sse;
pub mod stream;
pub mod tamper;
pub mod text;
pub mod wire;

pub use hub::TestHub;
pub use reply::Reply;
