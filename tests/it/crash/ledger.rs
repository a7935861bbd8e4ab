//! The books: every row, event and audit entry, read from the database when the server is down.
//!
//! They are held against each other (does everything that was begun have all its parts, and does every part
//! belong to something?) and against what clients were told. Rows nobody acknowledged are as complete as the
//! others, and there is somebody who asked for them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use portolan::{
    app::database_settings,
    config::{Config, Flags},
    context::Database,
    entity::{api_token, audit_entry, event, membership, outbox, tenant, user},
    kernel::id::TenantId,
};
use sea_orm::{ConnectOptions, ConnectionTrait, DbBackend, Statement};
use serde_json::Value;

use super::load::{Acknowledged, Intent, Kind, Told};
use crate::support::{database::TestDatabase, process::until};

/// What an event and its audit entry have in common: tenant, what was done to what, in which request.
type Trace = (TenantId, String, String, String);

/// An event.
struct Fact {
    trace: Trace,
    data: Value,
}

/// All that is in the database.
pub struct Ledger {
    tenants: Vec<tenant::Model>,
    users: Vec<user::Model>,
    memberships: Vec<membership::Model>,
    tokens: Vec<api_token::Model>,
    facts: Vec<Fact>,
    entries: Vec<audit_entry::Model>,
}

impl Ledger {
    /// Reads it all, tenant by tenant, and makes sure that nothing lies outside of every tenant.
    pub async fn read(database: &TestDatabase) -> Self {
        everybody_left(database).await;
        let config = Config::load(&Flags::default(), database.settings(), database.folder()).unwrap();
        let db = Database::connect(&database_settings(&config), Arc::new(|_, _| ())).await.unwrap();
        let reader = db.reader();
        let tenants = tenant::of_hub().all(reader).await.unwrap();
        let mut books =
            Self { tenants, users: vec![], memberships: vec![], tokens: vec![], facts: vec![], entries: vec![] };
        for id in books.tenants.iter().map(|tenant| tenant.id) {
            books.users.extend(user::of(id).all(reader).await.unwrap());
            books.memberships.extend(membership::of(id).all(reader).await.unwrap());
            books.tokens.extend(api_token::of(id).all(reader).await.unwrap());
            books.entries.extend(audit_entry::of(id).all(reader).await.unwrap());
            // The log, then what waits for it: together in the order in which it happened.
            let mut logged = event::of(id).all(reader).await.unwrap();
            logged.sort_by_key(|event| event.number);
            let numbered: HashSet<_> = logged.iter().map(|event| event.event_id).collect();
            let mut waiting = outbox::of(id).all(reader).await.unwrap();
            waiting.retain(|event| !numbered.contains(&event.event_id));
            waiting.sort_by_key(|event| event.position);
            let logged = logged.into_iter().map(|e| (e.kind, e.subject, e.request_id, e.data));
            let waiting = waiting.into_iter().map(|e| (e.kind, e.subject, e.request_id, e.data));
            books.facts.extend(logged.chain(waiting).map(|(kind, subject, request, data)| Fact {
                trace: (id, kind, subject, request.unwrap_or_default()),
                data,
            }));
        }
        // The selectors begin with a tenant; what belongs to none would be passed over.
        let everything = [
            ("users", books.users.len()),
            ("memberships", books.memberships.len()),
            ("api_tokens", books.tokens.len()),
            ("audit_entries", books.entries.len()),
            ("users u WHERE EXISTS (SELECT 1 FROM users o WHERE o.email = u.email AND o.id <> u.id)", 0),
            ("idempotency_keys WHERE subject IS NULL", 0),
            ("(SELECT event_id FROM outbox UNION SELECT event_id FROM events) AS facts", books.facts.len()),
        ];
        for (what, expected) in everything {
            let counted = Statement::from_string(db.backend(), format!("SELECT COUNT(*) FROM {what}"));
            let counted: i64 = reader.query_one_raw(counted).await.unwrap().unwrap().try_get_by_index(0).unwrap();
            assert_eq!(counted, i64::try_from(expected).unwrap(), "{what}");
        }
        db.close().await;
        books
    }

    /// Everything is complete, and as clients were told.
    pub fn agrees_with(&self, told: &Told) {
        self.every_event_has_its_audit_entry();
        self.every_row_has_its_event();
        self.every_acknowledged_mutation_is_there(told);
        self.nothing_is_there_that_nobody_asked_for(told);
        for tenant in &self.tenants {
            self.names_follow_each_other(tenant, told);
        }
    }

    /// How many there are of each.
    pub fn tenants_and_people(&self) -> (usize, usize) {
        (self.tenants.len(), self.users.len())
    }

    /// How many mutations had their effect without an acknowledgement.
    pub fn unacknowledged(&self, told: &Told) -> usize {
        let done = |intent: &&Intent| match intent.kind {
            Kind::User => self.users.iter().any(|user| user.name == intent.name),
            Kind::Token => self.tokens.iter().any(|token| token.name == intent.name),
            Kind::Rename(_) => self.tenants.iter().any(|tenant| tenant.name == intent.name),
        };
        told.open.iter().filter(done).count()
    }

    fn every_event_has_its_audit_entry(&self) {
        let mut balance: BTreeMap<String, i32> = BTreeMap::new();
        for fact in &self.facts {
            *balance.entry(format!("{:?}", fact.trace)).or_default() += 1;
        }
        for entry in &self.entries {
            let trace: Trace = (entry.tenant_id, entry.action.clone(), entry.subject.clone(), entry.request_id.clone());
            *balance.entry(format!("{trace:?}")).or_default() -= 1;
        }
        balance.retain(|_, difference| *difference != 0);
        assert!(balance.is_empty(), "events without entries (more than 0), entries without events: {balance:#?}");
    }

