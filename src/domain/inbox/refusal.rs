//! Webhooks that were not believed: counted, and the newest kept for people to look at.
//!
//! Whoever knows an address and no secret can send as much as they like. So of each source a hundred are kept, for a
//! week, each with the beginning of its body. A flood costs one small commit for each, which the limits on connections
//! and on time bound as they bound every other request.

use std::sync::Arc;

use sea_orm::{EntityTrait, IntoActiveModel, QuerySelect, sea_query::Expr};

use super::{WebhookRefusal, WebhookSource};
use crate::{
    context::{Cx, Hub},
    entity::{
        webhook_refusal as entity,
        webhook_source::{self, Column},
    },
    kernel::{error::Result, id::WebhookSourceId},
};

/// Refused webhooks that are kept of each source.
const MOST: u64 = 100;

/// Bytes of a body that are kept.
const BYTES: usize = 16 * 1024;

/// How long they are kept.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// A webhook that is not believed.
#[derive(Debug)]
pub(super) struct Unproven<'a> {
    pub(super) reason: String,
    pub(super) query: String,
    pub(super) headers: serde_json::Value,
    pub(super) body: &'a [u8],
    pub(super) address: Option<String>,
}

/// Notes a webhook of a source that was not believed.
pub(super) async fn note(hub: &Arc<Hub>, source: &WebhookSource, refused: Unproven<'_>) -> Result<()> {
    let cx = Cx::system(Arc::clone(hub), "inbox", source.tenant_id);
    let row = WebhookRefusal {
        id: cx.id(),
        tenant_id: source.tenant_id,
        source_id: source.id,
        at: cx.now(),
        address: refused.address,
        reason: refused.reason,
        query: refused.query,
        headers: refused.headers,
        body: refused.body[..refused.body.len().min(BYTES)].to_vec(),
        size: i64::try_from(refused.body.len()).unwrap_or(i64::MAX),
    };
    cx.write(async |txn| {
        let (tenant, id) = (source.tenant_id, source.id);
        let count = webhook_source::update_of(tenant, id).col_expr(Column::Refused, Expr::cust("refused + 1"));
        count.exec(&**txn).await?;
        entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
        entity::beyond(tenant, id, MOST).exec(&**txn).await?;
        Ok(())
    })
    .await
}

/// The newest of the tenant's source that were not believed.
pub async fn newest(cx: &Cx, source: WebhookSourceId, most: u64) -> Result<Vec<WebhookRefusal>> {
    Ok(entity::of(cx.tenant()?, source).limit(most.min(MOST)).all(cx.db()).await?)
}

/// Forgets those that are old. Says how many.
pub async fn forget_old(hub: &Hub) -> Result<u64> {
    Ok(entity::before(hub.clock.now() - KEPT).exec(hub.database.writer()).await?.rows_affected)
}
