//! The audit log: read, verified, signed, pruned.
//!
//! Entries are written by the transaction that does what they speak of, and chained there
//! ([`chain`](crate::context::chain)); nothing here writes one. **Verifying** walks a tenant's chain from
//! its beginning and names the first entry that does not fit: edited, removed, moved or added. **Signing**
//! notes, every hour, how far the chain had come: whoever rewrites a whole chain cannot rewrite what was
//! signed and exported before. **Pruning** removes what is older than the retention, up to a signed place,
//! from which the rest can still be verified; the place is signed anew as the beginning, so that nobody else
//! can cut one off.
//!
//! Not promised: that somebody who holds both the database and the hub's keys cannot forge a chain, nor that
//! what came after the last signed place cannot be rewritten together with the head. Signed places that were
//! exported elsewhere are the answer to the first, the hour between two places bounds the second.

use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::{
    context::{Cx, Hub, chain},
    domain::keyring::signing,
    entity::{audit_checkpoint as checkpoint, audit_entry as entity, audit_head as head, first::First, page},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{AuditEntryId, TenantId},
        page::{Page, PageArgs},
    },
};

pub use entity::Model as AuditEntry;

/// Entries that are read at a time.
const BATCH: u64 = 500;

/// Why an entry does not fit whose signed place says something else, or was not signed by the hub.
const NOT_SIGNED: &str = "it is not what was signed";

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Done by this id or part of the program.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Done to this id.
    pub subject: Option<String>,
    /// Not before.
    pub since: Option<Moment>,
    /// Before.
    pub until: Option<Moment>,
}

fn filtered(tenant: TenantId, filter: &AuditFilter) -> Select<entity::Entity> {
    let columns = entity::COLUMN;
    let mut select = entity::of(tenant);
    if let Some(actor) = &filter.actor {
        select = select.filter(columns.actor.eq(actor));
    }
    if let Some(action) = &filter.action {
        select = select.filter(columns.action.eq(action));
    }
    if let Some(subject) = &filter.subject {
        select = select.filter(columns.subject.eq(subject));
    }
    if let Some(since) = filter.since {
        select = select.filter(columns.at.gte(since));
    }
    if let Some(until) = filter.until {
        select = select.filter(columns.at.lt(until));
    }
    select
}

/// The entries of the tenant, oldest first.
pub async fn list(cx: &Cx, filter: &AuditFilter, args: &PageArgs) -> Result<Page<AuditEntry>> {
    let select = filtered(cx.tenant()?, filter);
    page::by_key(cx.db(), "auditLog", select, entity::Column::Number, |entry| entry.number, args).await
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[AuditEntryId]) -> Result<Vec<AuditEntry>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &AuditFilter) -> Result<u64> {
    Ok(filtered(cx.tenant()?, filter).count(cx.db()).await?)
}

/// The next entries after a number, for exports.
pub async fn after(hub: &Hub, tenant: TenantId, number: i64) -> Result<Vec<AuditEntry>> {
    batch(hub.database.reader(), tenant, number).await
}

async fn batch(db: &impl ConnectionTrait, tenant: TenantId, after: i64) -> Result<Vec<AuditEntry>> {
    let rest = entity::of(tenant).filter(entity::COLUMN.number.gt(after)).order_by_asc(entity::Column::Number);
    Ok(rest.limit(BATCH).all(db).await?)
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries that fit.
    pub entries: u64,
    /// Signed places that fit.
    pub checkpoints: u64,
    /// Entries that no place is signed for yet.
    pub unsigned: u64,
    /// The number of the first entry that does not fit, and why.
    pub broken: Option<(i64, &'static str)>,
}

/// Walks the chain of a tenant, as it was at one moment.
pub async fn verify(hub: &Hub, tenant: TenantId) -> Result<Verified> {
    let (view, mut found) = (hub.database.snapshot().await?, Verified::default());
    found.broken = walk(hub, &view, tenant, &mut found).await?;
    view.rollback().await?;
    Ok(found)
}

/// The first entry that does not fit, and why.
async fn walk(
    hub: &Hub,
    db: &impl ConnectionTrait,
    tenant: TenantId,
    found: &mut Verified,
) -> Result<Option<(i64, &'static str)>> {
    // The making of a tenant is its first entry, so that none is without a chain.
    let Some(end) = head::of(tenant).first(db).await? else {
        return Ok(Some((1, "it is missing, and so is the head of the chain")));
    };
    let places = checkpoint::of(tenant).order_by_asc(checkpoint::Column::Number).all(db).await?;
    let mut places = places.into_iter().peekable();
    let (mut number, mut hash) = (0, chain::BEGINNING.to_vec());
    // Only the hub itself can sign that what came before a place was removed because it was old.
    if let Some(place) = places.next_if(|place| place.pruned_at.is_some()) {
        if !fits(hub, &place).await? {
            return Ok(Some((place.number, NOT_SIGNED)));
        }
        found.checkpoints += 1;
        (number, hash) = (place.number, place.hash);
    }
    let first = entity::of(tenant).order_by_asc(entity::Column::Number).first(db).await?;
    if let Some(first) = first.filter(|first| first.number <= number) {
        return Ok(Some((first.number, "it lies before the beginning")));
    }
    loop {
        let entries = batch(db, tenant, number).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            number += 1;
            if entry.number != number {
                return Ok(Some((number, "it is missing")));
            }
            hash = chain::link(&hash, &entry).to_vec();
            if entry.hash != hash {
                return Ok(Some((number, "it was changed, or the one before it")));
            }
            if let Some(place) = places.next_if(|place| place.number <= number) {
                if place.number != number || place.hash != hash || !fits(hub, &place).await? {
                    return Ok(Some((place.number, NOT_SIGNED)));
                }
                (found.checkpoints, found.unsigned) = (found.checkpoints + 1, 0);
            } else {
                found.unsigned += 1;
            }
            found.entries += 1;
        }
    }
    Ok(match places.next() {
        _ if number < end.number => Some((number + 1, "it is missing at the end")),
        _ if number > end.number => Some((end.number + 1, "it lies behind the head")),
        _ if end.hash != hash => Some((number, "it is not what the head says")),
        Some(place) if place.number > number => {
            Some((number + 1, "it is missing, though a place from there on was signed"))
        }
        Some(place) => Some((place.number, NOT_SIGNED)),
        None => None,
    })
}

