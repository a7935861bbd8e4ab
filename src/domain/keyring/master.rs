//! Master keys: known by their check values, rotated by wrapping data keys anew.
//!
//! The keys themselves come from outside and are never stored. What is stored is which versions were used
//! and how to recognise them, so that a start with a wrong key, or without one that is in use, stops
//! before anything is touched.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};

use super::{HUB, data_key, erase, lacking};
use crate::{
    context::{Cx, Database, Hub},
    entity::{data_key as wrapped, first::First, master_key as entity, secret},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::TenantId,
    },
    vault::{MasterKey, Ring},
};

/// Data keys that are wrapped anew in one transaction.
const BATCH: u64 = 200;

/// Whether a master key was ever used with this database.
pub async fn in_use(database: &Database) -> Result<bool> {
    let db = database.reader();
    Ok(begun(database).await? && (entity::of_hub().count(db).await? > 0 || wrapped::of_hub().count(db).await? > 0))
}

/// Whether the database was migrated. One that was not has nothing to be wrong about.
async fn begun(database: &Database) -> Result<bool> {
    Ok(database.has_table("master_keys").await? && database.has_table("data_keys").await?)
}

/// Passes a ring that has every master key in use, and the same ones as before.
pub async fn check(database: &Database, ring: &Ring) -> Result<()> {
    if !begun(database).await? {
        return Ok(());
    }
    let db = database.reader();
    let known = entity::of_hub().all(db).await?;
    let in_use: Vec<i32> =
        wrapped::of_hub().select_only().column(wrapped::Column::MasterVersion).distinct().into_tuple().all(db).await?;
    for row in &known {
        let version = data_key::number(row.version)?;
        match ring.get(version) {
            Some(key) if key.check()[..] == row.check_value[..] => {}
            Some(_) => return Err(wrong(version)),
            None if in_use.contains(&row.version) => {
                return Err(Error::Unavailable("a master key", lacking(version)));
            }
            None => {}
        }
    }
    // A version that is not noted, because somebody removed the note, is recognised by what it wraps.
    for version in in_use.into_iter().filter(|version| known.iter().all(|row| row.version != *version)) {
        let sample = wrapped::of_hub().filter(wrapped::COLUMN.master_version.eq(version)).first(db).await?;
        let version = data_key::number(version)?;
        match (ring.get(version), sample) {
            (None, _) => return Err(Error::Unavailable("a master key", lacking(version))),
            (Some(_), Some(row)) if data_key::unwrapped(ring, &row).is_err() => return Err(wrong(version)),
            _ => {}
        }
    }
    Ok(())
}

fn wrong(version: u32) -> Error {
    Error::Unavailable(
        "the right master key",
        format!("master key {version} is not the one that was used before").into(),
    )
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

/// The master key that wraps new data keys: the newest one that wraps any already, so that a hub whose servers
/// are given a new one after the other goes on with the old one until [`rotate`] begins.
pub(super) async fn wrapping<'a>(ring: &'a Ring, db: &impl ConnectionTrait) -> Result<&'a MasterKey> {
    let newest = wrapped::of_hub().select_only().column_as(wrapped::Column::MasterVersion.max(), "newest");
    let newest: Option<i32> = newest.into_tuple().one(db).await?.flatten();
    let newest = newest.map(data_key::number).transpose()?;
    Ok(newest.and_then(|version| ring.get(version)).unwrap_or(ring.current()))
}

/// What a rotation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys that were wrapped anew.
    pub wrapped: u64,
    /// Those that do not open, and are left as they are.
    pub broken: Vec<String>,
}

/// Wraps every data key under the ring's newest master key, which every server must have by then. It can be cut
/// off and run again, and goes on while the hub is in use.
pub async fn rotate(cx: &Cx) -> Result<Rotated> {
    let current = data_key::stored(cx.hub().ring.current().version())?;
    let mut rotated = Rotated::default();
    // The forms under older master keys are to be erased from the files, also if this is cut off.
    cx.write(async |txn| erase::owe(txn).await).await?;
    loop {
        let mut after = None;
        rotated.broken.clear();
        while let Some(last) = rewrap(cx, after, &mut rotated).await? {
            after = Some(last);
        }
        // Another rotation may have held what we looked for, and a server that has not heard of the new key may
        // have made keys behind us: what counts is what is left.
        let left = wrapped::wrapped_before(current).count(cx.db()).await?;
        if left <= rotated.broken.len() as u64 {
            // What was noted at the beginning may have been followed before the last keys were replaced.
            cx.write(async |txn| erase::owe(txn).await).await?;
            return Ok(rotated);
        }
    }
}

