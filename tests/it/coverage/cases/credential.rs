//! Credentials of integrations: given anew, by a person who agrees, by a link; and applications at providers.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};
use crate::support::played::example;

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation ReconnectIntegration($input: ReconnectIntegrationInput!) {
           reconnectIntegration(input: $input) { integration { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["integration"], "credentials": { "apiKey": { "key": example("stripe", "api_key") } },
                "skipTest": false,
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation RotateCredentials($input: RotateCredentialsInput!) {
           rotateCredentials(input: $input) { integration { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["integration"], "credentials": { "apiKey": { "key": example("stripe", "api_key") } },
                "overlap": 60, "skipTest": true,
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation StartOAuth($input: StartOAuthInput!) {
           startOAuth(input: $input) { url userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["login"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation CreateConnectLink($input: CreateConnectLinkInput!) {
           createConnectLink(input: $input) { url expiresAt userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["integration"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation SetProviderApp($input: SetProviderAppInput!) {
           setProviderApp(input: $input) {
             providerApp { id provider { key } fields { name hint } createdBy createdAt updatedAt }
             userErrors { code path message }
           }
         }",
        |_| {
            let fields = ["client_id", "client_secret"];
            let fields = fields.map(|name| json!({ "name": name, "value": example("shopify", name) }));
            json!({ "input": { "provider": "shopify", "fields": fields, "hubWide": false } })
        },
    ),
];
