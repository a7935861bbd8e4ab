//! What people see of syncs and tell them.

use chrono::TimeDelta;
use portolan::{
    domain::{
        access::token,
        alert::{self, AlertFilter},
        sync::{Status, list, plan::Plan, schedule},
    },
    kernel::{page::PageArgs, scope::Role},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{acme::Acme, ask, connected, node, row};

const NOW: &str = "mutation($id: ID!, $stream: String) { syncNow(input: { integrationId: $id, stream: $stream }) {
    runs { id stream status mode cause } userErrors { code path message } } }";
const STREAMS: &str = "query($id: ID!) { integration(id: $id) {
    syncStats { totalRecords lastSyncCount failedSyncCount successRate } lastSyncedAt
    syncStreams { key name paused scheduled totalRecords changeNumber failuresInRow stoppedAt
        schedule { frequency cron timeZone chosen } lastRun { status progress { pages seen added estimatedRest } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn somebody_reads_looks_at_records_and_follows_their_changes() {
    let acme = Acme::start().await;
    acme.has(0..25, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let (token, id) = (hub.token(Role::Operator).await, integration.id.to_string());
    let asked = ask(&hub, &token, NOW, json!({ "id": id })).await;
    assert_eq!(asked["syncNow"]["runs"].as_array().unwrap().len(), 2, "{asked}");
    let again = ask(&hub, &token, NOW, json!({ "id": id, "stream": "things" })).await;
    assert!(asked["syncNow"]["runs"].as_array().unwrap().contains(&again["syncNow"]["runs"][0]), "one at a time");
    let unknown = ask(&hub, &token, NOW, json!({ "id": id, "stream": "thigns" })).await;
    assert!(unknown["syncNow"]["userErrors"][0]["message"].as_str().unwrap().contains("things"), "{unknown}");
    node(hub.app.hub()).settle().await.unwrap();
    let seen = ask(&hub, &token, STREAMS, json!({ "id": id })).await["integration"].clone();
    assert_eq!(
        seen["syncStats"],
        json!({ "totalRecords": 50, "lastSyncCount": 25, "failedSyncCount": 0, "successRate": 1.0 })
    );
    let things = seen["syncStreams"].as_array().unwrap().iter().find(|stream| stream["key"] == "things").unwrap();
    assert_eq!(things["schedule"], json!({ "frequency": "HOURLY", "cron": null, "timeZone": null, "chosen": false }));
    assert_eq!(
        things["lastRun"],
        json!({ "status": "SUCCEEDED", "progress": { "pages": 3, "seen": 25, "added": 25, "estimatedRest": null } })
    );
    let records = "query($id: ID!, $after: String) { records(integrationId: $id, stream: \"things\", first: 100,
        changedAfter: $after) { nodes { externalId data deletedAt changeNumber } totalCount } }";
    let all = ask(&hub, &token, records, json!({ "id": id })).await["records"].clone();
    assert_eq!(all["totalCount"], 25);
    let last = all["nodes"][24]["changeNumber"].clone();
    assert_eq!(last, "25");
    acme.put("t000003", "changed", 0);
    acme.lose("t000004");
    ask(&hub, &token, NOW, json!({ "id": id, "stream": "things" })).await;
    node(hub.app.hub()).settle().await.unwrap();
    let since = ask(&hub, &token, records, json!({ "id": id, "after": last })).await["records"]["nodes"].clone();
    assert_eq!(since.as_array().unwrap().len(), 2, "{since}");
    assert_eq!((&since[0]["data"]["text"], &since[1]["externalId"]), (&json!("changed"), &json!("t000004")));
    assert!(!since[1]["deletedAt"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_pauses_resumes_cancels_and_chooses_when() {
    let acme = Acme::start().await;
    acme.has(0..25, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let (token, id) = (hub.token(Role::Operator).await, integration.id.to_string());
    let run = ask(&hub, &token, NOW, json!({ "id": id, "stream": "things" })).await["syncNow"]["runs"][0]["id"].clone();
    let cancel =
        "mutation($id: ID!) { cancelSyncRun(input: { id: $id }) { run { status error } userErrors { code } } }";
    let cancelled = ask(&hub, &token, cancel, json!({ "id": run })).await;
    assert_eq!(cancelled["cancelSyncRun"]["run"]["status"], "CANCELLED");
    let twice = ask(&hub, &token, cancel, json!({ "id": run })).await;
    assert_eq!(twice["cancelSyncRun"]["userErrors"][0]["code"], "CONFLICT");
    acme.asked();
    node(hub.app.hub()).settle().await.unwrap();
    assert_eq!(acme.asked(), 0, "nothing is read for a run that was cancelled");

    let set = "mutation($id: ID!, $schedule: SyncScheduleInput) { setSyncSchedule(input: { integrationId: $id,
        stream: \"things\", schedule: $schedule }) { stream { schedule { frequency cron timeZone chosen } }
        userErrors { code path message } } }";
    let cron = json!({ "cron": { "pattern": "30 2 * * *", "timeZone": "Europe/Berlin" } });
    let chosen = ask(&hub, &token, set, json!({ "id": id, "schedule": cron })).await["setSyncSchedule"].clone();
    assert_eq!(
        chosen["stream"]["schedule"],
        json!({ "frequency": null, "cron": "30 2 * * *", "timeZone": "Europe/Berlin", "chosen": true })
    );
    let wrong = json!({ "cron": { "pattern": "61 * * * *", "timeZone": "Europe/Berlin" } });
    let refused = ask(&hub, &token, set, json!({ "id": id, "schedule": wrong })).await["setSyncSchedule"].clone();
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "schedule", "cron"]));
    let back = ask(&hub, &token, set, json!({ "id": id, "schedule": null })).await["setSyncSchedule"].clone();
    assert_eq!(back["stream"]["schedule"]["chosen"], false);

    schedule::sweep(hub.app.hub().clone()).await.unwrap();
    let pause = "mutation($id: ID!) { pauseSync(input: { integrationId: $id }) { streams { key paused scheduled } userErrors { code } } }";
    let paused = ask(&hub, &token, pause, json!({ "id": id })).await["pauseSync"]["streams"].clone();
    assert_eq!(paused.as_array().unwrap().len(), 2);
    assert!(paused.as_array().unwrap().iter().all(|it| it["paused"] == true && it["scheduled"] == false), "{paused}");
    hub.clock.advance(TimeDelta::hours(3));
    node(hub.app.hub()).settle().await.unwrap();
    assert_eq!(acme.asked(), 0);
    let refused = ask(&hub, &token, NOW, json!({ "id": id, "stream": "things" })).await;
    assert_eq!(refused["syncNow"]["userErrors"][0]["code"], "CONFLICT");
    let resume = "mutation($id: ID!) { resumeSync(input: { integrationId: $id }) { streams { paused scheduled } userErrors { code } } }";
    let resumed = ask(&hub, &token, resume, json!({ "id": id })).await["resumeSync"]["streams"].clone();
    assert!(resumed.as_array().unwrap().iter().all(|it| it["paused"] == false && it["scheduled"] == true));
    hub.clock.advance(TimeDelta::hours(3));
    node(hub.app.hub()).settle().await.unwrap();
    hub.clock.advance(TimeDelta::minutes(10));
    node(hub.app.hub()).settle().await.unwrap();
    assert!(acme.asked() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_searched_and_followed_without_a_gap() {
    let acme = Acme::start().await;
    acme.has(0..25, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let (token, id) = (hub.token(Role::Viewer).await, integration.id.to_string());
    let operator = hub.token(Role::Operator).await;
    let run =
        ask(&hub, &operator, NOW, json!({ "id": id, "stream": "things" })).await["syncNow"]["runs"][0]["id"].clone();
    node(hub.app.hub()).settle().await.unwrap();
    hub.number_events().await;
    let logs = "query($filter: SyncLogFilterInput) { syncLogs(first: 50, filter: $filter) {
        nodes { level step message number runId } totalCount } }";
    let of_run = ask(&hub, &token, logs, json!({ "filter": { "runId": run } })).await["syncLogs"].clone();
    let mut numbers: Vec<u64> = of_run["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["number"].as_str().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5], "it begins, three pages, it ends: {of_run}");
    for (filter, expected) in [
        (json!({ "text": "PAGE 2" }), 1),
        (json!({ "text": "page_2" }), 0),
        (json!({ "levels": ["WARN", "ERROR"] }), 0),
        (json!({ "from": "2027-01-15T08:00:00Z" }), 5),
        (json!({ "from": "2027-01-15T09:00:00Z" }), 0),
        (json!({ "to": "2027-01-15T08:00:00Z" }), 0),
        (json!({ "integrationId": id, "levels": ["INFO"] }), 5),
    ] {
        let found = ask(&hub, &token, logs, json!({ "filter": filter })).await["syncLogs"]["totalCount"].clone();
        assert_eq!(found, expected, "{filter}");
    }
    let follow = "subscription($run: ID, $after: String) { syncLogged(runId: $run, after: $after) { cursor step message level } }";
    let start = portolan::kernel::cursor::Cursor::encode("events", &0).unwrap().0;
    let mut stream = hub.follow(&token, follow, json!({ "run": run, "after": start })).await;
    let mut steps = Vec::new();
    for _ in 0..5 {
        let data: Value = serde_json::from_str(&stream.event().await.data).unwrap();
        steps.push(data["data"]["syncLogged"]["step"].as_str().unwrap().to_owned());
    }
    assert_eq!(steps, ["begin", "page", "page", "page", "end"]);
    let follow = "subscription($id: ID, $after: String) { syncRunChanged(integrationId: $id, after: $after) {
        kind progress { seen pages } run { status } } }";
    let mut stream = hub.follow(&token, follow, json!({ "id": id, "after": start })).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let data: Value = serde_json::from_str(&stream.event().await.data).unwrap();
        let change = &data["data"]["syncRunChanged"];
        seen.push((change["kind"].as_str().unwrap().to_owned(), change["progress"]["seen"].as_i64()));
    }
    let expected = [
        ("sync.run_queued", None),
        ("sync.run_started", Some(0)),
        ("sync.run_progressed", Some(10)),
        ("sync.run_progressed", Some(20)),
        ("sync.run_progressed", Some(25)),
        ("sync.run_succeeded", Some(25)),
    ];
    // What is looked for as absent comes as progress too.
    seen.dedup();
    assert_eq!(seen[..5], expected.map(|(kind, seen)| (kind.to_owned(), seen))[..5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_whoever_asked_for_it_may_not_any_more() {
    let acme = Acme::start().await;
    acme.has(0..25, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id.to_string();
    let (token_id, token) = hub.new_token(&hub.tenant, Role::Operator, None, None).await;
    let asked = ask(&hub, &token, NOW, json!({ "id": id, "stream": "things" })).await;
    let run = asked["syncNow"]["runs"][0]["id"].as_str().unwrap().parse().unwrap();
    token::revoke(&hub.cx(), token_id.parse().unwrap()).await.unwrap();
    node(hub.app.hub()).settle().await.unwrap();
    let ended = list::get(&hub.cx(), run).await.unwrap();
    assert_eq!((ended.status, ended.pages), (Status::Cancelled, 0), "{ended:?}");
    assert!(ended.error.unwrap().contains("not valid any more"));
    // Somebody who may asks for another.
    let other = hub.token(Role::Operator).await;
    let asked = ask(&hub, &other, NOW, json!({ "id": id, "stream": "things" })).await;
    node(hub.app.hub()).settle().await.unwrap();
    let run = asked["syncNow"]["runs"][0]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(list::get(&hub.cx(), run).await.unwrap().status, Status::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_schedule_that_cannot_be_read_is_not_the_usual_one() {
    let acme = Acme::start().await;
    let (hub, integration) = connected(&acme).await;
    schedule::sweep(hub.app.hub().clone()).await.unwrap();
    let nightly = || Plan::Cron { pattern: "30 2 * * *".to_owned(), zone: "Europe/Berlin".to_owned() };
    let set = async |plan| schedule::set(&hub.cx(), integration.id, "things", plan).await.unwrap();
    set(Some(nightly())).await;
    assert!(row(&hub, integration.id, "things").await.rhythm.is_some());
    let open = async || {
        let filter = AlertFilter { open: Some(true), ..AlertFilter::default() };
        let args = PageArgs { after: None, before: None, size: 10, backward: false };
        let rows = alert::list(&hub.cx(), &filter, &args).await.unwrap().rows;
        rows.into_iter().map(|(_, alert)| alert.kind).collect::<Vec<_>>()
    };
    for damaged in ["{\"cron\": {\"pattern\": \"x\", \"zone\": \"UTC\"}}", "{\"often\": \"sometimes\"}", "7"] {
        let change = format!("UPDATE sync_streams SET plan = '{damaged}' WHERE stream = 'things'");
        hub.app.hub().database.writer().execute_unprepared(&change).await.unwrap();
        schedule::sweep(hub.app.hub().clone()).await.unwrap();
        assert_eq!(row(&hub, integration.id, "things").await.rhythm, None, "{damaged}");
        assert_eq!(open().await, [alert::Kind::UnreadableSetting], "{damaged}");
        set(Some(nightly())).await;
        assert!(row(&hub, integration.id, "things").await.rhythm.is_some());
        assert!(open().await.is_empty(), "{damaged}");
    }
}
