//! Speaking to a provider: what the file says, carried out through the one client.
//!
//! A [`Connection`] is everything that is known of one: the file, the environment, settings, opened credentials.
//! A [`Connector`] asks for it: is the credential right ([`Connector::probe`]), a token ([`Connector::token`]),
//! which accounts are there ([`Connector::discover`]), do this ([`Connector::act`]), the next page of that stream
//! ([`Connector::page`]). Neither remembers anything. Whoever asks keeps tokens, positions and allowances, and
//! hears of every single call through an [`Observer`].
//!
//! **What can go wrong** is a [`Trouble`], and it is said whose fault it is: ours or the tenant's (a setting is
//! missing, the arguments do not fit, the address is not allowed: nothing was sent), or the provider's, as a
//! [`Failure`](super::classify::Failure) of one of the classes. No answer at all is `down`; an answer that is too
//! large, that is no HTTP, or that does not have what the file promises is `unreadable`.
//!
//! **Bounds.** A time for everything that one question takes, tries and pauses included, and a size for each
//! answer ([`Bounds`]).
//!
//! **Once or again.** What only reads is tried up to three times when the provider is down or was asked too often, after
//! the time that it names if that fits into the bounds. What changes something is sent once, unless nothing reached the provider, or
//! the file names a header that makes repetition harmless and the caller gave a key for it. A probe is sent
//! once: it is to say how things are. Codes and refresh tokens are sent once, since they may be burned.
//!
//! **Where to.** Addresses are looked at by the client like any others, so a setting that leads inward is refused
//! at the latest here. A connection to the simulator says where that is; only addresses change, nothing else.

mod connection;
mod exchange;
mod grant;
mod observe;
mod page;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use serde_json::Value;

use self::exchange::Errand;
pub use self::{
    connection::{Connection, Details, Misfit, Part, Why},
    grant::Grant,
    observe::{Called, Nobody, Observer, Purpose},
    page::Paged,
};
use super::{
    address::Refusal,
    auth,
    classify::Failure,
    client::Client,
    manifest::{
        answer::{Class, Probe},
        auth::Auth,
        json_schema,
        proof::Proof,
        request::Request,
        stream::{Action, Effect},
    },
    probe::{self, Known, Verdict},
    request::{self, Outgoing, Unmade},
    template::{Filled, Values},
};
use crate::kernel::{chance::Chance, clock::Clock, trace::Trace};

/// Most accounts that are listed.
const MAX_ACCOUNTS: usize = 1_000;

/// How much one question may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time in all.
    pub within: Duration,
    /// Bytes of an answer.
    pub most: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { within: Duration::from_secs(30), most: 10 << 20 }
    }
}

/// Why there is no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    /// The request cannot be made of what is known.
    #[error(transparent)]
    Unmade(#[from] Unmade),
    /// The arguments do not fit.
    #[error("the arguments do not fit the action")]
    Arguments(Vec<json_schema::Misfit>),
    /// This way to prove who asks has no such call.
    #[error("this auth method gives no such token")]
    NoSuchGrant,
    /// It may not go there; nothing was dialled.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The provider failed.
    #[error("{}", said(.0))]
    Failed(Failure),
}

impl Trouble {
    /// The class of the provider's failure, if it is one.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        match self {
            Self::Failed(failure) => Some(failure.class),
            _ => None,
        }
    }
}

fn said(failure: &Failure) -> String {
    failure.message.clone().unwrap_or_else(|| format!("the provider failed ({})", failure.class))
}

/// An account, shop or page that a credential opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id at the provider.
    pub id: String,
    /// Its name; its id if it has none.
    pub name: String,
    /// The settings it fills when it is chosen.
    pub set: std::collections::BTreeMap<String, String>,
}

/// Asks providers.
#[derive(Clone)]
pub struct Connector {
    client: Client,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    observer: Arc<dyn Observer>,
    trace: Option<Trace>,
    bounds: Bounds,
    /// Whether anything is sent twice at all.
    repeats: bool,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("bounds", &self.bounds).field("trace", &self.trace).finish_non_exhaustive()
    }
}

