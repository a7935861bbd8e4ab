//! Background work: done once, by somebody, whatever fails.
#![expect(clippy::disallowed_methods, reason = "tests wait for their own tasks")]

mod failure;
mod fence;
mod kill;
mod line;
mod people;
mod schedule;
mod work;

use std::{sync::Arc, time::Duration};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::{Hub, NewJob},
    domain::{
        job::{Job, State, list},
        tenant::Tenant,
    },
    kernel::{chance::SystemChance, clock::Clock},
    worker::{
        handler::Kind,
        runner::{Notice, Runner, Settings},
    },
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::work::{Chore, How};
use crate::support::{TestHub, database::TestDatabase};

/// A lease that ends only when a test moves the clock.
const LEASE: Duration = Duration::from_mins(1);

/// What a worker said of the jobs that ended.
type Said = Arc<std::sync::Mutex<Vec<&'static str>>>;

/// A worker of a test.
struct Worker {
    runner: Arc<Runner>,
    said: Said,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl Worker {
    /// One that does what is due when it is told to.
    fn of(hub: &Arc<Hub>) -> Self {
        Self::with(hub, Settings { lease: LEASE, grace: Duration::from_mins(1) })
    }

    fn with(hub: &Arc<Hub>, settings: Settings) -> Self {
        Self::for_kinds(hub, work::kinds(), settings)
    }

    fn for_kinds(hub: &Arc<Hub>, kinds: Vec<Kind>, settings: Settings) -> Self {
        let (said, stop) = (Said::default(), CancellationToken::new());
        let heard = Arc::clone(&said);
        let observer = Arc::new(move |notice: Notice<'_>| {
            if let Notice::Ended { how, .. } = notice {
                heard.lock().unwrap().push(how);
            }
        });
        let runner = Runner::new(Arc::clone(hub), kinds, settings, observer, stop.clone());
        Self { runner, said, stop, running: None }
    }

    /// One that does what is due by itself.
    fn running(hub: &Arc<Hub>, settings: Settings) -> Self {
        let mut worker = Self::with(hub, settings);
        worker.running = Some(tokio::spawn(Arc::clone(&worker.runner).run()));
        worker
    }

    /// Does what is due.
    async fn settle(&self) -> u64 {
        self.runner.settle().await.unwrap()
    }

