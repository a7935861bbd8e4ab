//! What orders are given as.

use async_graphql::InputObject;

use super::{OrderAddressKind, OrderLineKind};
use crate::domain::order::content::{Address, Customer, NewContent, NewLine};

/// Who ordered.
#[derive(InputObject)]
pub struct OrderCustomerInput {
    /// The name for people.
    name: String,
    /// The email address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// The company, if it is one.
    company: Option<String>,
}

impl From<OrderCustomerInput> for Customer {
    fn from(input: OrderCustomerInput) -> Self {
        Self { name: input.name, email: input.email, phone: input.phone, company: input.company }
    }
}

/// One line of an order.
#[derive(InputObject)]
pub struct OrderLineInput {
    /// What sort of thing it is; a product if left out.
    kind: Option<OrderLineKind>,
    /// What it is, for people.
    description: String,
    /// The number of the article.
    sku: Option<String>,
    /// The number of the vehicle.
    vin: Option<String>,
    /// How many.
    #[graphql(default = 1)]
    quantity: i32,
    /// What one costs, as a decimal in the currency of the order, such as `"129.50"`.
    unit_price: Option<String>,
}

impl From<OrderLineInput> for NewLine {
    fn from(input: OrderLineInput) -> Self {
        Self {
            kind: input.kind.map(Into::into).unwrap_or_default(),
            description: input.description,
            sku: input.sku,
            vin: input.vin,
            quantity: input.quantity,
            unit_price: input.unit_price,
        }
    }
}

/// A place.
#[derive(InputObject)]
pub struct OrderAddressInput {
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

impl From<OrderAddressInput> for Address {
    fn from(input: OrderAddressInput) -> Self {
        Self {
            kind: input.kind.into(),
            street: input.street,
            postal_code: input.postal_code,
            city: input.city,
            region: input.region,
            country_code: input.country_code,
        }
    }
}

/// What somebody calls an order.
#[derive(InputObject)]
pub struct OrderReferenceInput {
    /// Of which kind: one of the ten that have names of their own, such as `partner_order_id`, or another.
    kind: String,
    /// The text.
    value: String,
}

impl OrderReferenceInput {
    /// Kind and text.
    pub fn split(self) -> (String, String) {
        (self.kind, self.value)
    }
}

/// The parts of what an order is of, as inputs give them.
pub fn content(
    customer: OrderCustomerInput,
    lines: Vec<OrderLineInput>,
    currency: Option<String>,
    addresses: Vec<OrderAddressInput>,
    notes: Option<String>,
) -> NewContent {
    NewContent {
        customer: customer.into(),
        lines: lines.into_iter().map(Into::into).collect(),
        currency,
        addresses: addresses.into_iter().map(Into::into).collect(),
        notes,
    }
}
