//! Who lost a job can commit nothing for it, whatever it believes.

use chrono::TimeDelta;
use portolan::domain::{
    job::{State, queue},
    tenant::lifecycle,
};
use serde_json::Value;

use super::{Worker, another_node, chore, done, enqueue, jobs, the_job, work, work::How};
use crate::support::TestHub;

/// One node takes the job and then seems dead; another does it meanwhile.
async fn taken_over(how: fn(String) -> How, gate: &str, before: &[u32]) {
    let hub = TestHub::start().await;
    let other = another_node(&hub).await;
    let (slow, quick) = (Worker::of(hub.app.hub()), Worker::of(other.hub()));
    enqueue(&hub, &hub.tenant, chore(1, how(gate.to_owned()))).await;
    slow.runner.turn().await.unwrap();
    work::arrived(gate).await;
    hub.clock.advance(TimeDelta::seconds(59));
    assert_eq!(queue::let_go(other.hub()).await.unwrap(), 0, "its lease is good for a minute");
    hub.clock.advance(TimeDelta::seconds(1));
    assert_eq!(queue::let_go(other.hub()).await.unwrap(), 1);
    assert_eq!(the_job(&hub).await.state, State::Waiting);

    let taking = {
        let runner = std::sync::Arc::clone(&quick.runner);
        tokio::spawn(async move { runner.settle().await })
    };
    work::arrived(gate).await;
    assert_eq!(the_job(&hub).await.fence, 2);
    // Both are let go on, as if the first one had only been stuck.
    work::open_gate(gate);
    taking.await.unwrap().unwrap();
    hub.until(async || (slow.runner.busy_with() == 0).then_some(())).await;
    let mut expected: Vec<_> = before.iter().map(|n| Value::from(*n)).collect();
    expected.push(1.into());
    assert_eq!(done(&hub, &hub.tenant).await, expected, "exactly once");
    assert_eq!((slow.said(), quick.said()), (vec!["lost"], vec!["done"]));
    assert_eq!(jobs(&hub).await.len(), 0);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_was_given_away_cannot_commit() {
    taken_over(How::Wait, "fence", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_can_it_go_on_after_what_it_had_committed_before() {
    // Each of the two wrote its first piece while it had the job.
    taken_over(How::PieceAndWait, "fence with pieces", &[1, 1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_tenant_that_is_suspended_meanwhile_commits_nothing_until_it_is_resumed() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &acme, chore(1, How::Wait("suspended".to_owned()))).await;
    enqueue(&hub, &acme, chore(2, How::PieceAndWait("suspended with pieces".to_owned()))).await;
    worker.runner.turn().await.unwrap();
    work::arrived("suspended").await;
    work::arrived("suspended with pieces").await;
    assert_eq!(done(&hub, &acme).await, [2], "its first piece");
    lifecycle::suspend(&hub.cx(), acme.id, "unpaid").await.unwrap();
    work::open_gate("suspended");
    work::open_gate("suspended with pieces");
    hub.until(async || (worker.runner.busy_with() == 0).then_some(())).await;
    assert_eq!(done(&hub, &acme).await, [2], "nothing more");
    lifecycle::resume(&hub.cx(), acme.id).await.unwrap();
    hub.clock.advance(TimeDelta::seconds(61));
    assert_eq!(queue::let_go(hub.app.hub()).await.unwrap(), 2);
    worker.settle().await;
    let mut all: Vec<_> = done(&hub, &acme).await.iter().map(|n| n.as_u64().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 2, 2], "each once after it was resumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_heard_of_keeps_its_jobs_and_one_that_lost_them_stops() {
    let hub = TestHub::start().await;
    let (first, second) = (Worker::of(hub.app.hub()), Worker::of(hub.app.hub()));
    enqueue(&hub, &hub.tenant, chore(1, How::Wait("beat".to_owned()))).await;
    first.runner.turn().await.unwrap();
    work::arrived("beat").await;
    for _ in 0..10 {
        hub.clock.advance(TimeDelta::seconds(15));
        first.runner.beat().await.unwrap();
        assert_eq!(queue::let_go(hub.app.hub()).await.unwrap(), 0);
    }
    hub.clock.advance(TimeDelta::seconds(60));
    assert_eq!(queue::let_go(hub.app.hub()).await.unwrap(), 1);
    first.runner.beat().await.unwrap();
    hub.until(async || (first.runner.busy_with() == 0).then_some(())).await;
    assert_eq!(first.said(), ["lost"], "it is stopped, not only kept from committing");
    work::open_gate("beat");
    second.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_its_workers_with_it_is_dead_at_last() {
    let hub = TestHub::start().await;
    enqueue(&hub, &hub.tenant, chore(1, How::Finish)).await;
    for taken in 1..=3 {
        let jobs = queue::take(hub.app.hub(), "test.chore", 10, "gone", TimeDelta::seconds(60)).await.unwrap();
        assert_eq!(jobs.len(), 1, "taking {taken}");
        hub.clock.advance(TimeDelta::seconds(60));
        assert_eq!(queue::let_go(hub.app.hub()).await.unwrap(), 1);
    }
    let job = the_job(&hub).await;
    assert_eq!((job.state, job.attempts), (State::Dead, 3));
    assert_eq!(job.last_error.as_deref(), Some("its worker was not heard of any more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_of_several_nodes_do_each_job_once() {
    let hub = TestHub::start().await;
    let other = another_node(&hub).await;
    for at in 0..60 {
        enqueue(&hub, &hub.tenant, chore(at, How::Finish)).await;
    }
    let workers = [hub.app.hub(), hub.app.hub(), other.hub(), other.hub()].map(Worker::of);
    let taken: u64 = futures_util::future::join_all(workers.iter().map(Worker::settle)).await.iter().sum();
    assert_eq!(taken, 60);
    let mut numbers: Vec<_> = done(&hub, &hub.tenant).await.iter().map(|n| n.as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    other.close().await;
}
