//! Master keys: known by their check values, rotated by wrapping data keys anew.
//!
//! The keys themselves come from outside and are never stored. What is stored is which versions were used
//! and how to recognise them, so that a start with a wrong key, or without one that is in use, stops
//! before anything is touched.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryOrder, QuerySelect, sea_query::OnConflict,
};

use super::{HUB, data_key, lacking};
use crate::{
    context::{Cx, Hub},
    entity::{data_key as wrapped, master_key as entity, secret},
    kernel::{
        clock::Moment,
        error::{Error, Result},
    },
    vault::{DataKey, Ring},
};

/// Data keys that are wrapped anew in one transaction.
const BATCH: u64 = 200;

/// Whether the hub has sealed anything yet. A database without the tables has not.
pub async fn in_use(db: &DatabaseConnection) -> bool {
    wrapped::of_hub().count(db).await.is_ok_and(|keys| keys > 0)
}

/// Passes a ring that has every master key in use, and the same ones as before.
pub async fn check(db: &DatabaseConnection, ring: &Ring) -> Result<()> {
    // A database that was not migrated yet has nothing to be wrong about.
    let Ok(known) = entity::of_hub().all(db).await else { return Ok(()) };
    for row in known {
        let version = data_key::number(row.version)?;
        match ring.get(version) {
            Some(key) if key.check()[..] == row.check_value[..] => {}
            Some(_) => {
                let text = format!("master key {version} is not the one that was used before");
                return Err(Error::Unavailable("the right master key", text.into()));
            }
            None => {
                let used = wrapped::wrapped_before(row.version + 1).count(db).await?;
                let older = wrapped::wrapped_before(row.version).count(db).await?;
                if used > older {
                    return Err(Error::Unavailable("a master key", lacking(version)));
                }
            }
        }
    }
    Ok(())
}

/// Notes the versions of the ring, so that the next start recognises them.
pub async fn register(hub: &Hub) -> Result<()> {
    for key in hub.ring.iter() {
        let row = entity::Model {
            version: data_key::stored(key.version())?,
            check_value: key.check().to_vec(),
            created_at: hub.clock.now(),
        };
        let untouched = OnConflict::column(entity::Column::Version).do_nothing().to_owned();
        let row = row.into_active_model();
        entity::Entity::insert(row).on_conflict(untouched).exec_without_returning(hub.database.writer()).await?;
    }
    Ok(())
}

/// Wraps every data key under the ring's current master key. Says how many were wrapped anew. It can be
/// cut off and run again, and goes on while the hub is in use.
pub async fn rotate(cx: &Cx) -> Result<u64> {
    let current = data_key::stored(cx.hub().ring.current().version())?;
    let mut done = 0;
    loop {
        let batch = cx
            .write(async |txn| {
                let old = wrapped::wrapped_before(current).order_by_asc(wrapped::Column::TenantId).limit(BATCH);
                let rows = old.lock_exclusive().all(&**txn).await?;
                let count = rows.len() as u64;
                for row in rows {
                    let new = data_key::opened(cx.hub(), &row)?.wrap(cx.hub().ring.current(), &*cx.hub().chance);
                    let mut row = row.into_active_model();
                    row.master_version = Set(current);
                    row.sealed = Set(new.sealed);
                    row.update(&**txn).await?;
                }
                Ok(count)
            })
            .await?;
        done += batch;
        if batch == 0 {
            return Ok(done);
        }
    }
}

/// What is known of one version of the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub version: u32,
    /// Whether the ring has it.
    pub at_hand: bool,
    /// Whether it wraps new data keys.
    pub current: bool,
    /// Data keys that are wrapped under it: none proves that it is not needed any more.
    pub wraps: u64,
    /// When it was first used.
    pub since: Moment,
}

/// Every version that was ever used.
pub async fn status(hub: &Hub) -> Result<Vec<Status>> {
    let db = hub.database.reader();
    let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
    for row in wrapped::of_hub().all(db).await? {
        *counts.entry(row.master_version).or_default() += 1;
    }
    let known = entity::of_hub().order_by_asc(entity::Column::Version).all(db).await?;
    known
        .into_iter()
        .map(|row| {
            let version = data_key::number(row.version)?;
            Ok(Status {
                version,
                at_hand: hub.ring.get(version).is_some(),
                current: hub.ring.current().version() == version,
                wraps: counts.get(&row.version).copied().unwrap_or_default(),
                since: row.created_at,
            })
        })
        .collect()
}

/// Opens every data key and every secret of the hub, and says what does not open.
pub async fn verify(hub: &Hub) -> Result<Verified> {
    let db = hub.database.reader();
    let mut verified = Verified::default();
    for row in wrapped::of_hub().all(db).await? {
        verified.keys += 1;
        let opened = data_key::wrapped(&row).and_then(|wrapped| {
            let master = hub.ring.get(wrapped.master);
            let master = master.ok_or_else(|| Error::Internal("a key cannot be unwrapped", lacking(wrapped.master)))?;
            DataKey::unwrap(row.tenant_id.uuid(), &wrapped, master)
                .map_err(|error| super::damaged("a key does not open", error))
        });
        if opened.is_err() {
            verified.broken.push(format!("key {} of {}", row.version, whose(row.tenant_id)));
        }
        verify_secrets(hub, db, &row, &mut verified).await?;
    }
    Ok(verified)
}

async fn verify_secrets(
    hub: &Hub,
    db: &impl ConnectionTrait,
    key: &wrapped::Model,
    verified: &mut Verified,
) -> Result<()> {
    use sea_orm::{ColumnTrait, QueryFilter};
    let mut after = None;
    loop {
        let of_key = secret::of(key.tenant_id).filter(secret::COLUMN.key_version.eq(key.version));
        let rest = match after {
            Some(last) => of_key.filter(secret::COLUMN.id.gt(last)),
            None => of_key,
        };
        let rows = rest.order_by_asc(secret::Column::Id).limit(BATCH).all(db).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.id);
        for row in &rows {
            verified.secrets += 1;
            if super::secret::open(hub, db, row).await.is_err() {
                verified.broken.push(format!("{} of {} ({})", row.id, whose(row.tenant_id), row.owner));
            }
        }
    }
}

fn whose(tenant: crate::kernel::id::TenantId) -> String {
    if tenant == HUB { "the hub".to_owned() } else { tenant.to_string() }
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Data keys looked at.
    pub keys: u64,
    /// Secrets looked at.
    pub secrets: u64,
    /// What does not open.
    pub broken: Vec<String>,
}
