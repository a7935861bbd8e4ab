//! Asking providers: what is due is taken, and each is asked the cheapest thing that proves it works.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use sea_orm::ConnectionTrait;

use super::{Health, Source, judge::Observation};
use crate::{
    context::{Cx, Hub, clock_guard::SLACK},
    domain::{
        credential::{self, AtHand, token},
        integration::{self, Integration, Status, call, test, trouble},
        keyring::HUB,
    },
    entity::{
        first::First,
        health::{self as entity, Replanned},
        integration as integrations,
    },
    kernel::{
        clock::Moment,
        error::{Error, Result, chain},
        id::{IntegrationId, TenantId},
        trace::Trace,
    },
    provider::{
        connector::{Bounds, Called, Observer},
        manifest::answer::Class,
        probe::{Known, Verdict},
    },
};

/// Something that was seen of an integration.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub integration: IntegrationId,
    /// What.
    pub observation: Observation,
}

/// An integration that is to be asked now.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which.
    pub integration: Integration,
    /// What is needed to call its provider, as far as it could be read for many at once.
    pub at_hand: Option<AtHand>,
}

/// When something is due next on the whole hub.
pub async fn next(hub: &Hub) -> Result<Option<Moment>> {
    Ok(entity::next().first(hub.database.reader()).await?.map(|row| row.next_at))
}

/// Takes at most so many that are due: whoever takes them asks, and nobody else until they are due again.
pub async fn take(hub: &Arc<Hub>, most: usize) -> Result<Vec<Due>> {
    if next(hub).await?.is_none_or(|next| next > hub.clock.now()) {
        return Ok(Vec::new());
    }
    let cx = Cx::system(Arc::clone(hub), "health", HUB);
    let taken = cx
        .write(async |txn| {
            let now = txn.now();
            let rows = entity::due(now, most as u64).all(&**txn).await?;
            let found = integrations::of_hub(rows.iter().map(|row| row.integration_id)).all(&**txn).await?;
            let providers: HashMap<_, _> = found.iter().map(|found| (found.id, found.provider.as_str())).collect();
            let again = |row: &Health| {
                let provider = providers.get(&row.integration_id).copied().unwrap_or_default();
                (row.integration_id, now + interval(hub, provider, row.every))
            };
            let next: Vec<_> = rows.iter().map(again).collect();
            if !next.is_empty() {
                txn.execute_raw(entity::set_out(txn.get_database_backend(), now, next)).await?;
            }
            Ok(found)
        })
        .await?;
    let found: Vec<_> = taken.into_iter().filter(|integration| integration.enabled).collect();
    let mut at_hand = credential::at_hand(hub, &found).await?;
    let due = found.into_iter().map(|integration| Due { at_hand: at_hand.remove(&integration.id), integration });
    Ok(due.collect())
}

/// How often integrations of a provider are probed that have no interval of their own: as the operator set it for the
/// provider, or as for all; but no more often than the provider's file says that it bears.
pub(super) fn usual(hub: &Hub, provider: &str) -> TimeDelta {
    if let Some(set) = hub.health.intervals.get(provider) {
        return *set;
    }
    let bears = hub.catalogue.get(provider).and_then(|manifest| manifest.probe.every());
    let bears = bears.and_then(|every| TimeDelta::from_std(every).ok()).unwrap_or_default();
    hub.health.interval.max(bears)
}

/// The time until the next probe: a fifth more or less, so that those who came together do not stay together.
fn interval(hub: &Hub, provider: &str, every: Option<i32>) -> TimeDelta {
    let whole = every.map_or_else(|| usual(hub, provider), |seconds| TimeDelta::seconds(seconds.into()));
    let mut byte = [0];
    hub.chance.fill(&mut byte);
    let share = 800 + i64::from(byte[0]) * 400 / 255;
    TimeDelta::milliseconds(whole.num_milliseconds() * share / 1_000)
}

