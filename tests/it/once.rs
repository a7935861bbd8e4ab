//! Idempotency keys, and what a transaction promises.

use chrono::TimeDelta;
use portolan::{
    context::{Audit, NewJob},
    event::tenant::TenantEvent,
    kernel::{
        error::{Error, Result},
        scope::Role,
    },
};
use serde_json::json;

use crate::support::{TestHub, records::Records};

const CREATE_USER: &str = "mutation($input: CreateUserInput!) { createUser(input: $input) {
    user { id } userErrors { code path } } }";

fn ann(name: &str, key: &str) -> serde_json::Value {
    json!({ "input": { "email": "ann@example.com", "name": name, "role": "VIEWER", "idempotencyKey": key } })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_with_one_key_have_one_effect_and_one_answer() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let admin = hub.token(Role::SuperAdmin).await;
    let before = Records::of(&hub).await;
    let asked = (0..200).map(|_| hub.ask(&admin, CREATE_USER, ann("Ann", "key")));
    let replies = futures_util::future::join_all(asked).await;
    let ids: std::collections::BTreeSet<_> =
        replies.iter().map(|reply| reply.data()["createUser"]["user"]["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1);
    let new = Records::of(&hub).await.since(&before);
    assert_eq!(new.events, ["user.created", "membership.granted"]);
}

#[tokio::test]
async fn a_key_with_another_input_or_operation_is_refused() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::SuperAdmin).await;
    hub.ask(&admin, CREATE_USER, ann("Ann", "key")).await.data();
    let reply = hub.ask(&admin, CREATE_USER, ann("Other", "key")).await;
    assert_eq!(reply.user_codes("createUser"), ["IDEMPOTENCY_KEY_REUSED"]);
    let token = "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { userErrors { code } } }";
    let input = json!({ "input": { "name": "ci", "role": "VIEWER", "idempotencyKey": "key" } });
    assert_eq!(hub.ask(&admin, token, input).await.user_codes("createApiToken"), ["IDEMPOTENCY_KEY_REUSED"]);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::SuperAdmin).await;
    assert_eq!(hub.ask(&admin, CREATE_USER, ann(" ", "key")).await.user_codes("createUser"), ["BAD_USER_INPUT"]);
    assert_eq!(hub.ask(&admin, CREATE_USER, ann("Ann", "key")).await.user_codes("createUser"), [""; 0]);
}

#[tokio::test]
async fn keys_belong_to_their_tenant() {
    let hub = TestHub::start().await;
    let other = hub.another_tenant("other").await;
    let (here, there) = (hub.token(Role::SuperAdmin).await, hub.token_of(&other, Role::SuperAdmin).await);
    hub.ask(&here, CREATE_USER, ann("Ann", "key")).await.data();
    assert_eq!(hub.ask(&there, CREATE_USER, ann("Other", "key")).await.user_codes("createUser"), [""; 0]);
}

#[tokio::test]
async fn a_key_is_forgotten_after_48_hours() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::SuperAdmin).await;
    hub.ask(&admin, CREATE_USER, ann("Ann", "key")).await.data();
    hub.clock.advance(TimeDelta::hours(49));
    assert_eq!(hub.ask(&admin, CREATE_USER, ann("Ann", "key")).await.user_codes("createUser"), ["CONFLICT"]);
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_event_no_audit_entry_and_no_job() {
    let hub = TestHub::start().await;
    let cx = hub.cx();
    let before = Records::of(&hub).await;
    let fact = TenantEvent::Created { tenant: hub.tenant.id, slug: "x".to_owned(), name: "x".to_owned() };
    let record = |txn: &portolan::context::Txn| -> Result<()> {
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))?;
        txn.enqueue(NewJob::recorded("test".to_owned(), json!({ "n": 1 }), 1))?;
        Ok(())
    };
    let failed: Result<()> = cx
        .write(async |txn| {
            record(txn)?;
            Err(Error::NotFound("reason to go on"))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(Records::of(&hub).await, before);
    cx.write(async |txn| record(txn)).await.unwrap();
    let new = Records::of(&hub).await.since(&before);
    assert_eq!((new.events.len(), new.audit.len(), new.jobs.len()), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_caller_went_away_is_rolled_back_and_blocks_nobody() {
    let hub = TestHub::start().await;
    let cx = hub.cx();
    let before = Records::of(&hub).await;
    let fact = TenantEvent::Created { tenant: hub.tenant.id, slug: "x".to_owned(), name: "x".to_owned() };
    let hanging = cx.write(async |txn| {
        txn.emit(&fact)?;
        std::future::pending::<()>().await;
        Ok(())
    });
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), hanging).await.is_err());
    hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let new = Records::of(&hub).await.since(&before);
    assert_eq!(new.events, ["user.created", "membership.granted"]);
}
