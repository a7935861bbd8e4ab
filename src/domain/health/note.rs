//! Writing what was seen: many integrations in one commit as long as their verdicts stay, and a commit for each
//! tenant where they change.
//!
//! Judging happens on rows that are held, so that two nodes which saw the same integration judge one after the
//! other. The few whose verdict turns are left as they were by the common commit, and judged again in one of
//! their tenant, where the event and the alert belong.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{EntityTrait, IntoActiveModel, sea_query::Expr};

use super::{
    Health, HealthChange, HealthCheck, Source, Verdict,
    judge::{self, Observation, Rules, Turn},
    probe::Seen,
};
use crate::{
    context::{Cx, Hub, Txn},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        integration::{self, Status},
        keyring::HUB,
    },
    entity::{
        health as entity, health_change, health_check,
        integration::{self as integrations, Column},
    },
    event::health::{Changed, HealthEvent},
    kernel::{
        error::Result,
        id::{IntegrationId, TenantId},
    },
};

/// Longest message that is kept, in characters.
const MESSAGE: usize = 500;

/// What came of the observations of one integration.
struct Judged {
    health: Health,
    checks: Vec<HealthCheck>,
    /// Each change with what was seen, and the state right after it.
    turns: Vec<(Turn, Observation, Health)>,
    /// Whether there is anything to write.
    touched: bool,
}

/// Writes what was seen.
pub async fn note(hub: &Arc<Hub>, seen: Vec<Seen>) -> Result<()> {
    let mut by_integration: BTreeMap<IntegrationId, Vec<Observation>> = BTreeMap::new();
    for each in seen {
        by_integration.entry(each.integration).or_default().push(each.observation);
    }
    for observations in by_integration.values_mut() {
        observations.sort_by_key(|seen| seen.at);
    }
    if by_integration.is_empty() {
        return Ok(());
    }
    let cx = Cx::system(Arc::clone(hub), "health", HUB);
    let turning = cx
        .write(async |txn| {
            let (mut rows, mut checks, mut turning) = (Vec::new(), Vec::new(), BTreeMap::<_, Vec<_>>::new());
            for judged in judge_all(txn, &by_integration).await? {
                if !judged.turns.is_empty() {
                    turning.entry(judged.health.tenant_id).or_default().push(judged.health.integration_id);
                } else if judged.touched {
                    rows.push(judged.health);
                    checks.extend(judged.checks);
                }
            }
            write(txn, rows, checks).await?;
            Ok(turning)
        })
        .await?;
    for (tenant, ids) in turning {
        turn(hub, tenant, &by_integration, &ids).await?;
    }
    Ok(())
}

/// The rows of these integrations, held, as they are after what was seen.
async fn judge_all(txn: &Txn, seen: &BTreeMap<IntegrationId, Vec<Observation>>) -> Result<Vec<Judged>> {
    entity::owners(seen.keys().copied()).into_tuple::<uuid::Uuid>().all(&**txn).await?;
    let rows = entity::held(seen.keys().copied()).all(&**txn).await?;
    // Of what was disabled meanwhile nothing is known any more.
    let watched = rows.into_iter().filter(|row| row.watched);
    Ok(watched
        .filter_map(|row| {
            let observations = seen.get(&row.integration_id)?;
            Some(judge_one(txn.cx().hub(), row, observations))
        })
        .collect())
}

fn judge_one(hub: &Hub, mut health: Health, observations: &[Observation]) -> Judged {
    let of = &hub.health;
    let rules = Rules { down_after: of.down_after, healthy_after: of.healthy_after, window: of.window };
    let (mut checks, mut turns, mut touched) = (Vec::new(), Vec::new(), false);
    for seen in observations {
        let calm = health.verdict == Verdict::Healthy && health.troubles == 0;
        let traffic = matches!(seen.source, Source::Call | Source::Sync | Source::Webhook);
        let before = health.clone();
        let (good, turn) = judge::judge(&mut health, seen, &rules);
        if calm && good && traffic {
            // That what works works is news to nobody, and there may be a thousand such calls a second.
            health = before;
            continue;
        }
        touched = true;
        // Who was refused for good was not asked again.
        if !seen.for_good || turn.is_some() {
            checks.push(check(hub, &health, seen, good));
        }
        if let Some(turn) = turn {
            turns.push((turn, seen.clone(), health.clone()));
        }
    }
    Judged { health, checks, turns, touched }
}

fn check(hub: &Hub, health: &Health, seen: &Observation, good: bool) -> HealthCheck {
    // What was not failure enough to have words, but slow or stale, has those of the verdict.
    let message = seen.message.clone().or_else(|| health.reason.clone().filter(|_| !good));
    HealthCheck {
        id: hub.chance.id(seen.at),
        tenant_id: health.tenant_id,
        integration_id: health.integration_id,
        at: seen.at,
        source: seen.source,
        good,
        class: seen.class.map(|class| class.as_str().to_owned()),
        message: message.map(|message| message.chars().take(MESSAGE).collect()),
        latency: seen.latency,
        trace: seen.trace.clone(),
    }
}

