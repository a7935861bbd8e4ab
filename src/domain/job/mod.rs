//! Background work: what waits, who does it, what failed, what is due again and again.
//!
//! **How a job lives.** A write transaction enqueues it, so it is there if and only if the change is that needs it
//! ([`NewJob`](crate::context::NewJob)). A worker of any node takes it under a lease ([`queue::take`]), says every
//! quarter of the lease that it is alive, and ends it in the commit of what it did. Then the row goes; the queue
//! holds only what is still to do. A failure puts it back for later, longer each time, as often as its kind allows
//! and its author does not say that trying again is no use; then it is dead, kept with the reason, and an event says
//! so. Somebody can let it begin anew ([`list::retry`]).
//!
//! **A node that dies** lets its leases run out; another takes the jobs then ([`queue::let_go`]). A node that only
//! seemed dead can commit nothing under the old lease: see the fence in [`context`](crate::context). Its calls to
//! other servers cannot be taken back, so those are to be idempotent, or repeated knowingly.
//!
//! **Who is first.** Priority, then turn. Turns alternate between tenants. What suspended tenants have enqueued
//! waits until they are resumed.
//!
//! **How soon.** The node that enqueued takes the job right after the commit; if all its hands are full, it tells
//! the others ([`wake`]). Everything else is found once a second. Nobody polls faster.
//!
//! **Schedules** ([`schedule`]) enqueue a job for each tick, in one commit with noting when the next tick is. So a
//! tick is enqueued once, however many nodes look.
//!
//! **Why not `apalis` 1.0**, which does much of this. Its storage enqueues on a connection of `sqlx`, and the
//! transaction in which our changes are does not give its connection away. It ends a job in a statement of its own
//! after the work, by the name of the worker and not by a number of the taking: so there is no commit in which
//! effect and end are one, and a worker that was taken for dead and comes back under its name may end what another
//! does. Failed jobs are due again at once; waiting longer happens in the memory of a worker. It brings a schema, a
//! migrator and an extension of PostgreSQL, each with a crate for each database, and knows nothing of tenants.
//!
//! **Not promised:** an order between jobs, nor that a job runs at most once when its effects are outside of the
//! database.

pub mod list;
pub mod queue;
pub mod schedule;
pub mod wake;

pub use crate::entity::job::{Count, Model as Job, State};
