//! Data keys: found, made, rotated, destroyed.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde_json::json;

use super::{HUB, damaged, erase, lacking, master};
use crate::{
    context::{Audit, Cx, Hub, Txn, clock_guard::SLACK},
    entity::{data_key as entity, first::First, secret, tenant},
    event::keyring::KeyringEvent,
    kernel::{
        error::{Error, Result, chain},
        id::{SecretId, TenantId},
        input::{self, Check},
        scope::Scope,
    },
    vault::{DataKey, MOST_SEALS, Ring, WrappedKey},
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
    let row = with_room(txn, tenant, 1).await?;
    entity::count_seals(tenant, row.version, 1).exec(&**txn).await?;
    // Not remembered: its row may be of this very transaction, and rolled back with it.
    unwrapped(&txn.cx().hub().ring, &row)
}

/// The tenant's newest key, held until the commit, which may seal so many times more; the next one, if it may
/// not.
async fn with_room(txn: &Txn, tenant: TenantId, seals: i64) -> Result<TenantKey> {
    let row = held(txn, tenant).await?;
    if row.seals + seals <= MOST_SEALS {
        return Ok(row);
    }
    replace(txn, &row, "it has sealed often enough").await?;
    held(txn, tenant).await
}

/// Makes the key after this one, which is held, unless somebody else did. Says whether it was made here.
async fn replace(txn: &Txn, row: &TenantKey, reason: &str) -> Result<bool> {
    let tenant = row.tenant_id;
    let made = insert(txn, tenant, number(row.version)? + 1).await?;
    if made && tenant != HUB {
        let fact = KeyringEvent::KeyRotated { tenant, version: row.version + 1 };
        txn.emit_in(tenant, &fact)?;
        txn.audit_in(tenant, shown(&fact, row.version, Some(reason)));
    }
    Ok(made)
}

/// Gives the next key to each tenant whose newest one has lived for as long as it may, and to the hub. Says to
/// how many. What the old ones sealed is sealed anew by [`finish`].
pub async fn renew(hub: &Arc<Hub>) -> Result<u64> {
    let by = hub.clock.now() - hub.data_key_life;
    let due: Vec<TenantId> = entity::tenants_without_since(by).into_tuple().all(hub.database.reader()).await?;
    let mut renewed = 0;
    for tenant in due {
        let cx = Cx::system(Arc::clone(hub), "key rotation", tenant);
        let made = cx.write(async |txn| {
            let newest =
                entity::of(tenant).order_by_desc(entity::Column::Version).lock_exclusive().first(&**txn).await?;
            match newest.filter(|row| row.created_at <= by) {
                Some(row) => replace(txn, &row, "it has lived for long enough").await,
                // Replaced meanwhile, or destroyed with its tenant.
                None => Ok(false),
            }
        });
        renewed += u64::from(made.await?);
    }
    Ok(renewed)
}

/// Sets right the age of keys that a clock made which was ahead, so that they are renewed in time. Says how many.
pub async fn recheck(hub: &Hub) -> Result<u64> {
    let now = hub.clock.now();
    Ok(entity::made_after(now + SLACK, now).exec(hub.database.writer()).await?.rows_affected)
}

/// The tenant's newest key, held until the commit; its first one if it has none yet.
async fn held(txn: &Txn, tenant: TenantId) -> Result<TenantKey> {
    loop {
        let newest = entity::of(tenant).order_by_desc(entity::Column::Version).lock_exclusive().first(&**txn).await?;
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
    let found = tenant::of(tenant).lock_shared().first(&**txn).await?;
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
    let stored = entity::of(tenant).filter(entity::COLUMN.version.eq(stored(version)?)).first(db).await?;
    let row = stored.ok_or_else(|| Error::Internal("a key is gone", format!("version {version}").into()))?;
    let key = unwrapped(&hub.ring, &row)?;
    hub.data_keys.remember(tenant, key.clone(), hub.clock.now());
    Ok(key)
}

/// Unwraps a stored key.
pub(super) fn unwrapped(ring: &Ring, row: &TenantKey) -> Result<DataKey> {
    let wrapped = wrapped(row)?;
    let master = ring.get(wrapped.master);
    let master = master.ok_or_else(|| Error::Internal("a key cannot be unwrapped", lacking(wrapped.master)))?;
    DataKey::unwrap(row.tenant_id.uuid(), &wrapped, master)
        .map_err(|error| damaged(format!("data_keys tenant={} version={}", row.tenant_id, row.version), error))
}

/// Makes a key of that version, unless somebody else made it meanwhile. Says whether it was made here.
async fn insert(txn: &Txn, tenant: TenantId, version: u32) -> Result<bool> {
    let hub = txn.cx().hub();
    let master = master::wrapping(&hub.ring, &**txn).await?;
    let made = DataKey::new(tenant.uuid(), version, &*hub.chance).wrap(master, &*hub.chance);
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
    let insert = entity::Entity::insert(row.into_active_model()).on_conflict(untouched);
    Ok(insert.exec_without_returning(&**txn).await? == 1)
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
            let mut before = held(txn, tenant).await?.version;
            // Another rotation may have made that version while we waited for the row; ours makes the next.
            while !insert(txn, tenant, number(before)? + 1).await? {
                before = held(txn, tenant).await?.version;
            }
            let row = held(txn, tenant).await?;
            let fact = KeyringEvent::KeyRotated { tenant, version: row.version };
            txn.emit(&fact)?;
            txn.audit(shown(&fact, before, reason.as_deref()))?;
            Ok(row)
        })
        .await?;
    // Starts at once what would otherwise wait for its turn.
    cx.hub().chores.notify_waiters();
    Ok(row)
}

