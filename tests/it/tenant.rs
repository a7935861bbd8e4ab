//! Tenants and their settings.

use portolan::kernel::scope::Role;
use serde_json::json;

use crate::support::{TestHub, records::Records};

const CREATE: &str = "mutation($input: CreateTenantInput!) { createTenant(input: $input) {
    tenant { id slug name settings { timeZone locale currency dateFormat } } userErrors { code path } } }";
const UPDATE: &str = "mutation($input: UpdateTenantInput!) { updateTenant(input: $input) {
    tenant { slug name settings { timeZone currency } } userErrors { code path } } }";

#[tokio::test]
async fn a_tenant_begins_with_settings_that_make_sense() {
    let hub = TestHub::start().await;
    let operator = hub.token(Role::SuperAdmin).await;
    let input = json!({ "input": { "slug": "acme", "name": "Acme", "settings": { "timeZone": "Asia/Dubai" } } });
    let made = hub.ask(&operator, CREATE, input).await.data()["createTenant"]["tenant"].clone();
    let settings = json!({ "timeZone": "Asia/Dubai", "locale": "en", "currency": "AED", "dateFormat": "DD/MM/YYYY" });
    assert_eq!(made["settings"], settings);
    let read = "query($id: ID!) { tenant(id: $id) { slug } node(id: $id) { id ... on Tenant { name } } }";
    let read = hub.ask(&operator, read, json!({ "id": made["id"] })).await.data();
    assert_eq!(read["tenant"]["slug"], "acme");
    assert_eq!(read["node"], json!({ "id": made["id"], "name": "Acme" }));
}

#[tokio::test]
async fn settings_must_exist_in_the_world() {
    let hub = TestHub::start().await;
    let operator = hub.token(Role::SuperAdmin).await;
    let settings = json!({ "timeZone": "Mars/Base", "locale": "e", "currency": "XXQ", "dateFormat": "MM-DD" });
    let input = json!({ "input": { "slug": "A b", "name": "", "settings": settings } });
    let refused = hub.ask(&operator, CREATE, input).await.data()["createTenant"]["userErrors"].clone();
    let paths: Vec<_> = refused.as_array().unwrap().iter().map(|error| error["path"].clone()).collect();
    let at = |field: &str| json!(["input", "settings", field]);
    let expected = [json!(["input", "slug"]), json!(["input", "name"])];
    assert_eq!(paths[..2], expected);
    assert_eq!(paths[2..], [at("timeZone"), at("locale"), at("currency"), at("dateFormat")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slug_goes_to_one_tenant_however_many_want_it_at_once() {
    let hub = TestHub::start().await;
    let operator = hub.token(Role::SuperAdmin).await;
    let wanted = (0..8).map(|at| {
        let input = json!({ "input": { "slug": "same", "name": format!("Number {at}") } });
        hub.ask(&operator, CREATE, input)
    });
    let replies = futures_util::future::join_all(wanted).await;
    let refused: Vec<_> = replies.iter().flat_map(|reply| reply.user_codes("createTenant")).collect();
    assert_eq!(refused, ["CONFLICT"; 7]);
}

#[tokio::test]
async fn a_change_records_what_it_was_and_what_it_is() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let before = Records::of(&hub).await;
    let change = json!({ "input": { "id": hub.tenant.id, "settings": { "currency": "KWD" } } });
    let changed = hub.ask(&admin, UPDATE, change).await.data()["updateTenant"]["tenant"].clone();
    assert_eq!(changed["settings"], json!({ "timeZone": "UTC", "currency": "KWD" }));
    let new = Records::of(&hub).await.since(&before);
    assert_eq!((new.events, new.audit), (vec!["tenant.updated".to_owned()], vec!["tenant.updated".to_owned()]));
}

#[tokio::test]
async fn a_slug_in_use_is_refused_and_a_foreign_tenant_does_not_exist() {
    let hub = TestHub::start().await;
    let other = hub.another_tenant("other").await;
    let admin = hub.token(Role::Admin).await;
    let taken = json!({ "input": { "id": hub.tenant.id, "slug": "other" } });
    assert_eq!(hub.ask(&admin, UPDATE, taken).await.user_codes("updateTenant"), ["CONFLICT"]);
    let foreign = json!({ "input": { "id": other.id, "name": "Mine" } });
    assert_eq!(hub.ask(&admin, UPDATE, foreign).await.user_codes("updateTenant"), ["NOT_FOUND"]);
    let read = "query($id: ID!) { tenant(id: $id) { name } node(id: $id) { id } }";
    let reply = hub.ask(&admin, read, json!({ "id": other.id })).await;
    assert_eq!(reply.codes(), ["NOT_FOUND"]);
    assert_eq!(reply.json()["data"], json!({ "tenant": null, "node": null }));
}
