//! What is due again and again: each tick enqueues a job.
//!
//! A tick and the note of when the next one is are one commit, made while the schedule's row is held; another node
//! that looks at the same moment passes the row over. The job's key holds the tick, so that even a schedule put back
//! from a backup would enqueue no tick twice while it waits.
//!
//! What was missed while nobody ran is one tick. If the work does not keep up with its ticks, so many of them wait
//! at most; the others count as missed. Ticks of suspended tenants are missed too.
//!
//! **A clock that was wrong** may have planned a tick for another year. No tick is further ahead than its rhythm
//! allows; one that is, is planned anew ([`recheck`]), at every start and every few minutes.

use std::sync::Arc;

use serde::Deserialize;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};

use crate::{
    context::{Cx, Hub, NewJob, Txn, clock_guard::SLACK},
    domain::{
        keyring::HUB,
        tenant::{Status, Tenant},
    },
    entity::{first::First, job, schedule as entity, tenant},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::TenantId,
        rhythm::Rhythm,
    },
};

pub use entity::Model as Schedule;

/// Ticks that are looked at in one transaction.
const BATCH: u64 = 100;

/// Ticks of one schedule that wait at most.
const BEHIND: u64 = 10;

/// What is to be done when.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// What it is for, within its tenant and kind of work.
    pub key: String,
    /// When.
    pub rhythm: Rhythm,
    /// What each tick enqueues.
    pub work: NewJob,
    /// The first tick, instead of the next one of the rhythm.
    pub first: Option<Moment>,
}

/// Sets the schedule of the caller's tenant for that kind and key. Setting the same again changes nothing; another
/// rhythm counts from now on.
pub async fn set(txn: &Txn, new: &NewSchedule) -> Result<()> {
    let (tenant, now) = (txn.cx().tenant()?, txn.now());
    let rhythm = serde_json::to_value(&new.rhythm)
        .map_err(|error| Error::Internal("a rhythm could not be written", error.into()))?;
    let next = new.first.or_else(|| new.rhythm.next(now, now));
    let row = Schedule {
        id: txn.id(),
        tenant_id: tenant,
        kind: new.work.kind().to_owned(),
        key: new.key.clone(),
        payload: new.work.payload().clone(),
        max_attempts: new.work.max_attempts(),
        rhythm,
        next_at: next,
        last_at: None,
        created_at: now,
        updated_at: now,
    };
    let Some(before) = entity::by_key(tenant, &row.kind, &row.key).first(&**txn).await? else {
        let insert = entity::Entity::insert(row.into_active_model()).on_conflict(entity::made_meanwhile());
        insert.exec_without_returning(&**txn).await?;
        return Ok(());
    };
    if (&before.rhythm, &before.payload, before.max_attempts) == (&row.rhythm, &row.payload, row.max_attempts) {
        return Ok(());
    }
    let same = before.rhythm == row.rhythm;
    let mut change = before.into_active_model();
    change.payload = Set(row.payload);
    change.max_attempts = Set(row.max_attempts);
    if !same {
        change.rhythm = Set(row.rhythm);
        change.next_at = Set(next);
    }
    change.updated_at = Set(now);
    change.update(&**txn).await?;
    Ok(())
}

/// Ends the schedule of the caller's tenant for that kind and key. Says whether there was one.
pub async fn end(txn: &Txn, kind: &str, key: &str) -> Result<bool> {
    Ok(entity::remove(txn.cx().tenant()?, kind, key).exec(&**txn).await?.rows_affected > 0)
}

/// When something is due next.
pub async fn next(hub: &Hub) -> Result<Option<Moment>> {
    Ok(entity::next().first(hub.database.reader()).await?.and_then(|schedule| schedule.next_at))
}

/// A schedule that ended because what is stored of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose.
    pub tenant: TenantId,
    /// The kind of its work.
    pub kind: String,
    /// Its key: the id of what it is for.
    pub key: String,
    /// The reason.
    pub reason: String,
}

/// What came of looking at what is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Jobs that were enqueued.
    pub ticks: u64,
    /// Schedules that ended.
    pub unreadable: Vec<Unreadable>,
}

/// Enqueues what is due. A schedule that cannot be read ends, and stands in nobody's way.
pub async fn tick(hub: &Arc<Hub>) -> Result<Ticked> {
    let mut all = Ticked::default();
    loop {
        let cx = Cx::system(Arc::clone(hub), "schedule", HUB);
        let (looked, ticked) = cx.write(async |txn| batch(txn).await).await?;
        all.ticks += ticked.ticks;
        all.unreadable.extend(ticked.unreadable);
        if looked < BATCH {
            return Ok(all);
        }
    }
}

