//! The life of a tenant: suspended, resumed, deleted, and what is left of it.

use chrono::TimeDelta;
use portolan::{
    domain::{
        access::user::{self, NewUser, RoleName},
        audit,
        keyring::{data_key, master, secret},
        tenant::{Tenant, removal},
    },
    entity::{self, estate},
    kernel::{
        error::Code,
        id::TenantId,
        scope::{Role, Scope},
        secret::Secret,
    },
};
use sea_orm::{ConnectionTrait, DbBackend, PaginatorTrait, Statement};
use serde_json::{Value, json};

use crate::support::TestHub;

const SUSPEND: &str = "mutation($id: ID!, $reason: String!) { suspendTenant(input: { id: $id, reason: $reason }) {
    tenant { status suspendedAt suspensionReason } userErrors { code path message } } }";
const RESUME: &str = "mutation($id: ID!) { resumeTenant(input: { id: $id }) {
    tenant { status suspendedAt suspensionReason } userErrors { code path } } }";
const DELETE: &str = "mutation($id: ID!, $slug: String!) { deleteTenant(input: { id: $id, confirmation: $slug }) {
    tenant { slug name status deletedAt } userErrors { code path message } } }";
const ME: &str = "{ viewer { role tenant { slug status } } }";

async fn suspend(hub: &TestHub, token: &str, id: TenantId) -> Value {
    hub.ask(token, SUSPEND, json!({ "id": id, "reason": "unpaid" })).await.data()["suspendTenant"].clone()
}

async fn delete(hub: &TestHub, token: &str, tenant: &Tenant) -> Value {
    hub.ask(token, DELETE, json!({ "id": tenant.id, "slug": tenant.slug })).await.data()["deleteTenant"].clone()
}

async fn put(hub: &TestHub, tenant: TenantId, owner: &str) -> portolan::kernel::Result<()> {
    let value = Secret::from("shpat_canary".to_owned());
    hub.cx().write(async |txn| secret::put(txn, tenant, owner, "token", &value).await).await
}

/// The answer to whoever comes from a suspended tenant.
#[track_caller]
fn assert_suspended(reply: &crate::support::Reply) {
    let expected = (403, vec!["TENANT_SUSPENDED".to_owned()]);
    assert_eq!((reply.status.as_u16(), reply.codes()), expected, "{}", reply.text);
}

#[tokio::test]
async fn a_suspended_tenant_lets_nobody_in_and_is_resumed_as_it_was() {
    let hub = TestHub::start().await;
    let root = hub.token(Role::SuperAdmin).await;
    let acme = hub.another_tenant("acme").await;
    let ann = hub.user_of(&acme, "ann@example.com", Role::Admin).await;
    let agent = hub.agent_of(&acme, "poller", Role::Operator).await;
    let tokens = [
        hub.token_of(&acme, Role::Admin).await,
        // Whoever runs the hub from a suspended tenant does not either.
        hub.token_of(&acme, Role::SuperAdmin).await,
        hub.agent_token(&acme, agent, Role::Operator).await,
        hub.session_of(&acme, ann.id).await,
    ];
    let suspended = suspend(&hub, &root, acme.id).await;
    assert_eq!(
        (&suspended["tenant"]["status"], &suspended["tenant"]["suspensionReason"]),
        (&json!("SUSPENDED"), &json!("unpaid"))
    );
    for token in &tokens {
        assert_suspended(&hub.ask(token, ME, json!({})).await);
        assert_suspended(&hub.ask_in("acme", token, ME).await);
    }
    assert_eq!(suspend(&hub, &root, acme.id).await["tenant"], suspended["tenant"], "twice is once");
    let seen = hub.ask_in("acme", &root, ME).await.data();
    assert_eq!(seen["viewer"]["tenant"], json!({ "slug": "acme", "status": "SUSPENDED" }));

    let resumed = hub.ask(&root, RESUME, json!({ "id": acme.id })).await.data()["resumeTenant"]["tenant"].clone();
    assert_eq!(resumed, json!({ "status": "ACTIVE", "suspendedAt": null, "suspensionReason": null }));
    for token in &tokens {
        assert_eq!(hub.ask(token, ME, json!({})).await.status, 200);
    }
    let log = hub.ask(&tokens[0], "{ auditLog(last: 2) { nodes { action } } }", json!({})).await.data();
    assert_eq!(log["auditLog"]["nodes"], json!([{ "action": "tenant.suspended" }, { "action": "tenant.resumed" }]));
}

