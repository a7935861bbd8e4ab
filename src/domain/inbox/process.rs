//! A job sees to what came to a source.
//!
//! There is one for a source at a time, and it takes what waits in the order in which it came, many webhooks in a
//! commit. Reading them is outside of any transaction. If the commit fails, each is tried alone, so that one does not
//! stand in the way of the others.
//!
//! What does not work is tried again, later each time: the integration may be made in a minute. What never will, since
//! the bytes do not change, is given up at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use sea_orm::{EntityTrait, IntoActiveModel, sea_query::Expr};
use serde::{Deserialize, Serialize};

use super::{
    Status, WebhookEvent, WebhookItem, dead, list,
    read::{Owners, Told, normalised},
    receive::fit,
    share::{self, Others},
};
use crate::{
    context::{
        Cx, NewJob, Txn, Work,
        evidence::{Errand, Evidence},
    },
    domain::sync::hint,
    entity::{
        first::First,
        webhook_event::{self as entity, Column},
        webhook_item,
    },
    event::inbox::InboxEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result, chain},
        id::{IntegrationId, WebhookEventId, WebhookSourceId},
        retry::Retry,
    },
};

/// Webhooks of one commit.
const BATCH: u64 = 64;

/// Commits after which others have their turn.
const ROUNDS: usize = 50;

/// Items of one statement.
const ITEMS: usize = 500;

/// How often a webhook is tried.
const ATTEMPTS: i32 = 8;

/// How long it waits in between: half an hour in all.
const RETRY: Retry = Retry { first: TimeDelta::seconds(5), longest: TimeDelta::minutes(10) };

/// Sees to the webhooks of a source.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProcessInbox {
    /// The source.
    pub source: WebhookSourceId,
}

impl Work for ProcessInbox {
    const KIND: &'static str = "inbox.process";
    // What does not work is counted with each webhook.
    const ATTEMPTS: i32 = 1_000_000;
}

/// What is to be done with a webhook.
enum Plan {
    /// Kept, and what others get of it.
    Keep(WebhookEvent, Vec<Told>, Vec<WebhookEvent>),
    Later(WebhookEvent, String),
    GiveUp(WebhookEvent, String),
}

impl Plan {
    const fn row(&self) -> &WebhookEvent {
        match self {
            Self::Keep(row, ..) | Self::Later(row, _) | Self::GiveUp(row, _) => row,
        }
    }
}

/// Sees to what waits at a source of the caller's tenant. Says whether it came to an end.
pub async fn process(cx: &Cx, id: WebhookSourceId, stopping: impl Fn() -> bool) -> Result<bool> {
    let Some(source) = list::serving(cx, &[id]).await?.pop() else {
        return cx.write(async |txn| txn.finish()).await.map(|()| true);
    };
    // Not the source's: what came to an address for all is processed where it was handed on to.
    let tenant = cx.tenant()?;
    let owners = Owners::of(cx, &source).await?;
    for _ in 0..ROUNDS {
        let rows = entity::due(tenant, id, cx.now(), BATCH).all(cx.db()).await?;
        if rows.is_empty() {
            break;
        }
        if stopping() {
            return Ok(false);
        }
        let others = match &owners {
            Some(owners) if source.hub_wide && source.tenant_id == tenant => Some(Others::of(cx, owners, &rows).await?),
            _ => None,
        };
        let plans = rows.into_iter().map(|row| plan(cx, owners.as_ref(), others.as_ref(), row)).collect();
        settle(cx, others.as_ref(), plans).await?;
    }
    cx.write(async |txn| {
        if let Some(next) = entity::next(tenant, id).first(&**txn).await? {
            let wait = next.due_at.map_or(TimeDelta::zero(), |due| (due - txn.now()).max(TimeDelta::zero()));
            let again = NewJob::of(&ProcessInbox { source: id })?.unique(id.to_string()).after(wait);
            txn.enqueue(again)?;
        }
        txn.finish()
    })
    .await?;
    Ok(true)
}

