//! What comes is kept before it is acknowledged, and once.

use chrono::TimeDelta;
use futures_util::future::join_all;
use portolan::{
    domain::inbox::{Status, refusal, source},
    provider::simulator::hook::How,
};

use super::{Inbox, counted, refused};
use crate::support::hub::get;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_kept_as_it_came_and_has_its_effect() {
    let inbox = Inbox::of("stripe").await;
    let sent = inbox.webhook();
    inbox.taken(&sent).await;
    let kept = inbox.kept().await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, sent.body, "byte by byte");
    assert_eq!((kept[0].status, kept[0].integration_id), (Status::Received, Some(inbox.integration)));
    assert!(kept[0].headers.to_string().contains("stripe-signature"));
    inbox.work().await;
    assert_eq!(inbox.kept().await[0].status, Status::Processed);
    let items = inbox.items().await;
    assert_eq!(items[0].happening.as_deref(), Some("payment.succeeded"));
    assert_eq!((items[0].subject.as_deref(), items[0].integration_id), (Some("pi_0001"), Some(inbox.integration)));
    let told = inbox.told().await;
    assert_eq!((told.len(), &told[0].data["is"]), (1, &"payment.succeeded".into()));
    assert_eq!(counted(&inbox).await, [1, 0, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_copies_at_once_one_is_kept_and_all_are_acknowledged() {
    let inbox = Inbox::of("stripe").await;
    let sent = inbox.webhook();
    let answers = join_all((0..100).map(|_| inbox.send(&sent))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers.iter().map(|it| it.status).max());
    inbox.work().await;
    inbox.taken(&sent).await;
    inbox.work().await;
    assert_eq!(counted(&inbox).await, [1, 100, 0, 1, 0]);
    assert_eq!(inbox.told().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_at_once_shares_commits_and_each_is_kept() {
    let inbox = Inbox::of("stripe").await;
    let all = inbox.webhooks(How::Right, 300);
    let answers = join_all(all.iter().map(|delivery| inbox.send(delivery))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(inbox.kept().await.len(), 300);
    inbox.work().await;
    assert_eq!(counted(&inbox).await, [300, 0, 0, 300, 0]);
    assert_eq!(inbox.told().await.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_believed_is_kept_apart_and_nothing_acts_on_it() {
    let inbox = Inbox::of("stripe").await;
    for how in [How::WrongSecret, How::Late] {
        let sent = inbox.webhooks(how, 1).remove(0);
        assert_eq!(inbox.send(&sent).await.status, 401, "{how:?}");
        inbox.hub.clock.advance(TimeDelta::seconds(1));
    }
    let mut doubled = inbox.webhook();
    let signature = doubled.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("stripe-signature")).cloned();
    doubled.headers.push(signature.unwrap());
    assert_eq!(inbox.send(&doubled).await.status, 401);
    let mut bare = inbox.webhook();
    bare.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("stripe-signature"));
    assert_eq!(inbox.send(&bare).await.status, 401);
    let mut changed = inbox.webhook();
    changed.body.push(b' ');
    assert_eq!(inbox.send(&changed).await.status, 401);
    inbox.work().await;
    assert!(inbox.kept().await.is_empty() && inbox.told().await.is_empty());
    assert_eq!(refused(&inbox).await, 5);
    let newest = refusal::newest(&inbox.hub.cx(), inbox.made.source.id, 10).await.unwrap();
    let reasons: Vec<_> = newest.iter().rev().map(|row| row.reason.as_str()).collect();
    let expected = [
        "it has no time",
        "it is older than is taken",
        "its header stripe-signature is malformed",
        "it has no header stripe-signature",
        "its signature is wrong",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(newest[0].body, changed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_believed_is_kept_up_to_a_hundred_of_each_source() {
    let inbox = Inbox::of("stripe").await;
    let mut sent = inbox.webhook();
    sent.body = vec![b'x'; 100_000];
    for _ in 0..105 {
        assert_eq!(inbox.send(&sent).await.status, 401);
    }
    let newest = refusal::newest(&inbox.hub.cx(), inbox.made.source.id, 1_000).await.unwrap();
    assert_eq!((newest.len(), refused(&inbox).await), (100, 105));
    assert_eq!((newest[0].body.len(), newest[0].size), (16 * 1024, 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_and_one_that_was_never_given_answer_the_same() {
    let inbox = Inbox::of("stripe").await;
    let mut answers = Vec::new();
    let address = &inbox.made.source.address;
    let other = portolan::kernel::token::mint(
        portolan::kernel::token::Kind::Hook,
        &portolan::kernel::chance::SeededChance::new(7),
    );
    for path in ["/hooks/nonsense", &format!("/hooks/{}", other.expose()), &format!("/hooks/{address}x")] {
        let mut sent = inbox.webhook();
        sent.url.set_path(path);
        for reply in [inbox.send(&sent).await, inbox.hub.send(get(path)).await] {
            reply.refused(404, "NOT_FOUND");
            answers.push(reply.json()["errors"][0]["message"].clone());
        }
    }
    source::enable(&inbox.hub.cx(), inbox.made.source.id, false).await.unwrap();
    let off = inbox.send(&inbox.webhook()).await;
    off.refused(404, "NOT_FOUND");
    answers.push(off.json()["errors"][0]["message"].clone());
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    source::enable(&inbox.hub.cx(), inbox.made.source.id, true).await.unwrap();
    inbox.taken(&inbox.webhook()).await;
}
