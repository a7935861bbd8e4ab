//! Orders: found, made, changed, followed.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Foreign, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::OrderRead),
        "query Orders($filter: OrderFilterInput, $after: String) {
           orders(filter: $filter, orderBy: CREATED, first: 2, after: $after) {
             edges { cursor node { id } }
             nodes {
               id number status statusAt partnerStatus currency total notes createdBy createdAt updatedAt
               customer { name email phone company }
               lines { kind description sku vin quantity unitPrice total }
               addresses { kind street postalCode city region countryCode }
               partnerOrganization { id } partnerIntegrationId
               references { kind value identifies partnerIntegrationId }
               partnerExternalReferences
               history {
                 id kind from to changes reason partnerStatus originId actor happenedAt at
               }
             }
             pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
             totalCount
           }
         }",
        |side| {
            json!({
                "filter": {
                    "statuses": ["new", "approved"], "partnerOrganizationId": side["partnerOrganization"],
                    "partnerIntegrationId": side["partnerIntegration"], "number": 1,
                    "reference": { "kind": "purchase_order_number", "value": "PO-1" },
                    "from": "2020-01-01T00:00:00Z", "to": "2120-01-01T00:00:00Z",
                },
                "after": side.start_of("orders"),
            })
        },
    ),
    Case::new(
        Needs::Scope(Scope::OrderRead),
        "query OrdersBackwards($before: String) { orders(last: 1, before: $before) { nodes { id } } }",
        |side| json!({ "before": side.end_of("orders") }),
    ),
    Case::new(
        Needs::Scope(Scope::OrderRead),
        "query Order($id: ID!) { order(id: $id) { id } }",
        |side| json!({ "id": side["order"] }),
    ),
    Case::new(
        Needs::Scope(Scope::OrderRead),
        "query OrderByReference($partner: ID) {
           orderByReference(kind: \"partner_order_id\", value: \"KNOWN-1\", partner: $partner) { id }
         }",
        |side| json!({ "partner": side["partnerIntegration"] }),
    ),
    Case::new(
        Needs::Scope(Scope::OrderRead),
        "query OrderStatusMachine { orderStatusMachine { statuses transitions { from to } } }",
        |_| json!({}),
    ),
    Case::new(
        Needs::Scope(Scope::OrderWrite),
        "mutation CreateOrder($input: CreateOrderInput!) {
           createOrder(input: $input) { order { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "customer": { "name": "Ann", "email": "ann@example.com", "phone": "+31 6", "company": "Acme" },
                "lines": [{
                    "kind": "PRODUCT", "description": "Charging point", "sku": "CP", "vin": "YV1", "quantity": 2,
                    "unitPrice": "129.50",
                }],
                "currency": "EUR",
                "addresses": [{
                    "kind": "SHIPPING", "street": "Some street 1", "postalCode": "1234", "city": "Utrecht",
                    "region": "Utrecht", "countryCode": "NL",
                }],
                "notes": "Soon", "partnerIntegrationId": side["partnerIntegration"],
                "references": [{ "kind": "partner_order_id", "value": side.fresh() }],
                "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::OrderWrite),
        "mutation UpdateOrder($input: UpdateOrderInput!) {
           updateOrder(input: $input) { order { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["order"], "customer": { "name": "Bob" }, "lines": [{ "description": "Other" }],
                "currency": "EUR", "addresses": [], "notes": side.fresh(),
                "references": [{ "kind": "dealer_group_id", "value": "WEST" }],
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::OrderWrite),
        "mutation ChangeOrderStatus($input: ChangeOrderStatusInput!) {
           changeOrderStatus(input: $input) { order { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["order"], "status": "approved", "reason": "a test" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::TenantWrite),
        "mutation SetOrderStatusMachine($input: SetOrderStatusMachineInput!) {
           setOrderStatusMachine(input: $input) {
             machine { statuses transitions { from to } }
             userErrors { code path message }
           }
         }",
        |_| {
            json!({ "input": {
                "statuses": ["new", "approved"], "transitions": [{ "from": "new", "to": ["approved"] }],
            } })
        },
    ),
    Case {
        foreign: Some(Foreign::NotFound),
        ..Case::new(
            Needs::Scope(Scope::OrderRead),
            "subscription OrdersLive($filter: OrderFilterInput, $after: String) {
               ordersLive(filter: $filter, after: $after) {
                 cursor complete snapshot { id } upserted { id } removed
               }
             }",
            |side| {
                json!({
                    "filter": {
                        "partnerOrganizationId": side["partnerOrganization"],
                        "partnerIntegrationId": side["partnerIntegration"],
                    },
                    "after": null,
                })
            },
        )
    },
    Case::new(
        Needs::Scope(Scope::OrderRead),
        "subscription OrdersLiveAfter($after: String) { ordersLive(after: $after) { cursor upserted { id } } }",
        |side| json!({ "after": side.number_before("events") }),
    ),
];
