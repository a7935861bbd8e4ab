//! Background work.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::JobRead),
        "query Jobs($filter: JobFilterInput, $after: String, $before: String) {
           jobs(first: 2, after: $after, filter: $filter) {
             edges { cursor node { id } }
             nodes {
               id kind key state priority runAt attempts maxAttempts lastError leasedUntil actor requestId
               createdAt updatedAt
             }
             pageInfo { endCursor }
             totalCount
           }
           backwards: jobs(last: 1, before: $before) { nodes { id } }
         }",
        |side| {
            json!({
                "after": side.start_of("jobs"), "before": side.end_of("jobs"),
                "filter": { "state": "DEAD", "kind": "test.dead" },
            })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::JobWrite),
        "mutation RetryJob($input: RetryJobInput!) {
           retryJob(input: $input) { job { state } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["deadJob"] } }),
    ),
];