    fn said(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    async fn stop(mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
    }
}

/// Another node on the database of a hub, with the same clock.
async fn another_node(hub: &TestHub) -> App {
    open(&hub.database, Arc::new(hub.clock.clone())).await
}

async fn open(database: &TestDatabase, clock: Arc<dyn Clock>) -> App {
    let config = Config::load(&Flags::default(), database.settings(), database.folder()).unwrap();
    App::open(&config, World { clock, chance: Arc::new(SystemChance) }).await.unwrap()
}

/// Enqueues work of a tenant.
async fn enqueue(hub: &TestHub, tenant: &Tenant, work: NewJob) {
    hub.cx_of(tenant).write(async |txn| txn.enqueue(work.clone())).await.unwrap();
}

/// Every job there is.
async fn jobs(hub: &TestHub) -> Vec<Job> {
    list::of_anybody(hub.app.hub(), None, &list::JobFilter::default(), 1_000).await.unwrap()
}

/// The one job there is.
async fn the_job(hub: &TestHub) -> Job {
    let [job]: [Job; 1] = jobs(hub).await.try_into().unwrap();
    job
}

/// What chores left behind in a tenant, in order.
async fn done(hub: &TestHub, tenant: &Tenant) -> Vec<Value> {
    hub.number_events().await;
    work::done(hub.app.hub(), tenant.id).await
}

fn chore(n: u32, how: How) -> NewJob {
    NewJob::of(&Chore { n, how }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_enqueued_is_done_after_the_commit_by_whoever_caused_it() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    let ann = hub.user_of(&hub.tenant, "ann@example.com", portolan::kernel::scope::Role::Admin).await;
    let token = hub.session_of(&hub.tenant, ann.id).await;
    let caller = portolan::domain::access::identify(&hub.cx(), &token, None).await.unwrap();
    let cx = hub.cx().with_caller(caller);
    cx.write(async |txn| {
        txn.enqueue(chore(1, How::Finish))?;
        assert_eq!(jobs(&hub).await.len(), 0, "nobody sees it before the commit");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(the_job(&hub).await.state, State::Waiting);
    assert_eq!(worker.settle().await, 1);
    assert_eq!(jobs(&hub).await.len(), 0, "what is done goes");
    assert_eq!(worker.said(), ["done"]);
    hub.number_events().await;
    let events = work::events(hub.app.hub(), hub.tenant.id).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&event.actor, event.request_id.as_deref()), (&ann.id.to_string(), Some(&*cx.request().id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_is_woken_by_the_commit_and_does_what_is_planned_when_it_is_time() {
    let database = TestDatabase::create().await;
    let hub = TestHub::on(database, &[]).await;
    let worker = Worker::running(hub.app.hub(), Settings { lease: LEASE, grace: LEASE });
    enqueue(&hub, &hub.tenant, chore(1, How::Finish)).await;
    enqueue(&hub, &hub.tenant, chore(2, How::Finish).after(chrono::TimeDelta::hours(1))).await;
    hub.until(async || (done(&hub, &hub.tenant).await == [1]).then_some(())).await;
    hub.clock.advance(chrono::TimeDelta::hours(1));
    hub.until(async || (done(&hub, &hub.tenant).await == [1, 2]).then_some(())).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_has_nothing_to_write_just_returns_and_long_work_writes_as_it_goes() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Return)).await;
    enqueue(&hub, &hub.tenant, chore(2, How::Pieces(3))).await;
    worker.settle().await;
    assert_eq!(jobs(&hub).await.len(), 0);
    assert_eq!(done(&hub, &hub.tenant).await, [2, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_a_node_stops_may_end_and_what_does_not_is_put_back_at_once() {
    let hub = TestHub::start().await;
    let patient = Worker::running(hub.app.hub(), Settings { lease: LEASE, grace: LEASE });
    enqueue(&hub, &hub.tenant, chore(1, How::Wait("patient".to_owned()))).await;
    work::arrived("patient").await;
    patient.stop.cancel();
    // Once it has seen that, nothing more is taken.
    hub.until(async || patient.runner.is_closed().then_some(())).await;
    enqueue(&hub, &hub.tenant, chore(2, How::Finish)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(done(&hub, &hub.tenant).await, Vec::<Value>::new());
    work::open_gate("patient");
    patient.stop().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1], "it was let end");

    let hasty = Worker::running(hub.app.hub(), Settings { lease: LEASE, grace: Duration::from_millis(50) });
    hub.until(async || (done(&hub, &hub.tenant).await == [1, 2]).then_some(())).await;
    enqueue(&hub, &hub.tenant, chore(3, How::Wait("hasty".to_owned()))).await;
    work::arrived("hasty").await;
    let said = Arc::clone(&hasty.said);
    hasty.stop().await;
    assert_eq!(said.lock().unwrap().last(), Some(&"interrupted"));
    let job = the_job(&hub).await;
    assert_eq!((job.state, job.attempts, job.holder), (State::Waiting, 0, None), "that was no attempt");
    work::open_gate("hasty");
    Worker::of(hub.app.hub()).settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1, 2, 3]);

    // Work that looks whether it is to stop notes how far it came and goes on elsewhere.
    let told = Worker::running(hub.app.hub(), Settings { lease: LEASE, grace: LEASE });
    enqueue(&hub, &hub.tenant, chore(4, How::UntilStopped)).await;
    hub.until(async || (!told.runner_is_idle()).then_some(())).await;
    told.stop().await;
    assert_eq!(the_job(&hub).await.attempts, 0);
}

impl Worker {
    /// Whether nothing runs here.
    fn runner_is_idle(&self) -> bool {
        self.runner.busy_with() == 0
    }
}
