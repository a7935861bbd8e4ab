//! The examples of the user's own document, word for word.

use serde_json::{Map, Value, json};

use super::{Partners, SECRET, from_partner};

/// What the document gives as an example. What stands in braces there is filled in.
const VOLVO: &str = r#"{
  "partner_organization_id": "{volvo_org_uuid}",
  "integration_name": "volvo_dealer_api",
  "api_base_url": "https://api.volvo-dealer.com/v1",
  "api_version": "1.0",
  "authentication_type": "bearer_token",
  "api_credentials": {
    "client_id": "chargecars_api",
    "client_secret": "{encrypted_secret}",
    "token_endpoint": "https://auth.volvo-dealer.com/oauth/token"
  },
  "webhook_url": "https://partner.volvo.com/webhooks/chargecars",
  "webhook_secret": "{webhook_secret}",
  "webhook_events": ["order_created", "order_approved", "installation_completed"],
  "status_mapping": {
    "chargecars_to_partner": {
      "new": "RECEIVED",
      "approved": "CONFIRMED", 
      "in_progress": "IN_PROGRESS",
      "completed": "DELIVERED"
    },
    "partner_to_chargecars": {
      "RECEIVED": "new",
      "CONFIRMED": "approved",
      "IN_PROGRESS": "in_progress", 
      "DELIVERED": "completed"
    }
  },
  "is_active": true,
  "sync_enabled": true,
  "sync_frequency": "real_time"
}"#;

const REFERENCES: &str = r#"{
  "partner_order_id": "VLV-2025-789123",
  "partner_customer_id": "CUST-456789",
  "dealer_group_id": "VAN_MOSSEL_WEST", 
  "partner_invoice_id": "INV-Partner-2025-001",
  "purchase_order_number": "PO-20250601-001",
  "external_order_reference": "REF-CHG-789",
  "partner_system": "volvo_dealer_portal",
  "sync_last_updated": "2025-06-01T10:30:00Z",
  "partner_lead_id": "LEAD-789456",
  "dealer_reference_number": "DLR-REF-2025-123"
}"#;

/// A name as the API spells it.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + &part[..1].to_uppercase() + &part[1..])
}

/// The example as an input: the names of fields and of values that are enums are those of the API, and nothing else.
fn input(organization: &str, client_secret: &str) -> Value {
    let text = VOLVO.replace("{volvo_org_uuid}", organization).replace("{encrypted_secret}", client_secret);
    let fields: Map<String, Value> = serde_json::from_str(&text.replace("{webhook_secret}", SECRET)).unwrap();
    let spelled = fields.into_iter().map(|(name, value)| match name.as_str() {
        "authentication_type" | "sync_frequency" => (camel(&name), json!(value.as_str().unwrap().to_uppercase())),
        _ => (camel(&name), value),
    });
    Value::Object(spelled.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_makes_the_example_whole_and_gives_it_back_without_its_secrets() {
    let world = Partners::start().await;
    let organization = world.hub.partner_of(&world.hub.tenant, "Volvo").await.to_string();
    let given = input(&organization, "a secret of theirs".replace(' ', "-").as_str());
    let fields = "partnerIntegration {
        id createdAt partnerOrganizationId integrationName apiBaseUrl apiVersion authenticationType webhookUrl
        webhookEvents statusMapping isActive syncEnabled lastSyncAt syncFrequency successRate lastErrorAt
        lastErrorMessage providerKey webhookSourceUrl
    } webhookSecret";
    let made = world.done("createPartnerIntegration", fields, given.clone()).await;
    assert_eq!(made["webhookSecret"], Value::Null, "one was given");
    let own = &made["partnerIntegration"];
    for name in
        given.as_object().unwrap().keys().filter(|name| !["apiCredentials", "webhookSecret"].contains(&name.as_str()))
    {
        assert_eq!(own[name], given[name], "{name}");
    }
    for empty in ["lastSyncAt", "successRate", "lastErrorAt", "lastErrorMessage"] {
        assert_eq!(own[empty], Value::Null, "{empty}");
    }
    assert_eq!(own["providerKey"], "volvo_dealer");
    assert!(own["webhookSourceUrl"].as_str().unwrap().contains("/hooks/"));
    // It is an integration, and its provider is asked with what was given.
    let integration = world
        .ask(
            "query($id: ID!) { integration(id: $id) { provider { key category } settings { name value }
               credential { method fields { name hint } } capabilities { canSync syncFrequency } } }",
            json!({ "id": own["id"] }),
        )
        .await;
    assert_eq!(integration["provider"]["category"], "PARTNER");
    let settings = integration["settings"].as_array().unwrap();
    for (name, value) in [
        ("base_url", "https://api.volvo-dealer.com"),
        ("version", "v1"),
        ("token_url", "https://auth.volvo-dealer.com/oauth/token"),
    ] {
        assert!(settings.contains(&json!({ "name": name, "value": value })), "{name}: {settings:?}");
    }
    assert_eq!(integration["credential"]["method"], "client");
    // Nothing that can be asked for shows a secret.
    let all = world.ask("{ partnerIntegrations { nodes { id statusMapping webhookUrl } } }", Value::Null).await;
    for text in [made.to_string(), integration.to_string(), all.to_string()] {
        assert!(!text.contains("a-secret-of-theirs") && !text.contains(&SECRET[6..]), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_references_of_the_example_are_taken_given_back_and_found() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("volvo").await;
    let references: Value = serde_json::from_str(REFERENCES).unwrap();
    let mut order = from_partner(partner, "VLV-2025-789123");
    order["partnerExternalReferences"] = references.clone();
    let made = world.done("createOrderFromPartner", "order { id partnerExternalReferences }", order).await;
    assert_eq!(made["order"]["partnerExternalReferences"], references);
    for (kind, value) in references.as_object().unwrap() {
        let by = "query($kind: String!, $value: String!, $partner: ID) {
            orderByReference(kind: $kind, value: $value, partner: $partner) { id } }";
        for of in [json!(partner), Value::Null] {
            let found = world.ask(by, json!({ "kind": kind, "value": value, "partner": of })).await;
            assert_eq!(found["id"], made["order"]["id"], "{kind}");
        }
        let filter = json!({ "filter": { "reference": { "kind": kind, "value": value } } });
        let listed =
            world.ask("query($filter: OrderFilterInput) { orders(filter: $filter) { nodes { id } } }", filter).await;
        assert_eq!(listed["nodes"], json!([{ "id": made["order"]["id"] }]), "{kind}");
    }
}
