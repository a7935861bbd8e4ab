//! What partners said of orders, in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use crate::{
    context::Cx,
    domain::partner::{
        self, State, Via,
        list::{self, UpdateFilter},
    },
    graphql::{context::Ask, error::Result, guard::Needs, id, loader::OrderOf, order::Order, page::Connection},
    kernel::{
        id::{IntegrationId, OrderId},
        scope::Scope,
    },
};

/// How an update came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Via")]
pub enum PartnerUpdateVia {
    /// By the API.
    Api,
    /// By a webhook.
    Webhook,
    /// By reading the partner's orders.
    Sync,
}

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
pub enum PartnerUpdateState {
    /// The order has the status that it means.
    Applied,
    /// The order had it already.
    Unchanged,
    /// Something for a later moment counted already.
    Late,
    /// The mapping says that it changes nothing.
    Ignored,
    /// It has no meaning yet; once it has, it is looked at again.
    Unmapped,
    /// The status may not follow that of the order; once it may, it is looked at again.
    Forbidden,
    /// No order is called so yet.
    Waiting,
    /// It was given up; the reason says why.
    Dead,
}

/// What a partner said of an order.
#[derive(Clone)]
pub struct PartnerUpdate(pub partner::PartnerUpdate);

/// What a partner said of an order, and what came of it.
#[Object]
impl PartnerUpdate {
    /// The global id, beginning with `pup_`.
    pub(in crate::graphql) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// By which partner integration.
    async fn partner_integration_id(&self) -> ID {
        id::out(self.0.partner_integration_id)
    }

    /// The partner's id of the order.
    async fn partner_order_id(&self) -> &str {
        &self.0.partner_order_id
    }

    /// The order, once it is known.
    async fn order(&self, ctx: &Context<'_>) -> Result<Option<Order>> {
        match self.0.order_id {
            Some(order) => Ok(ctx.loaders().load(OrderOf(order)).await?.map(Order)),
            None => Ok(None),
        }
    }

    /// The partner's word.
    async fn said(&self) -> &str {
        &self.0.said
    }

    /// Why, as the partner says it.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// Our status that it means, once that is known.
    async fn meant(&self) -> Option<&str> {
        self.0.meant.as_deref()
    }

    /// The status that the order had.
    async fn from(&self) -> Option<&str> {
        self.0.from_status.as_deref()
    }

    /// What came of it.
    async fn state(&self) -> PartnerUpdateState {
        self.0.state.into()
    }

    /// Why, if it is not applied.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// How it came first.
    async fn via(&self) -> PartnerUpdateVia {
        self.0.via.into()
    }

    /// How often it came again.
    async fn repeats(&self) -> i32 {
        i32::try_from(self.0.repeats).unwrap_or(i32::MAX)
    }

    /// The version of the mapping that was asked.
    async fn mapping_version(&self) -> Option<i32> {
        self.0.mapping_version
    }

    /// When it came to be so, by the partner's clock.
    async fn happened_at(&self) -> DateTime<Utc> {
        self.0.happened_at
    }

    /// When it came.
    async fn received_at(&self) -> DateTime<Utc> {
        self.0.received_at
    }

    /// When it was over; null while something may still come of it.
    async fn settled_at(&self) -> Option<DateTime<Utc>> {
        self.0.settled_at
    }
}

/// Which updates; what is left out does not matter.
#[derive(InputObject, Clone, Default)]
pub struct PartnerUpdateFilterInput {
    /// By this partner integration.
    partner_integration_id: Option<IntegrationId>,
    /// Of this order.
    order_id: Option<OrderId>,
    /// In one of these states.
    states: Option<Vec<PartnerUpdateState>>,
    /// With this word of the partner.
    said: Option<String>,
    /// That came at that moment or later.
    from: Option<DateTime<Utc>>,
    /// That came before that moment.
    to: Option<DateTime<Utc>>,
}

impl From<PartnerUpdateFilterInput> for UpdateFilter {
    fn from(input: PartnerUpdateFilterInput) -> Self {
        Self {
            integration: input.partner_integration_id,
            order: input.order_id,
            states: input.states.map(|all| all.into_iter().map(Into::into).collect()),
            said: input.said,
            from: input.from,
            to: input.to,
        }
    }
}

/// Looking at what partners said.
#[derive(Default)]
pub struct PartnerUpdateQuery;

#[Object]
impl PartnerUpdateQuery {
    /// What partners said of orders, newest first. A partner sees what it said itself. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_updates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which updates; left out, all.")] filter: Option<PartnerUpdateFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<PartnerUpdate>> {
        let filter = UpdateFilter::from(filter.unwrap_or_default());
        list::check(ctx.cx(), &filter).await?;
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::updates(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count_updates(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, PartnerUpdate, counter))
    }
}
