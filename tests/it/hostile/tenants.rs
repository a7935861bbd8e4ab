//! One tenant's administrator against another tenant, with everything one can know of it.
//!
//! The attacker is a person, an administrator of a tenant of the same hub, and knows the victim's ids, the email
//! addresses of its people, its slug, its issuer, the names of its partners and connections. The schema is walked: every
//! mutation is tried with each of these in each place where one fits, first beside the victim's ids and then beside the
//! attacker's own. One person, Sam, belongs to both tenants, as many a contractor does.
//!
//! After each mutation every row of the victim is what it was: each row of any table that names the victim, and each row
//! of the accounts and sessions of its people. No answer holds a word that stands only in the victim's rows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::TimeDelta;
use portolan::{
    domain::access::link::{self, Purpose},
    kernel::scope::Role,
};
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    coverage::{
        principal::Principal,
        world::{Side, World},
    },
    partner::walk::{
        marks::{self, WORD},
        schema::{Pool, Schema},
    },
    support::{Reply, TestHub},
};

/// Tables of the victim that may change when anybody who knows an email address tries it: a wrong password and a request
/// for a new one are recorded.
const NOTED: &[(&str, &[&str])] = &[
    ("signIn", &["audit_entries", "audit_heads"]),
    ("requestPasswordReset", &["audit_entries", "audit_heads", "events", "event_heads", "users"]),
];

/// Columns that are words of the victim. Those of what both tenants see are left as they are.
const WORDS: &[&str] = &["name", "description", "text", "display_name", "account_name", "notes"];

/// Larger limits, since each document selects everything below its field.
const SETTINGS: [(&str, &str); 7] = [
    ("PORTOLAN_GRAPHQL_MAX_TEXT", "1MiB"),
    ("PORTOLAN_GRAPHQL_MAX_TOKENS", "100000"),
    ("PORTOLAN_GRAPHQL_MAX_SELECTIONS", "100000"),
    ("PORTOLAN_GRAPHQL_MAX_COST", "1000000000"),
    ("PORTOLAN_GRAPHQL_MAX_ERRORS", "1000"),
    ("PORTOLAN_GRAPHQL_MAX_RESPONSE", "16MiB"),
    ("PORTOLAN_ACCESS_PASSWORD_PASSES", "1"),
];

/// Rows by table, as text.
type Rows = BTreeMap<String, BTreeSet<String>>;

/// Both tenants, and how their rows are told apart.
struct Battle {
    world: World,
    attacker: String,
    /// The people of the victim, as their ids stand in rows.
    people: Vec<String>,
    emails: Vec<String>,
    /// The person who belongs to both.
    sam: String,
    /// Ids that stand in the victim's rows and not in the attacker's.
    foreign: HashSet<String>,
    failures: Vec<String>,
}

/// An id as it stands in a row.
fn written(hub: &TestHub, id: Uuid) -> String {
    match hub.app.hub().database.backend() {
        DbBackend::Postgres => id.to_string(),
        _ => format!("X'{}'", id.simple().to_string().to_uppercase()),
    }
}

/// The ids in rows, as the API writes their last part.
fn ids_of(rows: &Rows) -> HashSet<String> {
    let words = rows.values().flatten().flat_map(|row| {
        row.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-')
            .filter(|word| [32, 36].contains(&word.len()))
    });
    let ids = words.filter_map(|word| Uuid::parse_str(word).ok());
    ids.map(|id| marks::suffix(&portolan::kernel::id::TenantId::new(id).to_string()).to_owned()).collect()
}

