//! What fails is tried again, later each time, and is dead at last.

use chrono::TimeDelta;
use portolan::{context::NewJob, domain::job::State};
use serde_json::Value;

use super::{
    Worker, chore, done, enqueue, jobs, the_job,
    work::{Chore, Hasty, How},
};
use crate::support::{TestHub, records::Records};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_waits_longer_each_time_and_is_done_when_it_succeeds() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Stumble(2))).await;
    for (attempt, seconds) in [(1, 10), (2, 20)] {
        assert_eq!(worker.settle().await, 1, "attempt {attempt}");
        let job = the_job(&hub).await;
        assert_eq!((job.state, job.attempts, &job.holder), (State::Waiting, attempt, &None));
        assert_eq!(job.last_error.as_deref(), Some("the other side is not available at present"), "and no more");
        let wait = (job.run_at - hub.cx().now()).num_milliseconds();
        assert!((seconds * 900..=seconds * 1100).contains(&wait), "{wait}");
        hub.clock.advance(TimeDelta::milliseconds(wait - 1));
        assert_eq!(worker.settle().await, 0, "not before");
        hub.clock.advance(TimeDelta::milliseconds(2));
    }
    assert_eq!(worker.settle().await, 1);
    assert_eq!(worker.said(), ["retried", "retried", "done"]);
    assert_eq!((jobs(&hub).await, done(&hub, &hub.tenant).await), (vec![], vec![Value::from(1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_or_for_good_is_dead_with_the_reason_and_an_event_says_so() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Stumble(99))).await;
    enqueue(&hub, &hub.tenant, chore(2, How::GiveUp)).await;
    let before = Records::of(&hub).await;
    for _ in 0..5 {
        worker.settle().await;
        hub.clock.advance(TimeDelta::minutes(2));
    }
    let mut dead = jobs(&hub).await;
    dead.sort_by_key(|job| std::cmp::Reverse(job.attempts));
    let told: Vec<_> =
        dead.iter().map(|job| (job.state, job.attempts, job.last_error.as_deref().unwrap_or_default())).collect();
    let (away, gone) = ("the other side is not available at present", "there is no such parcel");
    assert_eq!(told, [(State::Dead, 3, away), (State::Dead, 1, gone)]);
    let new = Records::of(&hub).await.since(&before);
    assert_eq!(new.events, ["job.died", "job.died"]);
    assert!(new.everything().contains(gone));
    assert_eq!(done(&hub, &hub.tenant).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_may_say_when_to_try_again() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Throttled(3_600))).await;
    worker.settle().await;
    assert_eq!(the_job(&hub).await.run_at, hub.cx().now() + TimeDelta::hours(1));
    hub.clock.advance(TimeDelta::hours(1));
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_leaves_nothing_and_the_next_attempt_does_it_once() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Panic)).await;
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, Vec::<Value>::new(), "the transaction was rolled back");
    assert_eq!(the_job(&hub).await.state, State::Waiting);
    hub.clock.advance(TimeDelta::minutes(1));
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finished_has_finished_whatever_is_said_afterwards() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::FinishAndFail)).await;
    worker.settle().await;
    assert_eq!((worker.said(), jobs(&hub).await), (vec!["done"], vec![]));
    assert_eq!(done(&hub, &hub.tenant).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_has_failed() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, NewJob::of(&Hasty(Chore { n: 1, how: How::Hang })).unwrap()).await;
    worker.settle().await;
    let job = the_job(&hub).await;
    assert_eq!(job.last_error.as_deref(), Some("it took longer than 0 seconds"));
    hub.clock.advance(TimeDelta::minutes(1));
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_dead_at_once_and_what_nobody_here_knows_is_left_to_who_does() {
    let hub = TestHub::start().await;
    let worker = Worker::of(hub.app.hub());
    let of = |kind: &str| NewJob::recorded(kind.to_owned(), serde_json::json!({ "x": 1 }), 5);
    enqueue(&hub, &hub.tenant, of("test.chore")).await;
    enqueue(&hub, &hub.tenant, of("later.version")).await;
    worker.settle().await;
    let mut left = jobs(&hub).await;
    left.sort_by(|one, other| one.kind.cmp(&other.kind));
    let states: Vec<_> = left.iter().map(|job| (&*job.kind, job.state)).collect();
    assert_eq!(states, [("later.version", State::Waiting), ("test.chore", State::Dead)]);
    let reason = left[1].last_error.clone().unwrap();
    assert!(reason.contains("cannot be read: missing field"), "{reason}");
}
