//! Invitations to join a tenant.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Scope(Scope::AccessRead),
        "query Invitations($after: String, $before: String) {
           invitations(first: 2, after: $after) {
             edges { cursor node { id } }
             nodes { id email role state createdBy createdAt expiresAt endedAt }
             pageInfo { endCursor }
             totalCount
           }
           backwards: invitations(last: 1, before: $before) { nodes { id } }
         }",
        |side| json!({ "after": side.start_of("invitations"), "before": side.end_of("invitations") }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation InviteMember($input: InviteMemberInput!) {
           inviteMember(input: $input) { invitation { id } token url userErrors { code path message } }
         }",
        |side| {
            json!({ "input": {
                "email": format!("{}@example.test", side.fresh()), "role": "VIEWER", "idempotencyKey": side.fresh(),
            } })
        },
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation RevokeInvitation($input: RevokeInvitationInput!) {
           revokeInvitation(input: $input) { invitation { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "id": side["invitation"] } }),
    ),
    Case::spending(
        Needs::Anyone,
        "mutation AcceptInvitation($input: AcceptInvitationInput!) {
           acceptInvitation(input: $input) {
             tenantSlug role session { accessToken } userErrors { code path message }
           }
         }",
        |side| {
            json!({ "input": {
                "token": side["invitationLink"], "name": "New", "password": "another password", "userAgent": "test",
            } })
        },
    ),
    Case::spending(
        Needs::Anyone,
        "mutation DeclineInvitation($input: DeclineInvitationInput!) {
           declineInvitation(input: $input) { declined userErrors { code path message } }
         }",
        |side| json!({ "input": { "token": side["invitationLink"] } }),
    ),
];
