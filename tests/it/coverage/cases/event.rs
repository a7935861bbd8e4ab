//! The event log, read and followed. Each topic needs a scope of its own; here it is that of people.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Asked(Scope::AccessRead),
            "query Events($topics: [EventTopic!], $subjects: [ID!], $after: String, $before: String) {
               events(topics: $topics, subjects: $subjects, after: $after, first: 2) {
                 edges { cursor node { id } }
                 nodes { id cursor number topic kind subject data actor requestId at }
                 pageInfo { endCursor }
                 totalCount
               }
               backwards: events(topics: $topics, subjects: $subjects, before: $before, last: 1) { nodes { id } }
             }",
            |side| {
                json!({
                    "topics": ["ACCESS"], "subjects": [side["user"]],
                    "after": side.number_before("events"), "before": side.number_behind("events"),
                })
            },
        )
    },
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Asked(Scope::AccessRead),
            "subscription EventsFollowed($topics: [EventTopic!], $subjects: [ID!], $after: String) {
               events(topics: $topics, subjects: $subjects, after: $after) { id cursor number kind subject data }
             }",
            |side| json!({ "topics": ["ACCESS"], "subjects": [side["user"]], "after": side.number_before("events") }),
        )
    },
];
