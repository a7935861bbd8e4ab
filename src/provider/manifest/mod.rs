//! What a provider is: one TOML file, read into these types.
//!
//! A file is read once, when the program starts or `portolan provider lint` is called. Whoever holds a
//! [`Manifest`] therefore knows that every expression compiles, every gap of every text has a name that its
//! occasion knows, every reference leads somewhere, and every example says what it is an example of. Nothing
//! else in the house asks again.
//!
//! Three things are refused by line and reason: what the shapes do not allow ([`shape`]: a key that is
//! missing, doubled, misspelt or of the wrong type), what does not parse ([`leaf`]), and what does not fit
//! together ([`check`]).
//!
//! What a provider lacks is said: `webhook = "none"`. What we do not know for certain is a setting with the
//! likeliest default, a comment beside it, and a sentence in `unverified`, which the API shows.

pub mod answer;
pub mod auth;
mod check;
pub mod connection;
pub mod json_schema;
pub mod leaf;
pub mod limit;
pub mod paging;
pub mod problem;
pub mod proof;
pub mod reader;
pub mod request;
pub mod schema;
pub mod shape;
pub mod stream;
pub mod webhook;

use toml::de::{DeTable, DeValue};

use self::{
    answer::{Errors, Probe},
    auth::Auth,
    connection::{Discovery, Environment, Field, Setting, Version},
    leaf::{Link, Name, Templates},
    limit::Limit,
    paging::Paging,
    problem::{Problem, Refused},
    proof::Proof,
    reader::{Node, Reader},
    shape::{OrNone, Shape, shape, words},
    stream::{Action, Stream},
    webhook::Webhook,
};

words! {
    /// What a provider is for.
    pub enum Category {
        /// Takes payments.
        Payment = "payment",
        /// Carries parcels.
        Shipping = "shipping",
        /// Where people post and comment.
        Social = "social",
        /// Buys and measures advertising.
        Advertising = "advertising",
        /// Sends campaigns.
        Marketing = "marketing",
        /// Carries messages to single people.
        Messaging = "messaging",
        /// Sells goods and subscriptions.
        Commerce = "commerce",
        /// Sells in shops.
        PointOfSale = "point_of_sale",
        /// Sells lines and numbers.
        Telecom = "telecom",
        /// A partner with whom orders are exchanged.
        Partner = "partner",
    }
}

words! {
    /// How many connections a tenant may have.
    pub enum PerTenant {
        /// One.
        One = "one",
        /// As many as it likes.
        Many = "many",
    }
}

shape! {
    /// A provider.
    pub struct Manifest {
        /// Name by which the provider is known here. It never changes: stored integrations refer to it.
        key: Name,
        /// Name for people.
        name: String,
        /// What the provider does, in one sentence.
        description: String,
        /// What the provider is for.
        category: Category,
        /// Documentation of the provider's interface.
        docs: Link,
        /// How many connections a tenant may have.
        per_tenant: PerTenant,
        /// What we could not confirm, one sentence each.
        unverified: Option<Vec<String>> = None,
        /// Versions of the provider's interface and when they end.
        version: OrNone<Version>,
        /// Where the provider's servers are.
        environments: Vec<Environment>,
        /// What a connection needs to know beside its credential.
        settings: OrNone<Vec<Setting>>,
        /// What the operator's own application at the provider has: client id and secret.
        app: Option<Vec<Field>> = None,
        /// Ways to prove who asks.
        auth: Vec<Auth>,
        /// Headers of every request.
        headers: Option<Templates> = None,
        /// Finding the accounts or shops behind a credential.
        discovery: OrNone<Discovery>,
        /// The cheapest call that proves the credential.
        probe: Probe,
        /// Telling failures apart.
        errors: Errors,
        /// How much may be asked in which time.
        limits: Vec<Limit>,
        /// How long answers are cut into pages, unless a stream says otherwise.
        paging: OrNone<Paging>,
        /// What can be done.
        actions: OrNone<Vec<Action>>,
        /// What can be read regularly.
        streams: OrNone<Vec<Stream>>,
        /// What the provider sends by itself.
        webhook: OrNone<Webhook>,
    }
}

impl Manifest {
    /// Reads the text of a file.
    pub fn parse(file: &str, text: &str) -> Result<Self, Refused> {
        let mut reader = Reader::new(text);
        let read = read(text, &mut reader);
        if let Some(manifest) = &read {
            check::check(manifest, &mut reader);
        }
        let mut problems = reader.problems;
        problems.sort_by_key(|problem| problem.line);
        problems.dedup();
        match read {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(Refused { file: file.to_owned(), problems }),
        }
    }

    /// The auth method of that key.
    #[must_use]
    pub fn auth(&self, key: &str) -> Option<&Auth> {
        self.auth.iter().find(|auth| auth.key().as_str() == key)
    }

    /// The environment of that key.
    #[must_use]
    pub fn environment(&self, key: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.key.as_str() == key)
    }

    /// The stream of that key.
    #[must_use]
    pub fn stream(&self, key: &str) -> Option<&Stream> {
        self.streams.all().iter().find(|stream| stream.key.as_str() == key)
    }

    /// The action of that key.
    #[must_use]
    pub fn action(&self, key: &str) -> Option<&Action> {
        self.actions.all().iter().find(|action| action.key.as_str() == key)
    }

    /// The setting that names the account of webhooks, and how an account is proven; nothing where it is not.
    #[must_use]
    pub fn account_proof(&self) -> Option<(&str, &Proof)> {
        let account = self.webhook.get()?.account.get()?;
        Some((account.setting.as_str(), account.proof.get()?))
    }

    /// How the answers of a stream are cut into pages.
    #[must_use]
    pub fn paging_of<'a>(&'a self, stream: &'a Stream) -> Option<&'a Paging> {
        stream.paging.as_ref().unwrap_or(&self.paging).get()
    }
}

/// Reads a text as far as it can be read; what is wrong is with the reader.
fn read(text: &str, reader: &mut Reader) -> Option<Manifest> {
    let (table, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        let line = reader.line(&fault.span().unwrap_or_default());
        reader.problems.push(Problem { line, message: format!("this is not TOML: {}", fault.message()) });
    }
    if !faults.is_empty() {
        // What was understood of the rest is a guess.
        return None;
    }
    let root = DeValue::Table(table.into_inner());
    let line = reader.line(&(0..0));
    Manifest::read(&Node { value: &root, line, path: String::new() }, reader)
}

#[cfg(test)]
mod tests;