/// What is noted of a rotation.
fn shown(fact: &KeyringEvent, before: i32, reason: Option<&str>) -> Audit {
    let after = json!({ "version": before + 1, "reason": reason });
    Audit::of(fact).before(json!({ "version": before })).after(after)
}

/// Seals the tenant's secrets under its newest key and destroys the older ones. Says how many secrets
/// were sealed anew. Running it twice, or on two nodes at once, does no harm.
pub async fn finish(cx: &Cx) -> Result<u64> {
    let tenant = cx.tenant()?;
    let mut sealed = 0;
    loop {
        let (mut round, mut after) = (0, None);
        while let Some((last, done)) = reseal(cx, tenant, after).await? {
            (after, round) = (Some(last), round + done);
        }
        sealed += round;
        // Who held an older key while we passed may have sealed behind us.
        if round == 0 {
            break;
        }
    }
    destroy_old(cx, tenant).await?;
    Ok(sealed)
}

/// Seals the next batch after that secret anew. Says which secret was the last of it, and how many were
/// sealed; one that does not open is left as it is, and with it the key it was sealed under.
async fn reseal(cx: &Cx, tenant: TenantId, after: Option<SecretId>) -> Result<Option<(SecretId, u64)>> {
    cx.write(async |txn| {
        let newest = with_room(txn, tenant, BATCH.cast_signed()).await?;
        let hub = cx.hub();
        let (key, mut rows) = (unwrapped(&hub.ring, &newest)?, Vec::new());
        let old = secret::of(tenant).filter(secret::COLUMN.key_version.lt(newest.version));
        let rest = match after {
            Some(last) => old.filter(secret::COLUMN.id.gt(last)),
            None => old,
        };
        let found = rest.order_by_asc(secret::Column::Id).limit(BATCH).lock_exclusive().all(&**txn).await?;
        let Some(last) = found.last().map(|row| row.id) else { return Ok(None) };
        for mut row in found {
            match super::secret::open(hub, &**txn, &row).await {
                Ok(plain) => row.sealed = super::secret::seal(hub, &key, &row, plain.expose()),
                Err(error @ (Error::SecretUnreadable { .. } | Error::Internal(..))) => {
                    tracing::error!(secret = %row.id, error = chain(&error), "a secret was not sealed anew");
                    continue;
                }
                Err(error) => return Err(error),
            }
            row.key_version = newest.version;
            rows.push(row);
        }
        let done = rows.len();
        if done > 0 {
            // One statement for all: the rows are held, so that each is there to be written over.
            let anew = OnConflict::column(secret::Column::Id)
                .update_columns([secret::Column::KeyVersion, secret::Column::Sealed])
                .to_owned();
            let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
            secret::Entity::insert_many(rows).on_conflict(anew).exec_without_returning(&**txn).await?;
        }
        entity::count_seals(tenant, newest.version, i64::try_from(done).unwrap_or(i64::MAX)).exec(&**txn).await?;
        Ok(Some((last, done as u64)))
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
                erase::owe(txn).await?;
                cx.hub().data_keys.forget(tenant, number(row.version)?);
                if tenant == HUB {
                    continue;
                }
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
fn wrapped(row: &TenantKey) -> Result<WrappedKey> {
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
