//! What a run makes of what goes wrong at the provider.

use chrono::TimeDelta;
use portolan::{
    domain::{
        alert::{self, AlertFilter},
        integration::{self, change},
        sync::{
            Status, SyncRun, failure, list, log,
            run::{self, RunSync},
            schedule, stream, watch,
        },
    },
    kernel::{id::IntegrationId, page::PageArgs},
};
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    acme::{Acme, Way, name},
    connect, connected, counted, kept, node, over, read, row, there, well,
};
use crate::support::{TestHub, played::Said};

const ALL: PageArgs = PageArgs { after: None, before: None, size: 100, backward: false };

fn garbled() -> Said {
    Said { kind: "text/html", body: b"<html>we are down</html>".to_vec(), ..Said::json(200, &json!({})) }
}

async fn failed(hub: &TestHub, id: IntegrationId, key: &str, class: &str) -> SyncRun {
    let run = read(hub, id, key).await;
    assert_eq!((run.status, run.error_class.as_deref()), (Status::Failed, Some(class)), "{run:?}");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_that_are_no_records_are_kept_with_the_reason_and_then_nothing_is_absent() {
    let acme = Acme::start().await;
    acme.has(0..12, "first", 0);
    let (hub, integration) = connected(&acme).await;
    well(&hub, integration.id, "things").await;
    acme.lose(&name(0));
    acme.odd(vec![json!({ "text": "nameless" }), json!("what is this?"), json!({ "id": "", "text": "" })]);
    let run = well(&hub, integration.id, "things").await;
    assert_eq!(counted(&run), [14, 0, 0, 11, 0, 3], "one is gone, but who knows which");
    let page = failure::list(&hub.cx(), run.id, &ALL).await.unwrap();
    let mut data: Vec<_> = page.rows.iter().map(|(_, row)| (row.page, row.data.clone())).collect();
    data.sort_by_key(|(_, data)| data.to_string());
    assert_eq!(
        data,
        [(1, json!("what is this?")), (1, json!({ "id": "", "text": "" })), (1, json!({ "text": "nameless" }))]
    );
    acme.odd(vec![]);
    assert_eq!(counted(&well(&hub, integration.id, "things").await), [11, 0, 0, 11, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_come_again_end_the_run() {
    let acme = Acme::start().await;
    acme.has(0..35, "first", 0);
    let (hub, integration) = connected(&acme).await;
    acme.behave(Way::Same);
    let same = failed(&hub, integration.id, "things", "unreadable").await;
    assert!(same.pages <= 3, "{}", same.pages);
    acme.behave(Way::Circle(7));
    let circle = failed(&hub, integration.id, "changes", "unreadable").await;
    assert!(circle.pages <= 40, "{}", circle.pages);
    acme.behave(Way::Well);
    well(&hub, integration.id, "things").await;
    // What the circle brought is gone again as soon as everything was read.
    assert_eq!(kept(&hub, integration.id, "things").await, there(&acme));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_asked_for_again_and_trouble_three_times() {
    let acme = Acme::start().await;
    acme.has(0..35, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    acme.behave(Way::Instead(Said::json(401, &json!({ "error": "no" }))));
    acme.asked();
    failed(&hub, id, "things", "auth").await;
    assert_eq!(acme.asked(), 1);
    let now = integration::get(&hub.cx(), id).await.unwrap();
    assert_eq!((now.error_class.as_deref(), now.failed_sync_count), (Some("auth"), 1));
    acme.behave(Way::Instead(Said::json(503, &json!({ "error": "away" }))));
    let away = failed(&hub, id, "changes", "down").await;
    assert_eq!((away.tries, away.pages), (3, 0));
    assert!(away.error.unwrap().contains("503"));
    acme.behave(Way::Instead(garbled()));
    failed(&hub, id, "changes", "unreadable").await;
    acme.behave(Way::Instead(Said::json(200, &json!({ "other": [] }))));
    failed(&hub, id, "things", "unreadable").await;
    acme.behave(Way::Instead(Said { body: vec![b'x'; 11 << 20], ..garbled() }));
    failed(&hub, id, "changes", "unreadable").await;
    // A text that is none, and one that ends in its middle, in the list of records.
    let start = b"{\"things\": [{\"id\": \"1\", \"text\": \"".to_vec();
    let text = [start.as_slice(), b"\xff\xfe\"}]}"].concat();
    acme.behave(Way::Instead(Said { body: text, ..Said::json(200, &json!({})) }));
    let unreadable = failed(&hub, id, "changes", "unreadable").await;
    assert!(unreadable.error.unwrap().contains("UTF-8"));
    acme.behave(Way::Instead(Said { body: start, cut: true, ..Said::json(200, &json!({})) }));
    failed(&hub, id, "changes", "down").await;
    assert_eq!(kept(&hub, id, "changes").await, []);
    acme.behave(Way::Well);
    well(&hub, id, "things").await;
    let now = integration::get(&hub.cx(), id).await.unwrap();
    assert_eq!(run::success_rate(&now), Some(1.0 / 8.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_patience_gets_it_and_the_run_goes_on_where_it_was() {
    let acme = Acme::start().await;
    acme.has(0..35, "first", 0);
    let (hub, integration) = connected(&acme).await;
    acme.behave(Way::Instead(Said::json(429, &json!({ "error": "slowly" }))));
    let begun = run::sync_now(&hub.cx(), integration.id, Some("things")).await.unwrap().remove(0);
    let node = node(hub.app.hub());
    for _ in 0..20 {
        node.settle().await.unwrap();
        let waiting = list::get(&hub.cx(), begun.id).await.unwrap();
        assert_eq!((waiting.status, waiting.tries), (Status::Running, 0));
        hub.clock.advance(TimeDelta::minutes(2));
    }
    acme.behave(Way::Well);
    assert_eq!(over(&hub, &begun).await.status, Status::Succeeded);
    assert_eq!(kept(&hub, integration.id, "things").await, there(&acme));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_failed_runs_the_schedule_stops_until_somebody_resumes_it() {
    let acme = Acme::start().await;
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    assert_eq!(schedule::sweep(hub.app.hub().clone()).await.unwrap(), 2);
    assert_eq!(schedule::sweep(hub.app.hub().clone()).await.unwrap(), 0, "it is as it should be");
    acme.behave(Way::Instead(Said::json(403, &json!({ "error": "no" }))));
    let node = node(hub.app.hub());
    for _ in 0..6 {
        node.settle().await.unwrap();
        hub.clock.advance(TimeDelta::hours(1));
    }
    let stopped = row(&hub, id, "things").await;
    assert_eq!((stopped.failures, stopped.rhythm.is_none()), (3, true), "{stopped:?}");
    assert!(stopped.stopped_because.unwrap().contains("403"));
    let open = async |open| {
        let filter = AlertFilter { open: Some(open), ..AlertFilter::default() };
        let found = alert::list(&hub.cx(), &filter, &ALL).await.unwrap().rows;
        found.into_iter().map(|(_, alert)| (alert.kind, alert.subject)).collect::<Vec<_>>()
    };
    let raised = [(alert::Kind::SyncStopped, id.to_string())];
    assert_eq!(open(true).await, raised, "one for both streams");
    let runs = list::list(&hub.cx(), &list::RunFilter::default(), &ALL).await.unwrap().rows.len();
    assert_eq!(runs, 6, "three of each stream");
    acme.behave(Way::Well);
    hub.clock.advance(TimeDelta::hours(5));
    node.settle().await.unwrap();
    assert_eq!(list::list(&hub.cx(), &list::RunFilter::default(), &ALL).await.unwrap().rows.len(), 6);
    stream::resume(&hub.cx(), id, Some("things")).await.unwrap();
    assert_eq!(open(true).await, raised, "the other one is still stopped");
    stream::resume(&hub.cx(), id, None).await.unwrap();
    assert_eq!((open(true).await, open(false).await), (vec![], raised.to_vec()));
    hub.clock.advance(TimeDelta::hours(2));
    node.settle().await.unwrap();
    // Work of a tick begins up to so much later.
    hub.clock.advance(TimeDelta::minutes(10));
    node.settle().await.unwrap();
    let resumed = row(&hub, id, "things").await;
    assert!(resumed.failures == 0 && resumed.last_synced_at.is_some() && resumed.rhythm.is_some(), "{resumed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_is_not_used_has_no_runs() {
    let acme = Acme::start().await;
    acme.has(0..35, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let (cx, id) = (hub.cx(), integration.id);
    schedule::sweep(hub.app.hub().clone()).await.unwrap();
    let begun = run::sync_now(&cx, id, Some("things")).await.unwrap().remove(0);
    change::enable(&cx, id, false).await.unwrap();
    assert_eq!(over(&hub, &begun).await.status, Status::Cancelled);
    assert!(run::sync_now(&cx, id, Some("things")).await.is_err());
    assert_eq!(schedule::sweep(hub.app.hub().clone()).await.unwrap(), 2);
    hub.clock.advance(TimeDelta::hours(3));
    node(hub.app.hub()).settle().await.unwrap();
    assert_eq!(list::list(&cx, &list::RunFilter::default(), &ALL).await.unwrap().rows.len(), 1);
    change::enable(&cx, id, true).await.unwrap();
    assert_eq!(schedule::sweep(hub.app.hub().clone()).await.unwrap(), 2);
    change::delete(&cx, id).await.unwrap();
    hub.clock.advance(TimeDelta::hours(3));
    node(hub.app.hub()).settle().await.unwrap();
    assert_eq!(list::list(&cx, &list::RunFilter::default(), &ALL).await.unwrap().rows.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_begin_one_run_for_each_tick() {
    let acme = Acme::start().await;
    acme.has(0..5, "first", 0);
    let (hub, integration) = connected(&acme).await;
    connect(&hub, "Another").await;
    schedule::sweep(hub.app.hub().clone()).await.unwrap();
    let (one, other) = (node(hub.app.hub()), node(hub.app.hub()));
    let mut ticks = 0;
    for _ in 0..10 {
        let (a, b) = tokio::join!(one.settle(), other.settle());
        a.unwrap();
        b.unwrap();
        ticks += 1;
        // Later than the jitter, and before the next.
        hub.clock.advance(TimeDelta::minutes(30));
        let (a, b) = tokio::join!(one.settle(), other.settle());
        a.unwrap();
        b.unwrap();
        hub.clock.advance(TimeDelta::minutes(30));
    }
    let filter = list::RunFilter {
        integration: Some(integration.id),
        stream: Some("things".to_owned()),
        ..list::RunFilter::default()
    };
    let runs = list::list(&hub.cx(), &filter, &ALL).await.unwrap().rows;
    assert!(runs.iter().all(|(_, run)| run.status == Status::Succeeded));
    assert_eq!(runs.len(), ticks, "one for each hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_job_is_gone_is_put_back_and_old_runs_are_forgotten() {
    let acme = Acme::start().await;
    acme.has(0..35, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let begun = run::sync_now(&hub.cx(), integration.id, Some("things")).await.unwrap().remove(0);
    assert_eq!(watch::put_back(hub.app.hub().clone()).await.unwrap(), 0);
    hub.clock.advance(TimeDelta::minutes(20));
    assert_eq!(watch::put_back(hub.app.hub().clone()).await.unwrap(), 0, "its job waits");
    let kind = <RunSync as portolan::context::Work>::KIND;
    let db = hub.app.hub().database.writer();
    db.execute_unprepared(&format!("DELETE FROM jobs WHERE kind = '{kind}'")).await.unwrap();
    assert_eq!(watch::put_back(hub.app.hub().clone()).await.unwrap(), 1);
    assert_eq!(over(&hub, &begun).await.status, Status::Succeeded);
    hub.clock.advance(TimeDelta::days(31));
    assert!(watch::forget_old(hub.app.hub().clone()).await.unwrap() > 5);
    assert!(list::get(&hub.cx(), begun.id).await.is_err());
    let lines = log::list(&hub.cx(), &log::LogFilter::default(), &ALL).await.unwrap();
    assert!(lines.rows.is_empty());
    assert_eq!(kept(&hub, integration.id, "things").await, there(&acme));
}