fn plan(cx: &Cx, owners: Option<&Owners>, others: Option<&Others>, row: WebhookEvent) -> Plan {
    let Some(owners) = owners else {
        let reason = format!("the hub knows no provider {:?} any more", row.provider);
        return Plan::Later(row, reason);
    };
    let parts = match others.map(|others| others.parts(cx, owners, &row)).transpose() {
        Err(reason) => return Plan::GiveUp(row, reason),
        Ok(parts) => parts.unwrap_or_default(),
    };
    match owners.read(&row) {
        Err(unread) => Plan::GiveUp(row, unread.to_string()),
        // What is of others is theirs to read.
        Ok((mut told, _)) if !parts.is_empty() => {
            told.retain(|told| told.integration.is_some());
            Plan::Keep(row, told, parts)
        }
        Ok((told, Some(reason))) if told.iter().all(|told| told.integration.is_none()) => Plan::Later(row, reason),
        Ok((told, _)) => Plan::Keep(row, told, parts),
    }
}

/// Does what is to be done with some webhooks, together or one by one.
async fn settle(cx: &Cx, others: Option<&Others>, plans: Vec<Plan>) -> Result<()> {
    match commit(cx, others, &plans).await {
        Ok(()) => {}
        // The database is away, or the job is somebody else's now.
        Err(error @ Error::Unavailable(..)) => return Err(error),
        Err(error) => {
            tracing::warn!(error = chain(&error), "webhooks are processed one by one");
            for plan in &plans {
                match commit(cx, others, std::slice::from_ref(plan)).await {
                    Ok(()) => {}
                    Err(error @ Error::Unavailable(..)) => return Err(error),
                    Err(error) => {
                        let failed = Plan::Later(plan.row().clone(), error.to_string());
                        commit(cx, None, std::slice::from_ref(&failed)).await?;
                    }
                }
            }
        }
    }
    witness(cx, &plans)
}

async fn commit(cx: &Cx, others: Option<&Others>, plans: &[Plan]) -> Result<()> {
    cx.write(async |txn| {
        let kept: Vec<_> = plans
            .iter()
            .filter_map(|plan| match plan {
                Plan::Keep(row, told, _) => Some((row, told)),
                _ => None,
            })
            .collect();
        keep(txn, &kept).await?;
        let parts = |plan: &Plan| if let Plan::Keep(_, _, parts) = plan { parts.clone() } else { Vec::new() };
        let parts: Vec<_> = plans.iter().flat_map(parts).collect();
        if let Some(source) = parts.first().map(|part| part.source_id) {
            share::hand_on(txn, others, source, parts).await?;
        }
        for plan in plans {
            match plan {
                Plan::Keep(..) => {}
                Plan::Later(row, reason) if row.attempts + 1 < ATTEMPTS => later(txn, row, reason).await?,
                Plan::Later(row, reason) | Plan::GiveUp(row, reason) => give_up(txn, row, reason).await?,
            }
        }
        Ok(())
    })
    .await
}

/// Writes what webhooks say, tells of it, and leaves hints.
async fn keep(txn: &Txn, kept: &[(&WebhookEvent, &Vec<Told>)]) -> Result<()> {
    let Some((first, _)) = kept.first() else { return Ok(()) };
    let tenant = first.tenant_id;
    let ids: Vec<_> = kept.iter().map(|(row, _)| row.id).collect();
    let again: Vec<_> = kept.iter().filter(|(row, _)| row.replays > 0).map(|(row, _)| row.id).collect();
    if !again.is_empty() {
        webhook_item::forget(tenant, &again).exec(&**txn).await?;
    }
    let mut items = Vec::new();
    for (row, told) in kept {
        for (number, told) in told.iter().enumerate() {
            items.push(item(row, number, told)?);
        }
    }
    for chunk in items.chunks(ITEMS) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        let insert = webhook_item::Entity::insert_many(rows).on_conflict(webhook_item::known());
        insert.exec_without_returning(&**txn).await?;
    }
    // What was told before by another webhook has had its effect.
    let own: Vec<(WebhookEventId, i32)> = webhook_item::first_told(tenant, &ids).into_tuple().all(&**txn).await?;
    let own: BTreeSet<_> = own.into_iter().collect();
    let mut hints = BTreeSet::new();
    for (row, told) in kept {
        for (number, told) in told.iter().enumerate() {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            if own.contains(&(row.id, number)) {
                txn.emit(&fact(row, number, told))?;
                hints.extend(told.integration.into_iter().flat_map(|id| told.streams.iter().map(move |key| (id, key))));
            }
        }
    }
    for (integration, stream) in hints {
        hint::leave(txn, integration, stream)?;
    }
    let mut by_owner: BTreeMap<Option<IntegrationId>, Vec<WebhookEventId>> = BTreeMap::new();
    for (row, told) in kept {
        by_owner.entry(common(told).or(row.integration_id)).or_default().push(row.id);
    }
    for (integration, ids) in by_owner {
        entity::processed(tenant, ids, integration, txn.now()).exec(&**txn).await?;
    }
    if !again.is_empty() {
        dead::resolve(txn, tenant, first.source_id).await?;
    }
    Ok(())
}

