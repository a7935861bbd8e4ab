//! A tenant with everything that the coverage matrix knows of, two partners in it, and another tenant beside it.
//!
//! One of the partners asks. All that was there before it is somebody else's: each id, and each text that could be
//! marked with a word.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use portolan::kernel::{
    cursor::Cursor,
    id::{IntegrationId, PartnerOrganizationId},
    scope::Role,
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{
    marks::{self, WORD},
    schema::{Pool, Schema},
};
use crate::{
    coverage::world::World,
    outbound::sink::Sink,
    partner::{Partners, from_partner, mapping},
    support::TestHub,
};

/// Texts for people, where somebody else's can be marked after the fact.
const TEXTS: &[(&str, &str)] = &[
    ("agents", "name"),
    ("alerts", "text"),
    ("api_tokens", "name"),
    ("integrations", "name"),
    ("issuers", "name"),
    ("orders", "notes"),
    ("partner_organizations", "name"),
    ("tenants", "name"),
    ("users", "name"),
    ("webhook_destinations", "name"),
    ("webhook_sources", "name"),
];

/// A partner with everything it can have.
pub struct Side {
    pub organization: PartnerOrganizationId,
    pub integration: IntegrationId,
    /// What it calls its order, and the word in all of its texts.
    pub name: String,
    pub order: String,
    pub update: String,
    /// The mapping in use, and a draft.
    pub mapping: String,
    pub draft: String,
    pub delivery: String,
}

impl Side {
    async fn new(partners: &Partners, name: &str) -> Self {
        let (organization, integration) = partners.partner(name).await;
        let mut order = from_partner(integration, name);
        order["customer"] = json!({ "name": name, "email": format!("{name}@example.com"), "company": name });
        order["lines"][0]["description"] = name.into();
        order["addresses"][0]["street"] = name.into();
        order["notes"] = name.into();
        order["partnerExternalReferences"] = json!({ "purchase_order_number": name, "dealer_group_id": name });
        let made = partners.done("createOrderFromPartner", "order { id }", order).await;
        let order = made["order"]["id"].as_str().unwrap().to_owned();
        let update = partners.says(integration, name, "RECEIVED", 1).await["id"].as_str().unwrap().to_owned();
        // Somebody is to look at a word without a meaning, and at one for an order that nobody knows.
        partners.says(integration, name, &format!("{name} word"), 2).await;
        partners.says(integration, &format!("{name} unknown"), "RECEIVED", 3).await;
        let new = json!({ "partnerIntegrationId": integration, "mapping": mapping() });
        let draft = partners.done("draftStatusMapping", "statusMapping { id }", new).await;
        let moved = json!({ "id": order, "status": "approved", "reason": name });
        partners.done("changeOrderStatus", "order { id }", moved).await;
        partners.work().await;
        let own = "query($id: ID!) { partnerDeliveries(partnerIntegrationId: $id) { nodes { id } }
            statusMapping(partner: $id) { mapping { id } } }";
        let own = partners.hub.ask(&partners.admin, own, json!({ "id": integration })).await.data();
        let text = |pointer: &str| own.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        Self {
            organization,
            integration,
            name: name.to_owned(),
            order,
            update,
            mapping: text("/statusMapping/mapping/id"),
            draft: draft["statusMapping"]["id"].as_str().unwrap().to_owned(),
            delivery: text("/partnerDeliveries/nodes/0/id"),
        }
    }

    fn ids(&self) -> Vec<String> {
        let (organization, integration) = (self.organization.to_string(), self.integration.to_string());
        let rest = [&self.order, &self.update, &self.mapping, &self.draft, &self.delivery].map(Clone::clone);
        [integration, organization].into_iter().chain(rest).collect()
    }
}

/// All of it.
pub struct Walked {
    pub partners: Partners,
    pub own: Side,
    pub other: Side,
    /// Of the partner that asks.
    pub token: String,
    /// The ids of everything that is not its own.
    pub foreign: HashSet<String>,
    world: World,
}

