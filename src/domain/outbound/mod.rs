//! Webhooks out: what happens in a tenant, told to whoever the tenant names.
//!
//! **Who acts.** A person makes a *destination* ([`destination`]): a URL, the kinds of events that go there, and a
//! secret that signs them. The *router* ([`route`]) follows the log of events of all tenants. *Deliverers*, one on each
//! node, send ([`send`]) and note what was answered ([`settle`]).
//!
//! **How a webhook lives.** The router reads the log behind its position. For each event that somebody wants it writes
//! the message, once, as it will be signed and sent, and a delivery for each destination; these and the position are
//! one commit, under the row that holds the position. So two routers never double, and one that starts again never
//! skips. A delivery is PENDING until a destination answers with 2xx (DELIVERED), or until it was tried as often as the
//! schedule says (FAILED). For a destination that is disabled it is SKIPPED from the beginning. What is over can be
//! sent again ([`again`]), with the same id.
//!
//! **Order.** Within one destination, webhooks about the same subject (the *key*) are sent one after the other, and
//! none before the one before it is over; other keys go on. Of each key the oldest that waits is the *head*, and only
//! heads are sent. Three come near heads, and all of them hold the row of the destination first, in the order of ids:
//! the router, which adds behind whatever waits or as the head if nothing does; who settles, which ends a head and
//! makes the next one; and who begins deliveries anew. What each of them reads of a line after it has the row is
//! therefore what is true until it commits, so that there is one head in each line in which something waits.
//!
//! **At least once.** Who takes a head moves its time on by the *lease* and its fence by one. A node that dies lets
//! others take it when the lease is over; one that comes back too late settles nothing, since the fence is another. So
//! a webhook may come twice, and then has the same `webhook-id`. It comes twice only where an attempt was under way
//! when a node died.
//!
//! **Those that do not answer** cost little and hold up nobody. A destination that fails five times in a row is paused,
//! longer each time, and tried with a single webhook after each pause; attempts that are not made do not count. It has
//! few places while it is slow. After half of `outbound.disable_after` without success there is an alert, after all of
//! it the destination is disabled; one that answers 410 is disabled at once.
//!
//! **Partners** have destinations that are made with their partner integrations ([`partner`]): each is told of its own
//! orders, in its words, and of nothing else; by webhooks, or by an action of its own interface ([`call`]), and in
//! rounds if it asked for that.
//!
//! **What is told of this** in the log is one event for what ended alike in one commit, of a tenant and not of each
//! destination. With a hundred destinations the log would otherwise be mostly about who has heard of it.
//!
//! **What is not promised.** That what is sent again, or was given up, comes in order with what came after it. That a
//! destination sees nothing of two keys at once: order is within a key. That a node which was frozen for longer than
//! the lease in the middle of an attempt, and goes on, does not send late what others sent meanwhile.

pub mod again;
pub mod call;
pub mod catalogue;
pub mod destination;
pub mod list;
pub mod partner;
pub mod retain;
pub mod route;
pub mod send;
pub mod settle;
mod wants;

pub use crate::entity::{
    webhook_attempt::Model as WebhookAttempt,
    webhook_delivery::{Model as WebhookDelivery, Status},
    webhook_destination::Model as WebhookDestination,
    webhook_message::Model as WebhookMessage,
};
