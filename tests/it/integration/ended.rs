//! Rights are looked at again when something ends that began earlier.

use axum::{body::Body, http::Request};
use portolan::{
    domain::{
        access::{membership, session, token},
        credential::{self, app},
        integration::{
            self, Status, change as changes,
            create::{self as creation, NewIntegration},
        },
        tenant::{Tenant, lifecycle},
    },
    kernel::{id::IntegrationId, scope::Role, secret::Secret},
    provider::{catalogue::Catalogue, simulator::Mood},
};
use serde_json::{Value, json};

use super::{agree, change, hub_of};
use crate::support::{TestHub, played::Played};

/// A tenant with an application, and an integration to which somebody has to agree.
async fn login(hub: &TestHub, name: &str) -> (Tenant, IntegrationId) {
    let tenant = hub.another_tenant(name).await;
    let cx = hub.cx_of(&tenant);
    let manifest = Catalogue::embedded().get("meta_ads").unwrap().clone();
    let fields = manifest.app.iter().flatten();
    let fields: Vec<_> = fields.map(|field| (field.name.0.clone(), Secret::from(field.example.clone()))).collect();
    app::put(&cx, "meta_ads", false, &fields).await.unwrap();
    let new = NewIntegration {
        provider: "meta_ads".to_owned(),
        auth_method: Some("login".to_owned()),
        settings: vec![("ad_account".to_owned(), "act_1234567890".to_owned())],
        ..NewIntegration::default()
    };
    let id = creation::create(&cx, new, None, None).await.unwrap().id;
    (tenant, id)
}