impl Battle {
    async fn new() -> Self {
        let mut world = Box::pin(World::with(&SETTINGS)).await;
        let hub = std::sync::Arc::clone(&world.hub);
        let (victim, attacking) = (world.here.tenant.clone(), world.there.tenant.clone());
        let sam = hub.user_of(&victim, "sam@example.test", Role::Operator).await;
        let root = hub.user_of(&victim, "root@example.test", Role::SuperAdmin).await;
        hub.user_of(&victim, "boss@example.test", Role::Admin).await;
        // Sam's first tenant is the victim; of two memberships in one millisecond, either may be the first.
        hub.clock.advance(TimeDelta::milliseconds(1));
        hub.user_of(&attacking, "sam@example.test", Role::Viewer).await;
        for person in [&sam, &root] {
            hub.session_of(&victim, person.id).await;
        }
        link::make(&hub.cx_of(&victim), root.id, Purpose::PasswordReset).await.unwrap();
        mark(&hub, victim.id.uuid(), sam.id.uuid()).await;
        let attacker = world.token(&Principal::strangers()[1]).await;
        let db = hub.app.hub().database.reader();
        let people = portolan::entity::user::of(victim.id).all(db).await.unwrap();
        let mut battle = Self {
            people: people.iter().map(|person| written(&hub, person.id.uuid())).collect(),
            sam: sam.id.to_string(),
            emails: people.into_iter().map(|person| person.email).collect(),
            world,
            attacker,
            foreign: HashSet::new(),
            failures: Vec::new(),
        };
        let all = marks::rows(&hub).await;
        let own = written(&hub, attacking.id.uuid());
        let of_attacker = all.into_iter().map(|(table, mut rows)| {
            rows.retain(|row| row.contains(&own));
            (table, rows)
        });
        battle.foreign = &ids_of(&battle.rows().await) - &ids_of(&of_attacker.collect());
        battle
    }

    /// The rows of the victim: those that name it, and those of its people that do not name the attacker.
    async fn rows(&self) -> Rows {
        let hub = &self.world.hub;
        let [victim, attacker] = [&self.world.here, &self.world.there].map(|side| written(hub, side.tenant.id.uuid()));
        let is_victims = |row: &String| {
            let of_people = || self.people.iter().any(|person| row.contains(person));
            row.contains(&victim) || !row.contains(&attacker) && of_people()
        };
        let mut all = marks::rows(hub).await;
        for rows in all.values_mut() {
            rows.retain(&is_victims);
        }
        all.retain(|_, rows| !rows.is_empty());
        all
    }

    /// Values, beside ids, that the attacker puts into inputs.
    fn texts(&self) -> BTreeMap<&'static str, Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let slug = self.world.here.tenant.slug.clone();
        let names = words(&["helper", "A destination", "Nobody", "own", "somebody"]);
        BTreeMap::from([
            ("email", [self.emails.clone(), words(&["nobody@example.test"])].concat()),
            ("slug", vec![slug.clone()]),
            ("audience", vec![slug]),
            ("iss", words(&["http://127.0.0.1:1"])),
            ("jwksUrl", words(&["http://127.0.0.1:1/keys"])),
            ("name", names.clone()),
            ("partnerOrderId", names.clone()),
            ("value", names),
            ("key", words(&["stripe", "custom_rest"])),
            ("provider", words(&["stripe", "custom_rest"])),
            ("stream", words(&["customers", "orders"])),
            ("url", words(&["http://127.0.0.1:1/"])),
            ("password", words(&["a guessed password", "another password"])),
            ("newPassword", words(&["another password"])),
        ])
    }

    /// Asks as the attacker, who signs in again after signing out.
    async fn ask(&mut self, head: &str, document: &str) -> Option<Reply> {
        let hub = std::sync::Arc::clone(&self.world.hub);
        let reply = hub.ask(&self.attacker, document, Value::Null).await;
        if reply.status == 401 && hub.ask(&self.attacker, "{ viewer { role } }", Value::Null).await.status == 401 {
            let there = self.world.there.tenant.clone();
            let again = portolan::entity::user::of(there.id).all(hub.app.hub().database.reader()).await.unwrap();
            let me = again.iter().find(|person| person.email.contains("signed-in"))?;
            self.attacker = hub.session_of(&there, me.id).await;
        }
        let found = marks::found(&reply.text, &self.foreign);
        if !found.is_empty() {
            let head: String = head.chars().take(200).collect();
            self.failures.push(format!("{head} shows {found:?}"));
        }
        Some(reply)
    }

    #[track_caller]
    fn end(self) {
        let shown = self.failures.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{} failures:\n{shown}", self.failures.len());
    }
}

