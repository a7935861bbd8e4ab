//! Work that nobody waits for: jobs and chores.
//!
//! **A job** was enqueued by a change that needs it, or by a schedule. Each kind has a file here that does it
//! ([`handler`]) and a line in [`kinds`]; the [`runner`] takes what is due. What a job promises is said in
//! [`domain::job`](crate::domain::job).
//!
//! **A chore** takes no input, finds out itself what is left to do, and may run twice or on several nodes at
//! once: it looks at the rows, not at a plan. So a chore that was cut off is simply run again. Each runs
//! when it is kicked and at its own interval, and says what it did. What must run once for all nodes is a job with a
//! schedule.
//!
//! **The clock** of the node is watched ([`clock`]): what is done because of the time begins when it was compared, and
//! waits while it cannot be relied on. Each chore says what it needs ([`Needs`]).

mod audit;
pub mod clock;
pub mod handler;
mod inbox;
mod integration;
mod keys;
pub mod outbound;
pub mod partner;
pub mod prober;
pub mod runner;
mod sync;
mod tenants;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use self::{
    clock::ClockWatch,
    handler::Kind,
    outbound::Sender,
    prober::Prober,
    runner::{Observer, Runner, Settings},
};
use crate::{
    context::{ClockState, Cx, Hub, NewJob},
    domain::{
        credential::{self, token},
        event, health,
        inbox::{intake, process::ProcessInbox, reconcile::ReconcileInbox, retain, source},
        integration::{mend, removal::RemoveIntegration},
        job::schedule::{self, NewSchedule},
        keyring::HUB,
        outbound as webhooks,
        partner::{mapping::version::ReapplyUpdates, monitor},
        sync::{
            hint::HintSync,
            run::RunSync,
            schedule::{self as sync_schedule, TickSync},
            watch as sync_watch,
        },
    },
    kernel::{
        error::{Result, chain},
        rhythm::Rhythm,
    },
};

/// Every kind of job.
#[must_use]
pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::of::<keys::RenewDataKeys>(),
        Kind::of::<audit::PruneAudit>(),
        Kind::of::<RemoveIntegration>(),
        Kind::of::<RunSync>(),
        Kind::of::<TickSync>(),
        Kind::of::<HintSync>(),
        Kind::of::<ProcessInbox>(),
        Kind::of::<ReconcileInbox>(),
        Kind::of::<ReapplyUpdates>(),
    ]
}

/// What the hub itself has to do again and again, once for all nodes: the work, the interval, the jitter.
fn hub_schedules() -> Result<Vec<(NewJob, u32, u32)>> {
    const HOUR: u32 = 60 * 60;
    Ok(vec![(NewJob::of(&keys::RenewDataKeys {})?, HOUR, 60), (NewJob::of(&audit::PruneAudit {})?, 24 * HOUR, 60 * 10)])
}

