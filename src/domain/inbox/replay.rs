//! Processing webhooks again: one, some, or all that came in a while.
//!
//! What came is read anew, by the file as it is now, and has its effect once more: events that say which replay they
//! are of, and hints. A dry run says what that would be and what would differ from the last time, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use serde_json::json;

use super::{
    Status, WebhookEvent, WebhookSource,
    list::{self, WebhookFilter, filtered},
    process::ProcessInbox,
    read::{Owners, normalised},
};
use crate::{
    context::{Audit, Cx, NewJob},
    entity::webhook_event::{self as entity, Column},
    event::inbox::InboxEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{WebhookEventId, WebhookSourceId},
    },
};

/// Most webhooks of one call.
pub const MOST: u64 = 1_000;

/// Most of a dry run, which reads them all.
pub const MOST_DRY: u64 = 100;

/// Which webhooks.
#[derive(Clone, Debug)]
pub enum Which {
    /// These.
    Ids(Vec<WebhookEventId>),
    /// The first that fit, from the oldest on.
    Fitting(WebhookFilter),
}

/// What processing a webhook again would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The webhook.
    pub webhook: WebhookEvent,
    /// Why it would not work.
    pub problem: Option<String>,
    /// What it would say, in our words; the provider's where we have none.
    pub says: Vec<String>,
    /// Streams that would be read.
    pub streams: Vec<String>,
    /// Whether it would say something else than what is kept.
    pub differs: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// How many webhooks are processed again, or would be.
    pub count: u64,
    /// Whether there are more that fit: ask again with what came after the last one.
    pub more: bool,
    /// When the last of them came.
    pub last_at: Option<Moment>,
    /// What would happen, if that alone was asked.
    pub previews: Vec<Preview>,
}

/// Has webhooks processed again, or says what that would do.
pub async fn replay(cx: &Cx, which: &Which, dry: bool) -> Result<Replayed> {
    let most = if dry { MOST_DRY } else { MOST };
    let mut rows = chosen(cx, which, most).await?;
    let more = rows.len() as u64 > most;
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let last_at = rows.last().map(|row| row.arrived_at);
    let count = rows.len() as u64;
    let previews = if dry { preview(cx, rows).await? } else { again(cx, rows).await.map(|()| Vec::new())? };
    Ok(Replayed { count, more, last_at, previews })
}

async fn chosen(cx: &Cx, which: &Which, most: u64) -> Result<Vec<WebhookEvent>> {
    let select = match which {
        Which::Ids(ids) => {
            if ids.len() as u64 > most {
                return Err(Error::invalid(
                    "ids",
                    format!("at most {most} are taken at once; these are {}", ids.len()),
                ));
            }
            entity::of(cx.tenant()?).filter(Column::Id.is_in(ids.iter().copied()))
        }
        Which::Fitting(filter) => {
            list::check(cx, filter).await?;
            filtered(cx, filter)?
        }
    };
    let rows = select.order_by_asc(Column::Id).limit(most + 1).all(cx.db()).await?;
    let missing = |ids: &[WebhookEventId]| ids.iter().any(|id| rows.iter().all(|row| row.id != *id));
    match which {
        Which::Ids(ids) if missing(ids) => Err(Error::NotFound("webhook event")),
        _ => Ok(rows),
    }
}

async fn again(cx: &Cx, rows: Vec<WebhookEvent>) -> Result<()> {
    let sources: BTreeSet<WebhookSourceId> = rows.iter().map(|row| row.source_id).collect();
    let there = list::serving(cx, &sources.iter().copied().collect::<Vec<_>>()).await?;
    if there.len() < sources.len() {
        return Err(Error::conflict(
            "input",
            "the source of some of them is gone; without it nothing says how to read them",
        ));
    }
    let mut by_source: BTreeMap<WebhookSourceId, Vec<WebhookEventId>> = BTreeMap::new();
    for row in &rows {
        by_source.entry(row.source_id).or_default().push(row.id);
    }
    cx.write(async |txn| {
        for (source, ids) in &by_source {
            let update = entity::update_of(cx.tenant()?, ids.iter().copied())
                // One that waits is processed anyway.
                .filter(Column::Status.ne(Status::Received))
                .col_expr(Column::Status, Expr::value(Status::Received))
                .col_expr(Column::DueAt, Expr::value(txn.now()))
                .col_expr(Column::Attempts, Expr::value(0))
                .col_expr(Column::Reason, Expr::value(None::<String>))
                .col_expr(Column::SettledAt, Expr::value(None::<Moment>))
                .col_expr(Column::Replays, Expr::cust("replays + 1"));
            let webhooks = update.exec(&**txn).await?.rows_affected;
            txn.enqueue(NewJob::of(&ProcessInbox { source: *source })?.unique(source.to_string()))?;
            let fact = InboxEvent::Replayed { source: *source, webhooks };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).after(json!({ "webhooks": webhooks })))?;
        }
        Ok(())
    })
    .await
}

async fn preview(cx: &Cx, rows: Vec<WebhookEvent>) -> Result<Vec<Preview>> {
    let sources: BTreeSet<WebhookSourceId> = rows.iter().map(|row| row.source_id).collect();
    let sources = list::serving(cx, &sources.into_iter().collect::<Vec<_>>()).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let kept = list::items(cx, &ids).await?;
    let mut owners = BTreeMap::new();
    for source in &sources {
        owners.insert(source.id, Owners::of(cx, source).await?);
    }
    rows.into_iter()
        .map(|row| {
            let before: Vec<_> =
                kept.iter().filter(|item| item.webhook_id == row.id).map(|item| item.normalised.clone()).collect();
            one(row, &before, &sources, &owners)
        })
        .collect()
}

fn one(
    row: WebhookEvent,
    before: &[String],
    sources: &[WebhookSource],
    owners: &BTreeMap<WebhookSourceId, Option<Owners>>,
) -> Result<Preview> {
    let refused = |webhook: WebhookEvent, problem: &str| Preview {
        differs: webhook.status == Status::Processed,
        webhook,
        problem: Some(problem.to_owned()),
        says: Vec::new(),
        streams: Vec::new(),
    };
    if sources.iter().all(|source| source.id != row.source_id) {
        return Ok(refused(row, "its source is gone"));
    }
    let Some(Some(owners)) = owners.get(&row.source_id) else {
        return Ok(refused(row, "the hub knows its provider no more"));
    };
    let (told, reason) = match owners.read(&row) {
        Ok(read) => read,
        Err(unread) => return Ok(refused(row, &unread.to_string())),
    };
    let after: Vec<String> = told.iter().map(|told| normalised(&told.event)).collect::<Result<_>>()?;
    let says =
        told.iter().map(|told| told.event.is.map_or_else(|| told.event.kind.clone(), |is| is.as_str().to_owned()));
    let streams: BTreeSet<String> = told.iter().flat_map(|told| told.streams.iter().cloned()).collect();
    Ok(Preview {
        says: says.collect(),
        streams: streams.into_iter().collect(),
        differs: after != before,
        problem: reason.filter(|_| told.iter().all(|told| told.integration.is_none())),
        webhook: row,
    })
}
