//! Outside issuers.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::AccessRead),
        "query Issuers($after: String, $before: String) {
           issuers(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes {
               id name iss audience jwksUrl algorithm rolesClaim roleMap { value role } defaultRole
               createdBy createdAt updatedAt
             }
             pageInfo { endCursor }
             totalCount
           }
           backwards: issuers(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "after": side.start_of("issuers"), "before": side.end_of("issuers") }),
    ),
    Case::new(
        Needs::Sight(Scope::AccessRead),
        "query NodeIssuer($id: ID!) { node(id: $id) { id ... on Issuer { audience } } }",
        |side| json!({ "id": side["issuer"] }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation CreateIssuer($input: CreateIssuerInput!) {
           createIssuer(input: $input) { issuer { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "name": "New", "iss": "https://idp.example.com", "audience": side.fresh(), "algorithm": "ES256",
                "jwksUrl": "https://idp.example.com/keys", "rolesClaim": ["realm_access", "roles"],
                "roleMap": [{ "value": "ops", "role": "OPERATOR" }], "defaultRole": "VIEWER",
                "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation UpdateIssuer($input: UpdateIssuerInput!) {
           updateIssuer(input: $input) { issuer { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["issuer"], "name": "Other", "iss": "https://idp.example.com", "audience": side.fresh(),
                "jwksUrl": "https://idp.example.com/keys", "algorithm": "RS256", "rolesClaim": ["roles"],
                "roleMap": [{ "value": "ops", "role": "VIEWER" }], "defaultRole": "VIEWER",
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation DeleteIssuer($input: DeleteIssuerInput!) {
           deleteIssuer(input: $input) { deletedId userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["issuer"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation TestIssuer($input: TestIssuerInput!) {
           testIssuer(input: $input) {
             test { usable problem jwksUrl keys { keyId kind unusableBecause } } userErrors { code path message }
           }
         }",
        |side| json!({ "input": { "id": side["issuer"] } }),
    )
    // It asks, and changes nothing.
    .quiet(),
];
