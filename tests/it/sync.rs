//! Syncs: what providers have is read into records, whatever breaks.

mod acme;
mod away;
mod deep;
mod deletions;
mod deletions_kill;
mod faults;
mod kill;
mod people;
mod records;
mod removal;
mod scale;
mod streams;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portolan::{
    context::Hub,
    domain::{
        credential::given::Given,
        integration::{
            Integration,
            create::{self, NewIntegration},
        },
        sync::{Status, SyncRun, SyncStream, list, record, run, stream},
    },
    kernel::{id::IntegrationId, page::PageArgs},
    worker::{
        self,
        runner::{Runner, Settings},
    },
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::acme::Acme;
use crate::support::TestHub;

/// A node that does jobs when it is told to.
pub fn node(hub: &Arc<Hub>) -> Arc<Runner> {
    let settings = Settings { lease: Duration::from_mins(1), grace: Duration::from_mins(1) };
    Runner::new(Arc::clone(hub), worker::kinds(), settings, Arc::new(|_| {}), CancellationToken::new())
}

/// A hub that asks Acme, and an integration of it.
async fn connected(acme: &Acme) -> (TestHub, Integration) {
    let settings = acme.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    let integration = connect(&hub, "Acme").await;
    (hub, integration)
}

/// An integration of Acme.
async fn connect(hub: &TestHub, name: &str) -> Integration {
    let new = NewIntegration {
        provider: "acme".to_owned(),
        name: Some(name.to_owned()),
        skip_test: true,
        ..NewIntegration::default()
    };
    create::create(&hub.cx(), new, Some(Given::Bearer("right".to_owned().into())), None).await.unwrap()
}

/// Reads a stream until its run is over, however long it has to wait.
async fn read(hub: &TestHub, id: IntegrationId, key: &str) -> SyncRun {
    let begun = run::sync_now(&hub.cx(), id, Some(key)).await.unwrap();
    over(hub, &begun[0]).await
}

/// Does what is due until a run is over.
async fn over(hub: &TestHub, begun: &SyncRun) -> SyncRun {
    let node = node(hub.app.hub());
    for _ in 0..60 {
        node.settle().await.unwrap();
        let run = list::get(&hub.cx(), begun.id).await.unwrap();
        if !run.status.is_active() {
            return run;
        }
        hub.clock.advance(TimeDelta::minutes(2));
    }
    panic!("the run is never over: {begun:?}");
}

/// Reads a stream, which must succeed.
async fn well(hub: &TestHub, id: IntegrationId, key: &str) -> SyncRun {
    let run = read(hub, id, key).await;
    assert_eq!((run.status, &run.error), (Status::Succeeded, &None), "{run:?}");
    run
}

/// How far a stream was read.
async fn row(hub: &TestHub, id: IntegrationId, key: &str) -> SyncStream {
    let rows = stream::of_integrations(&hub.cx(), &[id]).await.unwrap();
    rows.into_iter().find(|row| row.stream == key).unwrap()
}

/// The records of a stream, by id: what they say, and whether they are gone.
async fn kept(hub: &TestHub, id: IntegrationId, key: &str) -> Vec<(String, Value, bool)> {
    let cx = hub.cx();
    let row = record::row_of(&cx, id, key).await.unwrap();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let args = PageArgs { after, before: None, size: 100, backward: false };
        let page = record::list(&cx, row.as_ref(), &record::RecordFilter::default(), &args).await.unwrap();
        after = page.rows.last().map(|(cursor, _)| cursor.clone());
        let more = page.has_next;
        all.extend(page.rows.into_iter().map(|(_, row)| (row.external_id, row.data, row.deleted_at.is_some())));
        if !more {
            break;
        }
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// What a run has counted: seen, added, updated, unchanged, deleted, failed.
fn counted(run: &SyncRun) -> [i64; 6] {
    [run.seen, run.added, run.updated, run.unchanged, run.deleted, run.failed]
}

/// An answer of the API, without its shell.
async fn ask(hub: &TestHub, token: &str, document: &str, variables: Value) -> Value {
    hub.ask(token, document, variables).await.data()
}

/// The ids and texts that Acme has, as `kept` gives them.
fn there(acme: &Acme) -> Vec<(String, Value, bool)> {
    let all = acme.things().into_iter().filter(|(_, thing)| !thing.gone);
    all.map(|(id, thing)| (id.clone(), json!({ "id": id, "text": thing.text }), false)).collect()
}
