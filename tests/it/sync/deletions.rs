//! Records that a pass does not find: looked for again where pages are counted, and deleted only if they are few or
//! somebody confirms it.

use std::collections::BTreeSet;

use portolan::{
    domain::{
        alert::{self, AlertFilter, Kind},
        sync::{SyncRun, deletions, run},
    },
    kernel::{error::Error, id::IntegrationId, page::PageArgs, scope::Role},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::{
    acme::{Acme, PAGE, Way, name},
    ask, connected, counted, kept, over, read, row, well,
};
use crate::support::{TestHub, played::Said, records::Records};

/// The ids that are marked as deleted.
async fn gone(hub: &TestHub, id: IntegrationId, key: &str) -> BTreeSet<String> {
    kept(hub, id, key).await.into_iter().filter(|(_, _, gone)| *gone).map(|(id, ..)| id).collect()
}

/// Passes if nothing that Acme has is marked as deleted.
async fn nothing_there_is_gone(hub: &TestHub, acme: &Acme, id: IntegrationId, key: &str) {
    let there = acme.things();
    let wrong: Vec<_> = gone(hub, id, key).await.into_iter().filter(|id| there.contains_key(id)).collect();
    assert!(wrong.is_empty(), "{key}: {} records that exist are marked as deleted: {wrong:?}", wrong.len());
}

/// The texts of open alerts about held deletions.
async fn alerts(hub: &TestHub) -> Vec<String> {
    let filter = AlertFilter { open: Some(true), kinds: Some(vec![Kind::DeletionsHeld]), ..AlertFilter::default() };
    let args = PageArgs { after: None, before: None, size: 10, backward: false };
    let found = alert::list(&hub.cx(), &filter, &args).await.unwrap();
    found.rows.into_iter().map(|(_, alert)| alert.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_removed_while_counted_pages_are_read_do_not_delete_others() {
    for key in ["numbered", "skipped", "linked"] {
        let acme = Acme::counted().await;
        acme.has(0..600, "first", 0);
        let (hub, integration) = connected(&acme).await;
        let id = integration.id;
        assert_eq!(counted(&well(&hub, id, key).await), [600, 600, 0, 0, 0, 0], "{key}");
        // 150 of the first pages are removed at once, before the fourth page is given.
        let mut done = false;
        acme.meanwhile(move |page, things| {
            if page == 4 && !done {
                done = true;
                for id in 0..150 {
                    things.remove(&name(id));
                }
            }
        });
        let disturbed = well(&hub, id, key).await;
        assert_eq!(disturbed.missing, Some(0), "{key}: the second look found them: {disturbed:?}");
        assert_eq!(counted(&disturbed), [600, 0, 0, 600, 0, 0], "{key}");
        assert_eq!(gone(&hub, id, key).await.len(), 0, "{key}");
        // What was removed is found to be gone by the next pass.
        acme.quiet();
        let next = well(&hub, id, key).await;
        assert_eq!(counted(&next), [450, 0, 0, 450, 150, 0], "{key}");
        nothing_there_is_gone(&hub, &acme, id, key).await;
        assert_eq!((gone(&hub, id, key).await.len(), row(&hub, id, key).await.total), (150, 450), "{key}");
        // Nothing is missing: nothing is read twice.
        acme.asked();
        well(&hub, id, key).await;
        assert_eq!(acme.asked(), 450 / PAGE + usize::from(key == "numbered"), "{key}");
    }
}

/// Whatever is removed whenever: also while the second look reads.
#[tokio::test(flavor = "multi_thread")]
async fn no_record_that_exists_is_deleted_however_many_others_are_removed_during_each_look() {
    let given = std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    for key in ["numbered", "skipped"] {
        let acme = Acme::counted().await;
        acme.has(0..3_000, "first", 0);
        let mut settings = acme.settings();
        settings.push(("PORTOLAN_SYNC_MAX_DELETION_PERCENT".to_owned(), "100".to_owned()));
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let hub = TestHub::with(&settings).await;
        let id = super::connect(&hub, "Acme").await.id;
        well(&hub, id, key).await;
        let mut chance = StdRng::seed_from_u64(seed);
        let mut removed = 0;
        for round in 0..6 {
            let mut own = StdRng::seed_from_u64(chance.random());
            acme.meanwhile(move |_, things| {
                for _ in 0..own.random_range(0..5) {
                    let at = own.random_range(0..things.len().max(1));
                    if let Some(id) = things.keys().nth(at).cloned() {
                        things.remove(&id);
                    }
                }
            });
            let pass = well(&hub, id, key).await;
            nothing_there_is_gone(&hub, &acme, id, key).await;
            removed += pass.deleted;
            println!("{key}, round {round}: {:?}, missing {:?}", counted(&pass), pass.missing);
        }
        acme.quiet();
        removed += well(&hub, id, key).await.deleted;
        nothing_there_is_gone(&hub, &acme, id, key).await;
        assert_eq!(row(&hub, id, key).await.total, i64::try_from(acme.things().len()).unwrap());
        assert!(removed > 500, "{removed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_that_is_refused_deletes_nothing() {
    let acme = Acme::counted().await;
    acme.has(0..300, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "numbered").await;
    for lost in 10..20 {
        acme.lose(&name(lost));
    }
    acme.only_forward();
    let pass = well(&hub, id, "numbered").await;
    assert_eq!((pass.missing, pass.deleted), (Some(10), 0), "{pass:?}");
    assert_eq!(gone(&hub, id, "numbered").await.len(), 0);
    acme.quiet();
    assert_eq!(well(&hub, id, "numbered").await.deleted, 10);
}

/// Some providers refuse a page behind the end; the list may have become shorter since the first look.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_begins_before_a_last_page_that_is_no_longer_there() {
    for key in ["numbered", "skipped"] {
        let acme = Acme::counted().await;
        acme.strict();
        acme.has(0..310, "first", 0);
        let (hub, integration) = connected(&acme).await;
        let id = integration.id;
        well(&hub, id, key).await;
        for lost in 10..15 {
            acme.lose(&name(lost));
        }
        let mut last = 0;
        acme.meanwhile(move |page, things| {
            last += usize::from(page == 7);
            if page == 7 && last == 2 {
                for id in 100..120 {
                    things.remove(&name(id));
                }
            }
        });
        let pass = well(&hub, id, key).await;
        assert_eq!((pass.missing, pass.deleted), (Some(5), 5), "{key}: {pass:?}");
        nothing_there_is_gone(&hub, &acme, id, key).await;
        assert_eq!(well(&hub, id, key).await.deleted, 20, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_deletes_nothing_until_somebody_confirms() {
    let acme = Acme::counted().await;
    acme.has(0..200, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let (id, admin) = (integration.id, hub.token(Role::Admin).await);
    for key in ["things", "numbered"] {
        well(&hub, id, key).await;
    }
    let before = acme.things();
    for lost in before.keys() {
        acme.lose(lost);
    }
    for key in ["things", "numbered"] {
        let pass = well(&hub, id, key).await;
        assert_eq!((pass.held, pass.deleted), (Some(200), 0), "{key}");
        // The next pass finds the same and holds it, too.
        let pass = well(&hub, id, key).await;
        assert_eq!((pass.held, pass.deleted), (Some(200), 0), "{key}");
        assert_eq!((gone(&hub, id, key).await.len(), row(&hub, id, key).await.total), (0, 200), "{key}");
    }
    assert_eq!(alerts(&hub).await.len(), 1, "one stands for all streams");
    assert!(alerts(&hub).await[0].contains("200 of 200 records"), "{:?}", alerts(&hub).await);
    let shown = "query($id: ID!) { integration(id: $id) { syncStreams { key totalRecords
        heldDeletions { records of since run { heldDeletions status } } } } }";
    let streams = ask(&hub, &admin, shown, json!({ "id": id })).await["integration"]["syncStreams"].clone();
    let things = streams.as_array().unwrap().iter().find(|stream| stream["key"] == "things").unwrap();
    assert_eq!((&things["heldDeletions"]["records"], &things["heldDeletions"]["of"]), (&json!(200), &json!(200)));
    assert_eq!(things["heldDeletions"]["run"], json!({ "heldDeletions": 200, "status": "SUCCEEDED" }), "{things}");

    let confirm = "mutation($id: ID!, $key: String!) {
        confirmSyncDeletions(input: { integrationId: $id, stream: $key }) {
          stream { key heldDeletions { records } } run { id confirmedDeletions } userErrors { code path message } } }";
    let viewer = hub.token(Role::Viewer).await;
    let refused = hub.ask(&viewer, confirm, json!({ "id": id, "key": "things" })).await;
    assert_eq!(refused.codes(), ["FORBIDDEN"]);
    for (key, left) in [("things", 1), ("numbered", 0)] {
        let answer = ask(&hub, &admin, confirm, json!({ "id": id, "key": key })).await["confirmSyncDeletions"].clone();
        assert_eq!(answer["userErrors"], json!([]), "{answer}");
        assert_eq!(answer["run"]["confirmedDeletions"], 200, "{answer}");
        let begun = run::sync_now(&hub.cx(), id, Some(key)).await.unwrap().remove(0);
        assert_eq!(answer["run"]["id"], begun.id.to_string(), "it is the run that is on its way");
        let pass = over(&hub, &begun).await;
        assert_eq!((pass.held, pass.deleted), (None, 200), "{pass:?}");
        assert_eq!((gone(&hub, id, key).await.len(), row(&hub, id, key).await.total), (200, 0), "{key}");
        assert_eq!(row(&hub, id, key).await.held_records, None);
        assert_eq!(alerts(&hub).await.len(), left, "{key}");
        let again = ask(&hub, &admin, confirm, json!({ "id": id, "key": key })).await["confirmSyncDeletions"].clone();
        assert_eq!(again["userErrors"][0]["code"], "CONFLICT", "{again}");
    }
    let records = Records::of(&hub).await;
    assert_eq!(records.audit.iter().filter(|action| *action == "sync.deletions_confirmed").count(), 2);
    let kinds: Vec<_> = records.events.iter().filter(|kind| kind.starts_with("sync.deletions")).collect();
    let one = ["sync.deletions_confirmed", "sync.deletions_released"];
    assert_eq!(kinds, [&["sync.deletions_held"; 2][..], &one, &one].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_finds_the_records_again_ends_the_hold_also_when_it_was_confirmed() {
    let acme = Acme::counted().await;
    acme.has(0..120, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "things").await;
    for confirmed in [false, true] {
        for lost in 20..120 {
            acme.lose(&name(lost));
        }
        let pass = well(&hub, id, "things").await;
        assert_eq!((pass.held, pass.deleted, alerts(&hub).await.len()), (Some(100), 0, 1));
        let pass: SyncRun = if confirmed {
            let (_, pass) = deletions::confirm(&hub.cx(), id, "things").await.unwrap();
            pass
        } else {
            run::sync_now(&hub.cx(), id, Some("things")).await.unwrap().remove(0)
        };
        // All but a few are there again.
        acme.has(24..120, "first", 0);
        let pass = over(&hub, &pass).await;
        assert_eq!((pass.held, pass.deleted), (None, 4), "{pass:?}");
        nothing_there_is_gone(&hub, &acme, id, "things").await;
        assert_eq!((row(&hub, id, "things").await.held_records, alerts(&hub).await.len()), (None, 0));
        acme.has(20..24, "first", 0);
        well(&hub, id, "things").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_confirmed_is_held_again() {
    let acme = Acme::counted().await;
    acme.has(0..400, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "things").await;
    for lost in 200..400 {
        acme.lose(&name(lost));
    }
    assert_eq!(well(&hub, id, "things").await.held, Some(200));
    let (_, pass) = deletions::confirm(&hub.cx(), id, "things").await.unwrap();
    for lost in 100..200 {
        acme.lose(&name(lost));
    }
    let pass = over(&hub, &pass).await;
    assert_eq!((pass.held, pass.deleted), (Some(300), 0));
    assert_eq!(row(&hub, id, "things").await.held_records, Some(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn discarded_deletions_are_not_made_and_held_again_by_the_next_pass() {
    let acme = Acme::counted().await;
    acme.has(0..100, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "things").await;
    acme.behave(Way::Instead(Said::json(200, &json!({ "things": [], "next": null }))));
    assert_eq!(well(&hub, id, "things").await.held, Some(100));
    // A run that is on its way loses the confirmation that it was given.
    deletions::confirm(&hub.cx(), id, "things").await.unwrap();
    let left = deletions::discard(&hub.cx(), id, "things").await.unwrap();
    assert_eq!((left.streams[0].held_records, alerts(&hub).await.len()), (None, 0));
    assert!(matches!(deletions::discard(&hub.cx(), id, "things").await, Err(Error::Refused(_))), "none are held");
    let pass = read(&hub, id, "things").await;
    assert_eq!((pass.held, pass.deleted, alerts(&hub).await.len()), (Some(100), 0, 1));
    assert_eq!(gone(&hub, id, "things").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_share_and_the_number_of_deletions_that_are_held_are_settings() {
    let acme = Acme::counted().await;
    acme.has(0..100, "first", 0);
    for (percent, least, held) in [("100", "1", false), ("10", "11", false), ("10", "10", true), ("9", "5", true)] {
        let mut settings = acme.settings();
        settings.push(("PORTOLAN_SYNC_MAX_DELETION_PERCENT".to_owned(), percent.to_owned()));
        settings.push(("PORTOLAN_SYNC_MIN_HELD_DELETIONS".to_owned(), least.to_owned()));
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let hub = TestHub::with(&settings).await;
        let id = super::connect(&hub, "Acme").await.id;
        well(&hub, id, "things").await;
        let some = if percent == "10" && held { 11 } else { 10 };
        for lost in 0..some {
            acme.lose(&name(lost));
        }
        let pass = well(&hub, id, "things").await;
        assert_eq!(pass.held.is_some(), held, "{percent} {least}: {pass:?}");
        acme.has(0..some, "first", 0);
    }
}
