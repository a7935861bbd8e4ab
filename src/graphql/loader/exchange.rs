//! Batched reads of orders and partners.

use std::collections::HashMap;

use super::Key;
use crate::{
    context::Cx,
    domain::{
        order::{self, Order, OrderChange, OrderReference},
        partner::{
            self, PartnerOrganization, StatusMapping,
            monitor::{self, Counts},
        },
    },
    graphql::error::Result,
    kernel::id::{IntegrationId, OrderId, PartnerOrganizationId},
};

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderOf(pub OrderId);

impl Key for OrderOf {
    type Value = Order;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Order>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        Ok(order::list::by_ids(cx, &ids).await?.into_iter().map(|row| (Self(row.id), row)).collect())
    }
}

/// What others call an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReferencesOf(pub OrderId);

impl Key for ReferencesOf {
    type Value = Vec<OrderReference>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<OrderReference>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for row in order::reference::of_orders(cx, &ids).await? {
            found.entry(Self(row.order_id)).or_default().push(row);
        }
        Ok(found)
    }
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryOf(pub OrderId);

impl Key for HistoryOf {
    type Value = Vec<OrderChange>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<OrderChange>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for row in order::list::history(cx, &ids).await? {
            found.entry(Self(row.order_id)).or_default().push(row);
        }
        Ok(found)
    }
}

/// A partner organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrganizationOf(pub PartnerOrganizationId);

impl Key for OrganizationOf {
    type Value = PartnerOrganization;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, PartnerOrganization>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = partner::organization::by_ids(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.id), row)).collect())
    }
}

/// The mapping in use of a partner integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActiveMappingOf(pub IntegrationId);

impl Key for ActiveMappingOf {
    type Value = StatusMapping;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, StatusMapping>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = partner::list::active_mappings(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.partner_integration_id), row)).collect())
    }
}

/// What was exchanged by a partner integration lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CountsOf(pub IntegrationId);

impl Key for CountsOf {
    type Value = Counts;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Counts>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = monitor::counts(cx, &ids, cx.now() - monitor::WINDOW).await?;
        Ok(found.into_iter().map(|(id, counts)| (Self(id), counts)).collect())
    }
}
