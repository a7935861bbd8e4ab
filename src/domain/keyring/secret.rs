//! Secrets: sealed on the way in, opened on the way out.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::OnConflict};
use zeroize::Zeroizing;

use super::{damaged, data_key};
use crate::{
    context::{Hub, Txn},
    entity::{
        first::First,
        secret::{self as entity, Column},
    },
    kernel::{
        error::{Error, Result},
        id::TenantId,
        secret::Secret,
    },
    vault::DataKey,
};

/// The table that every secret is bound to.
const TABLE: &str = "secrets";

/// The cell that a secret is bound to, with its row. Whose it is and what it is called are part of the cell:
/// who gives a secret's row to another owner has moved the secret, though the row stays where it is.
fn cell(row: &entity::Model) -> String {
    format!("sealed for {}:{}:{}", row.owner.len(), row.owner, row.name)
}

/// Seals a secret of an owner, in place of the one of that name it may have had.
pub async fn put(txn: &Txn, tenant: TenantId, owner: &str, name: &str, value: &Secret) -> Result<()> {
    let key = data_key::for_sealing(txn, tenant).await?;
    let known = of_owner(tenant, owner, name).first(&**txn).await?;
    write(txn, &key, known, tenant, owner, name, value).await
}

/// Seals a secret of an owner unless it has one of that name. Of several who do so at once, one does:
/// they hold the tenant's key in turn, and look only then.
pub async fn put_first(txn: &Txn, tenant: TenantId, owner: &str, name: &str, value: &Secret) -> Result<()> {
    let key = data_key::for_sealing(txn, tenant).await?;
    match of_owner(tenant, owner, name).first(&**txn).await? {
        Some(_) => Ok(()),
        None => write(txn, &key, None, tenant, owner, name, value).await,
    }
}

async fn write(
    txn: &Txn,
    key: &DataKey,
    known: Option<entity::Model>,
    tenant: TenantId,
    owner: &str,
    name: &str,
    value: &Secret,
) -> Result<()> {
    let id = known.as_ref().map_or_else(|| txn.id(), |row| row.id);
    let now = txn.now();
    let mut row = entity::Model {
        id,
        tenant_id: tenant,
        owner: owner.to_owned(),
        name: name.to_owned(),
        key_version: data_key::stored(key.version())?,
        sealed: Vec::new(),
        created_at: known.map_or(now, |row| row.created_at),
        updated_at: now,
    };
    row.sealed = seal(txn.cx().hub(), key, &row, value.expose());
    let replace = OnConflict::column(Column::Id)
        .update_columns([Column::KeyVersion, Column::Sealed, Column::UpdatedAt])
        .to_owned();
    entity::Entity::insert(row.into_active_model()).on_conflict(replace).exec_without_returning(&**txn).await?;
    Ok(())
}

/// Opens a secret of an owner.
pub async fn get(
    hub: &Hub,
    db: &impl ConnectionTrait,
    tenant: TenantId,
    owner: &str,
    name: &str,
) -> Result<Option<Secret>> {
    let mut failed = None;
    loop {
        let Some(row) = of_owner(tenant, owner, name).first(db).await? else { return Ok(None) };
        match open(hub, db, &row).await {
            // A rotation may have sealed it anew and destroyed its key between the two reads.
            Err(_) if failed != Some(row.key_version) => failed = Some(row.key_version),
            outcome => return outcome.map(Some),
        }
    }
}

/// Opens all secrets of several owners, by tenant, owner and name. In place of one that does not open there is nothing:
/// it may have been sealed anew meanwhile, and [`get`] tells.
pub async fn get_all(
    hub: &Hub,
    db: &impl ConnectionTrait,
    owners: Vec<(TenantId, String)>,
) -> Result<HashMap<(TenantId, String, String), Option<Secret>>> {
    let mut secrets = HashMap::new();
    if owners.is_empty() {
        return Ok(secrets);
    }
    for row in entity::of_owners(owners).all(db).await? {
        let secret = open(hub, db, &row).await.ok();
        secrets.insert((row.tenant_id, row.owner, row.name), secret);
    }
    Ok(secrets)
}

/// Whether a secret that was read opens, as it is now if it has changed since.
pub(super) async fn opens(hub: &Hub, db: &impl ConnectionTrait, row: &entity::Model) -> Result<bool> {
    if open(hub, db, row).await.is_ok() {
        return Ok(true);
    }
    let now = entity::of(row.tenant_id).filter(entity::COLUMN.id.eq(row.id)).first(db).await?;
    match now.filter(|now| now.sealed != row.sealed) {
        Some(now) => Ok(open(hub, db, &now).await.is_ok()),
        None => Ok(false),
    }
}

/// Forgets everything secret of an owner.
pub async fn forget(txn: &Txn, tenant: TenantId, owner: &str) -> Result<()> {
    entity::forget(tenant, owner).exec(&**txn).await?;
    Ok(())
}

fn of_owner(tenant: TenantId, owner: &str, name: &str) -> sea_orm::Select<entity::Entity> {
    entity::of(tenant).filter(entity::COLUMN.owner.eq(owner)).filter(entity::COLUMN.name.eq(name))
}

/// Seals a text for a row.
pub(super) fn seal(hub: &Hub, key: &DataKey, row: &entity::Model, plain: &str) -> Vec<u8> {
    key.seal(TABLE, &cell(row), row.id.uuid(), plain.as_bytes(), &*hub.chance)
}

pub(super) async fn open(hub: &Hub, db: &impl ConnectionTrait, row: &entity::Model) -> Result<Secret> {
    let version = DataKey::version_of(&row.sealed).map_err(|error| damaged(named(row), error))?;
    if data_key::stored(version)? != row.key_version {
        return Err(damaged(named(row), "its key version was changed"));
    }
    let key = data_key::for_opening(hub, db, row.tenant_id, version).await?;
    let plain = key.open(TABLE, &cell(row), row.id.uuid(), &row.sealed).map_err(|error| damaged(named(row), error))?;
    let text = std::str::from_utf8(&plain).map_err(|error| Error::Internal("a secret is no text", error.into()))?;
    // The copy is wiped by `Secret`, this one by `Zeroizing`.
    let plain: Zeroizing<String> = Zeroizing::new(text.to_owned());
    Ok(Secret::from((*plain).clone()))
}

/// The row as the log names it.
fn named(row: &entity::Model) -> String {
    format!("{TABLE} id={} tenant={} owner={} name={}", row.id, row.tenant_id, row.owner, row.name)
}
