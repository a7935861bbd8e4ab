//! Whether connections to providers work.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query HealthOverview { healthOverview { total healthy degraded down unknown } }",
        |_| json!({}),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query HealthOfIntegration($id: ID!, $after: String) {
           integration(id: $id) {
             health {
               verdict since reason axis errorClass latencyMs baselineMs checkedAt nextCheckAt everySeconds
               axes { credential reachability quota permission freshness }
               uptime { day week month }
               history(first: 1, after: $after) {
                 edges { cursor node { at } }
                 nodes { at source good errorClass message latencyMs traceId }
                 pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
                 totalCount
               }
               why { kind at text actor requestId traceId }
             }
           }
         }",
        |side| json!({ "id": side["integration"], "after": side.end_of("health checks") }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation CheckHealthNow($input: CheckHealthNowInput!) {
           checkHealthNow(input: $input) {
             health { verdict } integration { id } userErrors { code path message }
           }
         }",
        |side| json!({ "input": { "integrationId": side["integration"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation SetHealthSchedule($input: SetHealthScheduleInput!) {
           setHealthSchedule(input: $input) {
             health { everySeconds } integration { id } userErrors { code path message }
           }
         }",
        |side| {
            // Another one each time, so that something changes.
            let number: i32 = side.fresh().rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap();
            json!({ "input": { "integrationId": side["integration"], "everySeconds": 100 + number } })
        },
    ),
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "subscription HealthChanged($id: ID, $after: String) {
               healthChanged(integrationId: $id, after: $after) {
                 cursor number integrationId integration { id } from to axis reason errorClass latencyMs source traceId
                 at
               }
             }",
            |side| json!({ "id": side["integration"], "after": side.number_before("events") }),
        )
    },
];
