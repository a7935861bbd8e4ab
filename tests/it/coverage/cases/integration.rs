//! Integrations: looked at, made, changed, tested, used, followed.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};
use crate::support::played::example;

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query Integrations($filter: IntegrationFilterInput, $after: String, $before: String) {
           integrations(first: 2, after: $after, filter: $filter) {
             edges { cursor node { id } }
             nodes { id name status provider { key } credential { method } }
             pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
             totalCount
           }
           backwards: integrations(last: 1, before: $before, orderBy: CREATED) { nodes { id } }
           named: integrations(first: 1, orderBy: NAME) { nodes { name } }
         }",
        |side| {
            json!({
                "filter": {
                    "providers": ["stripe"], "categories": ["PAYMENT"], "statuses": ["ACTIVE", "PENDING"],
                    "enabled": true, "search": "STRIPE",
                },
                "after": side.start_of("integrations"), "before": side.end_of("integrations"),
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query Integration($id: ID!) {
           integration(id: $id) {
             id name description providerKey provider { key } environment authMethod account provenAccount
             settings { name value }
             connectionConfig { domain endpoint version timeout }
             capabilities { canSync canPush canWebhook syncFrequency }
             metadata status enabled errorClass errorMessage
             lastSyncedAt lastTestedAt lastSuccessAt lastErrorAt
             syncStats { totalRecords lastSyncCount failedSyncCount }
             warnings { kind message by }
             createdBy createdAt updatedAt
           }
         }",
        |side| json!({ "id": side["integration"] }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query IntegrationHolds($id: ID!) {
           integration(id: $id) {
             keyPrefix
             credential {
               method fields { name hint } keyPrefix tokenExpiresAt refreshable refusedAt refusedBecause
               createdBy createdAt
             }
             actions { id key name description effect inputSchema outputSchema importedAt }
           }
         }",
        |side| json!({ "id": side["integration"] }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation CreateIntegration(
           $shop: CreateIntegrationInput!, $till: CreateIntegrationInput!, $box: CreateIntegrationInput!,
           $letters: CreateIntegrationInput!, $wallet: CreateIntegrationInput!, $card: CreateIntegrationInput!
         ) {
           shop: createIntegration(input: $shop) { integration { id } userErrors { code path message } }
           till: createIntegration(input: $till) { integration { id } userErrors { code path message } }
           box: createIntegration(input: $box) { integration { id } userErrors { code path message } }
           letters: createIntegration(input: $letters) { integration { id } userErrors { code path message } }
           wallet: createIntegration(input: $wallet) { integration { id } userErrors { code path message } }
           card: createIntegration(input: $card) { integration { id } userErrors { code path message } }
         }",
        |side| {
            let (key, secret) = (example("circuly", "api_key"), example("circuly", "api_secret"));
            let client = json!({
                "clientId": example("paypal", "client_id"), "clientSecret": example("paypal", "client_secret"),
            });
            let values = json!([{ "name": "api_key", "value": example("stripe", "api_key") }]);
            json!({
                "shop": {
                    "provider": "shopify", "name": side.fresh(), "description": "The shop.", "environment": "live",
                    "authMethod": "access_token",
                    "credentials": { "apiKey": { "key": example("shopify", "admin_token"), "keyPrefix": "shpat_" } },
                    "connection": { "domain": "tea-house.myshopify.com", "version": "2026-10", "timeout": 30000 },
                    "settings": [{ "name": "plan", "value": "plus" }], "metadata": { "team": "tea" },
                    "capabilities": {
                        "canSync": true, "canPush": false, "canWebhook": true, "syncFrequency": "HOURLY",
                    },
                    "skipTest": false, "importCatalogue": true, "idempotencyKey": side.fresh(),
                },
                "till": {
                    "provider": "pancake_pos", "account": "123",
                    "credentials": { "apiKey": { "key": example("pancake_pos", "api_key") } },
                },
                "box": {
                    "provider": "circuly", "connection": { "endpoint": "https://api.circuly.io/api/2025-01" },
                    "credentials": { "bearerToken": { "token": example("circuly", "fixed_token") } },
                },
                "letters": {
                    "provider": "circuly", "credentials": { "basicAuth": { "username": key, "password": secret } },
                },
                "wallet": { "provider": "paypal", "credentials": { "oauth2": client } },
                "card": {
                    "provider": "stripe", "credentials": { "fields": { "method": "secret_key", "values": values } },
                },
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DiscoverAccounts($input: DiscoverAccountsInput!) {
           discoverAccounts(input: $input) {
             accounts { key name settings { name value } } integration { id } userErrors { code path message }
           }
         }",
        |side| {
            json!({ "input": {
                "provider": "pancake_pos", "description": "The till.", "environment": "live", "settings": [],
                "credentials": { "apiKey": { "key": example("pancake_pos", "api_key") } },
                "connection": { "timeout": 5000 }, "createIfOne": true, "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation UpdateIntegration($input: UpdateIntegrationInput!) {
           updateIntegration(input: $input) { integration { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["login"], "name": side.fresh(), "description": "Other", "timeout": 5000,
                "settings": [{ "name": "access_tier", "value": "full" }], "metadata": { "team": "ads" },
                "capabilities": { "canPush": false, "syncFrequency": "DAILY" },
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation TestIntegration($input: TestIntegrationInput!) {
           testIntegration(input: $input) {
             integration { id }
             test { success message errorClass reachability credential permission quota tookMs }
             userErrors { code path message }
           }
         }",
        |side| json!({ "input": { "id": side["integration"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation EnableIntegration($input: EnableIntegrationInput!) {
           enableIntegration(input: $input) { integration { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["integration"] } }),
    )
    // It is enabled already.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DisableIntegration($input: DisableIntegrationInput!) {
           disableIntegration(input: $input) { integration { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["integration"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DeleteIntegration($input: DeleteIntegrationInput!) {
           deleteIntegration(input: $input) { deletedId userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["integration"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation ImportCatalogue($input: ImportCatalogueInput!) {
           importCatalogue(input: $input) { integration { id } added changed removed userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["integration"] } }),
    )
    // Everything was taken over already.
    .quiet(),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation RunAction($input: RunActionInput!) {
           runAction(input: $input) { result integration { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "integrationId": side["integration"], "provider": "stripe", "action": "create_customer",
                "arguments": { "name": "Amal" }, "variables": { "customer": "Amal" }, "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation RunActionDirectly($input: RunActionInput!) {
           runAction(input: $input) { result userErrors { code path message } }
         }",
        |_| {
            json!({ "input": {
                "provider": "shopify", "action": "get_order", "arguments": { "id": "gid://shopify/Order/1" },
                "credentials": { "apiKey": { "key": example("shopify", "admin_token") } },
                "settings": [{ "name": "shop", "value": "tea-house" }],
            } })
        },
    )
    // It reads, and nothing of the tenant is used.
    .quiet(),
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "subscription IntegrationChanged($id: ID, $after: String) {
               integrationChanged(integrationId: $id, after: $after) {
                 cursor number kind data actor at integration { id status }
               }
             }",
            |side| json!({ "id": side["integration"], "after": side.number_before("events") }),
        )
    },
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "subscription IntegrationsLive($filter: IntegrationFilterInput, $after: String) {
           integrationsLive(filter: $filter, after: $after) {
             cursor complete removed snapshot { id name } upserted { id name }
           }
         }",
        |side| json!({ "filter": { "enabled": true }, "after": side.number_before("events") }),
    ),
];
