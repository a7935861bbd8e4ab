//! What was missed: changes that records show, and no webhook told.
//!
//! A provider whose file asks for it is asked regularly, at a source that is for one integration. Each time two things
//! happen. The stream is read: that repairs. And what changed since the last time is compared with what was heard: a
//! change of a record counts as heard of if a webhook told of something that happened to it then or later. That is done
//! for changes that are a quarter of an hour old, so that a webhook which is only late is not missed.
//!
//! Compared is what the provider itself dates after the source was made: what was there before could not be heard of.
//! Records without a time of change, and providers whose webhooks do not say what they are about, cannot be compared.

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, QueryFilter, sea_query::Expr};
use serde::{Deserialize, Serialize};

use super::{WebhookSource, open};
use crate::{
    context::{Cx, NewJob, Txn, Work},
    domain::{
        job::schedule::{self, NewSchedule},
        sync::{hint, record},
    },
    entity::{
        webhook_item,
        webhook_source::{self as entity, Column},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::WebhookSourceId,
        rhythm::Rhythm,
    },
    provider::manifest::webhook::Reconcile,
};

/// How long a webhook may take before it counts as missed.
const GRACE: TimeDelta = TimeDelta::minutes(15);

/// How far the clocks of a provider may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Records that are compared in one statement.
const BATCH: usize = 500;

/// Reads and compares what came to a source.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReconcileInbox {
    /// The source.
    pub source: WebhookSourceId,
}

impl Work for ReconcileInbox {
    const KIND: &'static str = "inbox.reconcile";
}

/// What the file says about it, where there is a stream to read.
fn of(cx: &Cx, source: &WebhookSource) -> Option<(String, Reconcile)> {
    let manifest = cx.hub().catalogue.get(&source.provider)?;
    let reconcile = manifest.webhook.get()?.reconcile.get()?;
    Some((reconcile.stream.as_ref()?.0.clone(), reconcile.clone()))
}

/// Sets the schedule of a source as it should be.
pub(super) async fn fit(txn: &Txn, source: &WebhookSource) -> Result<()> {
    let wanted = of(txn.cx(), source).filter(|_| source.enabled && source.integration_id.is_some());
    let Some((_, reconcile)) = wanted else { return end(txn, source.id).await };
    let seconds = u32::try_from(reconcile.every.as_secs()).unwrap_or(u32::MAX).max(60);
    let rhythm = Rhythm::Every { seconds, jitter: seconds / 10 };
    let work = NewJob::of(&ReconcileInbox { source: source.id })?;
    schedule::set(txn, &NewSchedule { key: source.id.to_string(), rhythm, work, first: None }).await
}

/// Ends the schedule of a source.
pub(super) async fn end(txn: &Txn, id: WebhookSourceId) -> Result<()> {
    schedule::end(txn, ReconcileInbox::KIND, &id.to_string()).await.map(drop)
}

/// Reads, and compares what is old enough.
pub async fn reconcile(cx: &Cx, id: WebhookSourceId) -> Result<()> {
    let source = match open::get(cx, id).await {
        Err(Error::NotFound(_)) => {
            return cx
                .write(async |txn| {
                    end(txn, id).await?;
                    txn.finish()
                })
                .await;
        }
        found => found?,
    };
    let (Some((stream, _)), Some(integration)) = (of(cx, &source), source.integration_id) else {
        return cx.write(async |txn| txn.finish()).await;
    };
    let to = cx.now() - GRACE;
    let (compared, missed) = compare(cx, &source, &stream, to).await?;
    cx.write(async |txn| {
        let update = entity::update_of(source.tenant_id, id)
            // Somebody switched it off and on meanwhile: then what was compared is over.
            .filter(Column::ComparedTo.eq(source.compared_to))
            .col_expr(Column::Compared, Expr::value(source.compared + compared))
            .col_expr(Column::Missed, Expr::value(source.missed + missed))
            .col_expr(Column::ComparedTo, Expr::value(to.max(source.compared_to)));
        update.exec(&**txn).await?;
        hint::leave(txn, integration, &stream)?;
        txn.finish()
    })
    .await
}

/// How many changes there were, and of how many nothing was heard.
async fn compare(cx: &Cx, source: &WebhookSource, stream: &str, to: Moment) -> Result<(i64, i64)> {
    let Some(integration) = source.integration_id else { return Ok((0, 0)) };
    let Some(row) = record::row_of(cx, integration, stream).await? else { return Ok((0, 0)) };
    let (mut compared, mut missed) = (0, 0);
    let changes = record::changed_between(cx, row.id, source.compared_to, to).await?;
    for chunk in changes.chunks(BATCH) {
        let ids: Vec<&str> = chunk.iter().map(|(id, _)| id.as_str()).collect();
        let heard = webhook_item::of(source.tenant_id)
            .filter(webhook_item::Column::IntegrationId.eq(integration))
            .filter(webhook_item::Column::Subject.is_in(ids));
        let heard = heard.all(cx.db()).await?;
        for (id, at) in chunk {
            compared += 1;
            let told = |item: &webhook_item::Model| item.subject.as_ref() == Some(id) && item.at + SKEW >= *at;
            missed += i64::from(!heard.iter().any(told));
        }
    }
    Ok((compared, missed))
}

/// Which share of what changed was not told by a webhook; nothing before something was compared.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "nobody has so many records")]
pub fn missed_rate(source: &WebhookSource) -> Option<f64> {
    (source.compared > 0).then(|| source.missed as f64 / source.compared as f64)
}
