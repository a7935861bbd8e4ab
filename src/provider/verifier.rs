//! Checking webhooks whose certificate has to be fetched first.
//!
//! The checks themselves do no I/O ([`webhook`](super::webhook)); one of them may answer that it needs a certificate
//! from an address that the sender wrote. Nobody is obliged by that: the check has already seen that host and
//! path are the provider's, the client looks at where the name leads, and what anybody can make us do is bounded.
//! A certificate that proved a webhook is kept for a day; one that did not, or that was not there, is not asked for
//! again for a minute. Few are fetched at once, and so many in a minute; senders whose certificate is
//! kept notice nothing of that.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use tokio::sync::Semaphore;
use url::Url;

use super::{
    client::{Call, Client},
    manifest::webhook::Verify,
    simulator,
    template::Values,
    webhook::{self, Received, Refusal, certificate::Fetched},
};
use crate::kernel::clock::{Clock, Moment};

/// Largest certificate chain.
const MOST: usize = 64 * 1024;

/// How long fetching one may take.
const WITHIN: Duration = Duration::from_secs(10);

/// How long a good one is kept, and for how long a bad one is not asked for again.
const GOOD: TimeDelta = TimeDelta::days(1);
const BAD: TimeDelta = TimeDelta::minutes(1);

/// How many are kept of each kind.
const KEPT: usize = 64;

/// How many are fetched at once, and in a minute.
const AT_ONCE: usize = 4;
const A_MINUTE: usize = 30;

/// Why a webhook is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is not as it should be. Sending it again changes nothing.
    #[error(transparent)]
    Refused(Refusal),
    /// Its certificate is not to be had at present. The sender should come again.
    #[error("its certificate cannot be fetched at present: {0}")]
    NotNow(String),
}

/// A provider that is played by the simulator: its key, and where that is.
#[derive(Clone, Copy, Debug)]
pub struct Played<'a> {
    /// The key of the provider.
    pub provider: &'a str,
    /// The simulator.
    pub at: &'a Url,
}

/// Checks webhooks.
pub struct Verifier {
    client: Client,
    clock: Arc<dyn Clock>,
    places: Semaphore,
    kept: Mutex<Kept>,
}

/// What is known of addresses.
#[derive(Default)]
struct Kept {
    good: BTreeMap<Url, (Bytes, Moment)>,
    bad: BTreeMap<Url, (String, Moment)>,
    fetched: VecDeque<Moment>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// One that knows no certificate yet.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, places: Semaphore::new(AT_ONCE), kept: Mutex::default() }
    }

    /// Whether the provider sent it. `keys` are the values with the secrets, the present ones first.
    pub async fn verify(
        &self,
        scheme: &Verify,
        received: Received<'_>,
        keys: &[&Values],
        played: Option<Played<'_>>,
    ) -> Result<(), Unproven> {
        let at = match webhook::verify(scheme, received, keys, None, self.clock.now()) {
            Err(Refusal::Fetch(at)) => at,
            outcome => return outcome.map_err(Unproven::Refused),
        };
        let check = |pem: &[u8]| {
            let fetched = Fetched { from: &at, pem };
            webhook::verify(scheme, received, keys, Some(fetched), self.clock.now()).map_err(Unproven::Refused)
        };
        if let Some(known) = self.known(&at) {
            return check(&known?);
        }
        let _place = self.places.acquire().await.map_err(|closed| Unproven::NotNow(closed.to_string()))?;
        // Somebody may have fetched it while this one waited.
        if let Some(known) = self.known(&at) {
            return check(&known?);
        }
        let pem = self.fetch(&at, played).await?;
        let outcome = check(&pem);
        let now = self.clock.now();
        self.keep(|kept| match &outcome {
            Ok(()) => insert(&mut kept.good, at.clone(), pem.clone(), now + GOOD),
            Err(reason) => insert(&mut kept.bad, at.clone(), reason.to_string(), now + BAD),
        });
        outcome
    }

    /// What is known of an address: a certificate, or that there is no sense in asking.
    fn known(&self, at: &Url) -> Option<Result<Bytes, Unproven>> {
        let now = self.clock.now();
        self.keep(|kept| {
            kept.good.retain(|_, (_, until)| *until > now);
            kept.bad.retain(|_, (_, until)| *until > now);
            let good = kept.good.get(at).map(|(pem, _)| Ok(pem.clone()));
            good.or_else(|| kept.bad.get(at).map(|(reason, _)| Err(Unproven::NotNow(reason.clone()))))
        })
    }

    async fn fetch(&self, at: &Url, played: Option<Played<'_>>) -> Result<Bytes, Unproven> {
        let now = self.clock.now();
        let may = self.keep(|kept| {
            while kept.fetched.front().is_some_and(|time| *time + TimeDelta::minutes(1) <= now) {
                kept.fetched.pop_front();
            }
            let may = kept.fetched.len() < A_MINUTE;
            if may {
                kept.fetched.push_back(now);
            }
            may
        });
        if !may {
            return Err(Unproven::NotNow("too many were asked for".to_owned()));
        }
        let real = played.and_then(|played| simulator::reroute(played.at, played.provider, at));
        let url = real.as_ref().unwrap_or(at).as_str();
        let call = Call { within: WITHIN, most: MOST, ..Call::get("certificate", url) };
        let reason = match self.client.send(call).await {
            Ok(reply) if reply.status.as_u16() == 200 => return Ok(reply.body),
            Ok(reply) => format!("the answer was {}", reply.status.as_u16()),
            Err(error) => error.to_string(),
        };
        self.keep(|kept| insert(&mut kept.bad, at.clone(), reason.clone(), self.clock.now() + BAD));
        Err(Unproven::NotNow(reason))
    }

    fn keep<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps something; of too many, what ends first goes.
fn insert<T>(kept: &mut BTreeMap<Url, (T, Moment)>, at: Url, it: T, until: Moment) {
    kept.insert(at, (it, until));
    if kept.len() > KEPT
        && let Some(first) = kept.iter().min_by_key(|(_, (_, until))| *until).map(|(at, _)| at.clone())
    {
        kept.remove(&first);
    }
}

#[cfg(test)]
mod tests;