/// Signs how far each chain has come since the last time. Says how many were signed.
pub async fn sign(hub: &Arc<Hub>) -> Result<u64> {
    let (db, mut signed) = (hub.database.reader(), 0);
    for end in head::of_hub().all(db).await? {
        let last = checkpoint::of(end.tenant_id).order_by_desc(checkpoint::Column::Number).first(db).await?;
        if end.number == 0 || last.is_some_and(|last| last.number >= end.number) {
            continue;
        }
        let key = signing::current(hub).await?;
        let mut row = checkpoint::Model {
            tenant_id: end.tenant_id,
            number: end.number,
            hash: end.hash,
            at: hub.clock.now(),
            key_id: key.id,
            signature: Vec::new(),
            pruned_at: None,
        };
        row.signature = key.sign(&message(&row)).to_vec();
        let untouched =
            sea_orm::sea_query::OnConflict::columns([checkpoint::Column::TenantId, checkpoint::Column::Number]);
        let untouched = untouched.clone().do_nothing().to_owned();
        let insert = checkpoint::Entity::insert(row.into_active_model()).on_conflict(untouched);
        insert.exec_without_returning(hub.database.writer()).await?;
        signed += 1;
    }
    Ok(signed)
}

/// Removes the entries that are older than `retention`, up to a signed place. Says how many.
pub async fn prune(hub: &Arc<Hub>, retention: TimeDelta) -> Result<u64> {
    let (db, cutoff, mut removed) = (hub.database.reader(), hub.clock.now() - retention, 0);
    for end in head::of_hub().all(db).await? {
        let tenant = end.tenant_id;
        let old = checkpoint::of(tenant).filter(checkpoint::COLUMN.at.lt(cutoff));
        let Some(place) = old.order_by_desc(checkpoint::Column::Number).first(db).await? else { continue };
        if place.pruned_at.is_some() {
            continue;
        }
        // Whoever puts a place of his own there would otherwise have us remove what he cannot.
        let ending = entity::of(tenant).filter(entity::COLUMN.number.eq(place.number)).first(db).await?;
        if !fits(hub, &place).await? || ending.is_none_or(|entry| entry.hash != place.hash) {
            let number = place.number;
            tracing::error!(%tenant, number, "the audit log of {tenant} was not pruned: entry {number} does not fit: {NOT_SIGNED}");
            continue;
        }
        // Signed again, as the place where the rest begins: a beginning that somebody else cut off has none.
        let key = signing::current(hub).await?;
        let mut marked = checkpoint::Model { key_id: key.id, pruned_at: Some(hub.clock.now()), ..place };
        marked.signature = key.sign(&message(&marked)).to_vec();
        let cx = Cx::system(hub.clone(), "audit retention", tenant);
        removed += cx
            .write(async |txn| {
                checkpoint::before(tenant, marked.number).exec(&**txn).await?;
                let mut row = marked.clone().into_active_model();
                row.key_id = Set(marked.key_id);
                row.signature = Set(marked.signature.clone());
                row.pruned_at = Set(marked.pruned_at);
                row.update(&**txn).await?;
                Ok(entity::up_to(tenant, marked.number).exec(&**txn).await?.rows_affected)
            })
            .await?;
    }
    Ok(removed)
}

async fn fits(hub: &Hub, place: &checkpoint::Model) -> Result<bool> {
    match signing::public(hub, place.key_id).await {
        Ok(key) => Ok(key.is_some_and(|key| signing::signed_by(&key, &message(place), &place.signature))),
        // A key that does not open vouches for nothing.
        Err(Error::SecretUnreadable { .. } | Error::Internal(..)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is signed.
fn message(place: &checkpoint::Model) -> Vec<u8> {
    let mut message = b"portolan audit checkpoint 2".to_vec();
    message.extend(place.tenant_id.uuid().as_bytes());
    message.extend(place.number.to_be_bytes());
    message.extend(place.at.timestamp_micros().to_be_bytes());
    message.extend(place.pruned_at.map_or(i64::MIN, |at| at.timestamp_micros()).to_be_bytes());
    message.extend(&place.hash);
    message
}
