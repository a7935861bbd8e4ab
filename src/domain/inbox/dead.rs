//! Somebody is told of webhooks that were given up, until none of a source is left: each had its effect after all, or
//! is forgotten.

use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};

use super::{Status, WebhookEvent};
use crate::{
    context::Txn,
    domain::alert::{self, Kind, NewAlert, Severity},
    entity::{first::First, webhook_event as entity},
    kernel::{
        error::Result,
        id::{TenantId, WebhookSourceId},
    },
};

/// Says that a webhook was given up, unless that of another one is being said.
pub(super) async fn raise(txn: &Txn, row: &WebhookEvent, reason: &str) -> Result<()> {
    let text = format!(
        "A webhook of {} was given up: {reason}. What was given up is kept: mend the cause and have it processed again.",
        row.provider
    );
    let (kind, severity, subject) = (Kind::WebhooksGivenUp, Severity::Warning, row.source_id.to_string());
    alert::raise_in(txn, row.tenant_id, NewAlert { kind, severity, subject, text }).await
}

/// Says that it is over if none of a source is left.
pub(super) async fn resolve(txn: &Txn, tenant: TenantId, source: WebhookSourceId) -> Result<()> {
    let left = entity::of(tenant)
        .filter(entity::Column::SourceId.eq(source))
        .filter(entity::Column::Status.eq(Status::Dead))
        .limit(1);
    match left.first(&**txn).await? {
        Some(_) => Ok(()),
        None => alert::resolve_in(txn, tenant, Kind::WebhooksGivenUp, &source.to_string()).await,
    }
}