/// Lets integrations be asked now whose next probe lies further ahead than their interval allows, as a clock that was
/// ahead left it. Says how many.
pub async fn recheck(hub: &Hub) -> Result<u64> {
    let (now, db) = (hub.clock.now(), hub.database.writer());
    // An interval is drawn a fifth longer or shorter.
    let latest = |interval: TimeDelta| now + SLACK + interval * 5 / 4;
    let mut by_interval: BTreeMap<TimeDelta, Vec<&str>> = BTreeMap::new();
    for manifest in hub.catalogue.iter() {
        by_interval.entry(usual(hub, manifest.key.as_str())).or_default().push(manifest.key.as_str());
    }
    by_interval.remove(&hub.health.interval);
    let others: Vec<&str> = by_interval.values().flatten().copied().collect();
    let mut changed =
        entity::replanned(latest(hub.health.interval), now, Replanned::NotOf(&others)).exec(db).await?.rows_affected;
    for (interval, providers) in by_interval {
        changed += entity::replanned(latest(interval), now, Replanned::Of(&providers)).exec(db).await?.rows_affected;
    }
    let chosen: Vec<Option<i32>> = entity::intervals().into_tuple().all(hub.database.reader()).await?;
    for seconds in chosen.into_iter().flatten() {
        let latest = latest(TimeDelta::seconds(seconds.into()));
        changed += entity::replanned(latest, now, Replanned::Every(seconds)).exec(db).await?.rows_affected;
    }
    if changed > 0 {
        tracing::warn!(integrations = changed, "health checks were planned too far ahead and are due now");
    }
    Ok(changed)
}

/// Hears of the call.
#[derive(Default)]
struct Ear(Mutex<Option<(Duration, Trace)>>);

impl Observer for Ear {
    fn called(&self, call: &Called<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((call.took, call.trace));
    }
}

/// Asks the provider of an integration how it is. Nothing if nothing was learned, because of a fault of ours or
/// because it has no credential yet.
pub async fn ask(hub: &Arc<Hub>, integration: &Integration, at_hand: Option<AtHand>, source: Source) -> Option<Seen> {
    let at = hub.clock.now();
    let seen = |observation| {
        let fresh = freshness(integration, at);
        let observation = Observation { fresh, ..observation };
        Seen { tenant: integration.tenant_id, integration: integration.id, observation }
    };
    if integration.status == Status::NeedsReauth {
        return Some(seen(refused(at, source, integration.error_message.clone())));
    }
    let cx = Cx::system(Arc::clone(hub), "health", integration.tenant_id);
    let (ear, trace, within) = (Arc::<Ear>::default(), Trace::begin(&*hub.chance), hub.health.timeout);
    let bounds = Bounds { within, ..Bounds::default() };
    let plain = hub.connector.clone().within(bounds).traced(trace);
    let connector = plain.clone().observed_by(Arc::<Ear>::clone(&ear));
    let answer = tokio::time::timeout(within, test::probed_by(&cx, connector, integration, at_hand)).await;
    let blank = Observation { trace: Some(trace.id()), ..nothing(at, source) };
    let observation = match answer {
        Err(_) => {
            let message = format!("there was no answer within {} s", within.as_secs_f64());
            let class = Some(Class::Down);
            Observation { reach: Known::Bad, class, message: Some(message), ..blank }
        }
        Ok(Ok(probed)) => {
            let heard = *ear.0.lock().unwrap_or_else(PoisonError::into_inner);
            let latency = heard.and_then(|(took, _)| i64::try_from(took.as_micros()).ok());
            let observation = answered(&cx, integration, &probed.verdict, Observation { latency, ..blank });
            let proof = test::prove(&cx, plain, integration, probed);
            match tokio::time::timeout(within, Box::pin(proof)).await {
                Ok(Ok(()) | Err(Error::NotFound(_))) | Err(_) => {}
                Ok(Err(error)) => {
                    tracing::warn!(integration = %integration.id, error = chain(&error), "account proof failed");
                }
            }
            observation
        }
        Ok(Err(Error::Refused(issues))) => {
            let message = issues.into_iter().next().map(|issue| issue.message);
            let now = integration::get(&cx, integration.id).await.ok()?;
            match now.status {
                Status::NeedsReauth => refused(at, source, message),
                // It waits for its first credential.
                Status::Pending => return None,
                _ => Observation { reach: Known::Bad, message, ..blank },
            }
        }
        Ok(Err(Error::Unavailable(token::TOKEN, why))) => {
            let message = Some(format!("{} cannot be had: {why}", token::TOKEN));
            Observation { reach: Known::Bad, class: Some(Class::Down), message, ..blank }
        }
        // It was deleted meanwhile.
        Ok(Err(Error::NotFound(_))) => return None,
        // Only a new credential helps, so that is what the status and its alert ask for.
        Ok(Err(Error::SecretUnreadable { row, .. })) => {
            const REASON: &str = "the stored credential cannot be read";
            tracing::error!(integration = %integration.id, row, "{REASON}");
            if let Err(error) = integration::ask_for_credential(&cx, integration.id, REASON).await {
                tracing::warn!(integration = %integration.id, error = chain(&error), "no new credential was asked for");
                return None;
            }
            refused(at, source, Some(REASON.to_owned()))
        }
        Ok(Err(error)) => {
            tracing::warn!(integration = %integration.id, error = chain(&error), "a probe could not be made");
            return None;
        }
    };
    Some(seen(observation))
}

