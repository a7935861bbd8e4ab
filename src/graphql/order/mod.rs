//! Orders in the API: found, looked at, with what others call them and what happened to them.

pub mod change;
pub mod follow;
pub mod input;

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    id,
    loader::{HistoryOf, OrganizationOf, ReferencesOf},
    page::Connection,
    partner::PartnerOrganization,
};
use crate::{
    context::Cx,
    domain::order::{
        self, ChangeKind,
        content::{self, AddressKind, LineKind},
        list::{self, OrderBy, OrderFilter},
        machine, reference,
    },
    kernel::{
        id::{IntegrationId, OrderId, PartnerOrganizationId},
        money,
        scope::Scope,
    },
};

/// Who ordered.
#[derive(SimpleObject)]
pub struct OrderCustomer {
    /// The name for people.
    name: String,
    /// The email address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// The company, if it is one.
    company: Option<String>,
}

/// What sort of thing a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "LineKind")]
pub enum OrderLineKind {
    /// A product or a service.
    Product,
    /// A vehicle.
    Vehicle,
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "AddressKind")]
pub enum OrderAddressKind {
    /// Where the invoice goes.
    Billing,
    /// Where goods go.
    Shipping,
    /// Where somebody installs.
    Installation,
}

/// One line of an order.
#[derive(SimpleObject)]
pub struct OrderLine {
    /// What sort of thing it is.
    kind: OrderLineKind,
    /// What it is, for people.
    description: String,
    /// The number of the article.
    sku: Option<String>,
    /// The number of the vehicle.
    vin: Option<String>,
    /// How many.
    quantity: i32,
    /// What one costs, as a decimal in the currency of the order; null if no price was given.
    unit_price: Option<String>,
    /// What all of it costs, as a decimal; null if no price was given.
    total: Option<String>,
}

/// A place.
#[derive(SimpleObject)]
pub struct OrderAddress {
    /// What it is for.
    kind: OrderAddressKind,
    /// Street and number.
    street: String,
    /// The postal code.
    postal_code: Option<String>,
    /// The city.
    city: String,
    /// The region.
    region: Option<String>,
    /// The country, in two letters of ISO 3166.
    country_code: String,
}

/// What somebody calls an order.
#[derive(SimpleObject)]
pub struct OrderReference {
    /// Of which kind: one of the ten that have names of their own, such as `partner_order_id`, or another.
    kind: String,
    /// The text.
    value: String,
    /// Whether no other order of the partner integration is called so.
    identifies: bool,
    /// By which partner integration it is called so; null if by none.
    partner_integration_id: Option<ID>,
}

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ChangeKind")]
pub enum OrderChangeKind {
    /// The order was made.
    Created,
    /// What is known of it changed.
    Updated,
    /// It has another status.
    StatusChanged,
}

/// Something that happened to an order.
pub struct OrderChange(pub order::OrderChange);

/// Something that happened to an order.
#[Object]
impl OrderChange {
    /// The id, beginning with `och_`.
    async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// What kind of change it was.
    async fn kind(&self) -> OrderChangeKind {
        self.0.kind.into()
    }

    /// The status before.
    async fn from(&self) -> Option<&str> {
        self.0.from_status.as_deref()
    }

    /// The status after.
    async fn to(&self) -> Option<&str> {
        self.0.to_status.as_deref()
    }

    /// Other fields that changed, each from what to what.
    async fn changes(&self) -> Json<Value> {
        Json(self.0.changes.clone())
    }

    /// Why, for people.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The word of the partner from whom it came.
    async fn partner_status(&self) -> Option<&str> {
        self.0.partner_status.as_deref()
    }

    /// The partner integration by which it came; null if it came from your tenant.
    async fn origin_id(&self) -> Option<ID> {
        self.0.origin.map(id::out)
    }

    /// Who did it: an id, or a part of the program.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// When, by the clock of who said it.
    async fn happened_at(&self) -> DateTime<Utc> {
        self.0.happened_at
    }

    /// When it was noted here.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
}

/// An order.
#[derive(Clone)]
pub struct Order(pub order::Order);

impl Order {
    fn amount(&self, minor: i64) -> Option<String> {
        self.0.currency.as_deref().map(|currency| money::written(minor, currency))
    }
}

