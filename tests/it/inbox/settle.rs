//! What became of webhooks: hints for records, evidence of health, replays.

use chrono::TimeDelta;
use portolan::{
    domain::{
        health::traffic,
        inbox::{
            Status,
            list::WebhookFilter,
            replay::{self, Which},
            retain, source,
        },
        integration::change,
        sync::{
            Cause,
            list::{self, RunFilter},
        },
    },
    kernel::{page::PageArgs, scope::Role},
    provider::simulator::hook::How,
};
use serde_json::json;

use super::{Inbox, ask, counted, told};

async fn runs(inbox: &Inbox) -> Vec<(String, Cause)> {
    let args = PageArgs { after: None, before: None, size: 100, backward: false };
    let page = list::list(&inbox.hub.cx(), &RunFilter::default(), &args).await.unwrap();
    page.rows.into_iter().map(|(_, run)| (run.stream, run.cause)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_is_about_is_read_once_for_many() {
    let inbox = Inbox::of("stripe").await;
    for sent in inbox.webhooks(How::Right, 50) {
        inbox.taken(&sent).await;
    }
    inbox.work().await;
    assert_eq!(runs(&inbox).await, [], "a hint waits a moment for others");
    inbox.hub.clock.advance(TimeDelta::seconds(2));
    inbox.work().await;
    let mut runs = runs(&inbox).await;
    runs.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(runs, [("payments".to_owned(), Cause::Webhook), ("refunds".to_owned(), Cause::Webhook)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_is_off_is_not_read_and_what_comes_is_kept() {
    let inbox = Inbox::of("stripe").await;
    change::enable(&inbox.hub.cx(), inbox.integration, false).await.unwrap();
    inbox.taken(&inbox.webhook()).await;
    inbox.work().await;
    inbox.hub.clock.advance(TimeDelta::seconds(2));
    inbox.work().await;
    assert_eq!(runs(&inbox).await, []);
    assert_eq!(inbox.told().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_provider_sends_is_evidence_that_it_is_there() {
    let inbox = Inbox::of("stripe").await;
    drop(traffic::take(inbox.hub.app.hub()));
    inbox.taken(&inbox.webhook()).await;
    inbox.work().await;
    let seen = traffic::take(inbox.hub.app.hub());
    assert!(seen.iter().any(|seen| seen.integration == inbox.integration), "{seen:?}");
    let forged = inbox.webhooks(How::WrongSecret, 1).remove(0);
    inbox.send(&forged).await;
    inbox.work().await;
    assert!(traffic::take(inbox.hub.app.hub()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_says_what_it_would_do_and_then_does_it() {
    let inbox = Inbox::of("stripe").await;
    for sent in inbox.webhooks(How::Right, 5) {
        inbox.taken(&sent).await;
    }
    inbox.work().await;
    let cx = inbox.hub.cx();
    let all = Which::Fitting(WebhookFilter { source: Some(inbox.made.source.id), ..WebhookFilter::default() });
    let dry = replay::replay(&cx, &all, true).await.unwrap();
    assert_eq!((dry.count, dry.more, dry.previews.len()), (5, false, 5));
    for preview in &dry.previews {
        assert_eq!((preview.differs, &preview.problem), (false, &None));
        assert_eq!(
            (preview.says.join(" "), preview.streams.join(" ")),
            ("payment.succeeded".into(), "payments refunds".into())
        );
    }
    inbox.work().await;
    assert_eq!(inbox.told().await.len(), 5, "a dry run changes nothing");
    let one = Which::Ids(vec![inbox.kept().await[2].id]);
    assert_eq!(replay::replay(&cx, &one, false).await.unwrap().count, 1);
    inbox.work().await;
    let told = inbox.told().await;
    let replays: Vec<_> = told.iter().map(|entry| entry.data["replay"].as_i64().unwrap()).collect();
    assert_eq!(replays, [0, 0, 0, 0, 0, 1]);
    let late = WebhookFilter { from: Some(cx.now() + TimeDelta::hours(1)), ..WebhookFilter::default() };
    assert_eq!(replay::replay(&cx, &Which::Fitting(late), false).await.unwrap().count, 0);
    assert_eq!(counted(&inbox).await, [5, 0, 0, 5, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_source_any_more_is_not_replayed_and_is_kept_for_its_time() {
    let inbox = Inbox::of("stripe").await;
    inbox.taken(&inbox.webhook()).await;
    inbox.work().await;
    source::delete(&inbox.hub.cx(), inbox.made.source.id).await.unwrap();
    let which = Which::Ids(vec![inbox.kept().await[0].id]);
    assert!(replay::replay(&inbox.hub.cx(), &which, false).await.is_err());
    let dry = replay::replay(&inbox.hub.cx(), &which, true).await.unwrap();
    assert_eq!(dry.previews[0].problem.as_deref(), Some("its source is gone"));
    inbox.hub.clock.advance(TimeDelta::days(29));
    assert_eq!(retain::forget_old(inbox.hub.app.hub().clone()).await.unwrap(), 0);
    inbox.hub.clock.advance(TimeDelta::days(2));
    assert_eq!(retain::forget_old(inbox.hub.app.hub().clone()).await.unwrap(), 1);
    assert!(inbox.kept().await.is_empty() && inbox.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_goes_with_its_integration() {
    let inbox = Inbox::of("stripe").await;
    change::delete(&inbox.hub.cx(), inbox.integration).await.unwrap();
    inbox.hub.clock.advance(TimeDelta::seconds(3));
    assert_eq!(inbox.send(&inbox.webhook()).await.status, 404);
    assert_eq!(source::orphans(inbox.hub.app.hub().clone()).await.unwrap(), 1);
    assert_eq!(source::orphans(inbox.hub.app.hub().clone()).await.unwrap(), 0);
    assert_eq!(told(&inbox.hub, "inbox.source_deleted").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_forgot_to_tell_is_found() {
    let inbox = Inbox::of("stripe").await;
    inbox.taken(&inbox.webhook()).await;
    inbox.hub.settle().await;
    // As if the process had died before it could enqueue the work.
    let db = inbox.hub.app.hub().database.writer();
    sea_orm::ConnectionTrait::execute_unprepared(db, "DELETE FROM jobs WHERE kind = 'inbox.process'").await.unwrap();
    inbox.work().await;
    assert_eq!(inbox.kept().await[0].status, Status::Received);
    portolan::domain::inbox::intake::sweep(inbox.hub.app.hub().clone()).await.unwrap();
    inbox.work().await;
    assert_eq!(inbox.kept().await[0].status, Status::Processed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_an_alert_until_it_had_its_effect_or_is_forgotten() {
    let inbox = Inbox::of("shopify").await;
    let open = async || {
        let token = inbox.hub.token(Role::Viewer).await;
        let seen = "{ alerts(filter: { open: true, kinds: [WEBHOOKS_GIVEN_UP] }) { nodes { subject text } } }";
        ask(&inbox.hub, &token, seen, json!({})).await["alerts"]["nodes"].as_array().unwrap().clone()
    };
    let all = super::make(&inbox.hub, &inbox.played, "shopify", None).await;
    let strange = async || {
        inbox.hub.clock.advance(TimeDelta::seconds(1));
        let now = inbox.hub.cx().now();
        let mut sent = inbox.played.webhooks("shopify", all.url.expose(), How::Right, 1, now).remove(0);
        for (name, value) in &mut sent.headers {
            if name == "x-shopify-shop-domain" {
                *value = "later.myshopify.com".to_owned();
            }
        }
        inbox.taken(&sent).await;
        for _ in 0..8 {
            inbox.work().await;
            inbox.hub.clock.advance(TimeDelta::minutes(11));
        }
        inbox.kept().await.pop().unwrap()
    };
    let dead = strange().await;
    assert_eq!(dead.status, Status::Dead);
    let told = open().await;
    assert_eq!((told.len(), &told[0]["subject"]), (1, &json!(dead.source_id)));
    assert!(told[0]["text"].as_str().unwrap().contains("later"), "{told:?}");
    strange().await;
    assert_eq!(open().await.len(), 1, "many are one alert");
    // Now somebody has that shop.
    let other = super::connect_as(&inbox.hub.cx(), "shopify", "Later", &[("shop", "later")]).await;
    replay::replay(&inbox.hub.cx(), &Which::Ids(vec![dead.id]), false).await.unwrap();
    inbox.work().await;
    let mended = inbox.kept().await.into_iter().find(|row| row.id == dead.id).unwrap();
    assert_eq!((mended.status, mended.integration_id), (Status::Processed, Some(other.id)));
    assert_eq!(open().await.len(), 1, "the other one is still there");
    inbox.hub.clock.advance(TimeDelta::days(400));
    retain::forget_old(inbox.hub.app.hub().clone()).await.unwrap();
    assert_eq!(open().await.len(), 0, "nothing is left");
}
