//! Whether what came of everything is what the ledgers say.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Partner,
    client::Client,
    drive::Drive,
    listen::Listener,
    rules::{Fate, change},
};
use crate::support::process::in_the_end;

/// What the orders are called that are made when all else is over.
pub const LAST: [&str; 2] = ["last", "very last"];

/// Waits until everything that happened was seen to: for each partner an order is made, of which it is told last.
pub async fn all_is_seen(client: &mut Client, partners: &[Partner], listeners: &[Listener], called: &str) {
    for partner in partners {
        let references = json!([{ "kind": "partner_order_id", "value": called }]);
        let input = json!({ "customer": { "name": "Last" }, "partnerIntegrationId": partner.id,
            "references": references, "idempotencyKey": format!("{called} of {}", partner.name) });
        client.done("createOrder", "order { id }", input).await;
    }
    in_the_end("every partner was told of its last order", async || {
        sleep(Duration::from_millis(100)).await;
        let told: usize = listeners.iter().map(Listener::told).sum();
        if listeners.iter().all(|listener| listener.knows(called)) { Ok(()) } else { Err(told) }
    })
    .await;
}

/// The kinds and the subjects of alerts about statuses that are open.
async fn alerts(client: &mut Client) -> BTreeSet<(String, String)> {
    let ask = "query($after: String) { alerts(first: 100, after: $after,
        filter: { open: true, kinds: [FORBIDDEN_STATUS, UNMAPPED_STATUS] })
        { nodes { kind subject } pageInfo { hasNextPage endCursor } } }";
    let (mut found, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let page = client.field(ask, json!({ "after": after })).await;
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        found.extend(page["nodes"].as_array().unwrap().iter().map(|row| (text(row, "kind"), text(row, "subject"))));
        if page["pageInfo"]["hasNextPage"] == false {
            return found;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// Whether everything is as the ledgers say.
pub async fn all_is_right(client: &mut Client, drives: &mut [Drive]) {
    let mut expected = BTreeSet::new();
    for drive in drives {
        drive.is_right().await;
        if !drive.ledger.with(Fate::Forbidden).is_empty() {
            expected.insert(("FORBIDDEN_STATUS".to_owned(), drive.order.clone()));
        }
        if !drive.ledger.with(Fate::Unmapped).is_empty() {
            expected.insert(("UNMAPPED_STATUS".to_owned(), drive.partner.id.clone()));
        }
    }
    let found = alerts(client).await;
    let missing: Vec<_> = expected.difference(&found).collect();
    let left: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && left.is_empty(), "alerts that are missing: {missing:?}; that are left: {left:?}");
}

/// Waits until nothing is on its way to partners.
pub async fn all_is_sent(client: &mut Client) {
    let pending = "{ webhookDeliveries(filter: { statuses: [PENDING, FAILED, SKIPPED] }) { totalCount } }";
    in_the_end("everything was sent", async || {
        sleep(Duration::from_millis(100)).await;
        let left = client.field(pending, Value::Null).await["totalCount"].as_u64().unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

/// Whether each partner was told of our changes of its orders, each once and in order, and of nothing else.
pub fn all_were_told(partners: &[Partner], listeners: &[Listener], drives: &[Drive]) {
    for (partner, listener) in partners.iter().zip(listeners) {
        let own = drives.iter().filter(|drive| drive.partner.name == partner.name);
        let mut expected: BTreeMap<_, _> = own
            .filter(|drive| !drive.ledger.told.is_empty())
            .map(|drive| (drive.called.clone(), drive.ledger.told.clone()))
            .collect();
        for last in LAST {
            expected.insert(last.to_owned(), vec![change("", "new", partner.words.for_status("new")[0], "")]);
        }
        listener.was_told(&expected);
    }
}

/// How much there was of everything.
pub fn figures(listeners: &[Listener], drives: &[Drive]) -> String {
    let sum = |of: &dyn Fn(&Drive) -> usize| drives.iter().map(of).sum::<usize>();
    let fates = [Fate::Applied, Fate::Unchanged, Fate::Late, Fate::Ignored, Fate::Forbidden];
    let fates: Vec<_> =
        fates.iter().map(|fate| format!("{} {}", sum(&|drive| drive.ledger.with(*fate).len()), fate.name())).collect();
    let told: usize = listeners.iter().map(Listener::told).sum();
    let again: usize = listeners.iter().map(Listener::again).sum();
    format!(
        "{} updates sent {} times ({}); {} changes of status, {} of them ours; {} requests without an answer; {told} \
         webhooks told, {again} of them again",
        sum(&|drive| drive.ledger.heard.len()),
        sum(&|drive| drive.sent),
        fates.join(", "),
        sum(&|drive| drive.ledger.history.len()),
        sum(&|drive| drive.ledger.history.len() - drive.ledger.with(Fate::Applied).len()),
        sum(&|drive| drive.client.unanswered),
    )
}
