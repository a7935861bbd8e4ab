//! Webhooks in: sources, what came, replays.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case {
        guarded: &[("webhookSources.nodes.refusals.rawBody", Scope::WebhookRead)],
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "query WebhookSources($id: ID, $after: String) {
               webhookSources(integrationId: $id, first: 2, after: $after) {
                 edges { cursor node { id } }
                 nodes {
                   id name providerKey provider { key } integrationId hubWide url setup enabled secrets { name hint }
                   overlapUntil missedEventRate createdBy createdAt updatedAt
                   statistics {
                     received verified refused duplicates waiting processed failed lastTriggeredAt
                   }
                   refusals(first: 1) { id at address reason headers { name value } query size rawBody }
                 }
                 pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
                 totalCount
               }
             }",
            |side| json!({ "id": side["integration"], "after": side.start_of("webhook sources") }),
        )
    },
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query WebhookSourcesBackwards($before: String) {
           webhookSources(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "before": side.end_of("webhook sources") }),
    ),
    Case {
        guarded: &[
            ("webhookEvents.nodes.rawBody", Scope::WebhookRead),
            ("webhookEvents.nodes.rawBytes", Scope::WebhookRead),
            ("webhookEvents.nodes.items.normalised", Scope::WebhookRead),
        ],
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "query WebhookEvents($filter: WebhookEventFilterInput, $after: String) {
               webhookEvents(filter: $filter, first: 2, after: $after) {
                 edges { cursor node { id } }
                 nodes {
                   id sourceId providerKey integrationId arrivedAt address status reason attempts dueAt settledAt
                   repeats replays headers { name value } query size redactedBody rawBody rawBytes
                   items { eventId kind happening subject integrationId at normalised }
                 }
                 pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
                 totalCount
               }
             }",
            |side| {
                json!({
                    "filter": {
                        "sourceId": side["webhookSource"], "integrationId": side["integration"],
                        "statuses": ["PROCESSED", "RECEIVED", "DEAD"],
                        "from": "2020-01-01T00:00:00Z", "to": "2120-01-01T00:00:00Z",
                    },
                    "after": side.end_of("webhook events"),
                })
            },
        )
    },
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query WebhookEventsBackwards($before: String) {
           webhookEvents(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "before": side.start_of("webhook events") }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation CreateWebhookSource($input: CreateWebhookSourceInput!) {
           createWebhookSource(input: $input) {
             source { id } url secrets { name value } userErrors { code path message }
           }
         }",
        |side| {
            json!({ "input": {
                "integrationId": side["integration"], "name": side.fresh(), "idempotencyKey": side.fresh(),
                "secrets": [{ "name": "webhook_secret", "value": "whsec_ExampleExampleExample" }],
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation CreateWebhookSourceOfProvider($input: CreateWebhookSourceInput!) {
           createWebhookSource(input: $input) { source { id } userErrors { code path message } }
         }",
        |_| json!({ "input": { "provider": "mailchimp", "hubWide": false } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation RotateWebhookSource($input: RotateWebhookSourceInput!) {
           rotateWebhookSource(input: $input) {
             source { id } url secrets { name value } userErrors { code path message }
           }
         }",
        |side| {
            let secret = format!("whsec_{}", side.fresh().replace('-', "x").repeat(3));
            let secrets = json!([{ "name": "webhook_secret", "value": secret }]);
            json!({ "input": { "id": side["webhookSource"], "secrets": secrets, "overlap": 60 } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DisableWebhookSource($input: DisableWebhookSourceInput!) {
           disableWebhookSource(input: $input) { source { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookSource"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation EnableWebhookSource($input: EnableWebhookSourceInput!) {
           enableWebhookSource(input: $input) { source { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookSource"] } }),
    )
    // It is enabled.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DeleteWebhookSource($input: DeleteWebhookSourceInput!) {
           deleteWebhookSource(input: $input) { deletedId userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookSource"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation ReplayWebhookEvents($input: ReplayWebhookEventsInput!) {
           replayWebhookEvents(input: $input) { count hasMore lastArrivedAt userErrors { code path message } }
         }",
        |side| json!({ "input": { "ids": [side["webhookEvent"]] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation PreviewWebhookEvents($input: ReplayWebhookEventsInput!) {
           replayWebhookEvents(input: $input) {
             previews { webhook { id } problem says streams differs } userErrors { code path message }
           }
         }",
        |side| {
            let filter = json!({ "sourceId": side["webhookSource"], "integrationId": side["integration"] });
            json!({ "input": { "filter": filter, "dryRun": true } })
        },
    )
    .quiet(),
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "subscription WebhookEventReceived($id: ID, $after: String) {
               webhookEventReceived(sourceId: $id, after: $after) {
                 cursor number dead reason sourceId integrationId providerKey eventId kind happening subject
                 happenedAt replay at webhook { id }
               }
             }",
            |side| json!({ "id": side["webhookSource"], "after": side.number_before("events") }),
        )
    },
];
