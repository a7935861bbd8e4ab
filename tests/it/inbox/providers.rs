//! Every provider's own webhook, as its file and the simulator know it.

use portolan::{
    domain::inbox::{Status, replay, replay::Which},
    provider::{catalogue::Catalogue, simulator::hook::How},
};

use super::{Inbox, kept, make, refused};
use crate::support::hub::get;

/// Those that send webhooks.
fn senders() -> Vec<&'static str> {
    let sends = |key: &&str| Catalogue::embedded().get(key).unwrap().webhook.get().is_some();
    let all = [
        "stripe",
        "paypal",
        "network_international",
        "telr",
        "aramex",
        "dhl_express",
        "fedex",
        "smsa_express",
        "facebook",
        "instagram",
        "linkedin",
        "tiktok",
        "mailchimp",
        "sendgrid",
        "twilio",
        "whatsapp",
        "shopify",
        "circuly",
        "firmhouse",
        "meta_ads",
        "pancake_pos",
        "pxc",
        "volvo_dealer",
        "eneco",
        "installation_partner",
        "custom_rest",
    ];
    assert_eq!(all.len(), Catalogue::embedded().iter().count());
    all.into_iter().filter(sends).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_every_provider_is_believed_once_and_understood_and_a_forged_one_is_not() {
    for provider in senders() {
        let inbox = Inbox::of(provider).await;
        let forged = inbox.webhooks(How::WrongSecret, 1).remove(0);
        assert_eq!(inbox.send(&forged).await.status, 401, "{provider}");
        assert_eq!(refused(&inbox).await, 1, "{provider}");
        for sent in inbox.webhooks(How::Duplicated, 1) {
            inbox.taken(&sent).await;
        }
        inbox.work().await;
        let kept = inbox.kept().await;
        assert_eq!(kept.len(), 1, "{provider}: the second one is the same");
        assert_eq!((kept[0].status, &kept[0].reason), (Status::Processed, &None), "{provider}");
        assert_eq!(kept[0].repeats, 1, "{provider}");
        let items = inbox.items().await;
        assert!(!items.is_empty(), "{provider}");
        assert!(items.iter().all(|item| item.integration_id == Some(inbox.integration)), "{provider}: {items:?}");
        assert!(items.iter().any(|item| item.happening.is_some()), "{provider}: {items:?}");
        // Nothing that proves is kept.
        let shown = format!("{} {}", kept[0].headers, kept[0].query);
        for name in ["webhook_secret", "webhook_password"] {
            let manifest = Catalogue::embedded().get(provider).unwrap().clone();
            let fields = manifest.webhook.get().unwrap().fields.clone().unwrap_or_default();
            if fields.iter().any(|field| field.name.as_str() == name) {
                assert!(!shown.contains(&inbox.played.value(provider, name)), "{provider}: {shown}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_understood_again_byte_by_byte_the_same() {
    for provider in ["stripe", "shopify", "facebook", "sendgrid", "twilio", "mailchimp", "fedex"] {
        let inbox = Inbox::of(provider).await;
        for sent in inbox.webhooks(How::Reordered, 20) {
            inbox.taken(&sent).await;
        }
        inbox.work().await;
        let first: Vec<_> = inbox.items().await.into_iter().map(|item| item.normalised).collect();
        let ids: Vec<_> = inbox.kept().await.iter().map(|row| row.id).collect();
        let again = replay::replay(&inbox.hub.cx(), &Which::Ids(ids.clone()), false).await.unwrap();
        assert_eq!(again.count, ids.len() as u64, "{provider}");
        inbox.work().await;
        let second: Vec<_> = inbox.items().await.into_iter().map(|item| item.normalised).collect();
        assert!(!first.is_empty() && first == second, "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_it_is_is_told_by_the_account() {
    let inbox = Inbox::of("shopify").await;
    let all = make(&inbox.hub, &inbox.played, "shopify", None).await;
    let now = inbox.hub.cx().now();
    let mut sent = inbox.played.webhooks("shopify", all.url.expose(), How::Right, 1, now).remove(0);
    inbox.taken(&sent).await;
    inbox.work().await;
    let items = inbox.items().await;
    assert_eq!(items[0].integration_id, Some(inbox.integration), "its shop is the integration's");
    // A header is not signed: it says whose it is, not that it is.
    for (name, value) in &mut sent.headers {
        match name.as_str() {
            "x-shopify-shop-domain" => *value = "somebody-else.myshopify.com".to_owned(),
            "x-shopify-webhook-id" => *value = "another".to_owned(),
            _ => {}
        }
    }
    // Ids of one millisecond have no order.
    inbox.hub.clock.advance(chrono::TimeDelta::seconds(1));
    inbox.taken(&sent).await;
    inbox.work().await;
    let waits = kept(&inbox.hub).await.pop().unwrap();
    assert_eq!((waits.status, waits.attempts), (Status::Received, 1));
    assert!(waits.reason.unwrap().contains("somebody-else"), "the reason names the account");
    let mut rounds = 0;
    while kept(&inbox.hub).await.pop().unwrap().status == Status::Received {
        inbox.hub.clock.advance(chrono::TimeDelta::minutes(11));
        inbox.work().await;
        rounds += 1;
        assert!(rounds < 20, "it is never given up");
    }
    let dead = kept(&inbox.hub).await.pop().unwrap();
    assert_eq!((dead.status, dead.attempts), (Status::Dead, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_that_ask_whether_we_are_there_are_answered_as_they_wish() {
    let meta = Inbox::of("facebook").await;
    let path = meta.made.url.expose().split_once("/hooks/").unwrap().1.to_owned();
    let token = meta.played.value("facebook", "app.verify_token");
    let right = format!("/hooks/{path}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
    let reply = meta.hub.send(get(&right)).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "1158201444"));
    let wrong = right.replace(&token, "another");
    let reply = meta.hub.send(get(&wrong)).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (403, ""));

    let linkedin = Inbox::of("linkedin").await;
    let path = linkedin.made.url.expose().split_once("/hooks/").unwrap().1.to_owned();
    let reply =
        linkedin.hub.send(get(&format!("/hooks/{path}?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0"))).await;
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    assert_eq!(answer["challengeCode"], "890e4665-4dfe-4ab1-b689-ed553bceeed0");
    assert_eq!(answer["challengeResponse"].as_str().unwrap().len(), 64);

    let mailchimp = Inbox::of("mailchimp").await;
    let path = mailchimp.made.url.expose().split_once("/hooks/").unwrap().1.to_owned();
    assert_eq!(mailchimp.hub.send(get(&format!("/hooks/{path}"))).await.status, 200);
}
