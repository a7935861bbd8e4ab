//! What a provider told nobody is found, and how much that was is said.

use chrono::TimeDelta;
use portolan::{
    domain::{
        inbox::{list, reconcile},
        sync::record,
    },
    entity::{record as entity, webhook_item},
};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::json;

use super::Inbox;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_changes_of_which_every_fifth_was_lost_a_fifth_was_missed() {
    let inbox = Inbox::of("stripe").await;
    let (cx, source) = (inbox.hub.cx(), inbox.made.source.clone());
    // The stream is read once, and has what was there before.
    portolan::domain::sync::run::sync_now(&cx, inbox.integration, Some("payments")).await.unwrap();
    inbox.work().await;
    let row = record::row_of(&cx, inbox.integration, "payments").await.unwrap().unwrap();
    let begun = row.change_number;
    let changed = |number: i64| (format!("pi_{number}"), source.created_at + TimeDelta::seconds(60 + number));
    for number in 0..200 {
        let (id, at) = changed(number);
        cx.write(async |txn| {
            let row = entity::Model {
                tenant_id: row.tenant_id,
                integration_id: inbox.integration,
                stream_id: row.id,
                external_id: id.clone(),
                data: json!({ "id": id }),
                hash: Vec::new(),
                updated_at: Some(at),
                full_pass: 0,
                deleted_at: None,
                change_number: begun + 1_000 + number,
                changed_at: at,
            };
            entity::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
            // Every fifth was lost on the way; of every tenth, an older change was heard of.
            if number % 5 != 0 || number % 10 == 0 {
                let heard = if number % 10 == 0 { at - TimeDelta::hours(1) } else { at + TimeDelta::seconds(2) };
                let item = webhook_item::Model {
                    webhook_id: txn.id(),
                    number: 0,
                    tenant_id: source.tenant_id,
                    source_id: source.id,
                    integration_id: Some(inbox.integration),
                    event_key: format!("evt_{number}"),
                    kind: "payment_intent.succeeded".to_owned(),
                    happening: Some("payment.succeeded".to_owned()),
                    subject: Some(id.clone()),
                    at: heard,
                    normalised: "{}".to_owned(),
                };
                webhook_item::Entity::insert(item.into_active_model()).exec_without_returning(&**txn).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    }
    let rate = async || reconcile::missed_rate(&list::sources_by_ids(&cx, &[source.id]).await.unwrap()[0]);
    assert_eq!(rate().await, None);
    // The schedule of the file: once an hour.
    for _ in 0..3 {
        inbox.hub.clock.advance(TimeDelta::minutes(70));
        portolan::domain::job::schedule::tick(inbox.hub.app.hub()).await.unwrap();
        inbox.hub.clock.advance(TimeDelta::minutes(8));
        inbox.work().await;
    }
    let rate = rate().await.unwrap();
    assert!((rate - 0.2).abs() <= 0.02, "{rate}");
}
