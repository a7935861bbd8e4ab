//! Mappings: what validation accepts, simulation and activation accept, and nothing else.

use portolan::{
    domain::{
        order::machine::Machine,
        partner::mapping::{check, rules},
    },
    kernel::chance::{Chance, SeededChance},
};
use serde_json::{Map, Value, json};

use super::{Partners, refusals};

/// Words from which mappings are made, some of which differ in their case alone, and one status that there is not.
const WORDS: [&str; 6] = ["RECEIVED", "CONFIRMED", "IN_PROGRESS", "DELIVERED", "received", "ON HOLD"];
const STATUSES: [&str; 6] = ["new", "approved", "in_progress", "completed", "cancelled", "lost"];

struct Dice(SeededChance);

impl Dice {
    fn below(&self, most: usize) -> usize {
        let mut byte = [0];
        self.0.fill(&mut byte);
        usize::from(byte[0]) % most
    }

    fn pairs(&self, from: &[&str], to: &[&str], often: usize) -> Map<String, Value> {
        let mut pairs = Map::new();
        for (at, name) in from.iter().enumerate() {
            match self.below(often) {
                0 => {}
                // Mostly what fits, so that some pass.
                1 => drop(pairs.insert((*name).to_owned(), json!(to[self.below(to.len())]))),
                _ => drop(pairs.insert((*name).to_owned(), json!(to[at.min(to.len() - 1)]))),
            }
        }
        pairs
    }

    fn some(&self, of: &[&str]) -> Value {
        of.iter().filter(|_| self.below(5) == 0).map(|name| json!(name)).collect()
    }

    fn mapping(&self) -> Value {
        let own = if self.below(4) == 0 { 6 } else { 4 };
        let words = if self.below(4) == 0 { 6 } else { 4 };
        json!({
            "us_to_partner": self.pairs(&STATUSES[..own.min(5)], &WORDS[..4], 12),
            "partner_to_us": self.pairs(&WORDS[..words], &STATUSES[..own], 12),
            "ignored": {
                "ours": if self.below(3) == 0 { self.some(&STATUSES) } else { json!(["cancelled"]) },
                "partner": if self.below(3) == 0 { self.some(&WORDS) } else { json!([]) },
            },
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_accepts_exactly_what_simulation_and_activation_accept() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    world.order(partner, "A").await;
    for (minute, word) in WORDS.iter().enumerate() {
        world.says(partner, "A", word, i64::try_from(minute).unwrap()).await;
    }
    let (dice, mut accepted, mut refused) = (Dice(SeededChance::new(7)), 0, 0);
    for _ in 0..60 {
        let mapping = dice.mapping();
        let expected = check::passes(&check::check(&rules::read("m", &mapping).unwrap(), &Machine::default()));
        let input = json!({ "partnerIntegrationId": partner, "mapping": mapping });
        let drafted = world.done("draftStatusMapping", "statusMapping { id }", input).await;
        let id = json!({ "id": drafted["statusMapping"]["id"] });
        // Nothing is left out on the way.
        for early in ["simulateStatusMapping", "shadowStatusMapping", "activateStatusMapping"] {
            assert_eq!(refusals(&world.change(early, "statusMapping { id }", id.clone()).await)[0].1, "CONFLICT");
        }
        let fields = "statusMapping { state findings { severity } simulation { updates } }";
        let validated = world.done("validateStatusMapping", fields, id.clone()).await;
        let passes = validated["statusMapping"]["state"] == "VALIDATED";
        assert_eq!(passes, expected, "{mapping}");
        let simulated = world.change("simulateStatusMapping", fields, id.clone()).await;
        assert_eq!(simulated["userErrors"] == json!([]), passes, "{mapping} {simulated}");
        let activated = world.change("activateStatusMapping", fields, id).await;
        assert_eq!(activated["userErrors"] == json!([]), passes, "{mapping} {activated}");
        if passes { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 3 && refused > 3, "{accepted} were accepted, {refused} refused");
    let active = "query($id: ID!) { statusMappings(partner: $id, first: 100) { nodes { state } } }";
    let all = world.ask(active, json!({ "id": partner })).await;
    let states: Vec<_> = all["nodes"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "ACTIVE").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_runs_beside_decides_nothing_and_counts_where_it_differs() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let order = world.order(partner, "A").await;
    let mut mapping = super::mapping();
    mapping["ignored"] = json!({ "ours": ["cancelled"] });
    mapping["partner_to_chargecars"]["CONFIRMED"] = json!("cancelled");
    let input = json!({ "partnerIntegrationId": partner, "mapping": mapping });
    let drafted = world.done("draftStatusMapping", "statusMapping { id }", input).await;
    let id = json!({ "id": drafted["statusMapping"]["id"] });
    for step in ["validateStatusMapping", "simulateStatusMapping", "shadowStatusMapping"] {
        world.done(step, "statusMapping { state }", id.clone()).await;
    }
    world.says(partner, "A", "RECEIVED", 1).await;
    world.says(partner, "A", "CONFIRMED", 2).await;
    assert_eq!(world.status(&order).await, "approved");
    let ask =
        "query($id: ID!) { statusMapping(partner: $id, version: 2) { mapping { state shadowSeen shadowDiffers } } }";
    let shadow = world.ask(ask, json!({ "id": partner })).await;
    assert_eq!(shadow["mapping"], json!({ "state": "SHADOW", "shadowSeen": 2, "shadowDiffers": 1 }));
}
