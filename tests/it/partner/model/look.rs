//! What the servers say of an order, held against its ledger.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    drive::{Drive, micros},
    rules::{Fate, Saying, change},
};
use crate::support::process::LIMIT;

impl Drive {
    /// Waits until a webhook is seen to.
    pub async fn arrives(&mut self, saying: &Saying) {
        let begun = Instant::now();
        while !self.updates(None).await.iter().any(|(known, _)| known == saying) {
            assert!(begun.elapsed() < LIMIT, "waited in vain until a webhook is seen to: {self} {saying:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until those with this fate are those of the ledger.
    pub async fn is_seen(&mut self, fate: Fate) {
        let (begun, expected) = (Instant::now(), self.ledger.with(fate));
        loop {
            let found = self.updates(Some(fate)).await;
            let found: BTreeSet<_> = found.into_iter().map(|(saying, _)| saying).collect();
            if found.iter().eq(&expected) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{self}: {fate:?} are {found:?}, and not {expected:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the partner said of it, and what came of that.
    async fn updates(&mut self, fate: Option<Fate>) -> Vec<(Saying, String)> {
        let ask = "query($filter: PartnerUpdateFilterInput) { partnerUpdates(filter: $filter, first: 100) {
            nodes { said happenedAt state partnerOrderId } } }";
        // What waits for an order is of none yet.
        let mut filter = match fate {
            Some(Fate::Waiting) => json!({ "partnerIntegrationId": self.partner.id }),
            _ => json!({ "orderId": self.order }),
        };
        if let Some(fate) = fate {
            filter["states"] = json!([fate.name()]);
        }
        let found = self.client.field(ask, json!({ "filter": filter })).await;
        let nodes = found["nodes"].as_array().unwrap().iter().filter(|row| row["partnerOrderId"] == self.called);
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        nodes.map(|row| ((micros(&row["happenedAt"]), text(row, "said")), text(row, "state"))).collect()
    }

    /// Whether the order is what the ledger says.
    pub async fn is_right(&mut self) {
        let ask = "query($id: ID!) { order(id: $id) { status
            history { kind from to reason originId partnerStatus } } }";
        let order = self.client.field(ask, json!({ "id": self.order })).await;
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let moved = order["history"].as_array().unwrap().iter().filter(|line| line["kind"] == "STATUS_CHANGED");
        let moved: Vec<_> = moved
            .map(|line| {
                let origin = line["originId"].as_str();
                assert_eq!(origin.is_some(), line["partnerStatus"].is_string(), "{self}: {line}");
                assert!(origin.is_none_or(|origin| origin == self.partner.id), "{self}: {line}");
                let (said, reason) = (text(line, "partnerStatus"), text(line, "reason"));
                change(&text(line, "from"), &text(line, "to"), &said, &reason)
            })
            .collect();
        assert_eq!(moved, self.ledger.history, "{self}: what happened, and what had to");
        assert_eq!(order["status"], self.ledger.status, "{self}");
        let mut found = self.updates(None).await;
        found.sort();
        let expected: Vec<_> = self.ledger.heard.iter().map(|(saying, fate)| (saying.clone(), fate.name())).collect();
        assert_eq!(found, expected, "{self}: what became of updates, and what had to");
        self.client.hang_up();
    }
}
