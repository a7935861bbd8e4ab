//! One application at a provider serves many tenants: what comes to one address is each one's own.

use portolan::{
    context::Cx,
    domain::{
        inbox::{
            Status, WebhookEvent,
            list::{self, WebhookFilter},
            source::{self, NewSource},
        },
        tenant::{self, lifecycle},
    },
    kernel::{page::PageArgs, scope::Role},
    provider::{
        simulator::{KEYS, hook::Delivery},
        template::Values,
        webhook::sign::{Unsigned, sign},
    },
};
use serde_json::{Value, json};

use super::{ask, connect_tested, node, request};
use crate::support::{
    TestHub,
    played::{Played, example},
};

/// Makes an address of a provider that serves every tenant.
pub(super) async fn hub_wide(operator: &Cx, provider: &str) -> String {
    let manifest = operator.hub().catalogue.get(provider).unwrap().clone();
    let fields = manifest.webhook.get().unwrap().fields.iter().flatten();
    let secrets = fields.map(|field| (field.name.0.clone(), field.example.clone().into())).collect();
    let new = NewSource { provider: Some(provider.to_owned()), integration: None, hub_wide: true, name: None, secrets };
    source::create(operator, new, None).await.unwrap().url.expose().to_owned()
}

const PAGES: [&str; 3] = ["102030405060701", "102030405060702", "102030405060703"];

fn entry(page: &str, comment: &str) -> Value {
    let value = json!({ "item": "comment", "verb": "add", "comment_id": comment, "post_id": format!("{page}_1"),
        "message": comment, "created_time": 1_795_255_200 });
    json!({ "id": page, "time": 1_795_255_200, "changes": [{ "field": "feed", "value": value }] })
}

/// A webhook as Facebook signs it.
fn signed(cx: &Cx, url: &str, entries: &[Value]) -> Delivery {
    let manifest = cx.hub().catalogue.get("facebook").unwrap().clone();
    let mut values = Values::default();
    values.set_secret("app.client_secret", example("facebook", "client_secret").into());
    let body = json!({ "object": "page", "entry": entries }).to_string().into_bytes();
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut unsigned = Unsigned { url: url.parse().unwrap(), headers, body, id: "1".to_owned() };
    sign(&manifest.webhook.get().unwrap().verify, &mut unsigned, &values, KEYS, cx.now()).unwrap();
    Delivery { url: unsigned.url, headers: unsigned.headers, body: unsigned.body }
}

pub(super) async fn kept(cx: &Cx) -> Vec<WebhookEvent> {
    let args = PageArgs { after: None, before: None, size: 100, backward: true };
    let page = list::list(cx, &WebhookFilter::default(), &args).await.unwrap();
    page.rows.into_iter().map(|(_, row)| row).collect()
}

/// What a tenant's webhooks say, as the pages and comments that are named in it.
async fn heard(cx: &Cx) -> Vec<(String, Option<String>)> {
    let ids: Vec<_> = kept(cx).await.iter().map(|row| row.id).collect();
    let mut heard: Vec<_> = list::items(cx, &ids)
        .await
        .unwrap()
        .into_iter()
        .map(|item| {
            let said: Value = serde_json::from_str(&item.normalised).unwrap();
            let comment = said["data"]["item"]["value"]["comment_id"].as_str().unwrap().to_owned();
            (comment, item.integration_id.map(|id| id.to_string()))
        })
        .collect();
    heard.sort();
    heard
}

