//! What a deleted integration leaves behind goes a little at a time, however much it is.

use chrono::TimeDelta;
use portolan::{
    domain::{
        integration::{self, change},
        sync::{record, watch},
    },
    kernel::error::Error,
    worker::prober::Prober,
};

use super::{acme::Acme, connect, kept, node, there, well};
use crate::support::{
    TestHub,
    bulk::{copy, rows},
    database::on_postgres,
};

/// Everything that is an integration's.
const TABLES: [&str; 12] = [
    "integrations",
    "credentials",
    "secrets",
    "integration_actions",
    "health",
    "health_checks",
    "health_changes",
    "sync_streams",
    "sync_runs",
    "sync_logs",
    "sync_failures",
    "records",
];

async fn all_rows(hub: &TestHub) -> Vec<i64> {
    let mut all = Vec::new();
    for table in TABLES {
        all.push(rows(hub, table).await);
    }
    all
}

/// A statement may take a second and a half; removing all of this in one takes longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_integration_with_very_many_rows_is_gone_at_once_and_its_rows_soon() {
    const MANY: u64 = 60_000;
    let acme = Acme::start().await;
    acme.has(0..3, "first", 0);
    let mut settings = acme.settings();
    settings.push(("PORTOLAN_DATABASE_STATEMENT_TIMEOUT".to_owned(), "1500ms".to_owned()));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    let stays = connect(&hub, "stays").await;
    well(&hub, stays.id, "things").await;
    Prober::new(hub.app.hub().clone()).settle().await.unwrap();
    let before = all_rows(&hub).await;

    let goes = connect(&hub, "goes").await;
    well(&hub, goes.id, "things").await;
    let stream = record::row_of(&hub.cx(), goes.id, "things").await.unwrap().unwrap();
    let uuid = |id: uuid::Uuid| if on_postgres() { format!("'{id}'::uuid") } else { format!("x'{}'", id.simple()) };
    let (own, of) = (uuid(goes.id.uuid()), uuid(stream.id.uuid()));
    let part = MANY / 3;
    let (own, of) = (("integration_id", own.as_str()), ("stream_id", of.as_str()));
    copy(&hub, "records", part, &[own, of, ("external_id", "'copy ' || {n}"), ("change_number", "{n} + 1000")]).await;
    copy(&hub, "sync_logs", part, &[own, of, ("id", "{id}")]).await;
    copy(&hub, "health_checks", part, &[own, ("id", "{id}")]).await;

    change::delete(&hub.cx(), goes.id).await.unwrap();
    assert!(matches!(integration::get(&hub.cx(), goes.id).await, Err(Error::NotFound(_))));
    assert!(rows(&hub, "records").await > i64::try_from(part).unwrap(), "nobody waited for that");
    assert_eq!(rows(&hub, "integrations").await, 2);
    assert_eq!(rows(&hub, "secrets").await, before[2], "its secrets went with the commit");
    node(hub.app.hub()).settle().await.unwrap();
    let after = all_rows(&hub).await;
    assert_eq!(after, before, "{TABLES:?}");
    assert_eq!(kept(&hub, stays.id, "things").await, there(&acme), "others lose nothing");
    assert!(matches!(change::delete(&hub.cx(), goes.id).await, Err(Error::NotFound(_))), "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_wrote_long_ago_goes_in_parts_until_nothing_is_left() {
    let acme = Acme::start().await;
    acme.has(0..3, "first", 0);
    let (hub, integration) = super::connected(&acme).await;
    well(&hub, integration.id, "things").await;
    copy(&hub, "sync_logs", 3_500, &[("id", "{id}")]).await;
    let young = rows(&hub, "sync_logs").await - 3_500;
    assert_eq!(watch::forget_old(hub.app.hub().clone()).await.unwrap(), 3_500, "all parts of it");
    assert_eq!(rows(&hub, "sync_logs").await, young);
    hub.clock.advance(TimeDelta::days(400));
    watch::forget_old(hub.app.hub().clone()).await.unwrap();
    assert_eq!([rows(&hub, "sync_logs").await, rows(&hub, "sync_runs").await], [0, 0]);
    assert_eq!(rows(&hub, "records").await, 3, "records stay");
}