#[tokio::test]
async fn who_belongs_to_a_suspended_tenant_alone_cannot_sign_in_and_loses_nothing() {
    const SIGN_IN: &str = "mutation($input: SignInInput!) { signIn(input: $input) { session { refreshToken } } }";
    const REFRESH: &str = "mutation($token: String!) { refreshSession(input: { refreshToken: $token }) {
        session { accessToken } } }";
    const SET: &str =
        "mutation($token: String!) { setPassword(input: { token: $token, password: \"correct horse battery\" }) {
        session { accessToken refreshToken } } }";
    let hub = TestHub::with(&[("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB")]).await;
    let root = hub.token(Role::SuperAdmin).await;
    let acme = hub.another_tenant("acme").await;
    let ann = hub.user_of(&acme, "ann@example.com", Role::Admin).await;
    let link = async || {
        let purpose = portolan::domain::access::link::Purpose::PasswordReset;
        let made = portolan::domain::access::link::make(&hub.cx_of(&acme), ann.id, purpose).await.unwrap();
        json!({ "token": made.0.expose() })
    };
    let set = hub.ask("", SET, link().await).await.data()["setPassword"]["session"].clone();
    let unused = link().await;
    suspend(&hub, &root, acme.id).await;
    let password = json!({ "input": { "email": "ann@example.com", "password": "correct horse battery" } });
    let wrong = json!({ "input": { "email": "ann@example.com", "password": "wrong" } });
    assert_eq!(hub.ask("", SIGN_IN, password.clone()).await.codes(), ["TENANT_SUSPENDED"]);
    assert_eq!(hub.ask("", SIGN_IN, wrong).await.codes(), ["UNAUTHENTICATED"], "told only to who knows the password");
    let refresh = json!({ "token": set["refreshToken"] });
    assert_eq!(hub.ask("", REFRESH, refresh.clone()).await.codes(), ["TENANT_SUSPENDED"]);
    assert_eq!(hub.ask("", SET, unused.clone()).await.codes(), ["TENANT_SUSPENDED"]);

    hub.ask(&root, RESUME, json!({ "id": acme.id })).await.data();
    hub.ask("", REFRESH, refresh).await.data();
    hub.ask("", SIGN_IN, password).await.data();
    hub.ask("", SET, unused).await.data();
}

#[tokio::test]
async fn nobody_locks_the_hub_or_themselves_out() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let (root, theirs) = (hub.token(Role::SuperAdmin).await, hub.token_of(&acme, Role::SuperAdmin).await);
    let reason = |payload: &Value| payload["userErrors"][0]["message"].as_str().unwrap_or_default().to_owned();
    let code = |payload: &Value| payload["userErrors"][0]["code"].clone();
    for own in [suspend(&hub, &root, hub.tenant.id).await, delete(&hub, &root, &hub.tenant).await] {
        assert_eq!(code(&own), "CONFLICT");
        assert!(reason(&own).contains("your own credential"), "{own}");
    }
    // The only person who runs the hub belongs to the first tenant.
    for last in [suspend(&hub, &theirs, hub.tenant.id).await, delete(&hub, &theirs, &hub.tenant).await] {
        assert_eq!(code(&last), "CONFLICT");
        assert!(reason(&last).contains("nobody would be left"), "{last}");
    }
    hub.user_of(&acme, "second@example.com", Role::SuperAdmin).await;
    assert_eq!(suspend(&hub, &theirs, hub.tenant.id).await["userErrors"], json!([]));
    assert_suspended(&hub.ask(&root, ME, json!({})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_run_the_hub_cannot_suspend_each_other_at_the_same_instant() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    hub.user_of(&acme, "second@example.com", Role::SuperAdmin).await;
    let (root, theirs) = (hub.token(Role::SuperAdmin).await, hub.token_of(&acme, Role::SuperAdmin).await);
    for round in 0..10 {
        let input = |id: TenantId| json!({ "id": id, "reason": "a test" });
        let (one, two) =
            tokio::join!(hub.ask(&root, SUSPEND, input(acme.id)), hub.ask(&theirs, SUSPEND, input(hub.tenant.id)));
        let won = |reply: &crate::support::Reply| {
            reply.status == 200 && reply.json()["data"]["suspendTenant"]["tenant"]["status"] == "SUSPENDED"
        };
        assert!(won(&one) != won(&two), "round {round}: {} {}", one.text, two.text);
        let (winner, id) = if won(&one) { (&root, acme.id) } else { (&theirs, hub.tenant.id) };
        hub.ask(winner, RESUME, json!({ "id": id })).await.data();
    }
}

const DEMOTE: &str = "mutation($id: ID!, $role: Role!) {
    updateMembership(input: { id: $id, role: $role }) { membership { role } userErrors { code path message } } }";
