//! Data keys: found, made, rotated, destroyed.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set,
    EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde_json::json;

use super::{HUB, damaged, lacking};
use crate::{
    context::{Audit, Cx, Hub, Txn},
    entity::{data_key as entity, secret, tenant},
    event::keyring::KeyringEvent,
    kernel::{
        error::{Error, Result},
        id::TenantId,
        input::{self, Check},
        scope::Scope,
    },
    vault::{DataKey, MOST_SEALS, WrappedKey},
};

pub use entity::Model as TenantKey;

/// Secrets that are sealed anew in one transaction.
const BATCH: u64 = 100;

/// The newest keys of those tenants that the caller may see, as they are stored.
pub async fn newest_of(cx: &Cx, tenants: &[TenantId]) -> Result<Vec<TenantKey>> {
    let principal = cx.principal()?;
    let seen = tenants.iter().filter(|tenant| **tenant == principal.tenant || principal.scopes.has(Scope::HubAdmin));
    let rows = entity::of_any(seen.copied().collect()).order_by_asc(entity::Column::Version).all(cx.db()).await?;
    let newest: BTreeMap<_, _> = rows.into_iter().map(|row| (row.tenant_id, row)).collect();
    Ok(newest.into_values().collect())
}

/// Tenants with more than one key, whose rotation is not finished.
pub async fn unfinished(hub: &Hub) -> Result<Vec<TenantId>> {
    let rows = entity::of_hub().select_only().column(entity::Column::TenantId).group_by(entity::Column::TenantId);
    let several = rows.having(Expr::col(entity::Column::Version).count().gt(1));
    Ok(several.into_tuple().all(hub.database.reader()).await?)
}

/// The key under which a secret is sealed now. Its row is held until the commit, and counts the seal.
pub(super) async fn for_sealing(txn: &Txn, tenant: TenantId) -> Result<DataKey> {
    let mut row = held(txn, tenant).await?;
    if row.seals >= MOST_SEALS {
        insert(txn, tenant, number(row.version)? + 1).await?;
        row = held(txn, tenant).await?;
    }
    entity::count_seals(tenant, row.version, 1).exec(&**txn).await?;
    // Not remembered: its row may be of this very transaction, and rolled back with it.
    unwrapped(txn.cx().hub(), &row)
}

/// The tenant's newest key, held until the commit; its first one if it has none yet.
async fn held(txn: &Txn, tenant: TenantId) -> Result<TenantKey> {
    loop {
        let newest = entity::of(tenant).order_by_desc(entity::Column::Version).lock_exclusive().one(&**txn).await?;
        if let Some(row) = newest {
            return Ok(row);
        }
        // None at all, or the newest was replaced and destroyed while we waited for it: look again.
        if entity::of(tenant).count(&**txn).await? == 0 {
            living(txn, tenant).await?;
            insert(txn, tenant, 1).await?;
        }
    }
}

/// Passes the hub, and tenants that were not deleted. Who deletes one waits, and then destroys this key too.
async fn living(txn: &Txn, tenant: TenantId) -> Result<()> {
    let found = tenant::of(tenant).lock_shared().one(&**txn).await?;
    match found.filter(|tenant| tenant.deleted_at.is_none()) {
        None if tenant != HUB => Err(Error::NotFound("tenant")),
        _ => Ok(()),
    }
}

/// The key of that version, to open what was sealed under it.
pub(super) async fn for_opening(
    hub: &Hub,
    db: &impl sea_orm::ConnectionTrait,
    tenant: TenantId,
    version: u32,
) -> Result<DataKey> {
    if let Some(known) = hub.data_keys.get(tenant, version, hub.clock.now()) {
        return Ok(known);
    }
    let stored = entity::of(tenant).filter(entity::COLUMN.version.eq(stored(version)?)).one(db).await?;
    let row = stored.ok_or_else(|| Error::Internal("a key is gone", format!("version {version}").into()))?;
    opened(hub, &row)
}

/// Unwraps a stored key and remembers it.
pub(super) fn opened(hub: &Hub, row: &TenantKey) -> Result<DataKey> {
    if let Some(known) = hub.data_keys.get(row.tenant_id, number(row.version)?, hub.clock.now()) {
        return Ok(known);
    }
    let key = unwrapped(hub, row)?;
    hub.data_keys.remember(row.tenant_id, key.clone(), hub.clock.now());
    Ok(key)
}

/// Unwraps a stored key.
pub(super) fn unwrapped(hub: &Hub, row: &TenantKey) -> Result<DataKey> {
    let wrapped = wrapped(row)?;
    let master = hub.ring.get(wrapped.master);
    let master = master.ok_or_else(|| Error::Internal("a key cannot be unwrapped", lacking(wrapped.master)))?;
    DataKey::unwrap(row.tenant_id.uuid(), &wrapped, master).map_err(|error| damaged("a key does not open", error))
}

