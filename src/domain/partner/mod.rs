//! Partners: organisations with which a tenant exchanges orders and their statuses.
//!
//! **Who acts.** An administrator makes an *organisation* ([`organization`]) and its *integration* ([`create`]): an
//! ordinary integration whose provider is a partner's, with its mapping, its webhooks and its rhythm beside it, all
//! made in one commit and changed later ([`change`]). Partners send orders ([`intake`]) and statuses ([`update`]), by
//! the API, by webhooks, or by being read; all three come to the same functions. They are told of changes ([`tell`]).
//! A reader of the log on each node ([`follow`]) takes what came by webhooks and syncs to these functions, and tells
//! partners of what happened to their orders; the row that holds its position is held by who reads on, so nothing has
//! its effect twice.
//!
//! **Words.** What a partner's statuses mean is said by a *mapping* ([`mapping`]), in versions: draft, validated,
//! simulated on what came, run beside the one in use, activated, retired.
//!
//! **What becomes of an update.** It is kept, whatever becomes of it: APPLIED; UNCHANGED, if the order was so already;
//! LATE, if something for a later moment counts already; IGNORED, if the mapping says so; UNMAPPED, if it has no
//! meaning, until it has one; FORBIDDEN, if the status may not follow that of the order, until it may; WAITING, if the
//! order is not known yet, for a day, and then DEAD. What is wrong raises an alert, which is over when it is not.
//!
//! **Order of things.** Whoever acts for a partner holds the row of the partner integration first, and then the order.
//! So what one partner says is seen to one thing after the other, on however many nodes, and an order that is made
//! finds every update that waits for it.
//!
//! **Convergence.** A history that the machine allows in the order of the partner's clock ends where it ended at the
//! partner, in whichever order it arrives: what is later than what counts is applied or kept, and what is kept is
//! looked at again after each step.
//!
//! **Telling.** Partners are told by webhooks, or, without an address for these, by the action of their provider's file
//! ([`outbound::partner`](crate::domain::outbound::partner)): at once, or in rounds of the frequency they asked for.
//!
//! **Once.** The same order under the same id of the partner is the same order. The same word for the same moment of
//! the same order is the same update.
//!
//! **Not promised**: that a partner is told of each status an order went through in no time; it is told in order.

pub mod change;
pub mod create;
pub mod credentials;
pub mod follow;
pub mod intake;
pub mod list;
pub mod mapping;
pub mod monitor;
pub mod organization;
pub mod tell;
pub mod update;

pub use crate::{
    domain::order::Sight,
    entity::{
        first::First,
        partner_integration::Model as Beside,
        partner_organization::Model as PartnerOrganization,
        partner_update::{Model as PartnerUpdate, State, Via},
        status_mapping::{Model as StatusMapping, State as Stage},
    },
};

use crate::{
    context::Txn,
    domain::integration::Integration,
    entity::partner_integration as entity,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
};

/// An integration with what a partner's has beside.
#[derive(Clone, Debug)]
pub struct PartnerIntegration {
    /// What every integration has.
    pub integration: Integration,
    /// What a partner's has beside.
    pub beside: Beside,
}

/// What a partner integration that the caller sees has beside, held until the commit.
pub(super) async fn held(txn: &Txn, id: IntegrationId) -> Result<Beside> {
    let (tenant, sight) = (txn.cx().tenant()?, Sight::of(txn.cx())?);
    let found = entity::held(tenant, id).first(&**txn).await?;
    let found = found.filter(|found| sight.takes(Some(found.partner_organization_id)));
    found.ok_or(Error::NotFound("partner integration"))
}
