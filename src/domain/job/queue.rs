//! Jobs as workers see them: taken, kept, put back, given up.

use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::FromQueryResult;

use super::Job;
use crate::{
    context::{Cx, Ending, Hub, Lease, RequestInfo, Txn, clock_guard::SLACK},
    domain::keyring::HUB,
    entity::job::{self as entity, Taking},
    event::job::JobEvent,
    kernel::{
        actor::{Actor, Caller},
        clock::Moment,
        error::{Error, Result},
        id::JobId,
    },
};

/// Why a job that nobody ends is taken from its worker.
const SILENT: &str = "its worker was not heard of any more";

/// Jobs that are planned anew at a time.
const BATCH: u64 = 500;

/// Leases, one after the other, that no lease is longer than: other nodes may have another setting.
const LEASES: i32 = 10;

/// Characters of a reason that are kept.
const REASON: usize = 1_000;

/// Those of the kinds of which something waits, with the moment from which it may run.
pub async fn due(hub: &Hub, kinds: &[&'static str]) -> Result<Vec<(String, Moment)>> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let asked = entity::due(hub.database.backend(), kinds);
    let found = entity::Due::find_by_statement(asked).all(hub.database.reader()).await?;
    Ok(found.into_iter().filter_map(|due| Some((due.kind, due.at?))).collect())
}

/// Takes at most so many of a kind, in their order, for the length of a lease.
pub async fn take(hub: &Hub, kind: &str, most: u64, holder: &str, lease: TimeDelta) -> Result<Vec<Job>> {
    let now = hub.clock.now();
    let taken = entity::take(hub.database.backend(), kind, most, Taking { holder, now, until: now + lease });
    let jobs = Job::find_by_statement(taken).all(hub.database.writer()).await?;
    if let Some(turn) = jobs.iter().map(|job| job.turn).max() {
        hub.lines.passed(kind, turn);
    }
    Ok(jobs)
}

/// Prolongs the leases on these jobs. Says on which of them the worker still has one.
pub async fn keep(hub: &Hub, holder: &str, jobs: Vec<JobId>, lease: TimeDelta) -> Result<Vec<JobId>> {
    if jobs.is_empty() {
        return Ok(jobs);
    }
    // By the time of all, so that a clock that is ahead holds no job for years.
    let kept = entity::keep(holder, jobs, hub.clock_guard.now() + lease);
    Ok(kept.exec_with_returning(hub.database.writer()).await?.into_iter().map(|job| job.id).collect())
}

/// Takes jobs from workers that were not heard of for the length of a lease. Says how many.
pub async fn let_go(hub: &Arc<Hub>) -> Result<u64> {
    let now = hub.clock.now();
    let mut free = entity::let_go(now, SILENT).exec(hub.database.writer()).await?.rows_affected;
    for job in entity::worn_out(now).all(hub.database.reader()).await? {
        let cx = acting(hub, &job, "job queue");
        match cx.write(async |txn| give_up(txn, &job, SILENT)).await {
            Ok(()) => free += 1,
            // Somebody else was as quick.
            Err(_) if cx.lease().is_some_and(|lease| lease.is_lost()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(free)
}

/// Sets right what a clock that was ahead has written: jobs that wait wait as long as they were to, and no lease is
/// longer than several of the usual ones. Says how many.
pub async fn recheck(hub: &Arc<Hub>, lease: TimeDelta) -> Result<u64> {
    let (now, db, mut changed) = (hub.clock.now(), hub.database.writer(), 0);
    loop {
        let jobs = entity::written_after(now + SLACK, BATCH).all(db).await?;
        for job in &jobs {
            let wait = (job.run_at - job.updated_at).max(TimeDelta::zero());
            let run_at = job.run_at.min(now + wait);
            changed += entity::replanned(job.id, job.updated_at, run_at, now).exec(db).await?.rows_affected;
        }
        if (jobs.len() as u64) < BATCH {
            break;
        }
    }
    let longest = now + SLACK + lease * LEASES;
    changed += entity::shortened(longest, now + lease).exec(db).await?.rows_affected;
    if changed > 0 {
        tracing::warn!(jobs = changed, "jobs were planned too far ahead and were planned anew");
    }
    Ok(changed)
}

/// The context in which a job that was taken runs: in its tenant, as whoever caused it, under its lease. Work that
/// the program itself caused is done as `part` of it.
#[must_use]
pub fn acting(hub: &Arc<Hub>, job: &Job, part: &'static str) -> Cx {
    let actor = Actor::recorded(&job.actor_kind, &job.actor).unwrap_or(Actor::System(part));
    let request = RequestInfo { id: job.request_id.as_str().into(), address: None };
    Cx::new(Arc::clone(hub), Caller::trusted(actor, job.tenant_id), request)
        .under(Arc::new(Lease::new(job.id, job.fence)))
}

/// Ends a job that is done, when what it did is committed already.
pub async fn done(cx: &Cx) -> Result<()> {
    cx.write(async |txn| txn.finish()).await
}

/// Puts a job back that was interrupted, for whoever is there; that was no attempt.
pub async fn interrupted(cx: &Cx) -> Result<()> {
    cx.write(async |txn| txn.end(Ending::Later { at: txn.now(), reason: None })).await
}

/// Notes that a job failed: it is tried again after a while, or given up if there is no while or it was tried often
/// enough. Says whether it is tried again.
pub async fn failed(cx: &Cx, job: &Job, reason: &str, again_after: Option<TimeDelta>) -> Result<bool> {
    let reason = shortened(reason);
    let again = again_after.filter(|_| job.attempts < job.max_attempts);
    cx.write(async |txn| match again {
        Some(wait) => txn.end(Ending::Later { at: txn.now() + wait, reason: Some(reason.clone()) }),
        None => give_up(txn, job, &reason),
    })
    .await?;
    Ok(again.is_some())
}

fn give_up(txn: &Txn, job: &Job, reason: &str) -> Result<()> {
    txn.end(Ending::Dead { reason: reason.to_owned() })?;
    if job.tenant_id == HUB {
        // The hub has no log of its own.
        return Ok(());
    }
    let (work, reason) = (job.kind.clone(), reason.to_owned());
    txn.emit(&JobEvent::Died { job: job.id, work, reason, attempts: job.attempts })
}

fn shortened(reason: &str) -> String {
    reason.chars().take(REASON).collect()
}

/// What a worker may say of an error where people read it: its own part. What lies behind is for the log.
#[must_use]
pub fn reason_of(error: &Error) -> String {
    match error {
        Error::Refused(issues) => issues
            .iter()
            .map(|issue| format!("{}: {}", issue.path.join("."), issue.message))
            .collect::<Vec<_>>()
            .join("; "),
        error => error.to_string(),
    }
}