impl Connector {
    /// One whom nobody observes.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            client,
            clock,
            chance,
            observer: Arc::new(Nobody),
            trace: None,
            bounds: Bounds::default(),
            repeats: true,
        }
    }

    /// The same, observed.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The same, within a trace. Without one each call begins its own.
    #[must_use]
    pub const fn traced(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The same within other bounds.
    #[must_use]
    pub const fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The same, which sends nothing twice: for who has a schedule of its own.
    #[must_use]
    pub const fn sending_once(mut self) -> Self {
        self.repeats = false;
        self
    }

    /// Whether the addresses of a connection may be called, as far as their text tells. Nobody is asked.
    pub fn check(&self, connection: &Connection) -> Result<(), Trouble> {
        for address in connection.addresses()? {
            self.client.check(&address)?;
        }
        Ok(())
    }

    /// What the cheapest call says of a connection. Trouble is only what kept the call from being made.
    pub async fn probe(&self, connection: &Connection) -> Result<Verdict, Trouble> {
        match self.clone().sending_once().verdict(connection).await {
            Err(Trouble::Failed(failure)) => Ok(probe::of_failure(&[], failure)),
            verdict => verdict,
        }
    }

    async fn verdict(&self, connection: &Connection) -> Result<Verdict, Trouble> {
        let probe = match &connection.manifest().probe {
            Probe::Request(probe) => probe,
            // Not whether a token is there, but whether one can be had.
            Probe::Token(_) => return self.token(connection, Grant::Credentials).await.map(|_| known_good()),
        };
        let connection = self.signed_in(connection).await?;
        let outgoing = connection.make(&probe.request, connection.values())?;
        match self.exchange(&connection, Errand::new(Purpose::Probe, outgoing.finish()?)).await {
            Ok(answer) => {
                let named = match connection.manifest().account_proof() {
                    Some((_, Proof::Probe(proof))) => Some(proof.id.texts(&answer.document).into_iter().collect()),
                    _ => None,
                };
                let verdict = probe::verdict(probe, Ok(answer.document));
                let named = named.filter(|_| verdict.is_good());
                Ok(Verdict { named, ..verdict })
            }
            Err(Trouble::Failed(failure)) => Ok(probe::verdict(probe, Err(failure))),
            Err(trouble) => Err(trouble),
        }
    }

    /// Ids of the accounts that the provider lists as those of the credential, where the file says that being on the
    /// list is proof. Nothing if the file does not say so, or the provider gave no answer.
    pub async fn listed_ids(&self, connection: &Connection) -> Option<BTreeSet<String>> {
        let Some((setting, Proof::Discovery(_))) = connection.manifest().account_proof() else { return None };
        match self.discover(connection).await {
            Ok(accounts) => Some(accounts.into_iter().filter_map(|mut account| account.set.remove(setting)).collect()),
            Err(trouble) if trouble.class().is_none_or(Class::retry) => None,
            // The provider does not list anything for this credential.
            Err(_) => Some(BTreeSet::new()),
        }
    }

    /// The accounts behind a credential; none if the provider has no such list. The first call of a connection
    /// may be this one: settings that accounts fill need no value yet.
    pub async fn discover(&self, connection: &Connection) -> Result<Vec<Account>, Trouble> {
        let Some(discovery) = connection.manifest().discovery.get() else { return Ok(Vec::new()) };
        let connection = self.signed_in(connection).await?;
        let outgoing = connection.make(&discovery.request, connection.values())?;
        let errand = Errand::new(Purpose::Discovery, outgoing.finish()?).repeatable();
        let answer = self.exchange(&connection, errand).await?;
        let items = discovery.items.list(&answer.document).ok_or_else(|| {
            answer.unreadable(&format!("the answer has no list of accounts at `{}`", discovery.items.as_str()))
        })?;
        let account = |item| {
            let id = discovery.id.text(&item)?;
            let name = discovery.name.text(&item).filter(|name| !name.trim().is_empty());
            let set = super::token::fill(&discovery.set, &item);
            Some(Account { name: name.unwrap_or_else(|| id.clone()), id, set })
        };
        Ok(items.into_iter().filter_map(account).take(MAX_ACCOUNTS).collect())
    }

    /// Does something; the result is what the file takes out of the answer. With a `key` a repetition of the
    /// same has no second effect, where the provider has a header for it.
    pub async fn act(
        &self,
        connection: &Connection,
        action: &Action,
        input: Value,
        key: Option<&str>,
    ) -> Result<Value, Trouble> {
        fits(action, &input)?;
        let connection = self.signed_in(connection).await?;
        let mut values = connection.values().clone();
        values.set_input(input);
        let mut outgoing = connection.make(&action.request, &values)?;
        let harmless = match (&action.idempotency, key) {
            (Some(header), Some(key)) => {
                outgoing.header(header.0.as_str(), Filled { text: key.to_owned(), secret: false })?;
                true
            }
            _ => action.effect == Effect::Read,
        };
        let errand = Errand::new(Purpose::Action(action.key.as_str()), outgoing.finish()?);
        let errand = if harmless { errand.repeatable() } else { errand };
        let answer = self.exchange(&connection, errand).await?;
        let result = match &action.result {
            Some(path) => path.value(&answer.document),
            None => answer.document.to_value(),
        };
        result.map_err(|reason| answer.unreadable(&reason))
    }

    /// The connection with a token, if a client id and secret are all it takes to buy one. Who keeps tokens
    /// gives a connection that has one.
    async fn signed_in<'a>(&self, connection: &'a Connection) -> Result<std::borrow::Cow<'a, Connection>, Trouble> {
        use std::borrow::Cow;
        if connection.has_token() || !matches!(connection.auth(), Auth::ClientCredentials(_)) {
            return Ok(Cow::Borrowed(connection));
        }
        let token = self.token(connection, Grant::Credentials).await?;
        Ok(Cow::Owned(connection.clone().with_token(&token)))
    }
}

/// Whether arguments fit an action.
fn fits(action: &Action, input: &Value) -> Result<(), Trouble> {
    let mut misfits = action.input.misfits(input);
    let whole = action.request.uses_whole_input();
    let unknown = action.input.unknown(input).filter(|_| !whole).map(|name| json_schema::Misfit {
        path: name.chars().take(100).collect(),
        message: "the action has no such argument".to_owned(),
    });
    misfits.extend(unknown.take(20));
    if misfits.is_empty() { Ok(()) } else { Err(Trouble::Arguments(misfits)) }
}

const fn known_good() -> Verdict {
    Verdict {
        reach: Known::Good,
        credential: Known::Good,
        permission: Known::Unknown,
        quota: Known::Good,
        account: None,
        named: None,
        failure: None,
    }
}

impl Connection {
    /// A request of the file with the credential in it.
    pub(super) fn make(&self, of: &Request, values: &Values) -> Result<Outgoing, Unmade> {
        let mut outgoing = request::make(of, &self.site()?, self.manifest().headers.as_ref(), values)?;
        auth::inject(self.auth().inject(), values, &mut outgoing)?;
        Ok(outgoing)
    }
}