async fn come_back(hub: &TestHub, path: &str) -> String {
    hub.send(Request::get(path).body(Body::empty()).unwrap()).await.header("location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_ends_only_while_its_starter_could_begin_it() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let operator = hub.cx();
    let begin = async |token: &str, id: IntegrationId| {
        let started = change(&hub, token, "startOAuth", "url", json!({ "id": id })).await;
        agree(started["url"].as_str().unwrap_or_else(|| panic!("{started}"))).await
    };
    // Whoever is asked from now on says that it is away, so a call would be seen in the reason.
    let refused = async |tenant: &Tenant, id: IntegrationId, back: &str, reason: &str| {
        played.behave("meta_ads", Mood::Down, None);
        let said = come_back(&hub, back).await;
        played.behave("meta_ads", Mood::Well, None);
        assert!(said.starts_with("/#/refused/") && said.contains(&reason.replace(' ', "%20")), "{reason}: {said}");
        let cx = hub.cx_of(tenant);
        let after = integration::get(&cx, id).await.unwrap();
        assert!(matches!(after.status, Status::Pending | Status::Inactive), "{reason}: {after:?}");
        assert!(credential::current(&cx, &after).await.unwrap().is_none(), "{reason}");
    };

    let (tenant, id) = login(&hub, "revoked").await;
    let (token_id, secret) = hub.new_token(&tenant, Role::Admin, None, None).await;
    let back = begin(&secret, id).await;
    token::revoke(&hub.cx_of(&tenant), token_id.parse().unwrap()).await.unwrap();
    refused(&tenant, id, &back, "not valid any more").await;

    let (tenant, id) = login(&hub, "suspended").await;
    let back = begin(&hub.token_of(&tenant, Role::Admin).await, id).await;
    lifecycle::suspend(&operator, tenant.id, "unpaid").await.unwrap();
    refused(&tenant, id, &back, "the tenant is suspended").await;

    let (tenant, id) = login(&hub, "disabled").await;
    let token = hub.token_of(&tenant, Role::Admin).await;
    let back = begin(&token, id).await;
    changes::enable(&hub.cx_of(&tenant), id, false).await.unwrap();
    refused(&tenant, id, &back, "is disabled").await;
    let started = change(&hub, &token, "startOAuth", "url", json!({ "id": id })).await;
    assert_eq!((&started["url"], &started["userErrors"][0]["code"]), (&Value::Null, &json!("CONFLICT")));

    let (tenant, id) = login(&hub, "demoted").await;
    let person = hub.user_of(&tenant, "demoted@example.com", Role::Operator).await;
    let back = begin(&hub.session_of(&tenant, person.id).await, id).await;
    let cx = hub.cx_of(&tenant);
    let bond = membership::of_users(&cx, &[person.id]).await.unwrap().remove(0);
    membership::change_role(&cx, bond.id, Role::Viewer).await.unwrap();
    refused(&tenant, id, &back, "may not do so any more").await;

    let (tenant, id) = login(&hub, "signed-out").await;
    let person = hub.user_of(&tenant, "out@example.com", Role::Admin).await;
    let back = begin(&hub.session_of(&tenant, person.id).await, id).await;
    session::revoke_all(&hub.cx_of(&tenant), person.id).await.unwrap();
    refused(&tenant, id, &back, "not valid any more").await;

    let (tenant, id) = login(&hub, "deleted").await;
    let back = begin(&hub.token_of(&tenant, Role::Admin).await, id).await;
    changes::delete(&hub.cx_of(&tenant), id).await.unwrap();
    assert!(come_back(&hub, &back).await.starts_with("/#/refused/"));

    let (tenant, id) = login(&hub, "well").await;
    let back = begin(&hub.token_of(&tenant, Role::Operator).await, id).await;
    assert_eq!(come_back(&hub, &back).await, format!("/#/connected/{id}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_only_while_whoever_made_it_could_make_it() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let operator = hub.cx();
    let link = async |token: &str, id: IntegrationId| {
        let made = change(&hub, token, "createConnectLink", "url", json!({ "id": id })).await;
        made["url"].as_str().unwrap_or_else(|| panic!("{made}")).rsplit('/').next().unwrap().to_owned()
    };
    let key = json!({ "bearerToken": { "token": played.value("meta_ads", "access_token_value") } });
    let opens = async |link: &str| {
        let form = "query($t: String!) { connectForm(token: $t) { providerName } }";
        let form = hub.ask("", form, json!({ "t": link })).await.data()["connectForm"].clone();
        let login = change(&hub, "", "authorizeByLink", "url", json!({ "token": link })).await;
        let given = json!({ "token": link, "credentials": key });
        let given = change(&hub, "", "connectByLink", "connected", given).await;
        (!form.is_null(), login["userErrors"][0]["code"] != "NOT_FOUND", given["connected"] == true)
    };
    let (tenant, id) = login(&hub, "revoked").await;
    let (token_id, secret) = hub.new_token(&tenant, Role::Admin, None, None).await;
    let made = link(&secret, id).await;
    token::revoke(&hub.cx_of(&tenant), token_id.parse().unwrap()).await.unwrap();
    assert_eq!(opens(&made).await, (false, false, false));

    let (tenant, id) = login(&hub, "suspended").await;
    let made = link(&hub.token_of(&tenant, Role::Admin).await, id).await;
    lifecycle::suspend(&operator, tenant.id, "unpaid").await.unwrap();
    assert_eq!(opens(&made).await, (false, false, false));

    let (tenant, id) = login(&hub, "disabled").await;
    let made = link(&hub.token_of(&tenant, Role::Admin).await, id).await;
    changes::enable(&hub.cx_of(&tenant), id, false).await.unwrap();
    assert_eq!(opens(&made).await, (false, false, false));
    changes::enable(&hub.cx_of(&tenant), id, true).await.unwrap();

    // A person who came by a link is let in as long as the link's maker is.
    let (tenant, id) = login(&hub, "by-link").await;
    let (token_id, secret) = hub.new_token(&tenant, Role::Admin, None, None).await;
    let mut backs = Vec::new();
    for _ in 0..2 {
        let started = change(&hub, "", "authorizeByLink", "url", json!({ "token": link(&secret, id).await })).await;
        backs.push(agree(started["url"].as_str().unwrap_or_else(|| panic!("{started}"))).await);
    }
    assert_eq!(come_back(&hub, &backs[0]).await, format!("/#/connected/{id}"));
    token::revoke(&hub.cx_of(&tenant), token_id.parse().unwrap()).await.unwrap();
    assert!(come_back(&hub, &backs[1]).await.contains("not%20valid"));
}
