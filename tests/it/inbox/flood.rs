//! More than can be written at once is told to come again, and nothing that was acknowledged is lost.

use futures_util::future::join_all;
use portolan::provider::simulator::hook::How;

use sea_orm::{ConnectionTrait, TransactionTrait};

use super::Inbox;
use crate::support::database::on_postgres;

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_the_queue_is_told_to_come_again() {
    let inbox = Inbox::with("stripe", &[("PORTOLAN_INBOX_QUEUE", "2")]).await;
    // A writer that waits for its turn leaves the others in the queue.
    let held = inbox.hub.app.hub().database.writer().begin().await.unwrap();
    if on_postgres() {
        held.execute_unprepared("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE").await.unwrap();
    }
    let all = inbox.webhooks(How::Right, 40);
    let sending = join_all(all.iter().map(|delivery| inbox.send(delivery)));
    let letting = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        held.rollback().await.unwrap();
    };
    let (answers, ()) = futures_util::future::join(sending, letting).await;
    let (mut taken, mut later) = (0, 0);
    for answer in &answers {
        match answer.status.as_u16() {
            200 => taken += 1,
            503 => {
                assert_eq!(answer.header("retry-after"), "1");
                later += 1;
            }
            other => panic!("{other} {}", answer.text),
        }
    }
    assert!(taken > 0 && later > 0, "{taken} {later}");
    assert_eq!(inbox.kept().await.len(), taken);
    // Whoever comes again is taken.
    for delivery in &all {
        inbox.taken(delivery).await;
    }
    assert_eq!(inbox.kept().await.len(), 40);
}
