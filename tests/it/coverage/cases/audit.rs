//! The audit log.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::AuditRead),
        "query AuditLog($filter: AuditFilterInput, $after: String, $before: String) {
       auditLog(first: 2, after: $after, filter: $filter) {
         edges { cursor node { id } }
         nodes { id number at actor address requestId action subject before after }
         pageInfo { endCursor }
         totalCount
       }
       backwards: auditLog(last: 1, before: $before) { nodes { id } }
     }",
        |side| {
            json!({
                "after": side.number_before("auditLog"), "before": side.number_behind("auditLog"),
                "filter": {
                    "actor": "system:test", "action": "user.created",                 "since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z",
                },
            })
        },
    ),
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::AuditRead),
            "query AuditLogOf($subject: ID!) { auditLog(filter: { subject: $subject }) { nodes { id } } }",
            |side| json!({ "subject": side["user"] }),
        )
    },
];
