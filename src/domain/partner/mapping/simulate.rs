//! A mapping held against what came: what would it have made of it?

use sea_orm::{QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

use super::rules::{Meaning, Rules};
use crate::{
    context::Txn,
    domain::order::machine::Machine,
    entity::partner_update::{self as update, Model as PartnerUpdate, State},
    kernel::{
        error::Result,
        id::{IntegrationId, OrderId, PartnerUpdateId},
    },
};

/// Most updates that a simulation looks at.
pub const MOST: u64 = 5_000;

/// Most differences that it shows.
const SHOWN: usize = 200;

/// An update of which a mapping would make something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The update.
    pub update: PartnerUpdateId,
    /// The order, if it is known.
    pub order: Option<OrderId>,
    /// The partner's name for it.
    pub partner_order_id: String,
    /// The partner's word.
    pub said: String,
    /// What came of it.
    pub was: String,
    /// What would have come of it.
    pub would_be: String,
}

/// What a simulation found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// Updates that were looked at.
    pub updates: usize,
    /// Those of which it would make something else.
    pub differs: usize,
    /// The newest of these.
    pub differences: Vec<Difference>,
}

/// What becomes of an order with a status when a partner says a word: our status, or why there is none.
#[must_use]
pub fn outcome(rules: &Rules, machine: &Machine, from: Option<&str>, said: &str) -> String {
    match rules.meaning(said) {
        Meaning::Ignored => State::Ignored.name().to_owned(),
        Meaning::Unknown => State::Unmapped.name().to_owned(),
        Meaning::Status(to) => match from {
            Some(from) if from != to && !machine.allows(from, to) => format!("{} {to}", State::Forbidden.name()),
            _ => to.to_owned(),
        },
    }
}

/// What came of an update, in the same words.
fn was(update: &PartnerUpdate) -> String {
    match (update.state, &update.meant) {
        (State::Ignored | State::Unmapped, _) => update.state.name().to_owned(),
        (State::Forbidden, Some(meant)) => format!("{} {meant}", State::Forbidden.name()),
        (_, Some(meant)) => meant.clone(),
        (state, None) => state.name().to_owned(),
    }
}

/// Holds rules against the last so many updates.
pub(super) async fn run(
    txn: &Txn,
    integration: IntegrationId,
    rules: &Rules,
    machine: &Machine,
    most: u64,
) -> Result<Simulation> {
    let select = update::of_integration(txn.cx().tenant()?, integration).order_by_desc(update::Column::Id);
    let rows = select.limit(most.min(MOST)).all(&**txn).await?;
    let mut simulation = Simulation { updates: rows.len(), ..Simulation::default() };
    for row in rows {
        // Of what nobody knew, or came too late, nothing would have come.
        if matches!(row.state, State::Waiting | State::Dead | State::Late) {
            continue;
        }
        let (was, would_be) = (was(&row), outcome(rules, machine, row.from_status.as_deref(), &row.said));
        if was == would_be {
            continue;
        }
        simulation.differs += 1;
        if simulation.differences.len() < SHOWN {
            simulation.differences.push(Difference {
                update: row.id,
                order: row.order_id,
                partner_order_id: row.partner_order_id,
                said: row.said,
                was,
                would_be,
            });
        }
    }
    Ok(simulation)
}
