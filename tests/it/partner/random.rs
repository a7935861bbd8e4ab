//! Many orders of several partners at once, with updates that come late, twice and in disorder.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use portolan::{
    domain::order::machine::Machine,
    kernel::chance::{Chance, SeededChance},
};
use serde_json::json;

use super::Partners;

const PARTNERS: usize = 4;
const ORDERS: usize = 8;

struct Dice(SeededChance);

impl Dice {
    fn below(&self, most: usize) -> usize {
        let mut bytes = [0; 2];
        self.0.fill(&mut bytes);
        usize::from(u16::from_be_bytes(bytes)) % most
    }

    fn shuffle<T>(&self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// A way through the machine, without its beginning.
    fn way(&self, machine: &Machine) -> Vec<String> {
        let mut way = Vec::new();
        let mut at = machine.first().to_owned();
        loop {
            let next: Vec<_> = machine.after(&at).map(str::to_owned).collect();
            // Nothing follows, or it stops on the way.
            if next.is_empty() || self.below(6) == 0 {
                return way;
            }
            let place = self.below(next.len());
            at.clone_from(&next[place]);
            way.push(at.clone());
        }
    }
}

fn word(status: &str) -> &'static str {
    match status {
        "approved" => "CONFIRMED",
        "in_progress" => "IN_PROGRESS",
        "completed" => "DELIVERED",
        "cancelled" => "CANCELLED",
        _ => "RECEIVED",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_ends_where_it_ended_and_who_should_know_was_told_once() {
    let (world, dice, machine) = (Partners::start().await, Dice(SeededChance::new(11)), Machine::default());
    let mut mapping = super::mapping();
    mapping["chargecars_to_partner"]["cancelled"] = json!("CANCELLED");
    mapping["partner_to_chargecars"]["CANCELLED"] = json!("cancelled");
    let (mut updates, mut moves, mut expected) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for partner in 0..PARTNERS {
        let name = format!("partner{partner}");
        let (_, id) = world.partner(&name).await;
        let input = json!({ "partnerIntegrationId": id, "mapping": mapping });
        let drafted = world.done("draftStatusMapping", "statusMapping { id }", input).await;
        let version = json!({ "id": drafted["statusMapping"]["id"] });
        for step in ["validateStatusMapping", "simulateStatusMapping", "activateStatusMapping"] {
            world.done(step, "statusMapping { state }", version.clone()).await;
        }
        for number in 0..ORDERS {
            let called = format!("{name}-{number}");
            let order = world.order(id, &called).await;
            let way = dice.way(&machine);
            let last = way.last().cloned().unwrap_or_else(|| machine.first().to_owned());
            expected.insert(order.clone(), last);
            if number % 2 == 0 {
                // The partner says so, each at its minute, and some of it twice.
                for (minute, status) in way.iter().enumerate() {
                    for _ in 0..=dice.below(2) {
                        updates.push((id, called.clone(), word(status), i64::try_from(minute).unwrap()));
                    }
                }
            } else {
                told.insert(called, way.iter().map(|status| word(status).to_owned()).collect());
                moves.push((order, way));
            }
        }
    }
    dice.shuffle(&mut updates);
    for (partner, called, status, minute) in &updates {
        world.says(*partner, called, status, *minute).await;
        // Somebody of the tenant works on the others meanwhile.
        if let Some((order, way)) = moves.iter_mut().find(|(_, way)| !way.is_empty()) {
            world.later(TimeDelta::milliseconds(10));
            world.moves(order, &way.remove(0)).await;
        }
        if dice.below(5) == 0 {
            world.work().await;
        }
    }
    for (order, way) in moves {
        for status in way {
            world.later(TimeDelta::milliseconds(10));
            world.moves(&order, &status).await;
        }
    }
    while world.work().await > 0 {}
    for (order, status) in &expected {
        assert_eq!(world.status(order).await, json!(status), "{order}");
    }
    let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for came in world.sink.came() {
        let said = came.json();
        let text = |name: &str| said["data"][name].as_str().unwrap().to_owned();
        assert!(text("id").starts_with(&format!("{}-", came.path)), "told of its own");
        heard.entry(text("id")).or_default().push(text("status"));
    }
    told.retain(|_, way| !way.is_empty());
    assert_eq!(heard, told, "each change once, in order, and nothing that a partner said itself");
    assert!(world.alerts().await.is_empty(), "nothing is left over");
}