/// Nothing observed yet.
pub(super) const fn nothing(at: Moment, source: Source) -> Observation {
    Observation {
        at,
        source,
        reach: Known::Unknown,
        credential: Known::Unknown,
        permission: Known::Unknown,
        quota: Known::Unknown,
        fresh: Known::Unknown,
        for_good: false,
        class: None,
        message: None,
        latency: None,
        trace: None,
    }
}

/// The provider refused the credential for good; it is not asked again.
fn refused(at: Moment, source: Source, message: Option<String>) -> Observation {
    let message = message.unwrap_or_else(|| "the provider refuses the credential".to_owned());
    Observation {
        credential: Known::Bad,
        for_good: true,
        class: Some(Class::Auth),
        message: Some(format!("{message}: connect the integration anew")),
        ..nothing(at, source)
    }
}

fn answered(cx: &Cx, integration: &Integration, verdict: &Verdict, blank: Observation) -> Observation {
    let good = verdict.is_good();
    // A failure that the file calls proof enough is none.
    let class = verdict.failure.as_ref().map(|failure| failure.class).filter(|_| !good);
    let message = call::manifest(cx, integration).filter(|_| !good).map(|it| trouble::told(&it, verdict));
    let strange = class.is_some_and(|class| matches!(class, Class::NotFound | Class::Invalid | Class::Conflict));
    Observation {
        // The cheapest call of all is not understood: this is not the interface that the file knows.
        reach: if strange { Known::Bad } else { verdict.reach },
        credential: verdict.credential,
        permission: if good && verdict.permission == Known::Bad { Known::Unknown } else { verdict.permission },
        quota: if good && verdict.quota == Known::Bad { Known::Unknown } else { verdict.quota },
        class,
        message,
        ..blank
    }
}

/// Whether what was read last is of the age that was chosen; twice that is late. Unknown where nothing was chosen.
fn freshness(integration: &Integration, now: Moment) -> Known {
    let (Some(last), true) = (integration.last_synced_at, integration.can_sync) else { return Known::Unknown };
    let span = match integration.sync_frequency.as_deref() {
        Some("every_15_minutes") => TimeDelta::minutes(15),
        Some("hourly") => TimeDelta::hours(1),
        Some("daily") => TimeDelta::days(1),
        _ => return Known::Unknown,
    };
    if now - last > span * 2 { Known::Bad } else { Known::Good }
}
