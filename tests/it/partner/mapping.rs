//! Mappings: what validation accepts, simulation and activation accept, and nothing else; and what simulation says is
//! what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use portolan::{
    domain::{
        order::machine::Machine,
        partner::mapping::{check, rules},
    },
    kernel::{
        chance::{Chance, SeededChance},
        id::IntegrationId,
    },
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

/// Whether a generated mapping can be used, said once more without the program: each status of ours has a word or is
/// ignored, each word has a status or is ignored, nothing is named that there is not, and no word looks like another.
fn sound(mapping: &Value) -> bool {
    let pairs = |side: &str| -> BTreeMap<&str, &str> {
        mapping[side].as_object().unwrap().iter().map(|(from, to)| (from.as_str(), to.as_str().unwrap())).collect()
    };
    let ignored = |side: &str| -> BTreeSet<&str> {
        mapping["ignored"][side].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
    };
    let ((there, back), (ours, theirs)) =
        ((pairs("us_to_partner"), pairs("partner_to_us")), (ignored("ours"), ignored("partner")));
    let own: BTreeSet<_> = STATUSES[..5].iter().copied().collect();
    let words: BTreeSet<_> = back.keys().chain(there.values()).chain(&theirs).copied().collect();
    let plain: BTreeSet<_> = words.iter().map(|word| word.to_lowercase().replace(' ', "")).collect();
    own.iter().all(|status| there.contains_key(status) != ours.contains(status))
        && there.keys().chain(&ours).chain(back.values()).all(|status| own.contains(status))
        && words.iter().all(|word| back.contains_key(word) != theirs.contains(word))
        && plain.len() == words.len()
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
        assert_eq!((passes, passes), (expected, sound(&mapping)), "{mapping}");
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

/// What comes of each word for an order that is new, as simulations say it.
async fn said_of_new_orders(world: &Partners, partner: IntegrationId, round: usize) -> BTreeMap<String, String> {
    let mut came = BTreeMap::new();
    // These came after all those before.
    world.later(TimeDelta::seconds(1));
    for word in WORDS {
        let called = format!("{round} {word}");
        world.order(partner, &called).await;
        let update = world.says(partner, &called, word, 1).await;
        let (state, meant) = (update["state"].as_str().unwrap(), update["meant"].as_str().unwrap_or_default());
        let said = match state {
            "IGNORED" | "UNMAPPED" => state.to_owned(),
            "FORBIDDEN" => format!("{state} {meant}"),
            _ => {
                assert_eq!(update["order"]["status"], meant, "{update}");
                meant.to_owned()
            }
        };
        came.insert(word.to_owned(), said);
    }
    came
}

#[tokio::test(flavor = "multi_thread")]
async fn what_simulation_says_of_a_mapping_is_what_comes_of_it_once_it_is_active() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let (dice, mut differed) = (Dice(SeededChance::new(5)), 0);
    let mut was = said_of_new_orders(&world, partner, 0).await;
    for round in 1..=12 {
        let mapping = loop {
            let mapping = dice.mapping();
            if sound(&mapping) {
                break mapping;
            }
        };
        let input = json!({ "partnerIntegrationId": partner, "mapping": mapping });
        let drafted = world.done("draftStatusMapping", "statusMapping { id }", input).await;
        let id = drafted["statusMapping"]["id"].clone();
        world.done("validateStatusMapping", "statusMapping { state }", json!({ "id": id })).await;
        let fields = "statusMapping { simulation { updates differs differences { said was wouldBe } } }";
        // The last that came are those of the round before: each word once, of an order that was new.
        let input = json!({ "id": id, "last": WORDS.len() });
        let simulated = world.done("simulateStatusMapping", fields, input).await;
        let simulation = &simulated["statusMapping"]["simulation"];
        assert_eq!(simulation["updates"], WORDS.len());
        let mut would_be = was.clone();
        for difference in simulation["differences"].as_array().unwrap() {
            let text = |field: &str| difference[field].as_str().unwrap().to_owned();
            let before = would_be.insert(text("said"), text("wouldBe"));
            assert_eq!(before, Some(text("was")), "{mapping} {difference}");
            assert_ne!(text("was"), text("wouldBe"), "{mapping} {difference}");
            differed += 1;
        }
        world.done("activateStatusMapping", "statusMapping { state }", json!({ "id": id })).await;
        was = said_of_new_orders(&world, partner, round).await;
        assert_eq!(was, would_be, "{mapping}: what came, and what simulation said");
    }
    assert!(differed > 3, "next to nothing differed");
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
