//! What a partner is told of an order of its own: in its words, and nothing that is not for it.
//!
//! Each follows from a change of the order, in the commit in which the change was seen to. The subject is the order, so
//! that what is told of one order is told in order.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Fact;
use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, OrderId, PartnerOrganizationId},
};

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// By which partner integration.
    pub integration: IntegrationId,
    /// To whom.
    pub partner: PartnerOrganizationId,
    /// Of which order.
    pub order: OrderId,
    /// The number of the order.
    pub number: i64,
    /// What the partner calls it, by kind.
    pub references: Map<String, Value>,
    /// Our status before; nothing for an order that is new, or that it is told of once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Our status.
    pub to: String,
    /// The partner's word for it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_status: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who changed it: an id, or a part of the program.
    pub by: String,
    /// The partner integration by which it came, which is not told what it said itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<IntegrationId>,
    /// By the clock of who said it.
    pub happened_at: Moment,
    /// Whether somebody asked for it, and it does not wait for the end of a round.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
}

/// Something that a partner is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExchangeEvent {
    /// One of its orders is new.
    OrderCreated(Told),
    /// One of its orders has another status, or it is told of it once more.
    StatusChanged(Told),
}

impl Fact for ExchangeEvent {
    const TOPIC: &'static str = "exchange";

    fn kind(&self) -> &'static str {
        match self {
            Self::OrderCreated(_) => "exchange.order_created",
            Self::StatusChanged(_) => "exchange.status_changed",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::OrderCreated(told) | Self::StatusChanged(told) => told.order.to_string(),
        }
    }
}