/// Wraps the next batch after that key anew, and says which key was the last of it.
async fn rewrap(cx: &Cx, after: Option<(TenantId, i32)>, rotated: &mut Rotated) -> Result<Option<(TenantId, i32)>> {
    let (hub, columns, current) = (cx.hub(), wrapped::COLUMN, cx.hub().ring.current());
    let version = data_key::stored(current.version())?;
    let old = match after {
        Some((tenant, last)) => {
            let earlier = columns.version.lt(last);
            let of_same = Condition::all().add(columns.tenant_id.eq(tenant)).add(earlier);
            wrapped::wrapped_before(version).filter(Condition::any().add(columns.tenant_id.gt(tenant)).add(of_same))
        }
        None => wrapped::wrapped_before(version),
    };
    // In the order in which whoever destroys old keys holds them, so that neither waits for the other.
    let old = old.order_by_asc(wrapped::Column::TenantId).order_by_desc(wrapped::Column::Version);
    let (last, done, broken) = cx
        .write(async |txn| {
            let (mut rows, mut broken) = (Vec::new(), Vec::new());
            let found = old.clone().limit(BATCH).lock_exclusive().all(&**txn).await?;
            let last = found.last().map(|row| (row.tenant_id, row.version));
            for mut row in found {
                // Not remembered: thousands of keys that nobody asked for would push out those in use.
                let Ok(key) = data_key::unwrapped(&hub.ring, &row) else {
                    broken.push(named(&row));
                    continue;
                };
                row.sealed = key.wrap(current, &*hub.chance).sealed;
                row.master_version = version;
                rows.push(row);
            }
            Ok((last, replace(&**txn, rows).await?, broken))
        })
        .await?;
    rotated.wrapped += done;
    rotated.broken.extend(broken);
    Ok(last)
}

/// Writes held rows over, all in one statement. Says how many.
async fn replace(db: &impl ConnectionTrait, rows: Vec<wrapped::Model>) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let anew = OnConflict::columns([wrapped::Column::TenantId, wrapped::Column::Version])
        .update_columns([wrapped::Column::MasterVersion, wrapped::Column::Sealed])
        .to_owned();
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    Ok(wrapped::Entity::insert_many(rows).on_conflict(anew).exec_without_returning(db).await?)
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
    let wrapping = wrapping(&hub.ring, db).await?.version();
    known
        .into_iter()
        .map(|row| {
            let version = data_key::number(row.version)?;
            Ok(Status {
                version,
                at_hand: hub.ring.get(version).is_some(),
                current: wrapping == version,
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
        if data_key::unwrapped(&hub.ring, &row).is_err() {
            verified.broken.push(named(&row));
        }
    }
    verify_secrets(hub, db, &mut verified).await?;
    Ok(verified)
}

/// Goes by the secrets, not by the keys: one whose key is gone is what has to be found.
async fn verify_secrets(hub: &Hub, db: &impl ConnectionTrait, verified: &mut Verified) -> Result<()> {
    let mut after = None;
    loop {
        let rest = match after {
            Some(last) => secret::of_hub().filter(secret::COLUMN.id.gt(last)),
            None => secret::of_hub(),
        };
        let rows = rest.order_by_asc(secret::Column::Id).limit(BATCH).all(db).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.id);
        for row in &rows {
            verified.secrets += 1;
            if !super::secret::opens(hub, db, row).await? {
                verified.broken.push(format!("{} of {} ({})", row.id, whose(row.tenant_id), row.owner));
            }
        }
    }
}

fn named(key: &wrapped::Model) -> String {
    format!("key {} of {}", key.version, whose(key.tenant_id))
}

fn whose(tenant: TenantId) -> String {
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
