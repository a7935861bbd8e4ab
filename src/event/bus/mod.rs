//! How nodes learn of each other's events.
//!
//! The log in the database is the truth, and every node reads it once a second by itself. A bus makes that
//! unnecessary most of the time: it says that there is more to read, milliseconds after the commit. Nothing depends on
//! it. What it loses, repeats or brings late is found by the positions of events and read from the log; while it is
//! away, events are a second late; when it is back, it needs no catching up.
//!
//! * One node: there is no bus. What is written is handed to the [feed](super::feed) in the process.
//! * [`postgres`]: `LISTEN` and `NOTIFY`, when there is no other. The sequencer's own transaction says how far
//!   the log has come; the nodes read the rest. It needs a direct connection (a pooler that lends connections
//!   by the transaction swallows notifications; the look once a second remains).
//! * [`nats`]: a message says the same, after the commit, to however many nodes there are.
//!
//! **Only hints travel**: the id of the hub and a position, never an event. A node that hears one reads the log from
//! its own database, so content comes from there alone. This is what makes the bus harmless:
//!
//! * *Forged messages.* A position that the log does not have yet causes a read that finds nothing; after one, the
//!   follower reads at most ten times a second because of hints. There is nothing in a message that could reach a
//!   subscriber or be signed and sent as a webhook.
//! * *Recorded messages sent again.* Their positions have passed, and cause nothing.
//! * *Another hub on the same servers and prefix.* Its id is another (it is made by a migration and stored in the
//!   database), so its messages are ignored, with a warning once a minute. A copy of a database has the id of its
//!   original; its hints cause reads, and nothing else.
//! * *Listeners.* They learn how many events there are, and nothing of what they say.
//!
//! **What to protect on NATS.** Whoever can publish on `<prefix>.events` can make the nodes read their database in
//! vain (bounded as above), and can make events of other nodes up to a tenth of a second late. Whoever can flood the
//! server can take the bus away, which makes them up to a second late. So: an account of its own for each hub, or
//! permissions to publish and subscribe on `<prefix>.>` for the hub's user alone, and TLS where the network is shared.
//!
//! **Why not authenticated events.** Events carried in messages save each node a read. Measured side by side
//! (`cargo bench --bench bus`, two nodes, median from commit to reader): 3.3 ms carried, 5.2 ms hinted, 7.9 ms by
//! `NOTIFY`. For a burst to four nodes both use the same CPU, and hints get 20 to 37 % more events through in a second,
//! because nodes then read in large pages. Authenticating what is carried costs microseconds and would not be the
//! obstacle. But a signature proves who wrote an event, not that the log still has it: after a restored backup, or a
//! commit that was lost with a failed server, positions are given anew, and an authentic message of before would be
//! delivered though the database has something else at its position. The database is the only place that knows, so it is
//! asked, for two milliseconds.
//!
//! **Why plain NATS messages and no stream.** A JetStream stream would keep a second log beside the one in the
//! database, with an end, a position and an order of its own; a node that was cut off would have to find out
//! which of the two is ahead, and in the end ask the database. Publishing with an acknowledgement also
//! waits for the stream's storage. So a wiped store loses nothing: there is nothing in it.

pub mod nats;
pub mod postgres;
