//! The audit log: read, verified, signed, pruned.
//!
//! Entries are written by the transaction that does what they speak of, and chained there
//! ([`chain`](crate::context::chain)); nothing here writes one. **Verifying** walks a tenant's chain from
//! its beginning and names the first entry that does not fit: edited, removed, moved or added. **Signing**
//! notes, every hour, how far the chain had come: whoever rewrites a whole chain cannot rewrite what was
//! signed and exported before. **Pruning** removes what is older than the retention, up to a signed place,
//! from which the rest can still be verified.
//!
//! Not promised: that somebody who holds both the database and the hub's keys cannot forge a chain.
//! Signed places that were exported elsewhere are the answer to that.

use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::{
    context::{Cx, Hub, chain},
    domain::keyring::signing,
    entity::{audit_checkpoint as checkpoint, audit_entry as entity, audit_head as head, page},
    kernel::{
        clock::Moment,
        error::Result,
        id::{AuditEntryId, TenantId},
        page::{Page, PageArgs},
    },
};

pub use entity::Model as AuditEntry;

/// Entries that are read at a time.
const BATCH: u64 = 500;

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
    let rest = entity::of(tenant).filter(entity::COLUMN.number.gt(number)).order_by_asc(entity::Column::Number);
    Ok(rest.limit(BATCH).all(hub.database.reader()).await?)
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries that fit.
    pub entries: u64,
    /// Signed places that fit.
    pub checkpoints: u64,
    /// The number of the first entry that does not fit, and why.
    pub broken: Option<(i64, &'static str)>,
}

/// Walks the chain of a tenant.
pub async fn verify(hub: &Hub, tenant: TenantId) -> Result<Verified> {
    let db = hub.database.reader();
    // Read first: entries that come while we walk are behind the head that we look for.
    let end = head::of(tenant).one(db).await?;
    let signed = checkpoint::of(tenant).order_by_asc(checkpoint::Column::Number).all(db).await?;
    let mut found = Verified::default();
    let oldest = entity::of(tenant).order_by_asc(entity::Column::Number).one(db).await?;
    // If all of it was pruned, the chain goes on after the last signed place.
    let first = oldest.map_or_else(|| signed.last().map_or(1, |place| place.number + 1), |entry| entry.number);
    let mut signed = signed.into_iter().peekable();
    let (mut number, mut hash) = (first - 1, chain::BEGINNING.to_vec());
    if number > 0 {
        // What came before was pruned, up to a signed place; from there the chain goes on.
        let place = signed.find(|place| place.number == number);
        let Some(place) = place else {
            found.broken = Some((first, "the entries before it are gone, and no signed place stands for them"));
            return Ok(found);
        };
        if !fits(hub, &place).await? {
            found.broken = Some((number, "the signature of the place before it does not fit"));
            return Ok(found);
        }
        hash = place.hash;
    }
    let last = end.as_ref().map_or(0, |end| end.number);
    while number < last {
        let batch = after(hub, tenant, number).await?;
        if batch.is_empty() {
            break;
        }
        for entry in batch.into_iter().take_while(|entry| entry.number <= last) {
            let expected = number + 1;
            if entry.number != expected {
                found.broken = Some((expected, "it is missing"));
                return Ok(found);
            }
            hash = chain::link(&hash, &entry).to_vec();
            if entry.hash != hash {
                found.broken = Some((expected, "it was changed, or the one before it"));
                return Ok(found);
            }
            number = expected;
            found.entries += 1;
            while signed.next_if(|place| place.number < number).is_some() {}
            if let Some(place) = signed.next_if(|place| place.number == number) {
                if place.hash != hash || !fits(hub, &place).await? {
                    found.broken = Some((number, "it is not what was signed"));
                    return Ok(found);
                }
                found.checkpoints += 1;
            }
        }
    }
    match end {
        Some(end) if end.number != number => found.broken = Some((number + 1, "it is missing at the end")),
        Some(end) if end.number > 0 && end.hash != hash => found.broken = Some((number, "the head does not fit")),
        _ => {}
    }
    if found.broken.is_none() && signed.next().is_some() {
        found.broken = Some((number + 1, "a signed place lies beyond the end"));
    }
    Ok(found)
}

/// Signs how far each chain has come since the last time. Says how many were signed.
pub async fn sign(hub: &Arc<Hub>) -> Result<u64> {
    let (db, mut signed) = (hub.database.reader(), 0);
    for end in head::of_hub().all(db).await? {
        let last = checkpoint::of(end.tenant_id).order_by_desc(checkpoint::Column::Number).one(db).await?;
        if end.number == 0 || last.is_some_and(|last| last.number >= end.number) {
            continue;
        }
        let (key, at) = (signing::current(hub).await?, hub.clock.now());
        let message = message(end.tenant_id, end.number, &end.hash, at);
        let row = checkpoint::Model {
            tenant_id: end.tenant_id,
            number: end.number,
            hash: end.hash,
            at,
            key_id: key.id,
            signature: key.sign(&message).to_vec(),
        };
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
        let Some(place) = old.order_by_desc(checkpoint::Column::Number).one(db).await? else { continue };
        let cx = Cx::system(hub.clone(), "audit retention", tenant);
        removed += cx
            .write(async |txn| {
                checkpoint::before(tenant, place.number).exec(&**txn).await?;
                Ok(entity::up_to(tenant, place.number).exec(&**txn).await?.rows_affected)
            })
            .await?;
    }
    Ok(removed)
}

async fn fits(hub: &Hub, place: &checkpoint::Model) -> Result<bool> {
    let message = message(place.tenant_id, place.number, &place.hash, place.at);
    let public = signing::public(hub, place.key_id).await?;
    Ok(public.is_some_and(|key| signing::signed_by(&key, &message, &place.signature)))
}

/// What is signed.
fn message(tenant: TenantId, number: i64, hash: &[u8], at: Moment) -> Vec<u8> {
    let mut message = b"portolan audit checkpoint 1".to_vec();
    message.extend(tenant.uuid().as_bytes());
    message.extend(number.to_be_bytes());
    message.extend(at.timestamp_micros().to_be_bytes());
    message.extend(hash);
    message
}
