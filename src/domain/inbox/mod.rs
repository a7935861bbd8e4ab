//! Webhooks in: what providers send by themselves.
//!
//! **Who acts.** A person makes a *source* ([`source`]): an address that nobody can guess, and the secrets with which
//! the provider signs. The provider knocks there ([`receive`]). A job sees to what came ([`process`]).
//!
//! **How a webhook lives.** It is believed or not at the door, over the raw bytes, before anything is read from it. If
//! it is believed it is written as it came, and made durable together with all that came at the same moment
//! ([`intake`]), and only then the provider hears that we have it. If that fails, it hears so, and comes again. One
//! that comes again is counted and not kept twice. From then on it is RECEIVED. A job reads what it says, in our words
//! (an *item* for each thing that happened), finds out whose it is, writes the items into the log of events and leaves
//! hints for whoever reads records ([`route`]): PROCESSED, all of it in one commit. What cannot be read, or belongs to
//! nobody, is tried again for a while where that may help, and is then DEAD, with the reason, until somebody has it
//! processed again ([`replay`]).
//!
//! **Once.** The same webhook is told by the provider's id of it, or by a digest of its bytes; the same thing that
//! happened by the provider's id of that. Jobs commit under their lease: a node that was given up changes nothing.
//!
//! **Whose it is** a webhook says itself, by the account, where one address serves many integrations. Where one serves
//! many tenants, each gets its own part of what came ([`share`]).
//!
//! **What is not believed** is kept apart, the newest hundred of each source for a week ([`refusal`]), and nothing ever
//! acts on it.
//!
//! **What is lost on the way.** Providers give up after a while, and some try once. Where the file says so, records
//! are read regularly besides, and compared with what was heard: [`reconcile`] says how much was missed.
//!
//! **What is not promised.** An order: webhooks overtake each other before they are here. Who needs one goes by the
//! provider's time, as records do. That an address which was switched off refuses at once on every node: it may take
//! two seconds.

mod dead;
pub mod intake;
pub mod list;
pub mod open;
pub mod process;
mod read;
pub mod receive;
pub mod reconcile;
pub mod refusal;
pub mod replay;
pub mod retain;
pub mod route;
mod share;
pub mod source;

pub use crate::{
    entity::{
        webhook_event::{Model as WebhookEvent, Status},
        webhook_item::Model as WebhookItem,
        webhook_refusal::Model as WebhookRefusal,
        webhook_source::Model as WebhookSource,
    },
    provider::manifest::webhook::Happening,
};
