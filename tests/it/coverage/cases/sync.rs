//! Syncs: streams, runs, what they write down, records.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query SyncStreams($id: ID!) {
           integration(id: $id) {
             syncStats { successRate }
             syncStreams {
               key name schedule { frequency cron timeZone chosen } scheduled paused stoppedAt stoppedBecause watermark
               totalRecords changeNumber failuresInRow lastSyncedAt lastRun { id }
               heldDeletions { records of since run { id } }
             }
           }
         }",
        |side| json!({ "id": side["integration"] }),
    ),
    Case::new(
        Needs::Scope(Scope::RecordRead),
        "query SyncFailures($run: ID!, $after: String) {
           syncFailures(runId: $run, first: 1, after: $after) {
             edges { cursor node { id } }
             nodes { id page externalId reason data at }
             pageInfo { endCursor }
             totalCount
           }
         }",
        |side| json!({ "run": side["syncRun"], "after": side.start_of("sync failures") }),
    ),
    Case::new(
        Needs::Scope(Scope::RecordRead),
        "query SyncFailuresBackwards($run: ID!, $before: String) {
           syncFailures(runId: $run, last: 1, before: $before) { nodes { id } totalCount }
         }",
        |side| json!({ "run": side["syncRun"], "before": side.end_of("sync failures") }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query SyncRuns($id: ID, $filter: SyncRunFilterInput, $after: String, $before: String) {
           syncRuns(integrationId: $id, first: 2, after: $after, filter: $filter) {
             edges { cursor node { id } }
             nodes {
               id integrationId stream mode cause status since bytes tookMs heldDeletions confirmedDeletions errorClass error trace requestedBy
               progress { pages seen added updated unchanged deleted failed estimatedRest }
               createdAt startedAt progressedAt endedAt
             }
             pageInfo { endCursor }
             totalCount
           }
           backwards: syncRuns(last: 1, before: $before) { nodes { id } }
         }",
        |side| {
            json!({
                "id": side["integration"],
                "filter": { "stream": "customers", "statuses": ["SUCCEEDED"], "modes": ["FULL", "INCREMENTAL"] },
                // Newest first.
                "after": side.end_of("sync runs"), "before": side.start_of("sync runs"),
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query SyncLogs($filter: SyncLogFilterInput, $after: String, $before: String) {
           syncLogs(first: 2, after: $after, filter: $filter) {
             edges { cursor node { id } }
             nodes { id integrationId stream runId number level step message fields at }
             pageInfo { endCursor }
             totalCount
           }
           backwards: syncLogs(last: 1, before: $before) { nodes { id } }
         }",
        |side| {
            json!({
                "filter": {
                    "integrationId": side["integration"], "runId": side["syncRun"], "levels": ["INFO", "WARN"],
                    "text": "PAGE", "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z",
                },
                "after": side.end_of("sync log"), "before": side.start_of("sync log"),
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::RecordRead),
        "query Records(
           $id: ID!, $filter: SyncRecordFilterInput, $changed: String, $after: String
         ) {
           records(
             integrationId: $id, stream: \"customers\", first: 2, after: $after, filter: $filter, changedAfter: $changed
           ) {
             edges { cursor node { externalId } }
             nodes { externalId data updatedAt deletedAt changeNumber changedAt }
             pageInfo { endCursor }
             totalCount
           }
         }",
        |side| {
            json!({
                "id": side["integration"], "changed": "0",
                "filter": {
                    "ids": ["cus_000000", "cus_000001"], "deleted": false, "updatedFrom": "2020-01-01T00:00:00Z",
                },
                "after": side.number_before("records"),
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::RecordRead),
        "query RecordsBackwards($id: ID!, $before: String) {
           records(integrationId: $id, stream: \"customers\", last: 1, before: $before) { nodes { externalId } }
         }",
        |side| json!({ "id": side["integration"], "before": side.number_behind("records") }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation SyncNow($input: SyncNowInput!) {
           syncNow(input: $input) { runs { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "integrationId": side["integration"], "stream": "refunds" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation PauseSync($input: PauseSyncInput!) {
           pauseSync(input: $input) { integration { id } streams { key } userErrors { code path message } }
         }",
        |side| json!({ "input": { "integrationId": side["integration"], "stream": "customers" } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation ResumeSync($input: ResumeSyncInput!) {
           resumeSync(input: $input) { integration { id } streams { key } userErrors { code path message } }
         }",
        |side| json!({ "input": { "integrationId": side["integration"], "stream": "customers" } }),
    )
    // It is not paused.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation ConfirmSyncDeletions($input: ConfirmSyncDeletionsInput!) {
           confirmSyncDeletions(input: $input) { stream { key } run { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "integrationId": side["integration"], "stream": "payments" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation DiscardSyncDeletions($input: DiscardSyncDeletionsInput!) {
           discardSyncDeletions(input: $input) { stream { key } userErrors { code path message } }
         }",
        |side| json!({ "input": { "integrationId": side["integration"], "stream": "customers" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation CancelSyncRun($input: CancelSyncRunInput!) {
           cancelSyncRun(input: $input) { run { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["queuedRun"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation Backfill($input: BackfillInput!) {
           backfill(input: $input) { run { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "integrationId": side["integration"], "stream": "refunds", "mode": "RESET" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation SetSyncSchedule($input: SetSyncScheduleInput!) {
           setSyncSchedule(input: $input) { stream { key } userErrors { code path message } }
         }",
        |side| {
            let often = json!({ "frequency": "DAILY" });
            json!({ "input": { "integrationId": side["integration"], "stream": "customers", "schedule": often } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation SetSyncScheduleByCron($input: SetSyncScheduleInput!) {
           setSyncSchedule(input: $input) { stream { key } userErrors { code path message } }
         }",
        |side| {
            let cron = json!({ "cron": { "pattern": "30 2 * * *", "timeZone": "Asia/Dubai" } });
            json!({ "input": { "integrationId": side["integration"], "stream": "refunds", "schedule": cron } })
        },
    ),
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "subscription SyncRunChanged($id: ID, $after: String) {
               syncRunChanged(integrationId: $id, after: $after) {
                 cursor number kind integrationId stream reason at run { id }
                 progress { pages seen added updated unchanged deleted failed estimatedRest }
               }
             }",
            |side| json!({ "id": side["integration"], "after": side.number_before("events") }),
        )
    },
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "subscription SyncLogged($id: ID, $run: ID, $levels: [SyncLogLevel!], $after: String) {
               syncLogged(integrationId: $id, runId: $run, levels: $levels, after: $after) {
                 cursor id integrationId runId stream level step message fields at
               }
             }",
            |side| {
                json!({
                    "id": side["integration"], "run": side["syncRun"], "levels": ["INFO"],
                    "after": side.number_before("events"),
                })
            },
        )
    },
];
