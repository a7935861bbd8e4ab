//! Sending orders and statuses as a partner, and telling a partner once more.

use async_graphql::{Context, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::update::PartnerUpdate;
use crate::{
    domain::partner::{
        Via,
        intake::{self, PartnerOrder},
        tell,
        update::{self, Heard},
    },
    graphql::{
        context::Ask,
        error::{Result, UserError, outcome_of},
        guard::Needs,
        order::{
            Order,
            input::{OrderAddressInput, OrderCustomerInput, OrderLineInput, content},
        },
    },
    kernel::{
        id::{IntegrationId, OrderId},
        scope::Scope,
    },
};

/// An order as a partner sends it.
#[derive(InputObject)]
pub struct CreateOrderFromPartnerInput {
    /// By which partner integration.
    partner_integration_id: IntegrationId,
    /// The partner's id of it. The same id with the same content is the same order.
    partner_order_id: String,
    /// Who ordered.
    customer: OrderCustomerInput,
    /// What was ordered.
    #[graphql(default)]
    lines: Vec<OrderLineInput>,
    /// The currency of every amount (ISO 4217).
    currency: Option<String>,
    /// Places.
    #[graphql(default)]
    addresses: Vec<OrderAddressInput>,
    /// Notes for people.
    notes: Option<String>,
    /// What else the partner calls it, as one object: `dealer_group_id`, `purchase_order_number` and so on.
    partner_external_references: Option<Json<Map<String, Value>>>,
    /// The partner's word for its status.
    status: Option<String>,
    /// When it was made, by the partner's clock.
    placed_at: Option<DateTime<Utc>>,
}

/// What came of an order that a partner sent.
#[derive(SimpleObject)]
pub struct CreateOrderFromPartnerPayload {
    /// The order, unless refused.
    order: Option<Order>,
    /// Whether it was made by this call, and not before; null if refused.
    created: Option<bool>,
    /// Why it was refused; empty on success. Where another content stands under the same id, each difference is said.
    user_errors: Vec<UserError>,
}

/// What a partner says of an order.
#[derive(InputObject)]
pub struct ProcessPartnerStatusUpdateInput {
    /// By which partner integration.
    partner_integration_id: IntegrationId,
    /// The partner's id of the order.
    partner_order_id: String,
    /// The partner's word for its status.
    status: String,
    /// When it came to be so, by the partner's clock, which orders updates; now if left out.
    at: Option<DateTime<Utc>>,
    /// Why, for people.
    note: Option<String>,
    /// The partner's id of this update, where it says no time: what comes again under it is the same.
    event_id: Option<String>,
}

/// What came of what a partner says.
#[derive(SimpleObject)]
pub struct ProcessPartnerStatusUpdatePayload {
    /// The update as it is kept, unless refused. That nothing came of it is no refusal: its state says why.
    update: Option<PartnerUpdate>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Of which order a partner is to be told once more.
#[derive(InputObject)]
pub struct NotifyPartnerStatusChangeInput {
    /// Which order.
    order_id: OrderId,
}

/// What came of telling a partner once more.
#[derive(SimpleObject)]
pub struct NotifyPartnerStatusChangePayload {
    /// The order, unless refused.
    order: Option<Order>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Exchanging orders and statuses.
#[derive(Default)]
pub struct ExchangeMutation;

#[Object]
impl ExchangeMutation {
    /// Takes an order from a partner, once: the same call gives the same order. Needs `PARTNER_EXCHANGE`.
    #[graphql(guard = "Needs(Scope::PartnerExchange)")]
    async fn create_order_from_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] input: CreateOrderFromPartnerInput,
    ) -> Result<CreateOrderFromPartnerPayload> {
        let new = PartnerOrder {
            integration: input.partner_integration_id,
            called: input.partner_order_id,
            content: content(input.customer, input.lines, input.currency, input.addresses, input.notes),
            references: input.partner_external_references.map(|Json(json)| json).unwrap_or_default(),
            placed_at: input.placed_at,
            status: input.status,
        };
        let taken = intake::take(ctx.cx(), &new).await;
        let (taken, user_errors) = outcome_of("partnerIntegrationId", taken)?;
        let (order, created) = taken.map(|taken| (Order(taken.order), taken.is_new)).unzip();
        Ok(CreateOrderFromPartnerPayload { order, created, user_errors })
    }

    /// Takes what a partner says of an order. Whatever comes of it, it is kept. Needs `PARTNER_EXCHANGE`.
    #[graphql(guard = "Needs(Scope::PartnerExchange)")]
    async fn process_partner_status_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it says.")] input: ProcessPartnerStatusUpdateInput,
    ) -> Result<ProcessPartnerStatusUpdatePayload> {
        let heard = Heard {
            integration: input.partner_integration_id,
            partner_order_id: input.partner_order_id,
            status: input.status,
            at: input.at,
            note: input.note,
            event: input.event_id,
            via: Via::Api,
        };
        let kept = update::process(ctx.cx(), &heard).await;
        let (update, user_errors) = outcome_of("partnerIntegrationId", kept)?;
        Ok(ProcessPartnerStatusUpdatePayload { update: update.map(PartnerUpdate), user_errors })
    }

    /// Tells the partner of an order once more what its status is. Needs `ORDER_WRITE`.
    #[graphql(guard = "Needs(Scope::OrderWrite)")]
    async fn notify_partner_status_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order.")] input: NotifyPartnerStatusChangeInput,
    ) -> Result<NotifyPartnerStatusChangePayload> {
        let (order, user_errors) = outcome_of("orderId", tell::notify(ctx.cx(), input.order_id).await)?;
        Ok(NotifyPartnerStatusChangePayload { order: order.map(Order), user_errors })
    }
}
