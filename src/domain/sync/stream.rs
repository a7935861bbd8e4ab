//! Streams: the rows that say how far each was read, and people who pause and resume them.

use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{SyncStream, schedule};
use crate::{
    context::{Audit, Cx, Txn},
    domain::{
        alert,
        integration::{Integration, call},
    },
    entity::{
        first::First,
        integration,
        rewrite::rewrite,
        sync_stream::{self as entity, Column},
    },
    event::{Fact, sync::SyncEvent},
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
        suggest::did_you_mean,
    },
    provider::manifest::{Manifest, stream::Stream},
};

/// The rows of the streams of integrations of the tenant.
pub async fn of_integrations(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<SyncStream>> {
    let select = entity::of(cx.tenant()?).filter(Column::IntegrationId.is_in(ids.iter().copied()));
    Ok(select.order_by_asc(Column::Stream).all(cx.db()).await?)
}

/// An integration of the tenant, held until the commit. Whoever holds several rows begins here, goes on with the
/// stream, and ends with the run.
pub(super) async fn held_integration(txn: &Txn, id: IntegrationId) -> Result<Integration> {
    integration::held(txn.cx().tenant()?, id).first(&**txn).await?.ok_or(Error::NotFound("integration"))
}

/// The file of an integration's provider.
pub(super) fn manifest(cx: &Cx, integration: &Integration) -> Result<Arc<Manifest>> {
    call::manifest(cx, integration).ok_or_else(|| {
        Error::conflict("integrationId", format!("the hub knows no provider {:?} any more", integration.provider))
    })
}

/// A stream of the provider's file.
pub fn named<'m>(manifest: &'m Manifest, key: &str) -> Result<&'m Stream> {
    let all = manifest.streams.all();
    all.iter().find(|stream| stream.key.as_str() == key).ok_or_else(|| {
        let near = did_you_mean(key, all.iter().map(|stream| stream.key.as_str()));
        let shown: String = key.chars().take(60).collect();
        Error::invalid("stream", format!("{} has no stream {shown:?}{near}", manifest.name))
    })
}

/// The row of a stream, held until the commit; made if it is the first time. The integration is held.
pub(super) async fn held(txn: &Txn, integration: &Integration, key: &str) -> Result<SyncStream> {
    let select = entity::of(integration.tenant_id)
        .filter(Column::IntegrationId.eq(integration.id))
        .filter(Column::Stream.eq(key));
    if let Some(found) = sea_orm::QuerySelect::lock_exclusive(select).first(&**txn).await? {
        return Ok(found);
    }
    let row = SyncStream {
        id: txn.id(),
        tenant_id: integration.tenant_id,
        integration_id: integration.id,
        stream: key.to_owned(),
        plan: None,
        rhythm: None,
        paused: false,
        stopped_at: None,
        stopped_because: None,
        watermark: None,
        read_with: None,
        change_number: 0,
        full_pass: 0,
        total: 0,
        last_seen: 0,
        failures: 0,
        last_run_id: None,
        last_synced_at: None,
        held_run_id: None,
        held_records: None,
        held_of: None,
        held_at: None,
        created_at: txn.now(),
        updated_at: txn.now(),
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    Ok(row)
}

/// Writes a row that is held.
pub(super) async fn write(txn: &Txn, row: &SyncStream) -> Result<()> {
    let row = SyncStream { updated_at: txn.now(), ..row.clone() };
    entity::Entity::update(rewrite(row)).exec(&**txn).await?;
    Ok(())
}

/// The streams that somebody means: one by its key, or all.
pub(super) fn meant<'m>(manifest: &'m Manifest, key: Option<&str>) -> Result<Vec<&'m Stream>> {
    match key {
        Some(key) => Ok(vec![named(manifest, key)?]),
        None if manifest.streams.all().is_empty() => {
            Err(Error::conflict("integrationId", format!("{} has nothing to read", manifest.name)))
        }
        None => Ok(manifest.streams.all().iter().collect()),
    }
}

/// A stream of an integration, as it is after a change.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The integration.
    pub integration: Integration,
    /// The rows of its streams that were meant.
    pub streams: Vec<SyncStream>,
}

/// Reads streams no more until they are resumed: one, or all of the integration. What runs goes on to its end.
pub async fn pause(cx: &Cx, id: IntegrationId, key: Option<&str>) -> Result<Kept> {
    each(cx, id, key, |row| {
        let changed = !row.paused;
        row.paused = true;
        let fact = SyncEvent::Paused { integration: row.integration_id, stream: row.stream.clone() };
        changed.then_some(fact)
    })
    .await
}

/// Reads streams again that were paused, or stopped since their runs failed.
pub async fn resume(cx: &Cx, id: IntegrationId, key: Option<&str>) -> Result<Kept> {
    each(cx, id, key, |row| {
        let changed = row.paused || row.stopped_at.is_some();
        if row.stopped_at.is_some() {
            row.failures = 0;
        }
        (row.paused, row.stopped_at, row.stopped_because) = (false, None, None);
        let fact = SyncEvent::Resumed { integration: row.integration_id, stream: row.stream.clone() };
        changed.then_some(fact)
    })
    .await
}

async fn each(
    cx: &Cx,
    id: IntegrationId,
    key: Option<&str>,
    change: impl Fn(&mut SyncStream) -> Option<SyncEvent>,
) -> Result<Kept> {
    cx.write(async |txn| {
        let integration = held_integration(txn, id).await?;
        let manifest = manifest(cx, &integration)?;
        let mut streams = Vec::new();
        for own in meant(&manifest, key)? {
            let mut row = held(txn, &integration, own.key.as_str()).await?;
            if let Some(fact) = change(&mut row) {
                txn.emit(&fact)?;
                txn.audit(Audit::new(fact.kind(), id).after(serde_json::json!({ "stream": row.stream })))?;
                schedule::fit(txn, &integration, own, &mut row).await?;
                write(txn, &row).await?;
            }
            streams.push(row);
        }
        // One alert stands for all streams of an integration.
        let stopped = entity::of(integration.tenant_id)
            .filter(Column::IntegrationId.eq(id))
            .filter(Column::StoppedAt.is_not_null());
        if stopped.first(&**txn).await?.is_none() {
            alert::resolve(txn, alert::Kind::SyncStopped, &id.to_string()).await?;
        }
        Ok(Kept { integration, streams })
    })
    .await
}
