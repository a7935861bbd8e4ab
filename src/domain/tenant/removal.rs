//! What deleted tenants leave behind, removed in the background.
//!
//! Deleting a tenant made its secrets unreadable and its credentials worthless at once; removing its rows
//! takes as long as there are rows, so it is done in batches, each a commit of its own. Where it stopped
//! is told by the rows that are left: cut off, or run on two nodes at once, it goes on or finds nothing.
//!
//! It begins ten minutes after the deletion, when everything that was running then has ended: nothing is
//! written into the tenant any more. People who belonged to no other tenant go with it. Its audit log goes
//! when its time is over, as everybody's does, and with the last entry the tenant's own row.

use std::{iter, sync::Arc};

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel, PaginatorTrait, QuerySelect};
use serde_json::json;

use super::Tenant;
use crate::{
    context::{Audit, Cx, Hub, Txn},
    entity::{audit_checkpoint, audit_entry, audit_head, estate, first::First, tenant as entity, user},
    kernel::{error::Result, id::TenantId},
};

/// How long a deleted tenant is left alone: longer than any request or job takes.
const PAUSE: TimeDelta = TimeDelta::minutes(10);

/// Rows that are removed in one transaction.
const BATCH: u64 = 500;

/// Removes the rows of deleted tenants. Says how many.
pub async fn empty(hub: &Arc<Hub>) -> Result<u64> {
    let (db, mut removed) = (hub.database.reader(), 0);
    for tenant in entity::to_empty(hub.clock.now() - PAUSE).all(db).await? {
        removed += empty_one(&acting(hub, &tenant), tenant.id).await?;
    }
    for tenant in entity::emptied().all(db).await? {
        if audit_entry::of(tenant.id).count(db).await? == 0 {
            removed += bury(&acting(hub, &tenant), tenant.id).await?;
        }
    }
    Ok(removed)
}

fn acting(hub: &Arc<Hub>, tenant: &Tenant) -> Cx {
    Cx::system(Arc::clone(hub), "tenant removal", tenant.id)
}

async fn empty_one(cx: &Cx, tenant: TenantId) -> Result<u64> {
    let (mut removed, tables) = (0, estate::TABLES.iter().copied().map(Some));
    for table in iter::once(None).chain(tables) {
        loop {
            let some = cx.write(async |txn| batch(txn, tenant, table).await).await?;
            removed += some;
            if some == 0 {
                break;
            }
        }
    }
    cx.write(async |txn| {
        let held = entity::of(tenant).lock_exclusive().first(&**txn).await?;
        // Another node may have been as quick.
        let Some(held) = held.filter(|tenant| tenant.emptied_at.is_none()) else { return Ok(()) };
        let mut row = held.into_active_model();
        row.emptied_at = Set(Some(txn.now()));
        row.update(&**txn).await?;
        txn.audit(Audit::new("tenant.emptied", tenant).after(json!({ "rows": removed })))
    })
    .await?;
    Ok(removed)
}

/// Removes some rows of a table, or some people; says how many.
async fn batch(txn: &Txn, tenant: TenantId, table: Option<&'static str>) -> Result<u64> {
    let Some(table) = table else { return people(txn, tenant).await };
    let some = estate::some_of(txn.get_database_backend(), table, tenant, BATCH);
    Ok(txn.execute_raw(some).await?.rows_affected())
}

/// Removes some of the people who belong to no other tenant, with their sessions and links.
async fn people(txn: &Txn, tenant: TenantId) -> Result<u64> {
    // Held first and looked at again: who is let in elsewhere at this moment must stay.
    let some = user::only_of(tenant).limit(BATCH).lock_exclusive().all(&**txn).await?;
    let ids = some.into_iter().map(|user| user.id).collect();
    Ok(user::remove_only_of(tenant, ids).exec(&**txn).await?.rows_affected)
}

/// Removes the last of a tenant, when nothing is left of its audit log.
async fn bury(cx: &Cx, tenant: TenantId) -> Result<u64> {
    cx.write(async |txn| {
        audit_checkpoint::before(tenant, i64::MAX).exec(&**txn).await?;
        audit_head::forget(tenant).exec(&**txn).await?;
        Ok(entity::remove(tenant).exec(&**txn).await?.rows_affected)
    })
    .await
}
