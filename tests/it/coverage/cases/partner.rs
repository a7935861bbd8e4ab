//! Partners: organisations, how each is reached, what their words mean, what they say and are told.

use portolan::kernel::{cursor::Cursor, scope::Scope};
use serde_json::json;

use super::super::{
    case::{Case, Foreign, Needs},
    partner::mapping,
};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerOrganizations($after: String) {
           partnerOrganizations(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes { id name type contacts { name email phone role } active createdBy createdAt updatedAt }
             pageInfo { endCursor }
             totalCount
           }
         }",
        |side| json!({ "after": side.start_of("partner organizations") }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerOrganizationsBackwards($before: String) {
           partnerOrganizations(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "before": side.end_of("partner organizations") }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerIntegrations($of: ID, $after: String) {
           partnerIntegrations(partnerOrganizationId: $of, first: 2, after: $after) {
             edges { cursor node { id } }
             nodes {
               id createdAt partnerOrganizationId partnerOrganization { id } integrationName providerKey apiBaseUrl
               apiVersion authenticationType webhookUrl toldBy webhookEvents webhookSourceUrl statusMapping isActive
               syncEnabled syncFrequency lastSyncAt successRate lastErrorAt lastErrorMessage
             }
             pageInfo { endCursor }
             totalCount
           }
         }",
        |side| json!({ "of": side["partnerOrganization"], "after": side.start_of("partner integrations") }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerIntegrationsBackwards($before: String) {
           partnerIntegrations(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "before": side.end_of("partner integrations") }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerIntegration($id: ID!) { partnerIntegration(id: $id) { id } }",
        |side| json!({ "id": side["partnerIntegration"] }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerAnalytics($id: ID!, $since: DateTime) {
           partnerAnalytics(partnerIntegrationId: $id, since: $since) {
             received repeated mapped unmapped conflicts late waiting dead sent pending failed successRate latencyP50
             latencyP95
           }
         }",
        |side| json!({ "id": side["partnerIntegration"], "since": "2027-01-01T00:00:00Z" }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerDeliveries($id: ID!, $after: String) {
           partnerDeliveries(partnerIntegrationId: $id, first: 2, after: $after) {
             edges { cursor node { id } } nodes { id } pageInfo { endCursor } totalCount
           }
         }",
        |side| json!({ "id": side["partnerIntegration"], "after": side.end_of("webhook deliveries") }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerDeliveriesBackwards($id: ID!, $before: String) {
           partnerDeliveries(partnerIntegrationId: $id, last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "id": side["partnerIntegration"], "before": side.start_of("webhook deliveries") }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query PartnerUpdates($filter: PartnerUpdateFilterInput, $after: String, $before: String) {
           partnerUpdates(filter: $filter, first: 2, after: $after) {
             edges { cursor node { id } }
             nodes {
               id partnerIntegrationId partnerOrderId order { id } said note meant from state reason via repeats
               mappingVersion happenedAt receivedAt settledAt
             }
             pageInfo { endCursor }
             totalCount
           }
           backwards: partnerUpdates(last: 1, before: $before) { nodes { id } }
         }",
        |side| {
            json!({
                "filter": {
                    "partnerIntegrationId": side["partnerIntegration"], "orderId": side["order"],
                    "states": ["APPLIED", "UNCHANGED"], "said": "RECEIVED",
                    "from": "2020-01-01T00:00:00Z", "to": "2120-01-01T00:00:00Z",
                },
                "after": side.end_of("partner updates"), "before": side.start_of("partner updates"),
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query StatusMapping($partner: ID!) {
           statusMapping(partner: $partner, version: 2, against: 1) {
             mapping {
               id partnerIntegrationId version state mapping ignoredStatuses
               findings { severity path message }
               simulation { updates differs differences { updateId orderId partnerOrderId said was wouldBe } }
               shadowSeen shadowDiffers createdBy createdAt activatedAt retiredAt
             }
             diff { side word before after }
           }
         }",
        |side| json!({ "partner": side["partnerIntegration"] }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query StatusMappings($partner: ID!, $after: String) {
           statusMappings(partner: $partner, first: 2, after: $after) {
             edges { cursor node { id } } nodes { id } pageInfo { endCursor } totalCount
           }
         }",
        |side| {
            let behind = Cursor::encode("status mappings", &i32::MAX).unwrap().0;
            json!({ "partner": side["partnerIntegration"], "after": behind })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerRead),
        "query StatusMappingsBackwards($partner: ID!, $before: String) {
           statusMappings(partner: $partner, last: 1, before: $before) { nodes { id } }
         }",
        |side| {
            let first = Cursor::encode("status mappings", &0).unwrap().0;
            json!({ "partner": side["partnerIntegration"], "before": first })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation CreatePartnerOrganization($input: CreatePartnerOrganizationInput!) {
           createPartnerOrganization(input: $input) { partnerOrganization { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "name": side.fresh(), "type": "partner_energy", "idempotencyKey": side.fresh(),
                "contacts": [{ "name": "Ann", "email": "ann@example.com", "phone": "+31 6", "role": "Sales" }],
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation UpdatePartnerOrganization($input: UpdatePartnerOrganizationInput!) {
           updatePartnerOrganization(input: $input) { partnerOrganization { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["partnerOrganization"], "name": side.fresh(), "type": "partner_dealer", "contacts": [],
                "active": true,
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation CreatePartnerIntegration($input: CreatePartnerIntegrationInput!) {
           createPartnerIntegration(input: $input) {
             partnerIntegration { id } webhookSecret userErrors { code path message }
           }
         }",
        |side| {
            json!({ "input": {
                "partnerOrganizationId": side["partnerOrganization"], "integrationName": side.fresh(),
                "provider": "custom_rest", "apiBaseUrl": "https://api.partner.example/v1", "apiVersion": "1.0",
                "authenticationType": "API_KEY", "apiCredentials": { "api_key": "example-partner-key" },
                "webhookUrl": "https://hooks.example.com/in",
                "webhookSecret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhookEvents": ["order_created"],
                "statusMapping": mapping(), "isActive": true, "syncEnabled": true, "syncFrequency": "HOURLY",
                "test": false, "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation UpdatePartnerIntegration($input: UpdatePartnerIntegrationInput!) {
           updatePartnerIntegration(input: $input) { partnerIntegration { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["partnerIntegration"], "integrationName": side.fresh(),
                "apiBaseUrl": "https://api.partner.example", "apiVersion": "v1", "authenticationType": "API_KEY",
                "apiCredentials": { "api_key": "example-partner-key" }, "test": false,
                "webhookUrl": "https://hooks.example.com/in",
                "webhookSecret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhookEvents": ["*"], "isActive": true,
                "syncEnabled": true, "syncFrequency": "DAILY",
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation DraftStatusMapping($input: DraftStatusMappingInput!) {
           draftStatusMapping(input: $input) { statusMapping { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "partnerIntegrationId": side["partnerIntegration"], "mapping": mapping() } }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation ValidateStatusMapping($input: ValidateStatusMappingInput!) {
           validateStatusMapping(input: $input) { statusMapping { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["statusMapping"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerWrite),
        "mutation SimulateStatusMapping($input: SimulateStatusMappingInput!) {
           simulateStatusMapping(input: $input) { statusMapping { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["simulatedMapping"], "last": 10 } }),
    ),
    Case::spending(
        Needs::Scope(Scope::PartnerWrite),
        "mutation ShadowStatusMapping($input: ShadowStatusMappingInput!) {
           shadowStatusMapping(input: $input) { statusMapping { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["simulatedMapping"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::PartnerWrite),
        "mutation ActivateStatusMapping($input: ActivateStatusMappingInput!) {
           activateStatusMapping(input: $input) { statusMapping { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["simulatedMapping"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::PartnerWrite),
        "mutation RetireStatusMapping($input: RetireStatusMappingInput!) {
           retireStatusMapping(input: $input) { statusMapping { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["spareMapping"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::PartnerExchange),
        "mutation CreateOrderFromPartner($input: CreateOrderFromPartnerInput!) {
           createOrderFromPartner(input: $input) { order { id } created userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "partnerIntegrationId": side["partnerIntegration"], "partnerOrderId": side.fresh(),
                "customer": { "name": "Ann" }, "lines": [{ "description": "Charging point" }], "currency": "EUR",
                "addresses": [{ "kind": "BILLING", "street": "Some street 1", "city": "Utrecht", "countryCode": "NL" }],
                "notes": "Soon", "partnerExternalReferences": { "dealer_group_id": "WEST" }, "status": "RECEIVED",
                "placedAt": "2026-12-01T00:00:00Z",
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::PartnerExchange),
        "mutation ProcessPartnerStatusUpdate($input: ProcessPartnerStatusUpdateInput!) {
           processPartnerStatusUpdate(input: $input) { update { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "partnerIntegrationId": side["partnerIntegration"], "partnerOrderId": "KNOWN-1", "status": "RECEIVED",
                "at": "2026-12-01T00:00:00Z", "note": "a test", "eventId": side.fresh(),
            } })
        },
    )
    // The order is so already.
    .quiet(),
    Case::new(
        Needs::Scope(Scope::OrderWrite),
        "mutation NotifyPartnerStatusChange($input: NotifyPartnerStatusChangeInput!) {
           notifyPartnerStatusChange(input: $input) { order { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "orderId": side["order"] } }),
    ),
    Case {
        foreign: Some(Foreign::NotFound),
        ..Case::new(
            Needs::Scope(Scope::PartnerRead),
            "subscription PartnerStatusChanged($order: ID, $partner: ID, $after: String) {
               partnerStatusChanged(orderId: $order, partnerIntegrationId: $partner, after: $after) {
                 cursor number orderId order { id } partnerIntegrationId references from to partnerStatus reason actor
                 byPartner at
               }
             }",
            |side| {
                json!({
                    "order": side["order"], "partner": side["partnerIntegration"],
                    "after": side.number_before("events"),
                })
            },
        )
    },
];