/// The integration of which all of it is.
fn common(told: &[Told]) -> Option<IntegrationId> {
    let first = told.first()?.integration?;
    told.iter().all(|told| told.integration == Some(first)).then_some(first)
}

fn item(row: &WebhookEvent, number: usize, told: &Told) -> Result<WebhookItem> {
    Ok(WebhookItem {
        webhook_id: row.id,
        number: i32::try_from(number).unwrap_or(i32::MAX),
        tenant_id: row.tenant_id,
        source_id: row.source_id,
        integration_id: told.integration,
        event_key: fit(&told.event.id),
        kind: fit(&told.event.kind),
        happening: told.event.is.map(|is| is.as_str().to_owned()),
        subject: told.event.subject.as_deref().map(fit),
        at: told.event.at.unwrap_or(row.arrived_at),
        normalised: normalised(&told.event)?,
    })
}

fn fact(row: &WebhookEvent, number: i32, told: &Told) -> InboxEvent {
    InboxEvent::Received {
        source: row.source_id,
        webhook: row.id,
        number,
        provider: row.provider.clone(),
        integration: told.integration,
        event: fit(&told.event.id),
        said: fit(&told.event.kind),
        is: told.event.is.map(|is| is.as_str().to_owned()),
        about: told.event.subject.as_deref().map(fit),
        happened_at: told.event.at.unwrap_or(row.arrived_at),
        replay: row.replays,
    }
}

async fn later(txn: &Txn, row: &WebhookEvent, reason: &str) -> Result<()> {
    let attempts = row.attempts + 1;
    let due: Moment = txn.now() + RETRY.wait(attempts, &*txn.cx().hub().chance);
    let update = entity::update_of(row.tenant_id, [row.id])
        .col_expr(Column::Attempts, Expr::value(attempts))
        .col_expr(Column::DueAt, Expr::value(due))
        .col_expr(Column::Reason, Expr::value(reason));
    update.exec(&**txn).await?;
    Ok(())
}

async fn give_up(txn: &Txn, row: &WebhookEvent, reason: &str) -> Result<()> {
    let update = entity::update_of(row.tenant_id, [row.id])
        .col_expr(Column::Status, Expr::value(Status::Dead))
        .col_expr(Column::Attempts, Expr::value(row.attempts + 1))
        .col_expr(Column::DueAt, Expr::value(None::<Moment>))
        .col_expr(Column::Reason, Expr::value(reason))
        .col_expr(Column::SettledAt, Expr::value(txn.now()));
    update.exec(&**txn).await?;
    dead::raise(txn, row, reason).await?;
    let reason = reason.to_owned();
    txn.emit(&InboxEvent::DeadLettered { source: row.source_id, webhook: row.id, reason })
}

/// That a provider sends is evidence that it is there.
fn witness(cx: &Cx, plans: &[Plan]) -> Result<()> {
    let tenant = cx.tenant()?;
    let mut seen: BTreeMap<IntegrationId, Moment> = BTreeMap::new();
    for plan in plans {
        if let Plan::Keep(row, told, _) = plan {
            seen.extend(told.iter().filter_map(|told| Some((told.integration?, row.arrived_at))));
        }
    }
    for (integration, at) in seen {
        cx.hub().evidence.push(Evidence {
            tenant,
            integration,
            errand: Errand::Webhook,
            at,
            took: Duration::ZERO,
            class: None,
            message: None,
            trace: String::new(),
        });
    }
    Ok(())
}
