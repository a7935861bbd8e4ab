//! Orders: what customers ordered, how far it is, and what others call it.
//!
//! **Who acts.** People and programs of the tenant make orders ([`create`]), change what is known of them and move them
//! from status to status ([`change`]). Partners do the same by way of the concern `partner`, which calls what is here.
//!
//! **How an order lives.** It has a number, dense within the tenant: the next number is taken in the commit that writes
//! the order. Its status moves along a machine ([`machine`]) that the tenant may choose; what the machine does not
//! allow is refused, whoever asks. Each change is a line of its history and an event, in the commit of the change.
//! Orders are never deleted.
//!
//! **Times.** A status has the time of who said it. What a partner said for a moment before the one that counts is too
//! late, whenever it arrives ([`change::place`]).
//!
//! **Money** is exact: whole numbers of the smallest unit of one currency for each order ([`content`]).
//!
//! **References** ([`reference`]) are what others call an order, per partner integration. Some identify: no two orders
//! of that integration are called so; an index holds that.
//!
//! **Whose.** Somebody of a partner sees the orders of the own organisation and no other ([`sight`]); every selector
//! here begins with that.
//!
//! **Not promised**: that two orders made at once have their numbers in the order in which they were asked for.

pub mod change;
pub mod content;
pub mod create;
pub mod list;
pub mod machine;
pub mod reference;
mod sight;

pub use self::sight::Sight;
pub use crate::entity::{
    order::Model as Order,
    order_change::{Kind as ChangeKind, Model as OrderChange},
    order_reference::Model as OrderReference,
};
