//! Making and changing orders, and moving them from status to status.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};

use super::{
    Order, OrderStatusMachine,
    input::{OrderAddressInput, OrderCustomerInput, OrderLineInput, OrderReferenceInput, content},
};
use crate::{
    domain::order::{
        change::{self, OrderUpdate},
        create::{self, NewOrder},
        machine::{self, Machine},
    },
    graphql::{
        context::Ask,
        error::{Result, UserError, outcome, outcome_of},
        guard::Needs,
    },
    kernel::{
        id::{IntegrationId, OrderId},
        scope::Scope,
    },
};

/// What a new order is to be.
#[derive(InputObject)]
pub struct CreateOrderInput {
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
    /// The partner integration by which it is exchanged; left out, it is exchanged with nobody.
    partner_integration_id: Option<IntegrationId>,
    /// What others call it.
    #[graphql(default)]
    references: Vec<OrderReferenceInput>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of making an order.
#[derive(SimpleObject)]
pub struct CreateOrderPayload {
    /// The order, unless refused.
    order: Option<Order>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What somebody calls an order from now on.
#[derive(InputObject)]
pub struct OrderReferenceChangeInput {
    /// Of which kind.
    kind: String,
    /// The text; null takes it away.
    value: Option<String>,
}

/// What to change of an order; what is left out stays.
#[derive(InputObject)]
pub struct UpdateOrderInput {
    /// Which order.
    id: OrderId,
    /// Who ordered.
    customer: Option<OrderCustomerInput>,
    /// What was ordered, as a whole.
    lines: Option<Vec<OrderLineInput>>,
    /// The currency of every amount.
    currency: Option<String>,
    /// Places, as a whole.
    addresses: Option<Vec<OrderAddressInput>>,
    /// Notes for people; null takes them away.
    notes: MaybeUndefined<String>,
    /// What its partner calls it; those left out stay.
    #[graphql(default)]
    references: Vec<OrderReferenceChangeInput>,
}

/// What came of changing an order.
#[derive(SimpleObject)]
pub struct UpdateOrderPayload {
    /// The order as it is now, unless refused.
    order: Option<Order>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// To which status an order is to be moved.
#[derive(InputObject)]
pub struct ChangeOrderStatusInput {
    /// Which order.
    id: OrderId,
    /// The status: one that may follow that which it has.
    status: String,
    /// Why, for people.
    reason: Option<String>,
}

/// What came of moving an order.
#[derive(SimpleObject)]
pub struct ChangeOrderStatusPayload {
    /// The order as it is now, unless refused.
    order: Option<Order>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which statuses may follow one.
#[derive(InputObject)]
pub struct OrderStatusTransitionInput {
    /// The status.
    from: String,
    /// Those that may follow it.
    to: Vec<String>,
}

/// The statuses that orders can have from now on.
#[derive(InputObject)]
pub struct SetOrderStatusMachineInput {
    /// The statuses, with lower-case letters, digits and underscores; orders begin with the first.
    statuses: Vec<String>,
    /// Which may follow which.
    transitions: Vec<OrderStatusTransitionInput>,
}

/// What came of choosing other statuses.
#[derive(SimpleObject)]
pub struct SetOrderStatusMachinePayload {
    /// The statuses as they are now, unless refused.
    machine: Option<OrderStatusMachine>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Changing orders.
#[derive(Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Makes an order. Needs `ORDER_WRITE`.
    #[graphql(guard = "Needs(Scope::OrderWrite)")]
    async fn create_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreateOrderInput,
    ) -> Result<CreateOrderPayload> {
        let new = NewOrder {
            content: content(input.customer, input.lines, input.currency, input.addresses, input.notes),
            integration: input.partner_integration_id,
            references: input.references.into_iter().map(OrderReferenceInput::split).collect(),
        };
        let made = create::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (order, user_errors) = outcome_of("partnerIntegrationId", made)?;
        Ok(CreateOrderPayload { order: order.map(Order), user_errors })
    }

    /// Changes what is known of an order; its status has a mutation of its own. Needs `ORDER_WRITE`.
    #[graphql(guard = "Needs(Scope::OrderWrite)")]
    async fn update_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order, and what of it.")] input: UpdateOrderInput,
    ) -> Result<UpdateOrderPayload> {
        let update = OrderUpdate {
            customer: input.customer.map(Into::into),
            lines: input.lines.map(|lines| lines.into_iter().map(Into::into).collect()),
            currency: input.currency,
            addresses: input.addresses.map(|all| all.into_iter().map(Into::into).collect()),
            notes: input.notes.into(),
            references: input.references.into_iter().map(|each| (each.kind, each.value)).collect(),
        };
        let (order, user_errors) = outcome(change::update(ctx.cx(), input.id, update).await)?;
        Ok(UpdateOrderPayload { order: order.map(Order), user_errors })
    }

    /// Moves an order to a status that may follow; its partner is told. Needs `ORDER_WRITE`.
    #[graphql(guard = "Needs(Scope::OrderWrite)")]
    async fn change_order_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which order, and whereto.")] input: ChangeOrderStatusInput,
    ) -> Result<ChangeOrderStatusPayload> {
        let moved = change::change_status(ctx.cx(), input.id, &input.status, input.reason.as_deref()).await;
        let (order, user_errors) = outcome(moved)?;
        Ok(ChangeOrderStatusPayload { order: order.map(Order), user_errors })
    }

    /// Chooses the statuses that orders of your tenant can have, and which may follow which. Needs `TENANT_WRITE`.
    #[graphql(guard = "Needs(Scope::TenantWrite)")]
    async fn set_order_status_machine(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The statuses.")] input: SetOrderStatusMachineInput,
    ) -> Result<SetOrderStatusMachinePayload> {
        let transitions = input.transitions.into_iter().map(|way| (way.from, way.to.into_iter().collect()));
        let machine = Machine { statuses: input.statuses, transitions: transitions.collect() };
        let (machine, user_errors) = outcome(machine::set(ctx.cx(), machine).await)?;
        Ok(SetOrderStatusMachinePayload { machine: machine.map(Into::into), user_errors })
    }
}
