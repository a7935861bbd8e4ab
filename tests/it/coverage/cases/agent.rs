//! Agents.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::AccessRead),
        "query Agents($after: String, $before: String) {
           agents(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes { id name description role scopes enabled disabledAt createdBy createdAt updatedAt }
             pageInfo { endCursor }
             totalCount
           }
           backwards: agents(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "after": side.start_of("agents"), "before": side.end_of("agents") }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation CreateAgent($input: CreateAgentInput!) {
           createAgent(input: $input) { agent { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "name": "New", "description": "Reads settings.", "role": "VIEWER", "scopes": ["TENANT_READ"],
                "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation UpdateAgent($input: UpdateAgentInput!) {
           updateAgent(input: $input) { agent { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["agent"], "name": side.fresh(), "description": "Other", "role": "OPERATOR",
                "scopes": ["TENANT_READ"],
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation DisableAgent($input: DisableAgentInput!) {
           disableAgent(input: $input) { agent { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["agent"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation EnableAgent($input: EnableAgentInput!) {
           enableAgent(input: $input) { agent { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["agent"] } }),
    )
    // It is enabled already.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation DeleteAgent($input: DeleteAgentInput!) {
           deleteAgent(input: $input) { deletedId userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["agent"] } }),
    ),
];