/// Starts the worker of this node and the chores; they end when `stop` is cancelled.
pub fn start(
    hub: &Arc<Hub>,
    settings: Settings,
    observer: Observer,
    sent: outbound::Observer,
    stop: &CancellationToken,
) {
    use Needs::{Deletion, Nothing, Time};
    let runner = Runner::new(Arc::clone(hub), kinds(), settings, observer, stop.clone());
    hub.tasks.spawn(ClockWatch::new(Arc::clone(hub), settings.lease).run(stop.clone()));
    let (own, stopped) = (Arc::clone(hub), stop.clone());
    hub.tasks.spawn(async move {
        if stopped.run_until_cancelled(own.clock_guard.may_schedule()).await.is_none() {
            return;
        }
        if let Err(error) = schedule_own(&own).await {
            tracing::error!(error = chain(&error), "the hub's own schedules are not set");
        }
        runner.run().await;
    });
    hub.tasks.spawn(Prober::new(Arc::clone(hub)).run(stop.clone()));
    hub.tasks.spawn(outbound::route(Arc::clone(hub), stop.clone()));
    hub.tasks.spawn(partner::follow(Arc::clone(hub), stop.clone()));
    hub.tasks.spawn(Sender::new(Arc::clone(hub)).observed_by(sent).run(stop.clone()));
    repeat(hub, stop, Deletion, "forget old health checks", Duration::from_mins(10), health::watch::retain);
    repeat(hub, stop, Nothing, "finish key rotations", Duration::from_secs(20), keys::finish_rotations);
    repeat(hub, stop, Nothing, "erase destroyed keys", Duration::from_secs(20), keys::erase_destroyed);
    repeat(hub, stop, Nothing, "forget unwrapped keys", Duration::from_mins(1), keys::forget_old);
    repeat(hub, stop, Deletion, "renew signing keys", Duration::from_hours(1), keys::renew_signing_keys);
    repeat(hub, stop, Nothing, "note refused attempts", Duration::from_mins(1), audit::note_refusals);
    repeat(hub, stop, Deletion, "forget old attempts to sign in", Duration::from_mins(10), keys::forget_attempts);
    repeat(hub, stop, Deletion, "sign the audit log", Duration::from_hours(1), audit::sign);
    repeat(hub, stop, Time, "buy tokens ahead", Duration::from_secs(10), token::ahead);
    repeat(hub, stop, Deletion, "retire credentials", Duration::from_mins(1), credential::retire);
    repeat(hub, stop, Time, "end tests that were cut off", Duration::from_mins(1), mend::tests);
    repeat(hub, stop, Deletion, "forget ended links", Duration::from_hours(1), mend::forget_ended);
    repeat(hub, stop, Time, "set sync schedules right", Duration::from_secs(30), sync_schedule::sweep);
    repeat(hub, stop, Time, "put back lost syncs", Duration::from_mins(1), sync_watch::put_back);
    repeat(hub, stop, Deletion, "forget old syncs", Duration::from_hours(1), sync_watch::forget_old);
    repeat(hub, stop, Time, "look for webhooks that wait", Duration::from_secs(10), intake::sweep);
    repeat(hub, stop, Deletion, "forget old webhooks", Duration::from_mins(10), retain::forget_old);
    repeat(hub, stop, Nothing, "delete sources of deleted integrations", Duration::from_mins(1), source::orphans);
    repeat(hub, stop, Deletion, "forget old deliveries", Duration::from_mins(10), webhooks::retain::forget_old);
    repeat(hub, stop, Deletion, "give up updates of unknown orders", Duration::from_mins(1), monitor::give_up);
    repeat(hub, stop, Deletion, "forget old partner updates", Duration::from_hours(1), monitor::forget_old);
    repeat(hub, stop, Deletion, "prune the event log", Duration::from_mins(10), event::retain);
    repeat(hub, stop, Deletion, "remove deleted tenants", Duration::from_mins(5), tenants::empty_deleted);
}

/// Sets the schedules of the hub itself. The first tick is now.
pub async fn schedule_own(hub: &Arc<Hub>) -> Result<()> {
    let cx = Cx::system(Arc::clone(hub), "schedule", HUB);
    cx.write(async |txn| {
        for (work, seconds, jitter) in hub_schedules()? {
            let (key, rhythm) = ("hub".to_owned(), Rhythm::Every { seconds, jitter });
            schedule::set(txn, &NewSchedule { key, rhythm, work, first: Some(txn.now()) }).await?;
        }
        Ok(())
    })
    .await
}

/// What a chore does because of the time, and so how far the clock has to be relied on.
#[derive(Clone, Copy, Debug)]
enum Needs {
    /// Nothing that matters: it runs whatever the clock says.
    Nothing,
    /// It begins something when its time has come.
    Time,
    /// It deletes or replaces something, or gives it up for good, when its time is over.
    Deletion,
}

impl Needs {
    fn met(self, clock: ClockState) -> bool {
        match self {
            Self::Nothing => true,
            Self::Time => clock.may_schedule(),
            Self::Deletion => clock.may_delete(),
        }
    }
}

/// Runs a chore now and then.
fn repeat<F>(
    hub: &Arc<Hub>,
    stop: &CancellationToken,
    needs: Needs,
    name: &'static str,
    every: Duration,
    chore: fn(Arc<Hub>) -> F,
) where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    let (hub, stop) = (Arc::clone(hub), stop.clone());
    let tasks = hub.tasks.clone();
    tasks.spawn(async move {
        if stop.run_until_cancelled(hub.clock_guard.compared()).await.is_none() {
            return;
        }
        loop {
            let met = needs.met(hub.clock_guard.state());
            if met {
                match chore(Arc::clone(&hub)).await {
                    Ok(0) => {}
                    Ok(done) => tracing::info!(chore = name, done, "{name}: {done} done"),
                    Err(error) => tracing::warn!(chore = name, error = chain(&error), "{name}: failed, will try again"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = hub.chores.notified() => {}
                () = tokio::time::sleep(if met { every } else { every.min(clock::COMPARED) }) => {}
            }
        }
    });
}