/// Makes a key of that version, unless somebody else made it meanwhile.
async fn insert(txn: &Txn, tenant: TenantId, version: u32) -> Result<()> {
    let hub = txn.cx().hub();
    let made = DataKey::new(tenant.uuid(), version, &*hub.chance).wrap(hub.ring.current(), &*hub.chance);
    let row = TenantKey {
        tenant_id: tenant,
        version: stored(made.version)?,
        master_version: stored(made.master)?,
        check_value: made.check.to_vec(),
        sealed: made.sealed,
        seals: 0,
        created_at: txn.now(),
    };
    let untouched = OnConflict::columns([entity::Column::TenantId, entity::Column::Version]).do_nothing().to_owned();
    entity::Entity::insert(row.into_active_model()).on_conflict(untouched).exec_without_returning(&**txn).await?;
    Ok(())
}

/// Makes the tenant's next key, which seals from now on. What was sealed before is sealed anew by
/// [`finish`], which may run later and elsewhere.
pub async fn rotate(cx: &Cx, reason: Option<String>) -> Result<TenantKey> {
    let tenant = cx.tenant()?;
    let mut check = Check::new();
    let reason = check.take_some("reason", reason.as_deref(), input::name);
    check.done()?;
    let row = cx
        .write(async |txn| {
            let before = held(txn, tenant).await?.version;
            insert(txn, tenant, number(before)? + 1).await?;
            let row = held(txn, tenant).await?;
            let fact = KeyringEvent::KeyRotated { tenant, version: row.version };
            txn.emit(&fact)?;
            txn.audit(
                Audit::of(&fact)
                    .before(json!({ "version": before }))
                    .after(json!({ "version": row.version, "reason": reason })),
            )?;
            Ok(row)
        })
        .await?;
    // Starts at once what would otherwise wait for its turn.
    cx.hub().chores.notify_waiters();
    Ok(row)
}

/// Seals the tenant's secrets under its newest key and destroys the older ones. Says how many secrets
/// were sealed anew. Running it twice, or on two nodes at once, does no harm.
pub async fn finish(cx: &Cx) -> Result<u64> {
    let tenant = cx.tenant()?;
    let mut sealed = 0;
    loop {
        let batch = reseal(cx, tenant).await?;
        sealed += batch;
        if batch == 0 {
            break;
        }
    }
    destroy_old(cx, tenant).await?;
    Ok(sealed)
}

async fn reseal(cx: &Cx, tenant: TenantId) -> Result<u64> {
    cx.write(async |txn| {
        let newest = held(txn, tenant).await?;
        let hub = cx.hub();
        let (key, mut done) = (unwrapped(hub, &newest)?, 0);
        let old = secret::of(tenant).filter(secret::COLUMN.key_version.lt(newest.version));
        let rows = old.order_by_asc(secret::Column::Id).limit(BATCH).lock_exclusive().all(&**txn).await?;
        for row in rows {
            let plain = super::secret::open(hub, &**txn, &row).await?;
            let sealed = super::secret::seal(hub, &key, row.id, plain.expose());
            let mut row = row.into_active_model();
            row.sealed = Set(sealed);
            row.key_version = Set(newest.version);
            sea_orm::ActiveModelTrait::update(row, &**txn).await?;
            done += 1;
        }
        entity::count_seals(tenant, newest.version, i64::try_from(done).unwrap_or(i64::MAX)).exec(&**txn).await?;
        Ok(done)
    })
    .await
}

/// Destroys the keys under which nothing is sealed any more, but the newest.
async fn destroy_old(cx: &Cx, tenant: TenantId) -> Result<()> {
    cx.write(async |txn| {
        // Who seals holds a key's row; waiting for it here, and counting only then, sees what they sealed.
        let rows = entity::of(tenant).order_by_desc(entity::Column::Version).lock_exclusive().all(&**txn).await?;
        for row in rows.iter().skip(1) {
            let used = secret::of(tenant).filter(secret::COLUMN.key_version.eq(row.version)).count(&**txn).await?;
            if used == 0 {
                entity::destroy(tenant, row.version).exec(&**txn).await?;
                cx.hub().data_keys.forget(tenant, number(row.version)?);
                let fact = KeyringEvent::KeyDestroyed { tenant, version: row.version };
                txn.emit(&fact)?;
                txn.audit(Audit::of(&fact))?;
            }
        }
        Ok(())
    })
    .await
}

/// The stored form of a key.
pub(super) fn wrapped(row: &TenantKey) -> Result<WrappedKey> {
    let check = row.check_value.as_slice().try_into();
    Ok(WrappedKey {
        version: number(row.version)?,
        master: number(row.master_version)?,
        check: check.map_err(|_| Error::Internal("a key is damaged", "its check value has another length".into()))?,
        sealed: row.sealed.clone(),
    })
}

/// A version as the database holds it.
pub(super) fn stored(version: u32) -> Result<i32> {
    i32::try_from(version).map_err(|error| Error::Internal("a version is too large", error.into()))
}

/// A version as the vault holds it.
pub(super) fn number(version: i32) -> Result<u32> {
    u32::try_from(version).map_err(|error| Error::Internal("a version is negative", error.into()))
}
