//! Tenants and their settings.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::TenantRead),
        "query Tenant($id: ID) {
           tenant(id: $id) {
             id slug name status suspendedAt suspensionReason deletedAt createdAt updatedAt
             settings { timeZone locale currency dateFormat }
           }
         }",
        |side| json!({ "id": side["tenant"] }),
    ),
    Case::new(Needs::Scope(Scope::TenantRead), "query OwnTenant { tenant { id } }", |_| json!({})),
    Case::new(
        Needs::Scope(Scope::HubAdmin),
        "query Tenants($after: String, $before: String) {
           tenants(first: 1, after: $after) {
             edges { cursor node { id } }
             nodes { id }
             pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
             totalCount
           }
           backwards: tenants(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "after": side.start_of("tenants"), "before": side.end_of("tenants") }),
    ),
    Case::new(
        Needs::Scope(Scope::HubAdmin),
        "mutation CreateTenant($input: CreateTenantInput!) {
           createTenant(input: $input) { tenant { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "slug": side.fresh(), "name": "Third", "idempotencyKey": side.fresh(),
                "settings": {
                    "timeZone": "Asia/Dubai", "locale": "ar-AE", "currency": "AED", "dateFormat": "DD.MM.YYYY",
                },
            } })
        },
    ),
    Case::new(
        Needs::Scope(Scope::TenantWrite),
        "mutation UpdateTenant($input: UpdateTenantInput!) {
           updateTenant(input: $input) { tenant { id } userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "id": side["tenant"], "slug": side.fresh(), "name": side.fresh(),
                "settings": { "timeZone": "Asia/Dubai" },
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::HubAdmin),
        "mutation SuspendTenant($input: SuspendTenantInput!) {
           suspendTenant(input: $input) { tenant { status } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["spareTenant"], "reason": "a test" } }),
    ),
    Case::new(
        Needs::Scope(Scope::HubAdmin),
        "mutation ResumeTenant($input: ResumeTenantInput!) {
           resumeTenant(input: $input) { tenant { status } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["spareTenant"] } }),
    )
    // It is served already.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::HubAdmin),
        "mutation DeleteTenant($input: DeleteTenantInput!) {
           deleteTenant(input: $input) { tenant { status } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["spareTenant"], "confirmation": side["spareSlug"] } }),
    ),
];