/// An order: what was ordered by whom, how far it is, and what others call it.
#[Object]
impl Order {
    /// The global id, beginning with `ord_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The number, dense within your tenant, from 1.
    async fn number(&self) -> i32 {
        i32::try_from(self.0.number).unwrap_or(i32::MAX)
    }

    /// The status: one of those that `orderStatusMachine` lists.
    async fn status(&self) -> &str {
        &self.0.status
    }

    /// When it came to be so, by the clock of who said it; null as long as nobody said anything.
    async fn status_at(&self) -> Option<DateTime<Utc>> {
        self.0.status_at
    }

    /// The word of the partner who said it last, if a partner did.
    async fn partner_status(&self) -> Option<&str> {
        self.0.partner_status.as_deref()
    }

    /// Who ordered.
    async fn customer(&self) -> Result<OrderCustomer> {
        let content::Customer { name, email, phone, company } = self.0.ordered_by()?;
        Ok(OrderCustomer { name, email, phone, company })
    }

    /// What was ordered.
    async fn lines(&self) -> Result<Vec<OrderLine>> {
        let line = |line: content::Line| {
            let priced = line.given.unit_price.is_some();
            OrderLine {
                kind: line.given.kind.into(),
                description: line.given.description,
                sku: line.given.sku,
                vin: line.given.vin,
                quantity: line.given.quantity,
                unit_price: self.amount(line.unit).filter(|_| priced),
                total: self.amount(line.total).filter(|_| priced),
            }
        };
        Ok(self.0.ordered()?.into_iter().map(line).collect())
    }

    /// The currency of every amount (ISO 4217).
    async fn currency(&self) -> Option<&str> {
        self.0.currency.as_deref()
    }

    /// What all of it costs, as a decimal; null without a currency.
    async fn total(&self) -> Option<String> {
        self.amount(self.0.total)
    }

    /// Places.
    async fn addresses(&self) -> Result<Vec<OrderAddress>> {
        let address = |address: content::Address| OrderAddress {
            kind: address.kind.into(),
            street: address.street,
            postal_code: address.postal_code,
            city: address.city,
            region: address.region,
            country_code: address.country_code,
        };
        Ok(self.0.places()?.into_iter().map(address).collect())
    }

    /// Notes for people.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }

    /// The partner with whom it is exchanged.
    async fn partner_organization(&self, ctx: &Context<'_>) -> Result<Option<PartnerOrganization>> {
        match self.0.partner_organization_id {
            Some(partner) => Ok(ctx.loaders().load(OrganizationOf(partner)).await?.map(PartnerOrganization)),
            None => Ok(None),
        }
    }

    /// The partner integration by which it is exchanged.
    async fn partner_integration_id(&self) -> Option<ID> {
        self.0.partner_integration_id.map(id::out)
    }

    /// What others call it.
    async fn references(&self, ctx: &Context<'_>) -> Result<Vec<OrderReference>> {
        let found = ctx.loaders().load(ReferencesOf(self.0.id)).await?.unwrap_or_default();
        let reference = |row: order::OrderReference| OrderReference {
            kind: row.kind,
            value: row.value,
            identifies: row.identifies,
            partner_integration_id: (row.partner_integration_id != reference::nobody())
                .then(|| id::out(row.partner_integration_id)),
        };
        Ok(found.into_iter().map(reference).collect())
    }

    /// What the partner calls it, as one object: `partner_order_id`, `dealer_group_id` and so on.
    async fn partner_external_references(&self, ctx: &Context<'_>) -> Result<Json<Map<String, Value>>> {
        let own = self.0.partner_integration_id.unwrap_or_else(reference::nobody);
        let found = ctx.loaders().load(ReferencesOf(self.0.id)).await?.unwrap_or_default();
        let of_partner = found.into_iter().filter(|row| row.partner_integration_id == own);
        Ok(Json(of_partner.map(|row| (row.kind, Value::from(row.value))).collect()))
    }

    /// What happened to it, the first thing first.
    async fn history(&self, ctx: &Context<'_>) -> Result<Vec<OrderChange>> {
        let found = ctx.loaders().load(HistoryOf(self.0.id)).await?.unwrap_or_default();
        Ok(found.into_iter().map(OrderChange).collect())
    }

