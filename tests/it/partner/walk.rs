//! A partner's token tries every field, mutation and subscription of the schema: only its own rows come back.
//!
//! The schema is walked, so that whatever is added to it is tried too. Each field is asked for with everything below
//! it, with ids of its caller's rows, of another partner's, of the tenant's and of another tenant's, and with each value
//! of each of its arguments. What is refused comes with a code; where something further in is refused, the rest is asked
//! for once more without it, so that no refusal hides what stands beside it.
//!
//! That nothing of somebody else's comes back is shown by its ids and its words ([`marks`]), which an administrator sees
//! by the same documents; that not everything is refused, by what must come back.

pub mod marks;
pub mod schema;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Value, json};

use self::{
    schema::{Ask, Schema},
    world::Walked,
};
use crate::support::{
    Reply,
    served::Served,
    socket::{PING, Said, Socket},
};

/// What somebody may be told who is refused something.
const REFUSALS: &[&str] = &[
    "BAD_USER_INPUT",
    "CONFLICT",
    "FORBIDDEN",
    "NOT_FOUND",
    "PROVIDER_UNAVAILABLE",
    "RATE_LIMITED",
    "UNAUTHENTICATED",
];

/// Mutations that say yes to everybody and change nothing of others, each with the reason.
const HARMLESS: &[(&str, &str)] = &[
    ("requestPasswordReset", "it says the same of every address, also of one that nobody has"),
    ("signOut", "a token has no session that could end"),
];

/// Tables that say who tried what.
const NOTED: &[&str] = &["audit_entries", "audit_heads", "attempt_limits"];

/// A walk as the partner that asks.
struct Walk<'a> {
    walked: &'a Walked,
    /// What it may not ask for, further in.
    without: BTreeSet<String>,
    failures: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(walked: &'a Walked) -> Self {
        Self { walked, without: BTreeSet::new(), failures: Vec::new() }
    }

    /// Notes what should not be in an answer.
    fn judge(&mut self, head: &str, answer: &Value, foreign: &HashSet<String>) {
        let text = answer.to_string();
        let head: String = head.chars().take(300).collect();
        let found = marks::found(&text, foreign);
        if !found.is_empty() {
            self.failures.push(format!("{head}: {found:?} is somebody else's"));
        }
        let told = codes(answer).into_iter().find(|code| !REFUSALS.contains(&code.as_str()));
        if let Some(code) = told {
            self.failures.push(format!("{head}: {code}: {}", text.chars().take(1_000).collect::<String>()));
        }
    }

    /// Asks, until nothing further in is refused any more.
    async fn ask(&mut self, ask: &Ask) -> Option<Reply> {
        let walked = self.walked;
        loop {
            let document = ask.document(&self.without)?;
            let reply = walked.hub().ask(&walked.token, &document, Value::Null).await;
            let answer = reply.json();
            self.judge(ask.head(), &answer, &walked.foreign);
            let before = self.without.len();
            for error in answer["errors"].as_array().into_iter().flatten() {
                let path: Vec<_> = error["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                if error["extensions"]["code"] == "FORBIDDEN" {
                    self.without.extend(ask.below(&path));
                }
            }
            if self.without.len() == before {
                return Some(reply);
            }
        }
    }

    #[track_caller]
    fn end(self) {
        let shown = self.failures.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{} failures:\n{shown}", self.failures.len());
    }
}

/// The codes of errors and user errors, wherever they stand.
fn codes(answer: &Value) -> Vec<String> {
    let of = |errors: &Value, pointer: &str| -> Vec<String> {
        let errors = errors.as_array().into_iter().flatten();
        errors.map(|error| error.pointer(pointer).and_then(Value::as_str).unwrap_or("none").to_owned()).collect()
    };
    let payloads = answer["data"].as_object().into_iter().flat_map(|data| data.values());
    let told = payloads.flat_map(|payload| of(&payload["userErrors"], "/code"));
    of(&answer["errors"], "/extensions/code").into_iter().chain(told).collect()
}

