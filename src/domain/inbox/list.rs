//! Looking at sources and at what came.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QueryOrder, Select};

use super::{Status, WebhookEvent, WebhookItem, WebhookSource};
use crate::{
    context::Cx,
    domain::integration,
    entity::{page, webhook_event as entity, webhook_item, webhook_source},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, WebhookEventId, WebhookSourceId},
        page::{Page, PageArgs},
    },
};

/// Those of the ids that belong to the tenant.
pub async fn sources_by_ids(cx: &Cx, ids: &[WebhookSourceId]) -> Result<Vec<WebhookSource>> {
    let select = webhook_source::of(cx.tenant()?).filter(webhook_source::Column::Id.is_in(ids.iter().copied()));
    Ok(select.all(cx.db()).await?)
}

/// Those of the ids by which the tenant's webhooks are read: its own, and those that serve every tenant.
pub(super) async fn serving(cx: &Cx, ids: &[WebhookSourceId]) -> Result<Vec<WebhookSource>> {
    let select = webhook_source::serving(cx.tenant()?).filter(webhook_source::Column::Id.is_in(ids.iter().copied()));
    Ok(select.all(cx.db()).await?)
}

fn sources_of(cx: &Cx, integration: Option<IntegrationId>) -> Result<Select<webhook_source::Entity>> {
    let select = webhook_source::of(cx.tenant()?);
    Ok(match integration {
        Some(id) => select.filter(webhook_source::Column::IntegrationId.eq(id)),
        None => select,
    })
}

/// One page of the tenant's sources, oldest first.
pub async fn sources(cx: &Cx, integration: Option<IntegrationId>, args: &PageArgs) -> Result<Page<WebhookSource>> {
    let (select, column) = (sources_of(cx, integration)?, webhook_source::Column::Id);
    page::by_key(cx.db(), "webhook sources", select, column, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count_sources(cx: &Cx, integration: Option<IntegrationId>) -> Result<u64> {
    Ok(sources_of(cx, integration)?.count(cx.db()).await?)
}

/// Which webhooks; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct WebhookFilter {
    /// Those that came to this source.
    pub source: Option<WebhookSourceId>,
    /// Those of this integration.
    pub integration: Option<IntegrationId>,
    /// In one of these states.
    pub statuses: Option<Vec<Status>>,
    /// Those that came at that moment or later.
    pub from: Option<Moment>,
    /// Those that came before that moment.
    pub to: Option<Moment>,
}

/// Whether what a filter names is the tenant's.
pub async fn check(cx: &Cx, filter: &WebhookFilter) -> Result<()> {
    if let Some(id) = filter.source {
        serving(cx, &[id]).await?.pop().ok_or(Error::NotFound("webhook source"))?;
    }
    if let Some(id) = filter.integration {
        integration::get(cx, id).await?;
    }
    Ok(())
}

pub(super) fn filtered(cx: &Cx, filter: &WebhookFilter) -> Result<Select<entity::Entity>> {
    let mut select = entity::of(cx.tenant()?);
    if let Some(source) = filter.source {
        select = select.filter(entity::Column::SourceId.eq(source));
    }
    if let Some(integration) = filter.integration {
        select = select.filter(entity::Column::IntegrationId.eq(integration));
    }
    if let Some(statuses) = &filter.statuses {
        select = select.filter(entity::Column::Status.is_in(statuses.iter().copied()));
    }
    // Ids sort by the time of arrival, and have the index.
    if let Some(from) = filter.from {
        select = select.filter(entity::Column::Id.gte(WebhookEventId::first_of(from)));
    }
    if let Some(to) = filter.to {
        select = select.filter(entity::Column::Id.lt(WebhookEventId::first_of(to)));
    }
    Ok(select)
}

/// One page of the tenant's webhooks, newest first.
pub async fn list(cx: &Cx, filter: &WebhookFilter, args: &PageArgs) -> Result<Page<WebhookEvent>> {
    let (select, column) = (filtered(cx, filter)?, entity::Column::Id);
    page::by_order(cx.db(), "webhook events", select, column, true, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &WebhookFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[WebhookEventId]) -> Result<Vec<WebhookEvent>> {
    let select = entity::of(cx.tenant()?).filter(entity::Column::Id.is_in(ids.iter().copied()));
    Ok(select.all(cx.db()).await?)
}

/// What these webhooks of the tenant say, in order.
pub async fn items(cx: &Cx, ids: &[WebhookEventId]) -> Result<Vec<WebhookItem>> {
    let select = webhook_item::of_webhooks(cx.tenant()?, ids);
    let select = select.order_by_asc(webhook_item::Column::WebhookId).order_by_asc(webhook_item::Column::Number);
    Ok(select.all(cx.db()).await?)
}

/// What came to a source, of what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Those that were believed, each once.
    pub verified: i64,
    /// How often one of them came again.
    pub duplicates: i64,
    /// Those that wait to be processed.
    pub waiting: i64,
    /// Those that had their effect.
    pub processed: i64,
    /// Those that were given up.
    pub failed: i64,
    /// When the last one came that was believed.
    pub last_at: Option<Moment>,
}

/// What came to these sources of the tenant.
pub async fn statistics(cx: &Cx, ids: &[WebhookSourceId]) -> Result<HashMap<WebhookSourceId, Statistics>> {
    let mut all: HashMap<_, Statistics> = HashMap::new();
    for count in entity::counts(cx.tenant()?, ids).all(cx.db()).await? {
        let of = all.entry(count.source_id).or_default();
        of.verified += count.webhooks;
        of.duplicates += count.repeats.unwrap_or_default();
        of.last_at = of.last_at.max(count.last_at);
        match count.status {
            Status::Received => of.waiting += count.webhooks,
            Status::Processed => of.processed += count.webhooks,
            Status::Dead => of.failed += count.webhooks,
        }
    }
    Ok(all)
}

/// A body as somebody may see it who is not to see what it says: its form and the names in it, if it has some.
#[must_use]
pub fn redacted(body: &[u8]) -> Option<String> {
    let value = serde_json::from_slice(body).ok()?;
    Some(blank(value, 0).to_string())
}

/// Deeper than this nothing is shown.
const DEEPEST: usize = 32;

fn blank(value: serde_json::Value, depth: usize) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) if depth < DEEPEST => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, blank(value, depth + 1))).collect())
        }
        Value::Array(items) if depth < DEEPEST => {
            Value::Array(items.into_iter().map(|value| blank(value, depth + 1)).collect())
        }
        Value::Null => Value::Null,
        _ => Value::from("…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_redacted_shows_names_and_no_values() {
        let shown = redacted(br#"{"id":"evt_1","data":{"amount":4200,"paid":true,"lines":["tea",null]}}"#).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let expected = serde_json::json!({"id": "…", "data": {"amount": "…", "paid": "…", "lines": ["…", null]}});
        assert_eq!(shown, expected);
        assert_eq!(redacted(b"a=b&secret=c"), None);
    }
}
