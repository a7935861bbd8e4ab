//! What an order is of: the customer, the lines, the addresses, the amounts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kernel::{
    error::{Error, Result},
    input::{self, Check},
    money,
};

/// Most lines, addresses and units.
const MOST_LINES: usize = 200;
const MOST_ADDRESSES: usize = 10;
const MOST_UNITS: i32 = 1_000_000;

/// The longest text of a field.
const LONGEST: usize = 200;

/// The longest notes.
const LONGEST_NOTES: usize = 10_000;

/// Who ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The name for people.
    pub name: String,
    /// The email address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The company, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
}

/// What sort of thing a line is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineKind {
    /// A product or a service.
    #[default]
    Product,
    /// A vehicle.
    Vehicle,
}

/// One line as it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewLine {
    /// What sort of thing it is.
    #[serde(default)]
    pub kind: LineKind,
    /// What it is, for people.
    pub description: String,
    /// The number of the article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The number of the vehicle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vin: Option<String>,
    /// How many.
    pub quantity: i32,
    /// What one costs, as a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
}

/// One line as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What was given.
    #[serde(flatten)]
    pub given: NewLine,
    /// What one costs, in the smallest unit.
    pub unit: i64,
    /// What all of it costs.
    pub total: i64,
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AddressKind {
    /// Where the invoice goes.
    Billing,
    /// Where goods go.
    Shipping,
    /// Where somebody installs.
    Installation,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// What it is for.
    pub kind: AddressKind,
    /// Street and number.
    pub street: String,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// The city.
    pub city: String,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The country, in two letters of ISO 3166.
    pub country_code: String,
}

/// What an order is of, as it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewContent {
    /// Who ordered.
    pub customer: Customer,
    /// What was ordered.
    #[serde(default)]
    pub lines: Vec<NewLine>,
    /// The currency of every amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Places.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Notes for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// What an order is of, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Who ordered.
    pub customer: Value,
    /// What was ordered.
    pub lines: Value,
    /// The currency of every amount.
    pub currency: Option<String>,
    /// What all of it costs, in the smallest unit.
    pub total: i64,
    /// Places.
    pub addresses: Value,
    /// Notes for people.
    pub notes: Option<String>,
}

/// Some text of one line.
fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("it must not be empty; leave it out instead".to_owned()),
        1..=LONGEST if text.chars().any(char::is_control) => Err("it must not contain control characters".to_owned()),
        1..=LONGEST => Ok(text.to_owned()),
        count => Err(format!("it has at most {LONGEST} characters; this one has {count}")),
    }
}

/// Notes of several lines.
fn notes(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = |letter: char| letter == '\n' || letter == '\t' || !letter.is_control();
    match text.chars().count() {
        0..=LONGEST_NOTES if text.chars().all(plain) => Ok(text.to_owned()),
        0..=LONGEST_NOTES => Err("notes must not contain control characters".to_owned()),
        count => Err(format!("notes have at most {LONGEST_NOTES} characters; these have {count}")),
    }
}

fn customer(check: &mut Check, given: &Customer) -> Customer {
    Customer {
        name: check.take("customer.name", input::name(&given.name)),
        email: check.take_some("customer.email", given.email.as_deref(), input::email),
        phone: check.take_some("customer.phone", given.phone.as_deref(), text),
        company: check.take_some("customer.company", given.company.as_deref(), text),
    }
}

fn line(check: &mut Check, at: usize, given: &NewLine, currency: Option<&str>) -> Line {
    let path = |field: &str| format!("lines.{at}.{field}");
    let units = (1..=MOST_UNITS).contains(&given.quantity);
    check.that(units, &path("quantity"), format!("it is between 1 and {MOST_UNITS}"));
    let unit = match (&given.unit_price, currency) {
        (None, _) => 0,
        (Some(_), None) => {
            check.that(false, "currency", "amounts need a currency");
            0
        }
        (Some(price), Some(currency)) => check.take(&path("unitPrice"), money::minor(price, currency)),
    };
    let total = unit.checked_mul(given.quantity.into());
    check.that(total.is_some(), &path("unitPrice"), "the amount is too large");
    let given = NewLine {
        description: check.take(&path("description"), text(&given.description)),
        sku: check.take_some(&path("sku"), given.sku.as_deref(), text),
        vin: check.take_some(&path("vin"), given.vin.as_deref(), text),
        ..given.clone()
    };
    Line { given, unit, total: total.unwrap_or_default() }
}