/// Whether there is nothing in an answer: null, an empty page, a list of nulls.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(fields) => ["nodes", "edges"].iter().any(|name| fields.get(*name) == Some(&json!([]))),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_asks_for_every_field_gets_its_own_rows_and_nothing_else() {
    let walked = Box::pin(Walked::new()).await;
    let schema = Schema::read(&portolan::graphql::sdl());
    let pool = walked.pool(&schema).await;
    seen_by_an_administrator(&walked, &schema, &pool).await;
    let mut walk = Walk::new(&walked);
    let (mut shown, mut asked) = (BTreeMap::<String, String>::new(), 0);
    for field in schema.names("Query") {
        for ask in schema.asks("Query", &field, &pool) {
            asked += 1;
            let Some(reply) = walk.ask(&ask).await else { continue };
            let answer = reply.json()["data"][&field].take();
            if !is_nothing(&answer) {
                shown.entry(field.clone()).or_default().push_str(&answer.to_string());
            }
        }
    }
    println!("{asked} questions to {} fields; refused further in: {:?}", schema.names("Query").len(), walk.without);
    let own = &walked.own;
    let (organization, integration) = (own.organization.to_string(), own.integration.to_string());
    let due = BTreeMap::from([
        ("node", vec![&own.order, &organization]),
        ("nodes", vec![&own.order, &own.update, &own.mapping, &own.draft, &organization]),
        ("order", vec![&own.order]),
        ("orderByReference", vec![&own.order]),
        ("orderStatusMachine", vec![]),
        ("orders", vec![&own.order, &own.name]),
        ("partnerAnalytics", vec![]),
        ("partnerDeliveries", vec![&own.delivery]),
        ("partnerIntegration", vec![&integration]),
        ("partnerIntegrations", vec![&integration]),
        ("partnerOrganizations", vec![&organization]),
        ("partnerUpdates", vec![&own.update, &own.order]),
        ("provider", vec![]),
        ("providers", vec![]),
        ("statusMapping", vec![&own.mapping]),
        ("statusMappings", vec![&own.mapping, &own.draft]),
        ("viewer", vec![]),
    ]);
    // Who adds a field says here whether partners see anything by it.
    let answered: BTreeSet<_> = shown.keys().map(String::as_str).collect();
    assert_eq!(answered, due.keys().copied().collect::<BTreeSet<_>>());
    for (field, due) in due {
        for id in due {
            assert!(shown[field].contains(id), "{field} shows no {id}: {}", shown[field]);
        }
    }
    walk.end();
}