/// Plans ticks anew that lie further ahead than their rhythm allows, as a clock that was ahead left them. Says how many.
pub async fn recheck(hub: &Arc<Hub>) -> Result<u64> {
    let (mut changed, mut after) = (0, None);
    loop {
        let now = hub.clock.now();
        let page = entity::later_than(now + SLACK, after, BATCH).all(hub.database.reader()).await?;
        for schedule in &page {
            let Some((from, to)) = too_late(schedule, now) else { continue };
            let replanned = entity::replanned(schedule.id, from, to).exec(hub.database.writer()).await?;
            changed += replanned.rows_affected;
            if replanned.rows_affected > 0 {
                let (id, kind) = (schedule.id, schedule.kind.as_str());
                tracing::warn!(schedule = %id, kind, %from, %to, "a tick was planned too far ahead and was planned anew");
            }
        }
        after = page.last().map(|schedule| schedule.id);
        if (page.len() as u64) < BATCH {
            return Ok(changed);
        }
    }
}

/// For when the next tick is planned and when it should be, if it is planned too late.
fn too_late(schedule: &Schedule, now: Moment) -> Option<(Moment, Moment)> {
    let planned = schedule.next_at?;
    let rhythm: Rhythm = serde_json::from_value(schedule.rhythm.clone()).ok()?;
    if planned <= rhythm.latest(now + SLACK)? {
        return None;
    }
    Some((planned, rhythm.sooner(planned, now)?))
}

async fn batch(txn: &Txn) -> Result<(u64, Ticked)> {
    let due = entity::due(txn.now(), BATCH).all(&**txn).await?;
    let whose = tenant::of_any(due.iter().map(|schedule| schedule.tenant_id).collect()).all(&**txn).await?;
    let served = |schedule: &Schedule| {
        schedule.tenant_id == HUB
            || whose.iter().any(|tenant: &Tenant| tenant.id == schedule.tenant_id && tenant.state() == Status::Active)
    };
    let mut all = Ticked::default();
    for schedule in &due {
        let Some(tick) = schedule.next_at else { continue };
        let read = Rhythm::deserialize(&schedule.rhythm).map_err(|error| error.to_string());
        let read = read.and_then(|rhythm| {
            let next = rhythm.next(tick, txn.now());
            next.map(|next| (rhythm, next)).ok_or_else(|| "it is never due again".to_owned())
        });
        let (rhythm, next) = match read {
            Ok(read) => read,
            Err(reason) => {
                entity::moved(schedule.id, tick, None).exec(&**txn).await?;
                let (tenant, kind, key) = (schedule.tenant_id, schedule.kind.clone(), schedule.key.clone());
                all.unreadable.push(Unreadable { tenant, kind, key, reason });
                continue;
            }
        };
        if served(schedule) && behind(txn, schedule).await? < BEHIND {
            let (kind, payload) = (schedule.kind.clone(), schedule.payload.clone());
            let work = NewJob::recorded(kind, payload, schedule.max_attempts)
                .unique(format!("{}{}", prefix(schedule), tick.timestamp_micros()))
                .after(rhythm.delay(&*txn.cx().hub().chance));
            txn.enqueue_in(schedule.tenant_id, work);
            all.ticks += 1;
        }
        entity::moved(schedule.id, tick, Some(next)).exec(&**txn).await?;
    }
    Ok((due.len() as u64, all))
}

/// How many ticks of the schedule wait or run.
async fn behind(txn: &Txn, schedule: &Schedule) -> Result<u64> {
    let open = job::under_keys(schedule.tenant_id, &schedule.kind, &prefix(schedule));
    Ok(open.filter(job::COLUMN.state.ne(job::State::Dead)).count(&**txn).await?)
}

/// How the keys of its jobs begin.
fn prefix(schedule: &Schedule) -> String {
    format!("{}@", schedule.id)
}

/// The tick for which a job was enqueued, by its key.
#[must_use]
pub fn tick_of(key: &str) -> Option<Moment> {
    let (schedule, tick) = key.split_once('@')?;
    schedule.starts_with("sch_").then(|| Moment::from_timestamp_micros(tick.parse().ok()?))?
}
