//! Webhooks out: destinations, deliveries, what is sent again.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query WebhookEventTypes { webhookEventTypes { name topic description example schema } }",
        |_| json!({}),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query WebhookDestinations($after: String) {
           webhookDestinations(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes {
               id name url action everyMinutes events filter enabled disabledAt disabledBecause failingSince failures
               pausedUntil secretHint publicKey overlapUntil createdBy createdAt updatedAt
             }
             pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
             totalCount
           }
         }",
        |side| json!({ "after": side.start_of("webhook destinations") }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query WebhookDestinationsBackwards($before: String) {
           webhookDestinations(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "before": side.end_of("webhook destinations") }),
    ),
    Case {
        guarded: &[
            ("webhookDeliveries.nodes.body", Scope::WebhookRead),
            ("webhookDeliveries.nodes.attempts.answer", Scope::WebhookRead),
        ],
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "query WebhookDeliveries($filter: WebhookDeliveryFilterInput, $after: String) {
               webhookDeliveries(filter: $filter, first: 2, after: $after) {
                 edges { cursor node { id } }
                 nodes {
                   id eventId kind subject destinationId destination { id } status attemptCount lastStatus lastError
                   lastLatency nextAt createdAt settledAt body
                   attempts { id at status error message latency traceId answer }
                 }
                 pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
                 totalCount
               }
             }",
            |side| {
                json!({
                    "filter": {
                        "destinationId": side["webhookDestination"], "eventId": side["webhookMessage"],
                        "subject": side["webhookMessage"], "kinds": ["webhook.test"],
                        "statuses": ["PENDING", "DELIVERED", "FAILED", "SKIPPED"],
                        "from": "2020-01-01T00:00:00Z", "to": "2120-01-01T00:00:00Z",
                    },
                    "after": side.end_of("webhook deliveries"),
                })
            },
        )
    },
    Case::new(
        Needs::Scope(Scope::IntegrationRead),
        "query WebhookDeliveriesBackwards($before: String) {
           webhookDeliveries(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "before": side.start_of("webhook deliveries") }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation CreateWebhookDestination($input: CreateWebhookDestinationInput!) {
           createWebhookDestination(input: $input) { destination { id } secret userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "name": side.fresh(), "url": "https://hooks.example.com/in", "events": ["integration.*"],
                "filter": "data.number", "withPublicKey": true, "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation UpdateWebhookDestination($input: UpdateWebhookDestinationInput!) {
           updateWebhookDestination(input: $input) { destination { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["webhookDestination"], "name": side.fresh(), "url": "https://hooks.example.com/in",
                "events": ["integration.*"], "filter": "data.number",
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation RotateWebhookDestination($input: RotateWebhookDestinationInput!) {
           rotateWebhookDestination(input: $input) { destination { id } secret userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDestination"], "overlap": 60 } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationRun),
        "mutation TestWebhookDestination($input: TestWebhookDestinationInput!) {
           testWebhookDestination(input: $input) { delivery { id } attempt { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDestination"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation ResendDelivery($input: ResendDeliveryInput!) {
           resendDelivery(input: $input) { delivery { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDelivery"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationRun),
        "mutation RecoverDestination($input: RecoverDestinationInput!) {
           recoverDestination(input: $input) { count userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDestination"], "since": side["webhookSince"] } }),
    ),
    Case::spending(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DisableWebhookDestination($input: DisableWebhookDestinationInput!) {
           disableWebhookDestination(input: $input) { destination { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDestination"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation EnableWebhookDestination($input: EnableWebhookDestinationInput!) {
           enableWebhookDestination(input: $input) { destination { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDestination"] } }),
    )
    // It is enabled.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::IntegrationWrite),
        "mutation DeleteWebhookDestination($input: DeleteWebhookDestinationInput!) {
           deleteWebhookDestination(input: $input) { deletedId userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["webhookDestination"] } }),
    ),
    Case {
        foreign: Some(Foreign::Hidden),
        ..Case::new(
            Needs::Scope(Scope::IntegrationRead),
            "subscription DeliveryChanged($id: ID, $after: String) {
               deliveryChanged(destinationId: $id, after: $after) {
                 cursor number kind count at deliveries { id }
               }
             }",
            |side| json!({ "id": side["webhookDestination"], "after": side.number_before("events") }),
        )
    },
];
