//! Following what partners are told of their orders.

use async_graphql::{Context, ID, Json, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};
use serde_json::Value;

use crate::{
    domain::{
        order,
        partner::list::{self, is_told},
    },
    event::{Entry, Interest},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        live::{Item, follow},
        loader::OrderOf,
        order::Order,
    },
    kernel::{
        id::{IntegrationId, OrderId},
        scope::Scope,
    },
};

/// A status of an order that its partner knows of.
pub struct PartnerStatusChanged(Entry);

/// A status of an order that its partner knows of: one that it was told, or said itself.
#[Object]
impl PartnerStatusChanged {
    /// Where to go on after this, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// The place in your tenant's log of changes.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// The id of the order.
    async fn order_id(&self) -> Option<ID> {
        self.0.data["order"].as_str().map(ID::from)
    }

    /// The order as it is now.
    async fn order(&self, ctx: &Context<'_>) -> Result<Option<Order>> {
        match self.0.data["order"].as_str().and_then(|id| id.parse().ok()) {
            Some(id) => Ok(ctx.loaders().load(OrderOf(id)).await?.map(Order)),
            None => Ok(None),
        }
    }

    /// By which partner integration.
    async fn partner_integration_id(&self) -> Option<ID> {
        self.0.data["integration"].as_str().map(ID::from)
    }

    /// What the partner called the order then, as one object.
    async fn references(&self) -> Json<Value> {
        Json(self.0.data["references"].clone())
    }

    /// The status before; null for an order that is new, or that the partner is told of once more.
    async fn from(&self) -> Option<&str> {
        self.0.data["from"].as_str()
    }

    /// The status.
    async fn to(&self) -> Option<&str> {
        self.0.data["to"].as_str()
    }

    /// The partner's word for it; null if it has none.
    async fn partner_status(&self) -> Option<&str> {
        self.0.data["partnerStatus"].as_str()
    }

    /// Why, for people.
    async fn reason(&self) -> Option<&str> {
        self.0.data["reason"].as_str()
    }

    /// Who changed it: an id, or a part of the program.
    async fn actor(&self) -> Option<&str> {
        self.0.data["by"].as_str()
    }

    /// Whether the partner said it itself.
    async fn by_partner(&self) -> bool {
        self.0.data["origin"].is_string()
    }

    /// When, by the clock of who said it.
    async fn at(&self) -> Option<DateTime<Utc>> {
        self.0.data["happenedAt"].as_str()?.parse().ok()
    }
}

/// Following the exchange with partners.
#[derive(Default)]
pub struct PartnerSubscription;

#[Subscription]
impl PartnerSubscription {
    /// Every status of partners' orders, once and in order: those after the cursor, then each as it comes. A partner
    /// follows its own. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_status_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this order; left out, all.")] order_id: Option<OrderId>,
        #[graphql(desc = "Only by this partner integration; left out, all.")] partner_integration_id: Option<
            IntegrationId,
        >,
        #[graphql(desc = "Begin after this cursor; left out, with what happens from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<PartnerStatusChanged>>> {
        let mut interest = Interest::of_topics(["exchange"]);
        if let Some(id) = order_id {
            order::list::get(ctx.cx(), id).await?;
            interest = interest.about([id.to_string()]);
        }
        if let Some(id) = partner_integration_id {
            list::get(ctx.cx(), id).await?;
        }
        let wanted = partner_integration_id.map(|id| id.to_string());
        follow(ctx, after, interest, move |cx, entry| {
            let own = wanted.as_deref().is_none_or(|id| entry.data["integration"] == id);
            let told = own && is_told(&cx, &entry);
            future::ready(Ok(told.then_some(PartnerStatusChanged(entry))))
        })
        .await
    }
}
