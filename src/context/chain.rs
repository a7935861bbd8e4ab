//! The chain of the audit log.
//!
//! Each tenant's entries are numbered from 1 without holes, and each carries a digest of itself and of the
//! digest before it. Editing, removing or moving an entry breaks every digest from there on; cutting the
//! end off is found by the head, and by the checkpoints that are signed.
//!
//! Numbers are given at the very end of the transaction, when nothing but the commit follows: writers of
//! one tenant wait for each other there, for as long as a commit takes, and never hold anything else that
//! somebody could wait for. Heads of several tenants are taken in the order of their ids.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect,
    sea_query::OnConflict,
};
use sha2::{Digest, Sha256};

use crate::{
    entity::{audit_entry, audit_head, first::First},
    kernel::{error::Result, id::TenantId},
};

/// What stands before the first entry.
pub const BEGINNING: [u8; 32] = [0; 32];

/// The digest of an entry that follows `previous`.
#[must_use]
pub fn link(previous: &[u8], entry: &audit_entry::Model) -> [u8; 32] {
    let text = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
    let (before, after) = (text(&entry.before), text(&entry.after));
    let (number, at) = (entry.number.to_be_bytes(), entry.at.timestamp_micros().to_be_bytes());
    let (id, tenant) = (entry.id.uuid(), entry.tenant_id.uuid());
    let parts: [Option<&[u8]>; 13] = [
        Some(previous),
        Some(&number),
        Some(id.as_bytes()),
        Some(tenant.as_bytes()),
        Some(&at),
        Some(entry.actor_kind.as_bytes()),
        Some(entry.actor.as_bytes()),
        entry.address.as_deref().map(str::as_bytes),
        Some(entry.request_id.as_bytes()),
        Some(entry.action.as_bytes()),
        Some(entry.subject.as_bytes()),
        before.as_deref().map(str::as_bytes),
        after.as_deref().map(str::as_bytes),
    ];
    let mut digest = Sha256::new();
    for part in parts {
        // Lengths go first, so that no two entries read alike; nothing at all has a length that no text has.
        let bytes = part.unwrap_or_default();
        digest.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    digest.finalize().into()
}

/// Numbers and links the entries of a transaction, and writes them.
pub(super) async fn append(db: &impl ConnectionTrait, entries: Vec<audit_entry::Model>) -> Result<()> {
    let mut of_tenants: BTreeMap<TenantId, Vec<audit_entry::Model>> = BTreeMap::new();
    for entry in entries {
        of_tenants.entry(entry.tenant_id).or_default().push(entry);
    }
    for (tenant, mut entries) in of_tenants {
        let mut head = held(db, tenant).await?;
        for entry in &mut entries {
            head.number += 1;
            entry.number = head.number;
            head.hash = link(&head.hash, entry).to_vec();
            entry.hash.clone_from(&head.hash);
        }
        let rows = entries.into_iter().map(IntoActiveModel::into_active_model);
        audit_entry::Entity::insert_many(rows).exec_without_returning(db).await?;
        let head =
            audit_head::ActiveModel { tenant_id: Unchanged(tenant), number: Set(head.number), hash: Set(head.hash) };
        head.update(db).await?;
    }
    Ok(())
}

/// The head of the tenant's chain, held until the commit.
async fn held(db: &impl ConnectionTrait, tenant: TenantId) -> Result<audit_head::Model> {
    if let Some(head) = audit_head::of(tenant).lock_exclusive().first(db).await? {
        return Ok(head);
    }
    let first = audit_head::Model { tenant_id: tenant, number: 0, hash: BEGINNING.to_vec() };
    let untouched = OnConflict::column(audit_head::Column::TenantId).do_nothing().to_owned();
    let row = first.clone().into_active_model();
    audit_head::Entity::insert(row).on_conflict(untouched).exec_without_returning(db).await?;
    Ok(audit_head::of(tenant).lock_exclusive().first(db).await?.unwrap_or(first))
}
