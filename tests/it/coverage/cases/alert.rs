//! What should be looked at.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::AlertRead),
            "query Alerts($filter: AlertFilterInput, $after: String, $before: String) {
               alerts(first: 2, after: $after, filter: $filter) {
                 edges { cursor node { id } }
                 nodes { id kind severity subject text since resolvedAt }
                 pageInfo { endCursor }
                 totalCount
               }
               backwards: alerts(last: 1, before: $before, filter: $filter) { nodes { id } }
             }",
            |side| {
                json!({
                    "after": side.end_of("alerts"), "before": side.start_of("alerts"),
                    "filter": {
                        "open": true, "kinds": ["NEEDS_REAUTH"], "severities": ["CRITICAL"], "subject": side["integration"],
                    },
                })
            },
        )
    },
    Case::new(
        Needs::Scope(Scope::AlertRead),
        "subscription AlertRaised($severities: [AlertSeverity!], $after: String) {
           alertRaised(severities: $severities, after: $after) { cursor resolved at alert { id text } }
         }",
        |side| json!({ "severities": ["CRITICAL"], "after": side.number_before("events") }),
    ),
];