fn address(check: &mut Check, at: usize, given: &Address) -> Address {
    let path = |field: &str| format!("addresses.{at}.{field}");
    let country = given.country_code.trim().to_ascii_uppercase();
    let letters = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    check.that(letters, &path("countryCode"), "a country has two letters, such as \"NL\"");
    Address {
        kind: given.kind,
        street: check.take(&path("street"), text(&given.street)),
        postal_code: check.take_some(&path("postalCode"), given.postal_code.as_deref(), text),
        city: check.take(&path("city"), text(&given.city)),
        region: check.take_some(&path("region"), given.region.as_deref(), text),
        country_code: country,
    }
}

impl NewContent {
    /// The content as it is kept. Whatever is wrong is said at once.
    pub fn checked(&self) -> Result<Content> {
        let mut check = Check::new();
        let customer = customer(&mut check, &self.customer);
        let currency = check.take_some("currency", self.currency.as_deref(), input::currency);
        check.that(self.lines.len() <= MOST_LINES, "lines", format!("an order has at most {MOST_LINES} lines"));
        let places = self.addresses.len() <= MOST_ADDRESSES;
        check.that(places, "addresses", format!("an order has at most {MOST_ADDRESSES} addresses"));
        let lines: Vec<_> = self
            .lines
            .iter()
            .take(MOST_LINES)
            .enumerate()
            .map(|(at, given)| line(&mut check, at, given, currency.as_deref()))
            .collect();
        let addresses: Vec<_> = self
            .addresses
            .iter()
            .take(MOST_ADDRESSES)
            .enumerate()
            .map(|(at, given)| address(&mut check, at, given))
            .collect();
        let total = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.total));
        check.that(total.is_some(), "lines", "the sum is too large");
        let notes = check.take_some("notes", self.notes.as_deref(), notes).filter(|notes| !notes.is_empty());
        check.done()?;
        Ok(Content {
            customer: json!(customer),
            lines: json!(lines),
            currency,
            total: total.unwrap_or_default(),
            addresses: json!(addresses),
            notes,
        })
    }
}

fn kept<T: serde::de::DeserializeOwned>(json: &Value) -> Result<T> {
    T::deserialize(json).map_err(|error| Error::Internal("an order is damaged", error.into()))
}

impl super::Order {
    /// Who ordered.
    pub fn ordered_by(&self) -> Result<Customer> {
        kept(&self.customer)
    }

    /// What was ordered.
    pub fn ordered(&self) -> Result<Vec<Line>> {
        kept(&self.lines)
    }

    /// Places.
    pub fn places(&self) -> Result<Vec<Address>> {
        kept(&self.addresses)
    }

    /// What it is of, as it was given.
    pub fn given(&self) -> Result<NewContent> {
        Ok(NewContent {
            customer: self.ordered_by()?,
            lines: self.ordered()?.into_iter().map(|line| line.given).collect(),
            currency: self.currency.clone(),
            addresses: self.places()?,
            notes: self.notes.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(price: &str, quantity: i32, currency: Option<&str>) -> NewContent {
        let line = NewLine {
            description: "Charging point".to_owned(),
            quantity,
            unit_price: Some(price.to_owned()),
            ..NewLine::default()
        };
        NewContent {
            customer: Customer { name: "Ann".to_owned(), ..Customer::default() },
            lines: vec![line.clone(), line],
            currency: currency.map(str::to_owned),
            ..NewContent::default()
        }
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(content("0.10", 3, Some("EUR")).checked().unwrap().total, 60);
        assert_eq!(content("1.005", 2, Some("KWD")).checked().unwrap().total, 4_020);
    }

    #[test]
    fn whatever_is_wrong_is_said_with_its_place() {
        let wrong = |content: NewContent| {
            let Err(Error::Refused(issues)) = content.checked() else { panic!("it passed") };
            issues.into_iter().map(|issue| issue.path.join(".")).collect::<Vec<_>>()
        };
        assert_eq!(wrong(content("1.00", 0, Some("EUR"))), ["lines.0.quantity", "lines.1.quantity"]);
        assert_eq!(wrong(content("1.00", 1, None)), ["currency", "currency"]);
        assert_eq!(wrong(content("1.001", 1, Some("EUR"))), ["lines.0.unitPrice", "lines.1.unitPrice"]);
        let huge = content("92233720368547758.07", 2, Some("EUR"));
        assert_eq!(wrong(huge), ["lines.0.unitPrice", "lines.1.unitPrice"]);
    }
}