const REVOKE: &str = "mutation($id: ID!) {
    revokeMembership(input: { id: $id }) { revokedId userErrors { code path message } } }";

/// The membership of a person in the tenant.
async fn bond(hub: &TestHub, tenant: TenantId, email: &str) -> Value {
    let db = hub.app.hub().database.reader();
    let user = entity::user::by_email(email).one(db).await.unwrap().unwrap();
    let bonds = entity::membership::of_person(user.id).all(db).await.unwrap();
    json!(bonds.iter().find(|bond| bond.tenant_id == tenant).unwrap().id)
}

#[tokio::test]
async fn the_last_one_who_runs_the_hub_keeps_the_role() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let root = hub.token(Role::SuperAdmin).await;
    let last = bond(&hub, hub.tenant.id, "admin@localhost").await;
    // Another administrator of the tenant does not run the hub, nor does somebody of a tenant that is not served.
    hub.user_of(&hub.tenant, "ann@example.com", Role::Admin).await;
    hub.user_of(&acme, "bob@example.com", Role::SuperAdmin).await;
    suspend(&hub, &root, acme.id).await;
    let take = [(DEMOTE, "updateMembership", "ADMIN"), (DEMOTE, "updateMembership", "VIEWER")];
    for (document, field, role) in take.into_iter().chain([(REVOKE, "revokeMembership", "")]) {
        let refused = hub.ask(&root, document, json!({ "id": last, "role": role })).await.data()[field].clone();
        assert_eq!(refused["userErrors"][0]["code"], "CONFLICT", "{refused}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", "id"]));
        assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("nobody would be left"), "{refused}");
    }
    hub.ask(&root, RESUME, json!({ "id": acme.id })).await.data();
    let taken = hub.ask(&root, REVOKE, json!({ "id": last })).await.data();
    assert_eq!(taken["revokeMembership"]["revokedId"], last);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_run_the_hub_cannot_take_each_others_role_at_the_same_instant() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    for tenant in [&hub.tenant, &acme] {
        hub.user_of(tenant, &format!("keeper@{}.com", tenant.slug), Role::Admin).await;
    }
    hub.user_of(&acme, "second@example.com", Role::SuperAdmin).await;
    let (root, theirs) = (hub.token(Role::SuperAdmin).await, hub.token_of(&acme, Role::SuperAdmin).await);
    let first = bond(&hub, hub.tenant.id, "admin@localhost").await;
    let second = bond(&hub, acme.id, "second@example.com").await;
    let demote = async |token: &str, id: &Value, role: &str| {
        hub.ask(token, DEMOTE, json!({ "id": id, "role": role })).await.data()["updateMembership"].clone()
    };
    let suspended = async |token: &str, id: TenantId| suspend(&hub, token, id).await;
    let done = |payload: &Value| payload["userErrors"] == json!([]);
    for round in 0..10 {
        let (one, two) = tokio::join!(demote(&root, &first, "ADMIN"), demote(&theirs, &second, "ADMIN"));
        assert!(done(&one) != done(&two), "round {round}: {one} {two}");
        let (token, demoted) = if done(&one) { (&root, &first) } else { (&theirs, &second) };
        assert!(done(&demote(token, demoted, "SUPER_ADMIN").await));

        // One takes the other's role while the other shuts the tenant of the one.
        let (one, two) = tokio::join!(demote(&root, &first, "ADMIN"), suspended(&root, acme.id));
        assert!(done(&one) != done(&two), "round {round}: {one} {two}");
        if done(&one) {
            assert!(done(&demote(&root, &first, "SUPER_ADMIN").await));
        } else {
            hub.ask(&root, RESUME, json!({ "id": acme.id })).await.data();
        }
    }
}

#[tokio::test]
async fn deleting_a_tenant_needs_its_name_and_who_runs_the_hub() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let (root, admin) = (hub.token(Role::SuperAdmin).await, hub.token_of(&acme, Role::Admin).await);
    let wrong = hub.ask(&root, DELETE, json!({ "id": acme.id, "slug": "Acme" })).await.data()["deleteTenant"].clone();
    assert_eq!(wrong["userErrors"][0]["path"], json!(["input", "confirmation"]));
    assert_eq!(wrong["tenant"], Value::Null);
    let own = hub.ask(&admin, DELETE, json!({ "id": acme.id, "slug": "acme" })).await;
    assert_eq!(own.codes(), ["FORBIDDEN"]);
    assert_eq!(hub.ask(&admin, ME, json!({})).await.status, 200);
}

