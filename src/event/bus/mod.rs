//! How nodes hear of each other's events.
//!
//! The log in the database is the truth, and every node looks there once a second by itself. A bus makes that
//! look unnecessary most of the time: it brings what another node has just put into the log, milliseconds
//! after the commit. Nothing depends on it. What it loses, doubles or brings late is noticed by the positions
//! of events and read from the log; while it is away, events are a second late; when it is back, it needs no
//! catching up.
//!
//! * One node: there is no bus. What is written is handed to the [feed](super::feed) in the process.
//! * [`postgres`]: `LISTEN` and `NOTIFY`, when there is no other. The sequencer's own transaction says how far
//!   the log has come; the nodes read the rest. It needs a direct connection (a pooler that lends connections
//!   by the transaction swallows notifications; the look once a second remains).
//! * [`nats`]: events travel with the message, so that ten nodes do not read the same rows ten times.
//!
//! **Why events travel.** A hint is followed by a read in every node; an event that came along is not. Measured side by
//! side (`cargo bench --bench bus`, two nodes, median from commit to reader): 3.3 ms carried, 5.2 ms hinted, 7.9 ms by
//! `NOTIFY`. For a burst to four nodes both use the same CPU, what is saved in reading goes into encoding; there
//! hints got through 20 to 37 % more events a second, since nodes then read in large pages. Latency is what a bus is for, and the
//! database is what all nodes share, so events travel. What is larger than a message may be is only hinted at.
//!
//! **Why plain NATS messages and no stream.** A JetStream stream would keep a second log beside the one in the
//! database, with an end, a position and an order of its own; a node that was cut off would have to find out
//! which of the two is ahead, and in the end ask the database. Publishing with an acknowledgement also
//! waits for the stream's storage. So a wiped store loses nothing: there is nothing in it.

pub mod nats;
pub mod postgres;
