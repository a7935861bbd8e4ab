//! What becomes of records: added, changed, left alone, gone.

use portolan::domain::{
    integration,
    sync::{Mode, record, run},
};

use super::{
    acme::{Acme, name},
    connected, counted, kept, read, row, there, well,
};
use crate::support::hub::beginning;

fn now() -> i64 {
    beginning().timestamp()
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
    // Nothing changed: nothing is written.
    let (before, second) = (row(&hub, id, "things").await, well(&hub, id, "things").await);
    assert_eq!(counted(&second), [35, 0, 0, 35, 0, 0]);
    assert_eq!(row(&hub, id, "things").await.change_number, before.change_number);
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