    /// One row, one event of its making, and the other way round; one membership for each user.
    fn every_row_has_its_event(&self) {
        let rows: [(&str, Vec<String>); 4] = [
            ("tenant.created", self.tenants.iter().map(|row| row.id.to_string()).collect()),
            ("user.created", self.users.iter().map(|row| row.id.to_string()).collect()),
            ("membership.granted", self.memberships.iter().map(|row| row.id.to_string()).collect()),
            ("api_token.created", self.tokens.iter().map(|row| row.id.to_string()).collect()),
        ];
        for (kind, rows) in rows {
            let events = self.facts.iter().filter(|fact| fact.trace.1 == kind).map(|fact| fact.trace.2.clone());
            assert_eq!(sorted(rows), sorted(events), "{kind}");
        }
        let members = self.memberships.iter().map(|row| row.user_id);
        assert_eq!(sorted(members), sorted(self.users.iter().map(|row| row.id)), "each user has one membership");
        // Both parts of letting somebody in were one request.
        let requests: HashMap<_, _> = self
            .facts
            .iter()
            .filter(|fact| fact.trace.1 == "membership.granted")
            .map(|fact| (fact.data["user"].as_str().unwrap(), &fact.trace.3))
            .collect();
        for fact in self.facts.iter().filter(|fact| fact.trace.1 == "user.created") {
            assert_eq!(requests.get(fact.trace.2.as_str()), Some(&&fact.trace.3));
        }
    }

    fn every_acknowledged_mutation_is_there(&self, told: &Told) {
        let users: HashMap<_, _> = self.users.iter().map(|row| (row.id.to_string(), row)).collect();
        let tokens: HashMap<_, _> = self.tokens.iter().map(|row| (row.id.to_string(), row)).collect();
        for Acknowledged { intent, id } in &told.acknowledged {
            match intent.kind {
                Kind::User => {
                    let row = users.get(id).unwrap_or_else(|| panic!("lost: {intent:?} {id}"));
                    assert_eq!((&row.name, &row.email), (&intent.name, &intent.email()));
                }
                Kind::Token => {
                    let row = tokens.get(id).unwrap_or_else(|| panic!("lost: {intent:?} {id}"));
                    assert_eq!(row.name, intent.name);
                }
                Kind::Rename(tenant) => {
                    assert_eq!(*id, tenant.to_string());
                    let renamed = self.names(tenant).into_iter().filter(|(_, to)| *to == intent.name).count();
                    assert_eq!(renamed, 1, "{intent:?}");
                }
            }
        }
    }

    /// Each name was asked for, and made something once.
    fn nothing_is_there_that_nobody_asked_for(&self, told: &Told) {
        let asked = told.acknowledged.iter().map(|done| &done.intent).chain(&told.open);
        let asked: HashSet<_> = asked.map(|intent| intent.name.as_str()).collect();
        let mut made: Vec<&str> = self.users.iter().map(|row| row.name.as_str()).collect();
        made.extend(self.tokens.iter().map(|row| row.name.as_str()));
        for tenant in &self.tenants {
            made.extend(self.names(tenant.id).into_iter().map(|(_, to)| to));
        }
        // The first start makes the administrator, and these tests one token.
        made.retain(|name| !["Administrator", "command line"].contains(name));
        let distinct: HashSet<_> = made.iter().copied().collect();
        assert_eq!(distinct.len(), made.len(), "something was made twice");
        let unasked: Vec<_> = distinct.difference(&asked).collect();
        assert!(unasked.is_empty(), "{unasked:?}");
    }

    /// The renamings of a tenant, in order: from what to what.
    fn names(&self, tenant: TenantId) -> Vec<(&str, &str)> {
        let updates = self.facts.iter().filter(|fact| fact.trace.0 == tenant && fact.trace.1 == "tenant.updated");
        updates
            .map(|fact| {
                let change = &fact.data["changes"]["name"];
                (change["from"].as_str().unwrap(), change["to"].as_str().unwrap())
            })
            .collect()
    }

    /// Each change begins where the one before ended, and the last one shows in the row.
    fn names_follow_each_other(&self, tenant: &tenant::Model, told: &Told) {
        let names = self.names(tenant.id);
        for pair in names.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "a change is missing between these");
        }
        if let Some((_, last)) = names.last() {
            assert_eq!(tenant.name, *last);
        }
        let acknowledged = |done: &&Acknowledged| done.intent.kind == Kind::Rename(tenant.id);
        if let Some(latest) = told.acknowledged.iter().rfind(acknowledged) {
            let name = &latest.intent.name;
            let later: Vec<_> = told.open.iter().filter(|intent| intent.kind == Kind::Rename(tenant.id)).collect();
            assert!(tenant.name == *name || later.iter().any(|intent| intent.name == tenant.name), "{tenant:?}");
        }
    }
}

/// Waits until PostgreSQL has noticed that the server is dead: until then a session of it may still commit.
async fn everybody_left(database: &TestDatabase) {
    let Some(url) = database.url() else { return };
    let db = sea_orm::Database::connect(ConnectOptions::new(url).max_connections(1).to_owned()).await.unwrap();
    until("the sessions of the dead server have ended", async || {
        let others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                      AND backend_type = 'client backend'";
        let other = db.query_one_raw(Statement::from_string(DbBackend::Postgres, others)).await.unwrap();
        other.is_none().then_some(())
    })
    .await;
    db.close().await.unwrap();
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}
