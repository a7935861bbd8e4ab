//! The audit log: chained, verified, signed, pruned.

mod tampering;

use chrono::TimeDelta;
use portolan::{
    domain::{audit, tenant::Tenant},
    entity::{audit_checkpoint, audit_entry, audit_head},
    kernel::scope::Role,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, QueryOrder};
use serde_json::{Value, json};

use crate::support::TestHub;

/// A hub with a tenant that has twenty entries and more.
async fn with_entries() -> (TestHub, Tenant) {
    let hub = TestHub::start().await;
    let tenant = hub.another_tenant("acme").await;
    for at in 0..10 {
        hub.user_of(&tenant, &format!("user{at}@example.com"), Role::Viewer).await;
    }
    (hub, tenant)
}

async fn entries(hub: &TestHub, tenant: &Tenant) -> Vec<audit_entry::Model> {
    let db = hub.app.hub().database.reader();
    audit_entry::of(tenant.id).order_by_asc(audit_entry::Column::Number).all(db).await.unwrap()
}

async fn broken(hub: &TestHub, tenant: &Tenant) -> Option<i64> {
    audit::verify(hub.app.hub(), tenant.id).await.unwrap().broken.map(|(number, _)| number)
}

#[tokio::test]
async fn a_chain_that_nobody_touched_fits() {
    let (hub, tenant) = with_entries().await;
    let found = audit::verify(hub.app.hub(), tenant.id).await.unwrap();
    assert_eq!((found.entries, found.broken), (21, None));
    let numbers: Vec<_> = entries(&hub, &tenant).await.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_written_at_once_have_their_places_without_holes() {
    let hub = TestHub::start().await;
    let writers = (0..40).map(|at| {
        let (hub, email) = (&hub, format!("user{at}@example.com"));
        async move { hub.user_of(&hub.tenant, &email, Role::Viewer).await }
    });
    futures_util::future::join_all(writers).await;
    let tenant = hub.tenant.clone();
    assert_eq!(broken(&hub, &tenant).await, None);
    // The tenant, its administrator with a membership and a link, and forty people with theirs.
    assert_eq!(entries(&hub, &tenant).await.len(), 4 + 80);
}

#[tokio::test]
async fn a_chain_that_was_rewritten_whole_is_not_what_was_signed() {
    let (hub, tenant) = with_entries().await;
    assert_eq!(audit::sign(hub.app.hub()).await.unwrap(), 2, "the first tenant's and this one's");
    assert_eq!(audit::sign(hub.app.hub()).await.unwrap(), 0, "nothing has come since");
    assert_eq!(audit::verify(hub.app.hub(), tenant.id).await.unwrap().checkpoints, 1);
    let db = hub.app.hub().database.writer();
    let mut hash = portolan::context::chain::BEGINNING.to_vec();
    for mut entry in entries(&hub, &tenant).await {
        if entry.number == 3 {
            entry.actor = "somebody else".to_owned();
        }
        hash = portolan::context::chain::link(&hash, &entry).to_vec();
        let (actor, id) = (entry.actor.clone(), entry.id);
        let mut row = entry.into_active_model();
        row.id = sea_orm::ActiveValue::Unchanged(id);
        row.actor = Set(actor);
        row.hash = Set(hash.clone());
        row.update(db).await.unwrap();
    }
    let mut head = audit_head::of(tenant.id).one_row(db).await.into_active_model();
    head.hash = Set(hash);
    head.update(db).await.unwrap();
    assert_eq!(broken(&hub, &tenant).await, Some(21), "it fits until the signed place");
}

#[tokio::test]
async fn what_is_left_after_pruning_is_verified_from_the_signed_place() {
    let (hub, tenant) = with_entries().await;
    audit::sign(hub.app.hub()).await.unwrap();
    hub.clock.advance(TimeDelta::days(10));
    hub.user_of(&tenant, "late@example.com", Role::Viewer).await;
    assert_eq!(audit::prune(hub.app.hub(), TimeDelta::days(11)).await.unwrap(), 0, "nothing is old enough");
    assert!(audit::prune(hub.app.hub(), TimeDelta::days(9)).await.unwrap() >= 21);
    let found = audit::verify(hub.app.hub(), tenant.id).await.unwrap();
    assert_eq!((found.entries, found.broken), (2, None));
    let db = hub.app.hub().database.writer();
    let place = audit_checkpoint::of(tenant.id).one_row(db).await;
    let mut row = place.into_active_model();
    row.hash = Set(vec![7; 32]);
    row.update(db).await.unwrap();
    assert_eq!(broken(&hub, &tenant).await, Some(21), "the signature no longer fits");
}

#[tokio::test]
async fn the_log_is_listed_by_who_what_whom_and_when() {
    let (hub, tenant) = with_entries().await;
    let admin = hub.token_of(&tenant, Role::Admin).await;
    let ask = async |filter: Value| {
        let query = "query($filter: AuditFilterInput) { auditLog(filter: $filter, last: 100) {
            totalCount nodes { id number at actor address requestId action subject before after } } }";
        hub.ask(&admin, query, json!({ "filter": filter })).await.data()["auditLog"].clone()
    };
    let all = ask(json!({})).await;
    assert_eq!(all["totalCount"], 22);
    assert_eq!(ask(json!({ "action": "user.created" })).await["totalCount"], 10);
    let subject = all["nodes"][1]["subject"].clone();
    assert_eq!(ask(json!({ "subject": subject })).await["totalCount"], 1);
    assert_eq!(ask(json!({ "actor": "system:test" })).await["totalCount"], 22);
    assert_eq!(ask(json!({ "actor": "nobody" })).await["totalCount"], 0);
    assert_eq!(ask(json!({ "until": "2020-01-01T00:00:00Z" })).await["totalCount"], 0);
    assert_eq!(ask(json!({ "since": "2020-01-01T00:00:00Z" })).await["totalCount"], 22);
    assert_eq!(all["nodes"][1]["after"]["email"], "user0@example.com");
}

/// The only row of a selection.
trait OneRow<M> {
    async fn one_row(self, db: &sea_orm::DatabaseConnection) -> M;
}

impl<E: sea_orm::EntityTrait> OneRow<E::Model> for sea_orm::Select<E> {
    async fn one_row(self, db: &sea_orm::DatabaseConnection) -> E::Model {
        self.one(db).await.unwrap().unwrap()
    }
}
