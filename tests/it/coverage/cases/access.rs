//! People, memberships and API tokens.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::AccessRead),
        "query Users($after: String, $before: String) {
           users(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes {
               id email name passwordResetRequestedAt createdAt updatedAt
               membership { id role createdAt updatedAt user { id } }
             }
             pageInfo { endCursor }
             totalCount
           }
           backwards: users(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "after": side.start_of("users"), "before": side.end_of("users") }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessRead),
        "query ApiTokens($after: String, $before: String) {
           apiTokens(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes { id name hint role scopes agent { id } partnerOrganizationId createdBy createdAt expiresAt lastUsedAt revokedAt }
             pageInfo { endCursor }
             totalCount
           }
           backwards: apiTokens(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "after": side.start_of("apiTokens"), "before": side.end_of("apiTokens") }),
    ),
    Case::new(
        Needs::Scope(Scope::HubAdmin),
        "mutation CreateUser($input: CreateUserInput!) {
           createUser(input: $input) { user { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "email": format!("{}@example.test", side.fresh()), "name": "New", "role": "VIEWER",
                "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation UpdateUser($input: UpdateUserInput!) {
           updateUser(input: $input) { user { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["user"], "email": format!("{}@example.test", side.fresh()), "name": "Other",
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation UpdateMembership($input: UpdateMembershipInput!) {
           updateMembership(input: $input) { membership { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["membership"], "role": "OPERATOR" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation RevokeMembership($input: RevokeMembershipInput!) {
           revokeMembership(input: $input) { revokedId userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["membership"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation CreateApiToken($input: CreateApiTokenInput!) {
           createApiToken(input: $input) { apiToken { id } token userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "name": "New", "role": "VIEWER", "scopes": ["TENANT_READ"], "expiresAt": "2100-01-01T00:00:00Z",
                "agentId": side["agent"], "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation CreatePartnerToken($input: CreateApiTokenInput!) {
           createApiToken(input: $input) { apiToken { id } token userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "name": "New", "role": "PARTNER", "partnerOrganizationId": side["partnerOrganization"],
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation RevokeApiToken($input: RevokeApiTokenInput!) {
           revokeApiToken(input: $input) { apiToken { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["apiToken"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessRead),
        "subscription UsersFollowed($role: Role, $after: String) {
           usersLive(role: $role, after: $after) {
             cursor complete removed snapshot { id email membership { role } } upserted { id }
           }
         }",
        |side| json!({ "role": "VIEWER", "after": side.number_before("events") }),
    ),
];
