//! What people see of jobs, and do about them.

use chrono::TimeDelta;
use portolan::{
    context::NewJob,
    domain::keyring::HUB,
    kernel::{
        clock::{Clock, SystemClock},
        scope::Role,
    },
};
use serde_json::{Value, json};

use super::{
    Worker, chore, done, enqueue, open,
    work::{Chore, How, Single},
};
use crate::support::{TestHub, database::TestDatabase, hub::get, process::run_on, records::Records};

const JOBS: &str = "query($filter: JobFilterInput) { jobs(filter: $filter) {
    nodes { id kind key state attempts maxAttempts lastError actor } totalCount } }";
const RETRY: &str = "mutation($id: ID!) { retryJob(input: { id: $id }) {
    job { state attempts lastError } userErrors { code path message } } }";

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_state_and_kind_and_dead_ones_begin_anew_when_somebody_says_so() {
    let hub = TestHub::start().await;
    let (admin, viewer) = (hub.token(Role::Admin).await, hub.token(Role::Viewer).await);
    let acme = hub.another_tenant("acme").await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::Stumble(3)).unique("parcel-1")).await;
    enqueue(
        &hub,
        &hub.tenant,
        NewJob::of(&Single(Chore { n: 2, how: How::Finish })).unwrap().after(TimeDelta::days(1)),
    )
    .await;
    enqueue(&hub, &acme, chore(3, How::GiveUp)).await;
    for _ in 0..3 {
        worker.settle().await;
        hub.clock.advance(TimeDelta::minutes(2));
    }
    let all = hub.ask(&admin, JOBS, json!({})).await.data()["jobs"].clone();
    assert_eq!(all["totalCount"], 2, "and none of another tenant's: {all}");
    let dead = hub.ask(&admin, JOBS, json!({ "filter": { "state": "DEAD" } })).await.data()["jobs"]["nodes"].clone();
    let id = dead[0]["id"].clone();
    let expected = json!([{
        "id": id, "kind": "test.chore", "key": "parcel-1", "state": "DEAD", "attempts": 3, "maxAttempts": 3,
        "lastError": "the other side is not available at present", "actor": "system:test",
    }]);
    assert_eq!(dead, expected);
    let single = json!({ "filter": { "kind": "test.single", "state": "WAITING" } });
    let waiting = hub.ask(&admin, JOBS, single).await.data()["jobs"].clone();
    assert_eq!((&waiting["totalCount"], &waiting["nodes"][0]["state"]), (&json!(1), &json!("WAITING")));
    assert_eq!(hub.ask(&viewer, JOBS, json!({})).await.codes(), ["FORBIDDEN"]);
    assert_eq!(hub.ask(&viewer, RETRY, json!({ "id": id })).await.codes(), ["FORBIDDEN"]);

    let before = Records::of(&hub).await;
    let retried = hub.ask(&admin, RETRY, json!({ "id": id })).await.data()["retryJob"].clone();
    assert_eq!(retried["job"], json!({ "state": "WAITING", "attempts": 0, "lastError": dead[0]["lastError"] }));
    let new = Records::of(&hub).await.since(&before);
    assert_eq!((new.events, new.audit), (vec!["job.retried".to_owned()], vec!["job.retried".to_owned()]));
    let again = hub.ask(&admin, RETRY, json!({ "id": id })).await.data()["retryJob"].clone();
    assert_eq!(again["userErrors"][0]["code"], "CONFLICT", "{again}");
    let theirs = hub.token_of(&acme, Role::Admin).await;
    assert_eq!(hub.ask(&theirs, RETRY, json!({ "id": id })).await.user_codes("retryJob"), ["NOT_FOUND"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_whose_place_was_taken_stays_dead() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let worker = Worker::of(hub.app.hub());
    enqueue(&hub, &hub.tenant, chore(1, How::GiveUp).unique("key")).await;
    worker.settle().await;
    enqueue(&hub, &hub.tenant, chore(2, How::Finish).unique("key")).await;
    let dead = hub.ask(&admin, JOBS, json!({ "filter": { "state": "DEAD" } })).await.data()["jobs"]["nodes"].clone();
    let refused = hub.ask(&admin, RETRY, json!({ "id": dead[0]["id"] })).await.data()["retryJob"].clone();
    assert_eq!(refused["userErrors"][0]["code"], "CONFLICT");
    assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("same key"), "{refused}");
    worker.settle().await;
    assert_eq!(done(&hub, &hub.tenant).await, [2]);
    hub.ask(&admin, RETRY, json!({ "id": dead[0]["id"] })).await.data();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_and_retries_and_the_doctor_says_what_is_dead_or_late() {
    let database = TestDatabase::create().await;
    let hub = TestHub::on(database, &[]).await;
    let now = open(&hub.database, std::sync::Arc::new(SystemClock)).await;
    let of = |tenant| portolan::context::Cx::system(now.hub().clone(), "test", tenant);
    let healthy = run_on(&hub.database, &["doctor"]);
    assert!(healthy.stdout.contains("0 wait, 0 run, 0 are dead"), "{healthy:?}");
    let late = TimeDelta::hours(-1);
    of(HUB).write(async |txn| txn.enqueue(chore(1, How::Finish).after(late))).await.unwrap();
    let doctor = run_on(&hub.database, &["doctor"]);
    assert!(doctor.stdout.contains("could have begun 60 minutes ago") && doctor.code == Some(1), "{doctor:?}");

    of(hub.tenant.id).write(async |txn| txn.enqueue(chore(2, How::GiveUp))).await.unwrap();
    let worker = Worker::of(now.hub());
    worker.settle().await;
    let doctor = run_on(&hub.database, &["doctor"]);
    assert!(doctor.stdout.contains("1 are dead: 1 of test.chore") && doctor.code == Some(1), "{doctor:?}");
    let listed = run_on(&hub.database, &["jobs", "list", "--state", "dead", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!((&listed[0]["lastError"], &listed[1]), (&json!("there is no such parcel"), &Value::Null));
    let plain = run_on(&hub.database, &["jobs", "list", "--kind", "test.chore", "--tenant", "default"]);
    assert!(plain.stdout.contains(id) && plain.stdout.contains("DEAD"), "{plain:?}");

    let retried = run_on(&hub.database, &["jobs", "retry", id]);
    assert_eq!(retried.code, Some(0), "{retried:?}");
    let alive = run_on(&hub.database, &["jobs", "retry", id]);
    assert_eq!(alive.code, Some(1), "{alive:?}");
    assert!(alive.stderr.contains("needs no retry"), "{alive:?}");
    for (arguments, code) in [
        (&["jobs", "retry"][..], 2),
        (&["jobs", "retry", "job_nonsense"], 2),
        (&["jobs", "list", "--state", "asleep"], 2),
        (&["jobs", "list", "--tenant", "nobody"], 2),
        (&["jobs", "retry", "--kind", "test.chore"], 0),
    ] {
        let outcome = run_on(&hub.database, arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {outcome:?}");
    }
    worker.settle().await;
    let all = run_on(&hub.database, &["jobs", "retry", "--kind", "test.chore"]);
    assert!(all.stderr.contains("1 jobs begin anew"), "{all:?}");
    assert!(SystemClock.now() > hub.cx().now() - TimeDelta::days(3_650));
    now.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_in_metrics_what_waits_runs_and_is_dead() {
    use portolan::worker::runner::{Notice, Runner, Settings};
    let hub = TestHub::start().await;
    let shared = hub.app.hub();
    let stop = tokio_util::sync::CancellationToken::new();
    let settings = Settings { lease: super::LEASE, grace: super::LEASE };
    enqueue(&hub, &hub.tenant, chore(1, How::GiveUp)).await;
    enqueue(&hub, &hub.tenant, chore(2, How::Finish).after(TimeDelta::hours(1))).await;
    let observer = hub.app.observer();
    let runner = Runner::new(shared.clone(), super::work::kinds(), settings, observer.clone(), stop);
    runner.settle().await.unwrap();
    hub.clock.advance(TimeDelta::hours(2));
    let counts = portolan::domain::job::list::counts(shared).await.unwrap();
    observer(Notice::Counted { counts: &counts, at: hub.cx().now() });
    let page = hub.send(get("/metrics")).await.text;
    for line in [
        "jobs{kind=\"other\",state=\"WAITING\"} 1",
        "jobs{kind=\"other\",state=\"DEAD\"} 1",
        "jobs_oldest_wait_seconds 3600",
        "job_attempt_duration_seconds_count{kind=\"test.chore\",outcome=\"dead\"} 1",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}
