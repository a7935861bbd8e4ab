//! Who is first, how many at once, and what is one and the same.

use chrono::TimeDelta;
use portolan::{
    context::NewJob,
    domain::{job::State, tenant::lifecycle},
};
use serde_json::Value;

use super::{
    Worker, another_node, chore, done, enqueue, jobs, the_job, work,
    work::{Chore, How, Single},
};
use crate::support::TestHub;

fn single(n: u32, how: How) -> NewJob {
    NewJob::of(&Single(Chore { n, how })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_enqueue_under_one_key_one_job_waits_with_the_newest_payload() {
    let hub = TestHub::start().await;
    let (other, acme) = (another_node(&hub).await, hub.another_tenant("acme").await);
    let nodes = [hub.app.hub(), other.hub()];
    let enqueued = (0..50_usize).map(|at| {
        let cx = portolan::context::Cx::system(nodes[at % 2].clone(), "test", hub.tenant.id);
        async move { cx.write(async |txn| txn.enqueue(chore(7, How::Finish).unique("same"))).await.unwrap() }
    });
    futures_util::future::join_all(enqueued).await;
    assert_eq!(jobs(&hub).await.len(), 1);
    enqueue(&hub, &hub.tenant, chore(8, How::Finish).unique("same")).await;
    enqueue(&hub, &hub.tenant, chore(9, How::Finish).unique("other")).await;
    enqueue(&hub, &acme, chore(10, How::Finish).unique("same")).await;
    Worker::of(hub.app.hub()).settle().await;
    let mut mine: Vec<_> = done(&hub, &hub.tenant).await.iter().map(|n| n.as_u64().unwrap()).collect();
    mine.sort_unstable();
    assert_eq!((mine, done(&hub, &acme).await), (vec![8, 9], vec![Value::from(10)]));
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_enqueued_again_while_it_runs_runs_once_more() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Wait("again".to_owned())).unique("key")).await;
    worker.runner.turn().await.unwrap();
    work::arrived("again").await;
    for n in [2, 3] {
        enqueue(&hub, &hub.tenant, chore(n, How::Finish).unique("key")).await;
    }
    assert_eq!(jobs(&hub).await.len(), 1, "never two at once");
    work::open_gate("again");
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1, 3]);
    assert_eq!(jobs(&hub).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_may_enqueue_itself_for_later_in_the_commit_that_ends_it() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Again).unique("again")).await;
    worker.settle().await;
    let job = the_job(&hub).await;
    assert_eq!((job.state, job.attempts, job.run_at), (State::Waiting, 0, hub.cx().now() + TimeDelta::hours(1)));
    hub.clock.advance(TimeDelta::hours(1));
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_not_hurry_what_pauses_after_a_failure() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Throttled(600)).unique("key")).await;
    worker.settle().await;
    enqueue(&hub, &hub.tenant, chore(2, How::Finish).unique("key")).await;
    assert_eq!(worker.settle().await, 0);
    // One that only waits for its time is hurried.
    enqueue(&hub, &hub.tenant, chore(3, How::Finish).unique("later").after(TimeDelta::hours(9))).await;
    enqueue(&hub, &hub.tenant, chore(4, How::Finish).unique("later").after(TimeDelta::hours(1))).await;
    enqueue(&hub, &hub.tenant, chore(5, How::Finish).unique("later").after(TimeDelta::hours(5))).await;
    hub.clock.advance(TimeDelta::hours(1));
    worker.settle().await;
    assert_eq!(jobs(&hub).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_much_to_do_does_not_keep_another_waiting() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let worker = Worker::of(hub.app.hub());
    let many: Vec<_> = (0..100).map(|n| single(n, How::Finish)).collect();
    hub.cx().write(async |txn| many.iter().cloned().try_for_each(|work| txn.enqueue(work))).await.unwrap();
    // Some of it is done before the other comes.
    while done(&hub, &hub.tenant).await.len() < 20 {
        worker.runner.turn().await.unwrap();
        hub.until(async || (worker.runner.busy_with() == 0).then_some(())).await;
    }
    for n in 0..5 {
        enqueue(&hub, &acme, single(n, How::Finish)).await;
    }
    while done(&hub, &acme).await.len() < 5 {
        worker.runner.turn().await.unwrap();
        hub.until(async || (worker.runner.busy_with() == 0).then_some(())).await;
    }
    let passed = done(&hub, &hub.tenant).await.len();
    assert!((24..=27).contains(&passed), "they alternate; {passed} were done");
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn higher_priority_comes_first_and_no_more_run_at_once_than_a_kind_has_hands() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    for (n, priority) in [(1, 0), (2, 5), (3, -1), (4, 5)] {
        enqueue(&hub, &hub.tenant, single(n, How::Finish).priority(priority)).await;
    }
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [2, 4, 1, 3]);
    for n in 10..20 {
        enqueue(&hub, &hub.tenant, chore(n, How::Wait("hands".to_owned()))).await;
    }
    worker.runner.turn().await.unwrap();
    hub.until(async || (work::waiting_at("hands") >= 4).then_some(())).await;
    // Another kind is not held up by one that has no hand free.
    enqueue(&hub, &hub.tenant, single(5, How::Finish)).await;
    worker.runner.turn().await.unwrap();
    hub.until(async || (done(&hub, &hub.tenant).await.len() == 5).then_some(())).await;
    assert_eq!(work::waiting_at("hands"), 4);
    work::open_gate("hands");
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_suspended_tenant_waits_until_it_is_resumed() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &acme, chore(1, How::Finish)).await;
    lifecycle::suspend(&hub.cx(), acme.id, "unpaid").await.unwrap();
    assert_eq!(worker.settle().await, 0);
    assert_eq!(the_job(&hub).await.state, State::Waiting);
    lifecycle::resume(&hub.cx(), acme.id).await.unwrap();
    worker.settle().await;
    assert_eq!(done(&hub, &acme).await, [1]);
}