/// That there is one of every kind to be seen, for who may see it.
async fn seen_by_an_administrator(walked: &Walked, schema: &Schema, pool: &schema::Pool) {
    let mut kinds = BTreeSet::new();
    for ids in pool.all.chunks(100) {
        let document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
        let reply = walked.hub().ask(&walked.partners.admin, document, json!({ "ids": ids })).await;
        for node in reply.data()["nodes"].as_array().unwrap().iter().filter(|node| !node.is_null()) {
            let id = marks::suffix(node["id"].as_str().unwrap()).to_owned();
            if walked.foreign.contains(&id) || node["__typename"] == "Provider" {
                kinds.insert(node["__typename"].as_str().unwrap().to_owned());
            }
        }
    }
    let all: BTreeSet<_> = schema.stands_for("Node").into_iter().collect();
    assert_eq!(kinds, all, "something of each kind is somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_tries_every_mutation_on_what_is_others_changes_nothing() {
    let walked = Box::pin(Walked::new()).await;
    let schema = Schema::read(&portolan::graphql::sdl());
    let mut pool = walked.pool(&schema).await;
    let is_foreign = |id: &String| walked.foreign.contains(marks::suffix(id));
    pool.some.retain(is_foreign);
    pool.all.retain(is_foreign);
    let mut walk = Walk::new(&walked);
    let (mut before, mut tried) = (marks::rows(walked.hub()).await, 0);
    for field in schema.names("Mutation") {
        for ask in schema.asks("Mutation", &field, &pool) {
            tried += 1;
            let document = ask.document(&BTreeSet::new()).unwrap();
            let reply = walked.hub().ask(&walked.token, &document, Value::Null).await;
            walk.judge(ask.head(), &reply.json(), &walked.foreign);
            let codes = codes(&reply.json());
            if codes.is_empty() && !HARMLESS.iter().any(|(name, _)| *name == field) {
                walk.failures.push(format!("{}: {}", ask.head(), reply.text));
            }
            // Who may not use it at all is told so before anything is looked at.
            if codes == ["FORBIDDEN"] {
                break;
            }
        }
        walked.hub().settle().await;
        let after = marks::rows(walked.hub()).await;
        let changed = before.iter().filter(|(table, rows)| !NOTED.contains(&table.as_str()) && after[*table] != **rows);
        walk.failures.extend(changed.map(|(table, _)| format!("{field} changed {table}")));
        before = after;
    }
    println!("{tried} tries of {} mutations", schema.names("Mutation").len());
    walk.end();
    // With its own, it may do what partners do.
    let own = &walked.own;
    walked.partners.later(chrono::TimeDelta::seconds(1));
    let said = json!({ "partnerIntegrationId": own.integration, "partnerOrderId": own.name, "status": "IN_PROGRESS" });
    let partners = &walked.partners;
    let done = partners.change_as(&walked.token, "processPartnerStatusUpdate", "update { state }", said).await;
    assert_eq!(done["update"]["state"], "APPLIED", "{done}");
    let order = super::from_partner(own.integration, "own too");
    let done = partners.change_as(&walked.token, "createOrderFromPartner", "order { status }", order).await;
    assert_eq!(done["order"]["status"], "new", "{done}");
}

/// Subscriptions that a partner may have.
const FOLLOWED: &[&str] = &["ordersLive", "partnerStatusChanged"];

/// Those in which there is nothing for it, without a refusal.
const SILENT: &[&str] = &["events"];

/// What was said of each operation on a socket.
type Heard = HashMap<String, Vec<Value>>;

/// Takes note of a message.
fn note(heard: &mut Heard, message: &Value) {
    if message["type"] == "complete" {
        return;
    }
    let payload = &message["payload"];
    let answer = if payload.is_array() { json!({ "errors": payload }) } else { payload.clone() };
    heard.entry(message["id"].as_str().unwrap().to_owned()).or_default().push(answer);
}

/// Listens until enough was said.
async fn listen(socket: &mut Socket, heard: &mut Heard, until: impl Fn(&Heard) -> bool) {
    while !until(heard) {
        match socket.heard().await {
            Said::Message(message) => note(heard, &message),
            Said::Pong(_) => {}
            Said::Ping(payload) => socket.frame(0x8a, &payload).await,
            other => panic!("{other:?}"),
        }
    }
}

/// Listens to what is said before an answer to a ping.
async fn rest(socket: &mut Socket, heard: &mut Heard) {
    socket.frame(PING, b"still there?").await;
    loop {
        match socket.heard().await {
            Said::Message(message) => note(heard, &message),
            Said::Pong(_) => return,
            Said::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_follows_everything_hears_of_its_own_and_of_nothing_else() {
    let walked = Box::pin(Walked::new()).await;
    let schema = Schema::read(&portolan::graphql::sdl());
    let (pool, served) = (walked.pool(&schema).await, Served::of(Arc::clone(walked.hub())).await);
    walked.hub().app.follow();
    let mut walk = Walk::new(&walked);
    // What is refused further in is found by questions, which can be asked again.
    for field in schema.names("Query") {
        walk.ask(&schema.asks("Query", &field, &pool)[0]).await;
    }
    let mut following = Vec::new();
    for field in schema.names("Subscription") {
        let mut socket = Socket::signed_in(served.address, &walked.token).await;
        let asks = schema.asks("Subscription", &field, &pool);
        for (at, ask) in asks.iter().enumerate() {
            let Some(document) = ask.document(&walk.without) else { continue };
            socket.subscribe(&at.to_string(), &document, Value::Null).await;
        }
        following.push((field, socket, asks));
    }
    let mut admin = Socket::signed_in(served.address, &walked.partners.admin).await;
    let after = pool.texts["after"][0].clone();
    let told = "subscription($after: String) { partnerStatusChanged(after: $after) { orderId to } }";
    admin.subscribe("told", told, json!({ "after": after })).await;

    // First something happens to everybody else, and then to the partner.
    let before = marks::ids(walked.hub()).await;
    let (partners, own, other) = (&walked.partners, &walked.own, &walked.other);
    partners.moves(&other.order, "in_progress").await;
    partners.says(other.integration, &other.name, "DELIVERED", 90).await;
    partners.done("createOrder", "order { id }", json!({ "customer": { "name": "zq-customer" } })).await;
    partners.hub.user_of(&partners.hub.tenant, "zq-new@example.com", portolan::kernel::scope::Role::Viewer).await;
    partners.follow().await;
    let mut foreign = walked.foreign.clone();
    foreign.extend(marks::ids(walked.hub()).await.difference(&before).cloned());
    partners.moves(&own.order, "in_progress").await;
    partners.follow().await;

    let shows = |heard: &Heard, at: &str, order: &str| {
        let mut said = heard.get(at).into_iter().flatten().map(Value::to_string);
        said.any(|text| text.contains(order) && text.contains("in_progress"))
    };
    let mut by_admin = HashMap::new();
    listen(&mut admin, &mut by_admin, |heard| shows(heard, "told", &other.order) && shows(heard, "told", &own.order))
        .await;
    for (field, mut socket, asks) in following {
        let mut said = HashMap::new();
        if FOLLOWED.contains(&field.as_str()) {
            // Behind a cursor everything is told, whenever the following began; a snapshot shows what is.
            let heads = asks.iter().map(Ask::head).enumerate();
            let live: Vec<_> = heads
                .filter(|(at, head)| head.contains("after:") || *at == 0 && field == "ordersLive")
                .map(|(at, _)| at.to_string())
                .collect();
            assert!(!live.is_empty(), "{field} goes on after a cursor");
            listen(&mut socket, &mut said, |said| live.iter().all(|at| shows(said, at, &own.order))).await;
        } else if SILENT.contains(&field.as_str()) {
            assert!(!asks.is_empty());
        } else {
            listen(&mut socket, &mut said, |said| said.len() == asks.len()).await;
        }
        rest(&mut socket, &mut said).await;
        for (at, answers) in &said {
            let ask = &asks[at.parse::<usize>().unwrap()];
            for answer in answers {
                walk.judge(ask.head(), answer, &foreign);
                if !FOLLOWED.contains(&field.as_str()) && codes(answer).is_empty() {
                    walk.failures.push(format!("{}: {answer}", ask.head()));
                }
            }
        }
        println!("{field}: {} operations, {} answered", asks.len(), said.len());
    }
    walk.end();
}