    /// Who made it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// What somebody calls an order.
#[derive(InputObject, Clone)]
pub struct OrderReferenceFilterInput {
    /// Of which kind; left out, of any.
    kind: Option<String>,
    /// The text.
    value: String,
}

/// Which orders; what is left out does not matter.
#[derive(InputObject, Clone, Default)]
pub struct OrderFilterInput {
    /// With one of these statuses.
    statuses: Option<Vec<String>>,
    /// Of this partner organization.
    partner_organization_id: Option<PartnerOrganizationId>,
    /// By this partner integration.
    partner_integration_id: Option<IntegrationId>,
    /// Called so by somebody.
    reference: Option<OrderReferenceFilterInput>,
    /// With this number.
    number: Option<i32>,
    /// Made at that moment or later.
    from: Option<DateTime<Utc>>,
    /// Made before that moment.
    to: Option<DateTime<Utc>>,
}

impl From<OrderFilterInput> for OrderFilter {
    fn from(input: OrderFilterInput) -> Self {
        Self {
            statuses: input.statuses,
            partner: input.partner_organization_id,
            integration: input.partner_integration_id,
            reference: input.reference.map(|reference| (reference.kind, reference.value)),
            number: input.number.map(i64::from),
            from: input.from,
            to: input.to,
        }
    }
}

/// In which order orders are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "OrderBy")]
pub enum OrderOrder {
    /// Oldest first.
    Created,
    /// Newest first.
    CreatedDescending,
    /// Those first that were not changed for longest.
    Updated,
    /// Those first that were changed last.
    UpdatedDescending,
}

/// Which statuses may follow one.
#[derive(SimpleObject)]
pub struct OrderStatusTransition {
    /// The status.
    from: String,
    /// Those that may follow it.
    to: Vec<String>,
}

/// The statuses that orders can have, and which may follow which.
#[derive(SimpleObject)]
pub struct OrderStatusMachine {
    /// The statuses; orders begin with the first.
    statuses: Vec<String>,
    /// Which may follow which; nothing follows a status that is not here.
    transitions: Vec<OrderStatusTransition>,
}

impl From<machine::Machine> for OrderStatusMachine {
    fn from(machine: machine::Machine) -> Self {
        let transitions = machine
            .transitions
            .into_iter()
            .map(|(from, to)| OrderStatusTransition { from, to: to.into_iter().collect() })
            .collect();
        Self { statuses: machine.statuses, transitions }
    }
}

/// Looking at orders.
#[derive(Default)]
pub struct OrderQuery;

#[Object]
impl OrderQuery {
    /// Orders. A partner sees its own. Needs `ORDER_READ`.
    #[expect(clippy::too_many_arguments, reason = "they are those of a connection")]
    #[graphql(guard = "Needs(Scope::OrderRead)")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which orders; left out, all.")] filter: Option<OrderFilterInput>,
        #[graphql(desc = "In which order; oldest first if left out. A cursor belongs to its order.")] order_by: Option<
            OrderOrder,
        >,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Order>> {
        let filter = OrderFilter::from(filter.unwrap_or_default());
        list::check(ctx.cx(), &filter).await?;
        let order = order_by.map(Into::into).unwrap_or_default();
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::list(ctx.cx(), &filter, order, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, Order, counter))
    }

    /// One order. Needs `ORDER_READ`.
    #[graphql(guard = "Needs(Scope::OrderRead)")]
    async fn order(&self, ctx: &Context<'_>, #[graphql(desc = "Its global id.")] id: OrderId) -> Result<Order> {
        Ok(Order(list::get(ctx.cx(), id).await?))
    }

    /// The order that is called so, or null. Needs `ORDER_READ`.
    #[graphql(guard = "Needs(Scope::OrderRead)")]
    async fn order_by_reference(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which kind, such as `partner_order_id`.")] kind: String,
        #[graphql(desc = "The text.")] value: String,
        #[graphql(desc = "By which partner integration; left out, by any, if one order alone is called so.")]
        partner: Option<IntegrationId>,
    ) -> Result<Option<Order>> {
        let filter = OrderFilter { integration: partner, ..OrderFilter::default() };
        list::check(ctx.cx(), &filter).await?;
        Ok(reference::order(ctx.cx(), &kind, &value, partner).await?.map(Order))
    }

    /// The statuses that orders can have, and which may follow which. Needs `ORDER_READ`.
    #[graphql(guard = "Needs(Scope::OrderRead)")]
    async fn order_status_machine(&self, ctx: &Context<'_>) -> Result<OrderStatusMachine> {
        Ok(machine::get(ctx.cx()).await?.into())
    }
}