/// Puts a word into the texts of the victim, but for what the attacker sees rightly: Sam.
async fn mark(hub: &TestHub, victim: Uuid, sam: Uuid) {
    let db = hub.app.hub().database.writer();
    let literal = |id: Uuid| match hub.app.hub().database.backend() {
        DbBackend::Postgres => format!("'{id}'"),
        _ => written(hub, id),
    };
    let (victim, sam) = (literal(victim), literal(sam));
    for table in marks::tables(hub).await {
        let columns = marks::columns(hub, &table).await;
        let own = match table.as_str() {
            "tenants" => format!("id = {victim}"),
            "users" => format!("id <> {sam} AND id IN (SELECT user_id FROM memberships WHERE tenant_id = {victim})"),
            // What is written once stays as it is.
            "audit_entries" | "events" | "outbox" => continue,
            _ if columns.iter().any(|column| column == "tenant_id") => format!("tenant_id = {victim}"),
            _ => continue,
        };
        for column in columns.iter().filter(|column| WORDS.contains(&column.as_str())) {
            let sql = format!("UPDATE {table} SET {column} = '{WORD}{table} ' || {column} WHERE {own}");
            db.execute_unprepared(&sql).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_administrator_changes_and_learns_nothing_by_any_mutation() {
    let mut battle = Box::pin(Battle::new()).await;
    let schema = Schema::read(&portolan::graphql::sdl());
    let (mut tried, mut done) = (0, BTreeSet::new());
    let ids = |side: &Side| side.ids().map(str::to_owned).collect::<Vec<_>>();
    let theirs = [ids(&battle.world.here), vec![battle.sam.clone()]].concat();
    for some in [theirs, ids(&battle.world.there)] {
        let pool = Pool { all: some.clone(), some, texts: battle.texts() };
        let mut before = battle.rows().await;
        for field in schema.names("Mutation") {
            for ask in schema.asks("Mutation", &field, &pool) {
                let document = ask.document(&BTreeSet::new()).unwrap();
                let Some(reply) = battle.ask(ask.head(), &document).await else { continue };
                tried += 1;
                let payload = &reply.json()["data"][&field];
                if payload["userErrors"].as_array().is_some_and(Vec::is_empty) {
                    done.insert(field.clone());
                }
                // Who may not use it at all is told so before anything is looked at.
                if reply.codes() == ["FORBIDDEN"] {
                    break;
                }
            }
            battle.world.hub.settle().await;
            let after = battle.rows().await;
            let noted = NOTED.iter().find(|(name, _)| *name == field).map_or(&[][..], |(_, tables)| tables);
            let tables: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for table in tables.into_iter().filter(|table| before.get(*table) != after.get(*table)) {
                if !noted.contains(&table.as_str()) {
                    let (was, is) = (before.get(table).cloned().unwrap_or_default(), after.get(table).cloned());
                    let is = is.unwrap_or_default();
                    let change = (was.difference(&is).next(), is.difference(&was).next());
                    battle.failures.push(format!("{field} changed {table} of the victim: {change:?}"));
                }
            }
            before = after;
        }
    }
    println!(
        "{tried} tries of {} mutations; these did something to the attacker's own: {done:?}",
        schema.names("Mutation").len()
    );
    // Not everything was refused: what is the attacker's own it may change.
    for own in ["inviteMember", "createApiToken", "createAgent"] {
        assert!(done.contains(own), "{own} was refused throughout");
    }
    battle.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_administrator_reads_nothing_of_the_victim_by_any_query() {
    let mut battle = Box::pin(Battle::new()).await;
    let schema = Schema::read(&portolan::graphql::sdl());
    let ids: Vec<_> = battle.world.here.ids().map(str::to_owned).collect();
    let pool = Pool { all: ids.clone(), some: ids, texts: battle.texts() };
    let mut asked = 0;
    for field in schema.names("Query") {
        for ask in schema.asks("Query", &field, &pool) {
            asked += 1;
            let document = ask.document(&BTreeSet::new()).unwrap();
            battle.ask(ask.head(), &document).await;
        }
    }
    println!("{asked} questions to {} fields", schema.names("Query").len());
    battle.end();
}
