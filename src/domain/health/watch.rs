//! Which integrations are watched, and what is forgotten with time.
//!
//! Nobody tells health that an integration was made, enabled or disabled: it looks at the rows, again and again, and the
//! log tells it only when looking is worth while. So nothing is missed by who missed an event.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, QueryFilter};

use super::{judge, note};
use crate::{
    context::{Cx, Hub},
    domain::keyring::HUB,
    entity::{first::First, health as entity, health_check},
    event::Entry,
    kernel::{
        error::Result,
        id::{HealthCheckId, IntegrationId, TenantId},
    },
};

/// As whom health changes a status.
const ACTOR: &str = "system:health";

/// Rows that are looked at in one commit.
const BATCH: u64 = 1_000;

/// Watches what is enabled, and nothing else. Says how many it began or ceased to watch.
pub async fn adopt(hub: &Arc<Hub>) -> Result<u64> {
    let (backend, now) = (hub.database.backend(), hub.clock.now());
    let cx = Cx::system(Arc::clone(hub), "health", HUB);
    let begun = cx
        .write(async |txn| {
            let new = txn.execute_raw(entity::adopt(backend, now)).await?.rows_affected();
            Ok(new + txn.execute_raw(entity::resume(backend, now)).await?.rows_affected())
        })
        .await?;
    let disabled = entity::disabled(BATCH).all(hub.database.reader()).await?;
    let ceased = disabled.len() as u64;
    for row in disabled {
        cease(hub, row.tenant_id, row.integration_id).await?;
    }
    Ok(begun + ceased)
}

/// Ceases to watch an integration that is disabled: nothing is known of it any more.
async fn cease(hub: &Arc<Hub>, tenant: TenantId, id: IntegrationId) -> Result<()> {
    let cx = Cx::system(Arc::clone(hub), "health", tenant);
    cx.write(async |txn| {
        entity::owners([id]).into_tuple::<uuid::Uuid>().all(&**txn).await?;
        let Some(mut row) = entity::held([id]).filter(entity::COLUMN.watched.eq(true)).first(&**txn).await? else {
            return Ok(());
        };
        row.watched = false;
        if let Some(turn) = judge::forget(&mut row, txn.now()) {
            note::changed(txn, &turn, &row, None).await?;
        }
        note::write(txn, vec![row], Vec::new()).await
    })
    .await
}

/// Whether an event is a reason to look at an integration: then the prober does so at once.
#[must_use]
pub fn concerns(entry: &Entry) -> Option<(TenantId, IntegrationId)> {
    let changes = matches!(
        entry.kind.as_str(),
        "integration.created"
            | "integration.updated"
            | "integration.status_changed"
            | "integration.enabled"
            | "integration.disabled"
            | "integration.reconnected"
            | "integration.credentials_rotated"
            | "integration.credential_refused"
    );
    // A test that runs asks by itself, and what health changed is no news to it.
    let testing = [&entry.data["from"], &entry.data["to"]].iter().any(|status| *status == "TESTING");
    if !changes || testing || entry.actor == ACTOR {
        return None;
    }
    Some((entry.tenant_id, entry.subject.parse().ok()?))
}

/// Lets an integration be asked at once, unless somebody has set out to since the event.
pub async fn hurry(hub: &Arc<Hub>, entry: &Entry) -> Result<()> {
    let Some((tenant, id)) = concerns(entry) else { return Ok(()) };
    entity::hurry(tenant, id, entry.at, hub.clock.now()).exec(hub.database.writer()).await?;
    Ok(())
}

/// Forgets checks that are older than they are kept. Says how many went.
pub async fn retain(hub: Arc<Hub>) -> Result<u64> {
    let border = HealthCheckId::first_of(hub.clock.now() - hub.health.retention);
    let cx = Cx::system(hub, "health retention", HUB);
    let mut gone = 0;
    loop {
        let batch = cx
            .write(async |txn| {
                let oldest = health_check::oldest(border, BATCH).all(&**txn).await?;
                let Some(last) = oldest.last() else { return Ok(0) };
                health_check::up_to(last.id).exec(&**txn).await?;
                Ok(oldest.len() as u64)
            })
            .await?;
        gone += batch;
        if batch < BATCH {
            return Ok(gone);
        }
    }
}
