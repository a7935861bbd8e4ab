//! What becomes of records: added, changed, left alone, gone.

use portolan::{
    domain::{
        integration,
        sync::{Mode, record, run},
    },
    kernel::{scope::Role, zone::start_of_day},
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use super::{
    acme::{Acme, name},
    ask, connected, counted, kept, read, row, there, well,
};
use crate::support::{TestHub, bulk::rows as rows_of, hub::beginning};

fn now() -> i64 {
    beginning().timestamp()
}

/// The passes in which records were written.
async fn written_in(hub: &TestHub) -> Vec<i64> {
    let db = hub.app.hub().database.reader();
    let sql = "SELECT DISTINCT full_pass FROM records ORDER BY 1";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    assert_eq!(rows_of(hub, "sync_sightings").await, 0, "what was seen is forgotten");
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pass_brings_everything_and_what_is_absent_from_it_is_gone() {
    let acme = Acme::start().await;
    acme.has(0..35, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    let first = well(&hub, id, "things").await;
    assert_eq!((first.mode, counted(&first), first.pages), (Mode::Full, [35, 35, 0, 0, 0, 0], 4));
    assert_eq!(kept(&hub, id, "things").await, there(&acme));
    // Nothing changed: no record is written.
    let (before, second) = (row(&hub, id, "things").await, well(&hub, id, "things").await);
    assert_eq!(counted(&second), [35, 0, 0, 35, 0, 0]);
    assert_eq!(row(&hub, id, "things").await.change_number, before.change_number);
    assert_eq!(written_in(&hub).await, [1]);
    acme.lose(&name(3));
    acme.lose(&name(34));
    acme.put(&name(7), "second", 0);
    acme.put("u", "new", 0);
    let third = well(&hub, id, "things").await;
    assert_eq!(counted(&third), [34, 1, 1, 32, 2, 0]);
    let mut expected = there(&acme);
    for gone in [3, 34] {
        expected.push((name(gone), serde_json::json!({ "id": name(gone), "text": "first" }), true));
    }
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(kept(&hub, id, "things").await, expected);
    // What is gone may come back.
    acme.put(&name(3), "back", 0);
    assert_eq!(counted(&well(&hub, id, "things").await), [35, 1, 0, 34, 0, 0]);
    let stream = row(&hub, id, "things").await;
    assert_eq!((stream.total, stream.change_number), (35, 35 + 4 + 1), "every change has a number of its own");
    assert_eq!(integration::get(&hub.cx(), id).await.unwrap().total_records, 35);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_read_and_what_is_marked_is_gone() {
    let acme = Acme::start().await;
    acme.has(0..25, "first", now() - 10_000);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    let first = well(&hub, id, "changes").await;
    assert_eq!((first.mode, counted(&first)), (Mode::Full, [25, 25, 0, 0, 0, 0]));
    let mark = row(&hub, id, "changes").await.watermark.unwrap();
    assert_eq!(mark.timestamp(), now() - 10_000 + 24);
    acme.put(&name(2), "second", now() - 500);
    acme.mark(&name(4), now() - 400);
    let second = well(&hub, id, "changes").await;
    assert_eq!((second.mode, second.since), (Mode::Incremental, Some(mark)));
    // With a minute of overlap everything of the first page comes again.
    assert_eq!(counted(&second), [25, 0, 1, 23, 1, 0]);
    acme.put(&name(5), "third", now() - 300);
    let third = well(&hub, id, "changes").await;
    assert_eq!(counted(&third), [2, 0, 1, 1, 0, 0], "what was marked comes again");
    assert_eq!(row(&hub, id, "changes").await.total, 24);
    let changed = record::RecordFilter { changed_after: Some(27), ..record::RecordFilter::default() };
    let cx = hub.cx();
    let row = record::row_of(&cx, id, "changes").await.unwrap();
    assert_eq!(record::count_of(&cx, row.as_ref(), &changed).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_not_overwritten_by_an_older_one_nor_a_watermark_put_after_the_present() {
    let acme = Acme::start().await;
    acme.put("a", "new", now() - 100);
    acme.put("b", "from the future", now() + 1_000_000);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "changes").await;
    assert_eq!(row(&hub, id, "changes").await.watermark, Some(beginning()));
    acme.put("a", "old", now() - 200);
    run::backfill(&hub.cx(), id, "changes", false).await.unwrap();
    let again = read(&hub, id, "changes").await;
    assert_eq!((again.mode, counted(&again)), (Mode::Backfill, [2, 0, 0, 2, 0, 0]));
    assert_eq!(kept(&hub, id, "changes").await[0].1["text"], "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_keeps_the_cursor_or_forgets_it() {
    let acme = Acme::start().await;
    acme.has(0..12, "first", now() - 10_000);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "changes").await;
    let mark = row(&hub, id, "changes").await.watermark;
    acme.put("z", "new", now() - 10);
    run::backfill(&hub.cx(), id, "changes", false).await.unwrap();
    assert_eq!(counted(&read(&hub, id, "changes").await), [13, 1, 0, 12, 0, 0]);
    assert_eq!(row(&hub, id, "changes").await.watermark, mark);
    run::backfill(&hub.cx(), id, "changes", true).await.unwrap();
    assert_eq!(row(&hub, id, "changes").await.watermark, None);
    assert_eq!(counted(&read(&hub, id, "changes").await), [13, 0, 0, 13, 0, 0]);
    assert_eq!(row(&hub, id, "changes").await.watermark.unwrap().timestamp(), now() - 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn today_begins_where_the_tenant_is_and_all_of_it_is_read_each_time() {
    let acme = Acme::with_days().await;
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    let admin = hub.token(Role::Admin).await;
    let tenant = ask(&hub, &admin, "{ tenant { id } }", Value::Null).await["tenant"]["id"].clone();
    let there = "mutation($id: ID!) {
        updateTenant(input: { id: $id, settings: { timeZone: \"Asia/Kathmandu\" } }) { userErrors { message } }
    }";
    let moved = ask(&hub, &admin, there, json!({ "id": tenant })).await;
    assert_eq!(moved["updateTenant"]["userErrors"], json!([]));
    // There the day began a quarter past six in the evening of the day before, by UTC.
    let midnight = start_of_day(beginning(), "Asia/Kathmandu").timestamp();
    assert_eq!(midnight % 86_400, (18 * 60 + 15) * 60);
    for (name, text, at) in
        [("a", "FTTP 550", midnight - 7_200), ("b", "fttp 1000", midnight), ("c", "SoGEA", midnight + 60)]
    {
        acme.put(name, text, at);
    }
    let first = well(&hub, id, "days").await;
    assert_eq!(
        (first.mode, counted(&first)),
        (Mode::Incremental, [2, 2, 0, 0, 0, 0]),
        "what is of yesterday is not read"
    );
    let said = |records: Vec<(String, Value, bool)>| -> Vec<_> {
        records.into_iter().map(|(id, data, _)| (id, data["category"].as_str().unwrap_or("none").to_owned())).collect()
    };
    let expected = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(id, kind)| ((*id).to_owned(), (*kind).to_owned())).collect()
    };
    assert_eq!(said(kept(&hub, id, "days").await), expected(&[("b", "fibre"), ("c", "other")]));
    // Changed without a later time: read again, since all of today is.
    acme.put("b", "fttp 2000", midnight);
    assert_eq!(counted(&well(&hub, id, "days").await), [2, 0, 1, 1, 0, 0]);
    // Somebody calls things otherwise: what is read from then on is called so.
    let kinds = json!({ "id": id, "kinds": r#"{"FTTP*": "full fibre", "so*": "copper"}"# });
    let change = "mutation($id: ID!, $kinds: String!) { updateIntegration(input: { id: $id, settings: [{ name: \"kinds\", value: $kinds }] }) { userErrors { message } } }";
    let changed = ask(&hub, &admin, change, kinds).await;
    assert_eq!(changed["updateIntegration"]["userErrors"], json!([]));
    assert_eq!(counted(&well(&hub, id, "days").await), [2, 0, 2, 0, 0, 0]);
    assert_eq!(said(kept(&hub, id, "days").await), expected(&[("b", "full fibre"), ("c", "copper")]));
    let wrong = json!({ "id": id, "kinds": r#"{"F*P": "fibre"}"# });
    let refused = ask(&hub, &admin, change, wrong).await;
    let reason = refused["updateIntegration"]["userErrors"][0]["message"].to_string();
    assert!(reason.contains("only the end of a pattern"), "{reason}");
    run::backfill(&hub.cx(), id, "days", false).await.unwrap();
    assert_eq!(counted(&read(&hub, id, "days").await), [3, 1, 0, 2, 0, 0], "a backfill brings the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_other_settings_everything_is_read_again() {
    let acme = Acme::start().await;
    acme.has(0..12, "first", now() - 10_000);
    let (hub, integration) = connected(&acme).await;
    let id = integration.id;
    well(&hub, id, "changes").await;
    let change = "mutation($id: ID!) { updateIntegration(input: { id: $id, settings: [{ name: \"kinds\", value: \"{}\" }] }) { userErrors { message } } }";
    ask(&hub, &hub.token(Role::Admin).await, change, json!({ "id": id })).await;
    acme.put("early", "was not there before", now() - 100_000);
    let again = well(&hub, id, "changes").await;
    assert_eq!((again.mode, again.since, counted(&again)), (Mode::Full, None, [13, 1, 0, 12, 0, 0]));
    assert_eq!(well(&hub, id, "changes").await.mode, Mode::Incremental);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_page_is_kept_like_a_small_one() {
    let acme = Acme::start().await;
    acme.pages_of(2_500);
    acme.has(0..6_000, "first", 0);
    let (hub, integration) = connected(&acme).await;
    let first = well(&hub, integration.id, "things").await;
    assert_eq!((first.pages, counted(&first)), (3, [6_000, 6_000, 0, 0, 0, 0]));
    // More than are looked at in one go.
    for id in 1_000..2_700 {
        acme.lose(&name(id));
    }
    assert_eq!(counted(&well(&hub, integration.id, "things").await), [4_300, 0, 0, 4_300, 1_700, 0]);
    let stream = row(&hub, integration.id, "things").await;
    assert_eq!((stream.total, stream.change_number), (4_300, 7_700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_nul_is_kept_with_a_replacement_character() {
    let acme = Acme::start().await;
    acme.put("a\0", "te\0xt", 0);
    let (hub, integration) = connected(&acme).await;
    assert_eq!(counted(&well(&hub, integration.id, "things").await)[..2], [1, 1]);
    let record = json!({ "id": "a\u{fffd}", "text": "te\u{fffd}xt" });
    assert_eq!(kept(&hub, integration.id, "things").await, [("a\u{fffd}".to_owned(), record, false)]);
}