#[tokio::test]
async fn a_deleted_tenants_secrets_are_noise_and_its_credentials_worthless_at_once() {
    let hub = TestHub::start().await;
    let root = hub.token(Role::SuperAdmin).await;
    let acme = hub.another_tenant("acme").await;
    let ann = hub.user_of(&acme, "ann@example.com", Role::Admin).await;
    let bob = hub.user_of(&acme, "bob@example.com", Role::Viewer).await;
    hub.user_of(&hub.tenant, "bob@example.com", Role::Viewer).await;
    let agent = hub.agent_of(&acme, "poller", Role::Viewer).await;
    put(&hub, acme.id, "int_1").await.unwrap();
    data_key::rotate(&hub.cx_of(&acme), None).await.unwrap();
    let shared = hub.app.hub();
    let db = shared.database.reader();
    let read = async || secret::get(shared, db, acme.id, "int_1", "token").await;
    assert!(read().await.unwrap().is_some(), "and with it its key is at hand");
    // A copy of the ciphertext, as a backup has one.
    let copy = entity::secret::of(acme.id).one(db).await.unwrap().unwrap();

    let dead = [
        hub.token_of(&acme, Role::Admin).await,
        hub.agent_token(&acme, agent, Role::Viewer).await,
        hub.session_of(&acme, ann.id).await,
    ];
    let elsewhere = hub.session_of(&acme, bob.id).await;
    let deleted = delete(&hub, &root, &acme).await;
    assert_eq!((&deleted["tenant"]["status"], &deleted["userErrors"]), (&json!("DELETED"), &json!([])));
    for token in &dead {
        let refused = hub.ask(token, ME, json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.codes()), (401, vec!["UNAUTHENTICATED".to_owned()]));
    }
    let left = hub.ask(&elsewhere, ME, json!({})).await.data();
    assert_eq!(left["viewer"]["tenant"]["slug"], "default", "who belongs to another tenant too goes on there");

    assert_eq!(entity::data_key::of(acme.id).count(db).await.unwrap(), 0);
    assert!(read().await.unwrap().is_none());
    sea_orm::EntityTrait::insert(sea_orm::IntoActiveModel::into_active_model(copy))
        .exec_without_returning(shared.database.writer())
        .await
        .unwrap();
    assert!(read().await.is_err(), "the ciphertext put back opens nothing");
    assert_eq!(master::verify(shared).await.unwrap().broken.len(), 1, "it is told that its key is gone");
    // Whoever was about to seal something makes no key for it.
    let late = put(&hub, acme.id, "int_2").await.unwrap_err();
    assert_eq!(late.code(), Code::NotFound);
    assert_eq!(data_key::rotate(&hub.cx_of(&acme), None).await.unwrap_err().code(), Code::NotFound);

    for name in ["acme", &acme.id.to_string()] {
        assert_eq!(hub.ask_in(name, &root, ME).await.codes(), ["NOT_FOUND"], "nobody acts in it any more");
    }
    let again = delete(&hub, &root, &acme).await;
    assert_eq!(again["userErrors"][0]["code"], "NOT_FOUND");
    let update = "mutation($id: ID!) { updateTenant(input: { id: $id, name: \"Back\" }) { userErrors { code } } }";
    assert_eq!(hub.ask(&root, update, json!({ "id": acme.id })).await.user_codes("updateTenant"), ["NOT_FOUND"]);
    assert_eq!(hub.ask(&root, RESUME, json!({ "id": acme.id })).await.user_codes("resumeTenant"), ["NOT_FOUND"]);
    hub.another_tenant("acme").await;
    let log =
        hub.ask(&root, "{ auditLog(filter: { action: \"tenant.deleted\" }) { nodes { subject before } } }", json!({}));
    let log = log.await.data()["auditLog"]["nodes"].clone();
    assert_eq!(log, json!([{ "subject": acme.id, "before": { "slug": "acme", "name": "acme" } }]));
}