pub(super) async fn write(txn: &Txn, rows: Vec<Health>, checks: Vec<HealthCheck>) -> Result<()> {
    if !rows.is_empty() {
        let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
        entity::Entity::insert_many(rows).on_conflict(entity::rewritten()).exec_without_returning(&**txn).await?;
    }
    if !checks.is_empty() {
        let checks = checks.into_iter().map(IntoActiveModel::into_active_model);
        health_check::Entity::insert_many(checks).exec_without_returning(&**txn).await?;
    }
    Ok(())
}

/// Judges those of a tenant whose verdict turns, and writes that with all that follows.
async fn turn(
    hub: &Arc<Hub>,
    tenant: TenantId,
    seen: &BTreeMap<IntegrationId, Vec<Observation>>,
    ids: &[IntegrationId],
) -> Result<()> {
    let seen: BTreeMap<_, _> = ids.iter().filter_map(|id| Some((*id, seen.get(id)?.clone()))).collect();
    let cx = Cx::system(Arc::clone(hub), "health", tenant);
    cx.write(async |txn| {
        let (mut rows, mut checks) = (Vec::new(), Vec::new());
        for judged in judge_all(txn, &seen).await? {
            for (turn, seen, then) in &judged.turns {
                changed(txn, turn, then, Some(seen)).await?;
            }
            rows.push(judged.health);
            checks.extend(judged.checks);
        }
        write(txn, rows, checks).await
    })
    .await
}

/// Writes a change of the verdict: for uptime, for the log, for whoever looks at the integration.
pub(super) async fn changed(txn: &Txn, turn: &Turn, health: &Health, seen: Option<&Observation>) -> Result<()> {
    let (tenant, id) = (health.tenant_id, health.integration_id);
    let row = HealthChange {
        id: txn.cx().hub().chance.id(health.since),
        tenant_id: tenant,
        integration_id: id,
        at: health.since,
        before: turn.from,
        after: turn.to,
        axis: health.axis,
        reason: health.reason.clone(),
        class: health.class.clone(),
        latency: seen.and_then(|seen| seen.latency),
        source: seen.map(|seen| seen.source),
        trace: seen.and_then(|seen| seen.trace.clone()),
    };
    let fact = HealthEvent::Changed(Changed {
        integration: id,
        from: turn.from.name().to_owned(),
        to: turn.to.name().to_owned(),
        axis: row.axis.map(|axis| axis.name().to_owned()),
        reason: row.reason.clone(),
        class: row.class.clone(),
        latency_ms: row.latency.map(|micros| micros / 1_000),
        source: row.source.map(|source| source.name().to_owned()),
        trace_id: row.trace.clone(),
    });
    health_change::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
    txn.emit(&fact)?;
    told(txn, turn, health).await?;
    alarm(txn, turn, health, seen.is_some_and(|seen| seen.for_good)).await
}

/// Raises an alert for what is wrong now, in place of the one for what was. A credential that was refused for good has
/// one of its own, which says what to do.
async fn alarm(txn: &Txn, turn: &Turn, health: &Health, for_good: bool) -> Result<()> {
    let subject = health.integration_id.to_string();
    alert::resolve(txn, Kind::Unhealthy, &subject).await?;
    let (severity, word) = match turn.to {
        Verdict::Degraded => (Severity::Warning, "does not work as it should"),
        Verdict::Down if !for_good => (Severity::Critical, "does not work"),
        _ => return Ok(()),
    };
    let name = integration::held(txn, health.integration_id).await?.name;
    let reason = health.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    alert::raise(txn, NewAlert { kind: Kind::Unhealthy, severity, subject, text: format!("{name} {word}{reason}") })
        .await
}

/// What the integration says of its last error and success.
async fn told(txn: &Txn, turn: &Turn, health: &Health) -> Result<()> {
    let update = integrations::update_of(health.tenant_id, health.integration_id);
    match turn.to {
        Verdict::Unknown => return Ok(()),
        Verdict::Healthy => {
            let update = update
                .col_expr(Column::LastSuccessAt, Expr::value(health.since))
                .col_expr(Column::ErrorClass, Expr::value(None::<String>))
                .col_expr(Column::ErrorMessage, Expr::value(None::<String>));
            update.exec(&**txn).await?;
            let found = integration::held(txn, health.integration_id).await?;
            if found.status == Status::Error {
                integration::into_status(txn, found, Status::Active, "it has recovered").await?;
            }
        }
        Verdict::Degraded | Verdict::Down => {
            let update = update
                .col_expr(Column::LastErrorAt, Expr::value(health.since))
                .col_expr(Column::ErrorClass, Expr::value(health.class.clone()))
                .col_expr(Column::ErrorMessage, Expr::value(health.reason.clone()));
            update.exec(&**txn).await?;
        }
    }
    Ok(())
}
