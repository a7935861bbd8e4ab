//! Links by which outsiders give an integration its credential: whoever has one needs nothing else.

use serde_json::json;

use super::super::case::{Case, Needs};
use crate::support::played::example;

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Anyone,
        "query ConnectForm($token: String!) {
           connectForm(token: $token) {
             providerName integrationName authMethod authMethods { key label fields { name } } expiresAt
           }
         }",
        |side| json!({ "token": side["connectLink"] }),
    ),
    Case::spending(
        Needs::Anyone,
        "mutation ConnectByLink($input: ConnectByLinkInput!) {
           connectByLink(input: $input) { connected userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "token": side["connectLink"], "credentials": { "apiKey": { "key": example("stripe", "api_key") } },
            } })
        },
    ),
    Case::spending(
        Needs::Anyone,
        "mutation AuthorizeByLink($input: AuthorizeByLinkInput!) {
           authorizeByLink(input: $input) { url userErrors { code path message } }
         }",
        |side| json!({ "input": { "token": side["loginLink"] } }),
    ),
];