/// Tables with a column of that name, by what the database says.
async fn tables_with(hub: &TestHub, column: &str) -> Vec<String> {
    let db = hub.app.hub().database.reader();
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'
             AND column_name = '{column}' ORDER BY 1"
        ),
        _ => format!(
            "SELECT t.name FROM sqlite_master t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND c.name = '{column}' ORDER BY 1"
        ),
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test]
async fn every_table_of_tenants_is_emptied_or_kept() {
    let hub = TestHub::start().await;
    let mut listed = [estate::TABLES, estate::KEPT].concat();
    listed.sort_unstable();
    assert_eq!(tables_with(&hub, "tenant_id").await, listed, "a new table is one line in src/entity/estate.rs");
    let mut listed = [estate::GO_AT_ONCE, estate::GO_LATER, estate::STAYS, &["credentials"]].concat();
    listed.sort_unstable();
    assert_eq!(tables_with(&hub, "integration_id").await, listed, "so is a new table of integrations");
}

/// How many rows of the tenant a table has.
async fn rows(hub: &TestHub, table: &str, tenant: TenantId) -> i64 {
    let db = hub.app.hub().database.reader();
    let (backend, mark) = match db.get_database_backend() {
        DbBackend::Postgres => (DbBackend::Postgres, "$1"),
        other => (other, "?1"),
    };
    let sql = format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = {mark}");
    let row = db.query_one_raw(Statement::from_sql_and_values(backend, sql, [tenant.into()])).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn what_a_deleted_tenant_leaves_behind_is_removed_and_its_audit_log_stays_for_its_time() {
    let hub = TestHub::start().await;
    let root = hub.token(Role::SuperAdmin).await;
    let acme = hub.another_tenant("acme").await;
    let db = hub.app.hub().database.reader();
    let ann = hub.user_of(&acme, "ann@example.com", Role::Admin).await;
    hub.session_of(&acme, ann.id).await;
    let bob = hub.user_of(&acme, "bob@example.com", Role::Viewer).await;
    hub.user_of(&hub.tenant, "bob@example.com", Role::Viewer).await;
    // More than a batch of people, and rows of each kind.
    insert_people(&hub, &acme, 620).await;
    let agent = hub.agent_of(&acme, "poller", Role::Viewer).await;
    hub.agent_token(&acme, agent, Role::Viewer).await;
    put(&hub, acme.id, "int_1").await.unwrap();
    put(&hub, hub.tenant.id, "int_1").await.unwrap();
    let kept = [rows(&hub, "api_tokens", hub.tenant.id).await, rows(&hub, "memberships", hub.tenant.id).await];

    delete(&hub, &root, &acme).await;
    assert_eq!(removal::empty(hub.app.hub()).await.unwrap(), 0, "what was running may still be");
    hub.clock.advance(TimeDelta::minutes(10));
    // Two nodes may do it at once.
    let (one, two) = tokio::join!(removal::empty(hub.app.hub()), removal::empty(hub.app.hub()));
    assert!(one.unwrap() + two.unwrap() > 630);
    for table in estate::TABLES {
        assert_eq!(rows(&hub, table, acme.id).await, 0, "{table}");
    }
    let here = [rows(&hub, "api_tokens", hub.tenant.id).await, rows(&hub, "memberships", hub.tenant.id).await];
    assert_eq!(here, kept, "other tenants lose nothing");
    assert!(entity::user::by_id(ann.id).one(db).await.unwrap().is_none(), "who belonged to it alone went with it");
    assert!(entity::user::by_id(bob.id).one(db).await.unwrap().is_some());
    assert_eq!(removal::empty(hub.app.hub()).await.unwrap(), 0, "once is enough");

    let verified = audit::verify(hub.app.hub(), acme.id).await.unwrap();
    assert!(verified.broken.is_none() && verified.entries > 5, "{verified:?}");
    audit::sign(hub.app.hub()).await.unwrap();
    hub.clock.advance(TimeDelta::days(2000));
    audit::sign(hub.app.hub()).await.unwrap();
    audit::prune(hub.app.hub(), TimeDelta::days(1826)).await.unwrap();
    let verified = audit::verify(hub.app.hub(), acme.id).await.unwrap();
    assert_eq!((verified.entries, verified.broken), (0, None), "an empty rest is verified too");
    assert_eq!(removal::empty(hub.app.hub()).await.unwrap(), 1, "then the tenant's own row goes");
    assert!(entity::tenant::of(acme.id).one(db).await.unwrap().is_none());
    for table in estate::KEPT {
        assert_eq!(rows(&hub, table, acme.id).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_elsewhere_while_the_old_tenant_is_emptied_stays() {
    let hub = TestHub::start().await;
    let root = hub.token(Role::SuperAdmin).await;
    let old = hub.another_tenant("old").await;
    insert_people(&hub, &old, 60).await;
    delete(&hub, &root, &old).await;
    hub.clock.advance(TimeDelta::minutes(10));
    let letting_in = async |at: usize| {
        let (email, name) = (format!("many{at}@example.com"), "One of many".to_owned());
        let new = NewUser { email, name, role: RoleName(Role::Viewer) };
        // Who was removed at that very moment may be refused, and is let in as a new account next time.
        user::create(&hub.cx(), new, None).await.ok()
    };
    let people = futures_util::future::join_all((0..60).map(letting_in));
    let (removed, people) = tokio::join!(removal::empty(hub.app.hub()), people);
    removed.unwrap();
    let db = hub.app.hub().database.reader();
    for person in people.into_iter().flatten() {
        let bonds = entity::membership::of_person(person.id).all(db).await.unwrap();
        assert_eq!(bonds.iter().map(|bond| bond.tenant_id).collect::<Vec<_>>(), [hub.tenant.id], "{}", person.email);
    }
}

/// People of a tenant alone, without the events and entries that letting each in would leave.
async fn insert_people(hub: &TestHub, tenant: &Tenant, count: usize) {
    use sea_orm::{EntityTrait, IntoActiveModel};
    let (cx, db) = (hub.cx_of(tenant), hub.app.hub().database.writer());
    for at in 0..count {
        let id = cx.id();
        let user = entity::user::Model {
            id,
            email: format!("many{at}@example.com"),
            name: "One of many".to_owned(),
            password_hash: None,
            password_changed_at: None,
            password_reset_requested_at: None,
            founding_tenant_id: Some(tenant.id),
            created_at: cx.now(),
            updated_at: cx.now(),
        };
        let bond = entity::membership::Model {
            id: cx.id(),
            tenant_id: tenant.id,
            user_id: id,
            role: Role::Viewer,
            created_at: cx.now(),
            updated_at: cx.now(),
            sessions_ended_at: None,
        };
        entity::user::Entity::insert(user.into_active_model()).exec_without_returning(db).await.unwrap();
        entity::membership::Entity::insert(bond.into_active_model()).exec_without_returning(db).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_sealed_while_its_tenant_is_deleted_leaves_no_key_behind() {
    let hub = TestHub::start().await;
    let root = hub.token(Role::SuperAdmin).await;
    for round in 0..10 {
        let tenant = hub.another_tenant(&format!("round-{round}")).await;
        let sealing = (0..4).map(|at| {
            let (hub, owner) = (&hub, format!("int_{at}"));
            async move { put(hub, tenant.id, &owner).await.is_ok() }
        });
        let (deleted, _) = tokio::join!(delete(&hub, &root, &tenant), futures_util::future::join_all(sealing));
        assert_eq!(deleted["userErrors"], json!([]));
        let db = hub.app.hub().database.reader();
        let left = [
            entity::data_key::of(tenant.id).count(db).await.unwrap(),
            entity::secret::of(tenant.id).count(db).await.unwrap(),
        ];
        assert_eq!(left, [0, 0], "round {round}");
    }
}

#[tokio::test]
async fn a_data_key_is_kept_at_hand_for_minutes_only() {
    let hub = TestHub::start().await;
    let (tenant, shared) = (hub.tenant.id, hub.app.hub());
    put(&hub, tenant, "int_1").await.unwrap();
    let db = shared.database.reader();
    secret::get(shared, db, tenant, "int_1", "token").await.unwrap().unwrap();
    let at_hand = || shared.data_keys.get(tenant, 1, shared.clock.now()).is_some();
    hub.clock.advance(TimeDelta::seconds(299));
    secret::get(shared, db, tenant, "int_1", "token").await.unwrap().unwrap();
    assert!(at_hand());
    hub.clock.advance(TimeDelta::seconds(1));
    assert!(!at_hand(), "using it does not prolong its time");
    assert_eq!(shared.data_keys.forget_old(shared.clock.now()), 1, "and it is wiped");
}

#[tokio::test]
async fn only_who_runs_the_hub_decides_over_tenants() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    let (_, narrow) = hub.new_token(&hub.tenant, Role::SuperAdmin, Some(&[Scope::TenantWrite]), None).await;
    for token in [hub.token(Role::Admin).await, hub.token_of(&acme, Role::Admin).await, narrow] {
        let refused = hub.ask(&token, SUSPEND, json!({ "id": acme.id, "reason": "mine" })).await;
        assert_eq!(refused.codes(), ["FORBIDDEN"]);
    }
}
