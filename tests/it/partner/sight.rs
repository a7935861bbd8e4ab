//! A partner's token sees what is its organisation's, and nothing else, by whatever door.

use portolan::kernel::{
    id::{IntegrationId, PartnerOrganizationId},
    scope::Role,
};
use serde_json::{Value, json};

use super::Partners;

/// A partner with everything it can have.
struct Side {
    token: String,
    organization: PartnerOrganizationId,
    integration: IntegrationId,
    order: String,
    /// Every id of it.
    ids: Vec<String>,
}

async fn side(world: &Partners, name: &str) -> Side {
    let (organization, integration) = world.partner(name).await;
    let order = world.order(integration, name).await;
    let update = world.says(integration, name, "RECEIVED", 1).await;
    let mapping = json!({ "partnerIntegrationId": integration, "mapping": super::mapping() });
    let mapping = world.done("draftStatusMapping", "statusMapping { id }", mapping).await;
    world.moves(&order, "approved").await;
    world.work().await;
    let sent = "query($id: ID!) { partnerDeliveries(partnerIntegrationId: $id) { nodes { id destinationId } } }";
    let sent = world.ask(sent, json!({ "id": integration })).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ids = vec![
        organization.to_string(),
        integration.to_string(),
        order.clone(),
        text(&update["id"]),
        text(&mapping["statusMapping"]["id"]),
        text(&sent["nodes"][0]["id"]),
        text(&sent["nodes"][0]["destinationId"]),
    ];
    let token = world.hub.partner_token(&world.hub.tenant, organization).await;
    Side { token, organization, integration, order, ids }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_ids_show_a_partner_its_own_and_the_rest_is_not_there() {
    let world = Partners::start().await;
    let (own, other) = (side(&world, "own").await, side(&world, "other").await);
    let lists = "{ orders { totalCount nodes { id history { id actor } references { value } } }
        partnerOrganizations { totalCount nodes { id } } partnerIntegrations { totalCount nodes { id statusMapping } }
        partnerUpdates { totalCount nodes { id order { id } } } events { totalCount } viewer { actor } }";
    let reply = world.hub.ask(&own.token, lists, Value::Null).await;
    let data = reply.data();
    for list in ["orders", "partnerOrganizations", "partnerIntegrations", "partnerUpdates"] {
        assert_eq!(data[list]["totalCount"], 1, "{list}: {data}");
    }
    assert_eq!(data["events"]["totalCount"], 0);
    assert!(own.ids[..4].iter().all(|id| reply.text.contains(id)));
    assert!(other.ids.iter().all(|id| !reply.text.contains(id)), "{}", reply.text);
    // By id it finds its own where it may, and of the other nothing, as if it were not there.
    let node = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let nodes = world.hub.ask(&own.token, node, json!({ "ids": own.ids })).await.data();
    let found: Vec<_> = nodes["nodes"].as_array().unwrap().iter().map(|node| !node.is_null()).collect();
    assert_eq!(found, [true, false, true, true, true, false, false]);
    let nodes = world.hub.ask(&own.token, node, json!({ "ids": other.ids })).await.data();
    assert!(nodes["nodes"].as_array().unwrap().iter().all(Value::is_null));
    for (document, id) in [
        ("query($id: ID!) { order(id: $id) { id } }", json!(other.order)),
        ("query($id: ID!) { partnerIntegration(id: $id) { id } }", json!(other.integration)),
        ("query($id: ID!) { partnerAnalytics(partnerIntegrationId: $id) { received } }", json!(other.integration)),
        ("query($id: ID!) { partnerDeliveries(partnerIntegrationId: $id) { totalCount } }", json!(other.integration)),
        ("query($id: ID!) { statusMapping(partner: $id) { diff { word } } }", json!(other.integration)),
        ("query($id: ID!) { statusMappings(partner: $id) { totalCount } }", json!(other.integration)),
        ("query($id: ID!) { orders(filter: { partnerIntegrationId: $id }) { totalCount } }", json!(other.integration)),
        (
            "query($id: ID!) { orders(filter: { partnerOrganizationId: $id }) { totalCount } }",
            json!(other.organization),
        ),
        (
            "query($id: ID!) { partnerIntegrations(partnerOrganizationId: $id) { totalCount } }",
            json!(other.organization),
        ),
        ("query($id: ID!) { partnerUpdates(filter: { orderId: $id }) { totalCount } }", json!(other.order)),
        (
            "query($id: ID!) { partnerUpdates(filter: { partnerIntegrationId: $id }) { totalCount } }",
            json!(other.integration),
        ),
    ] {
        let reply = world.hub.ask(&own.token, document, json!({ "id": id })).await;
        assert_eq!(reply.codes(), ["NOT_FOUND"], "{document}: {}", reply.text);
    }
    let called = "{ orderByReference(kind: \"partner_order_id\", value: \"other\") { id } }";
    assert_eq!(world.hub.ask(&own.token, called, Value::Null).await.data()["orderByReference"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_sends_for_itself_and_changes_nothing_else() {
    let world = Partners::start().await;
    let (own, other) = (side(&world, "own").await, side(&world, "other").await);
    let said = |partner: IntegrationId, called: &str| json!({ "partnerIntegrationId": partner, "partnerOrderId": called, "status": "CONFIRMED" });
    let update = "processPartnerStatusUpdate";
    let done = world.change_as(&own.token, update, "update { state }", said(own.integration, "own")).await;
    assert_eq!(done["update"]["state"], "UNCHANGED");
    let refused = world.change_as(&own.token, update, "update { state }", said(other.integration, "other")).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
    let order = super::from_partner(other.integration, "new");
    let refused = world.change_as(&own.token, "createOrderFromPartner", "order { id }", order).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
    for (name, input) in [
        ("changeOrderStatus", json!({ "id": own.order, "status": "cancelled" })),
        ("updateOrder", json!({ "id": own.order, "notes": "mine" })),
        ("updatePartnerOrganization", json!({ "id": own.organization, "name": "Mine" })),
        ("updatePartnerIntegration", json!({ "id": own.integration, "isActive": true })),
        ("notifyPartnerStatusChange", json!({ "orderId": own.order })),
        ("draftStatusMapping", json!({ "partnerIntegrationId": own.integration, "mapping": {} })),
    ] {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}");
        let reply = world.hub.ask(&own.token, &document, json!({ "input": input })).await;
        assert_eq!(reply.codes(), ["FORBIDDEN"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_follows_its_own_orders_and_statuses() {
    let world = Partners::start().await;
    world.hub.app.follow();
    let (own, other) = (side(&world, "own").await, side(&world, "other").await);
    world.hub.number_events().await;
    let begin = json!({ "after": portolan::kernel::cursor::Cursor::encode("events", &0).unwrap().0 });
    let statuses = "subscription($after: String) { partnerStatusChanged(after: $after) {
        orderId from to partnerStatus byPartner references actor order { id } } }";
    let live = "subscription { ordersLive { snapshot { id } upserted { id status } removed } }";
    let mut told = world.hub.follow(&own.token, statuses, begin).await;
    let mut listed = world.hub.follow(&own.token, live, Value::Null).await;
    let first = told.event().await.json()["data"]["partnerStatusChanged"].clone();
    assert_eq!(
        (&first["orderId"], &first["to"], &first["byPartner"]),
        (&json!(own.order), &json!("new"), &json!(true))
    );
    let second = told.event().await.json()["data"]["partnerStatusChanged"].clone();
    let expected = (json!("approved"), json!("CONFIRMED"), json!(false));
    assert_eq!((second["to"].clone(), second["partnerStatus"].clone(), second["byPartner"].clone()), expected);
    assert_eq!(second["references"]["partner_order_id"], "own");
    assert_eq!(listed.event().await.json()["data"]["ordersLive"]["snapshot"], json!([{ "id": own.order }]));
    // Whatever happens to the other, the next thing that it hears is its own.
    world.moves(&other.order, "in_progress").await;
    world.moves(&own.order, "in_progress").await;
    world.follow().await;
    let third = told.event().await.json()["data"]["partnerStatusChanged"].clone();
    assert_eq!((&third["orderId"], &third["to"]), (&json!(own.order), &json!("in_progress")));
    let item = listed.event().await.json()["data"]["ordersLive"]["upserted"].clone();
    assert_eq!(item, json!({ "id": own.order, "status": "in_progress" }));
    let foreign = "subscription($id: ID) { partnerStatusChanged(orderId: $id) { orderId } }";
    let mut refused = world.hub.follow(&own.token, foreign, json!({ "id": other.order })).await;
    assert_eq!(refused.event().await.codes(), ["NOT_FOUND"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_token_names_its_organization_and_nobody_elses_does() {
    let world = Partners::start().await;
    let organization = world.hub.partner_of(&world.hub.tenant, "Somebody").await;
    let make = async |role: &str, partner: Value| {
        let input = json!({ "name": "x", "role": role, "partnerOrganizationId": partner });
        world.change("createApiToken", "apiToken { partnerOrganizationId }", input).await
    };
    assert_eq!(make("PARTNER", json!(organization)).await["apiToken"]["partnerOrganizationId"], json!(organization));
    assert_eq!(make("PARTNER", Value::Null).await["userErrors"][0]["path"], json!(["input", "partnerOrganizationId"]));
    assert_eq!(make("ADMIN", json!(organization)).await["userErrors"][0]["path"], json!(["input", "role"]));
    // A person with the role belongs to no organisation, and sees nothing.
    let user = world.hub.user_of(&world.hub.tenant, "p@example.test", Role::Partner).await;
    let (_, partner) = world.partner("one").await;
    world.order(partner, "A").await;
    let token = world.hub.session_of(&world.hub.tenant, user.id).await;
    let orders =
        world.hub.ask(&token, "{ orders { totalCount } partnerUpdates { totalCount } }", Value::Null).await.data();
    assert_eq!(orders["orders"]["totalCount"], 0);
}