impl Walked {
    pub async fn new() -> Self {
        let settings = [
            ("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8"),
            // What everything below a field is asked for with would be refused as too much otherwise.
            ("PORTOLAN_GRAPHQL_MAX_TEXT", "1MiB"),
            ("PORTOLAN_GRAPHQL_MAX_TOKENS", "100000"),
            ("PORTOLAN_GRAPHQL_MAX_SELECTIONS", "100000"),
            ("PORTOLAN_GRAPHQL_MAX_COST", "1000000000"),
            ("PORTOLAN_GRAPHQL_MAX_ERRORS", "1000"),
            ("PORTOLAN_GRAPHQL_MAX_RESPONSE", "16MiB"),
            ("PORTOLAN_LIVE_OPERATIONS_PER_SOCKET", "10000"),
        ];
        let world = Box::pin(World::with(&settings)).await;
        let hub = Arc::clone(&world.hub);
        let admin = hub.token(Role::Admin).await;
        let mut partners = Partners { hub, sink: Sink::start().await, admin };
        let other = Box::pin(Side::new(&partners, &format!("{WORD}other"))).await;
        partners.hub.partner_token(&partners.hub.tenant, other.organization).await;
        mark(&partners.hub).await;
        let foreign = marks::ids(&partners.hub).await;
        // Whoever acts for the partner that asks is named in what is its own.
        partners.admin = partners.hub.token(Role::Admin).await;
        let own = Box::pin(Side::new(&partners, "own")).await;
        let token = partners.hub.partner_token(&partners.hub.tenant, own.organization).await;
        // That it is used is noted once in a while; from here on, nothing of that moves.
        partners.hub.ask(&token, "{ viewer { role } }", Value::Null).await.data();
        partners.hub.settle().await;
        Self { partners, own, other, token, foreign, world }
    }

    pub fn hub(&self) -> &Arc<TestHub> {
        &self.partners.hub
    }

    /// What fields are asked for with: ids of all that an administrator sees, and of what another tenant has.
    pub async fn pool(&self, schema: &Schema) -> Pool {
        let there = self.world.there.ids().map(str::to_owned).collect::<Vec<_>>();
        let known = [self.own.ids(), self.other.ids(), self.world.here.ids().map(str::to_owned).collect()].concat();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let called = words(&[&self.other.name, &self.own.name, "KNOWN-1", "PO-1"]);
        let texts = BTreeMap::from([
            ("kind", words(&["partner_order_id", "purchase_order_number"])),
            ("value", called.clone()),
            ("partnerOrderId", called.clone()),
            ("search", called.clone()),
            ("said", called),
            ("key", words(&["stripe", "custom_rest"])),
            ("stream", words(&["customers", "orders"])),
            ("email", words(&["nobody@example.com"])),
            ("statuses", words(&["new", "approved", "in_progress"])),
            ("after", vec![Cursor::encode("events", &0).unwrap().0]),
        ]);
        let mut pool = Pool { some: known.clone(), all: known.clone(), texts };
        let mut seen: BTreeSet<String> = known.into_iter().collect();
        for field in schema.names("Query") {
            let asks = schema.asks("Query", &field, &pool);
            let document = asks[0].document(&BTreeSet::new()).unwrap();
            let reply = self.hub().ask(&self.partners.admin, &document, Value::Null).await;
            assert!(!reply.text.contains("GRAPHQL_"), "{document}: {}", reply.text);
            seen.extend(marks::ids_in(&reply.text).map(str::to_owned));
        }
        // One of each kind of each side, the partner's own integration first. What is shown as an example is nobody's.
        let mut kinds = BTreeMap::new();
        for id in self.own.ids().iter().chain(&seen).chain(&there) {
            let side = if !self.foreign.contains(marks::suffix(id)) {
                "own"
            } else if self.other.ids().contains(id) {
                "other"
            } else if there.contains(id) {
                "there"
            } else {
                "here"
            };
            kinds.entry((side, id[..3].to_owned())).or_insert_with(|| id.clone());
        }
        pool.some = kinds.into_values().collect();
        pool.some.sort_by_key(|id| *id != self.own.integration.to_string());
        pool.all = seen.into_iter().chain(there).collect();
        pool
    }
}

/// Puts a word into the texts of everything that is there.
async fn mark(hub: &TestHub) {
    let db = hub.app.hub().database.writer();
    for (table, column) in TEXTS {
        let sql = format!("UPDATE {table} SET {column} = '{WORD}{table} ' || COALESCE({column}, '')");
        db.execute_unprepared(&sql).await.unwrap();
    }
}