pub(super) async fn work(hub: &TestHub) {
    hub.settle().await;
    node(hub.app.hub()).settle().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_comes_to_an_address_for_all_each_tenant_gets_its_own_once_and_nothing_else() {
    let played = Played::start().await;
    let settings = played.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    let (operator, north) = (hub.cx(), hub.cx_of(&hub.another_tenant("north").await));
    let south = hub.cx_of(&hub.another_tenant("south").await);
    let mut ids = Vec::new();
    for (cx, page) in [(&operator, PAGES[0]), (&north, PAGES[1]), (&south, PAGES[2])] {
        let token = format!("EAAExampleExampleExample{page}");
        let own = [("page_id", page), ("access_token_value", token.as_str())];
        played.account("facebook", &own);
        let integration = connect_tested(cx, "facebook", "Page", &own, false).await;
        assert_eq!(integration.proven_account.as_deref(), Some(page));
        ids.push(integration.id.to_string());
    }
    let made = hub_wide(&operator, "facebook").await;
    let url = made.as_str();
    let whole = signed(
        &operator,
        url,
        &[entry(PAGES[1], "n1"), entry(PAGES[0], "o1"), entry(PAGES[2], "s1"), entry(PAGES[1], "n2")],
    );
    for _ in 0..2 {
        assert!(hub.send(request(&whole)).await.status.is_success());
        work(&hub).await;
    }
    let of = |comment: &str, place: usize| (comment.to_owned(), Some(ids[place].clone()));
    assert_eq!(heard(&operator).await, [of("o1", 0)]);
    assert_eq!(heard(&north).await, [of("n1", 1), of("n2", 1)]);
    assert_eq!(heard(&south).await, [of("s1", 2)]);
    for (cx, others) in [(&north, ["o1", "s1"]), (&south, ["n1", "o1"])] {
        let rows = kept(cx).await;
        assert_eq!(rows.len(), 1, "the second time was the same webhook");
        assert_eq!(rows[0].status, Status::Processed);
        let body = String::from_utf8(rows[0].body.clone()).unwrap();
        assert!(others.iter().all(|comment| !body.contains(comment)), "{body}");
    }
    // A tenant has its part processed again, without the whole.
    let admin = {
        let tenant = tenant::named(hub.app.hub(), "north").await.unwrap();
        hub.token_of(&tenant, Role::Admin).await
    };
    let again =
        "mutation A($ids: [ID!]) { replayWebhookEvents(input: { ids: $ids }) { count userErrors { message } } }";
    let id = kept(&north).await[0].id;
    let replayed = ask(&hub, &admin, again, json!({ "ids": [id] })).await;
    assert_eq!(replayed["replayWebhookEvents"], json!({ "count": 1, "userErrors": [] }));
    work(&hub).await;
    assert_eq!(heard(&north).await, [of("n1", 1), of("n2", 1)]);
    assert_eq!(kept(&north).await[0].status, Status::Processed);

    // What is nobody's waits with the operator.
    let strange = signed(&operator, url, &[entry("999999999999999", "x1")]);
    assert!(hub.send(request(&strange)).await.status.is_success());
    work(&hub).await;
    let waiting: Vec<_> = kept(&operator).await.into_iter().filter(|row| row.status == Status::Received).collect();
    assert!(waiting[0].reason.as_ref().unwrap().contains("999999999999999"), "{waiting:?}");
    assert_eq!((kept(&north).await.len(), kept(&south).await.len()), (1, 1));

    // Nothing is written into a tenant that was deleted, though its rows are there for a while.
    let gone = tenant::named(hub.app.hub(), "south").await.unwrap();
    lifecycle::delete(&operator, gone.id, "south").await.unwrap();
    let late = signed(&operator, url, &[entry(PAGES[2], "s2"), entry(PAGES[1], "n3")]);
    assert!(hub.send(request(&late)).await.status.is_success());
    work(&hub).await;
    assert_eq!((kept(&north).await.len(), kept(&south).await.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_all_is_made_by_who_runs_the_hub_and_for_what_says_whose_it_is() {
    let hub = TestHub::start().await;
    let make = "mutation M($p: String!) { createWebhookSource(input: { provider: $p, hubWide: true }) { \
                source { hubWide } userErrors { code message } } }";
    let admin = hub.token(Role::Admin).await;
    let refused = ask(&hub, &admin, make, json!({ "p": "facebook" })).await;
    assert_eq!(refused["createWebhookSource"]["userErrors"][0]["code"], "FORBIDDEN", "{refused}");
    let operator = hub.token(Role::SuperAdmin).await;
    let refused = ask(&hub, &operator, make, json!({ "p": "stripe" })).await;
    let reason = &refused["createWebhookSource"]["userErrors"][0];
    assert_eq!(reason["code"], "CONFLICT", "{reason}");
    assert!(reason["message"].as_str().unwrap().contains("do not say whose they are"), "{reason}");
}
