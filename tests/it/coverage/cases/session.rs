//! Signing in and out, and the keys of a tenant.

use portolan::kernel::scope::Scope;
use serde_json::json;

use super::super::{
    case::{Case, Needs},
    world::PASSWORD,
};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::Anyone,
        "mutation SignIn($input: SignInInput!) {
           signIn(input: $input) {
             session { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt }
             userErrors { code path message }
           }
         }",
        |side| json!({ "input": { "email": side["email"], "password": PASSWORD, "userAgent": "test" } }),
    ),
    Case::spending(
        Needs::Anyone,
        "mutation RefreshSession($input: RefreshSessionInput!) {
           refreshSession(input: $input) { session { accessToken } userErrors { code path message } }
         }",
        |side| json!({ "input": { "refreshToken": side["refreshToken"], "userAgent": "test" } }),
    )
    .quiet(),
    Case::spending(
        Needs::Anyone,
        "mutation SignInWithLink($input: SignInWithLinkInput!) {
           signInWithLink(input: $input) { session { accessToken } userErrors { code path message } }
         }",
        |side| json!({ "input": { "token": side["signInLink"], "userAgent": "test" } }),
    ),
    Case::spending(
        Needs::Anyone,
        "mutation SetPassword($input: SetPasswordInput!) {
           setPassword(input: $input) { session { accessToken } userErrors { code path message } }
         }",
        |side| json!({ "input": { "token": side["passwordLink"], "password": "another password", "userAgent": "test" } }),
    ),
    Case::new(
        Needs::SignedIn,
        "mutation SignOut { signOut { ended userErrors { code path message } } }",
        |_| json!({}),
    )
    // The callers of the matrix have tokens, and tokens have no session that could end.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation CreateLink($input: CreateLinkInput!) {
           createLink(input: $input) { token expiresAt userErrors { code path message } }
         }",
        |side| json!({ "input": { "userId": side["user"], "purpose": "INVITATION" } }),
    ),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation RevokeSessions($input: RevokeSessionsInput!) {
           revokeSessions(input: $input) { ended user { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "userId": side["signer"] } }),
    ),
    Case::new(
        Needs::Scope(Scope::AccessWrite),
        "mutation RotateTenantKey($input: RotateTenantKeyInput!) {
           rotateTenantKey(input: $input) { tenantKey { version createdAt } userErrors { code path message } }
         }",
        |_| json!({ "input": { "reason": "a test" } }),
    ),
    Case {
        guarded: &[("tenant.key", Scope::AccessRead)],
        ..Case::new(Needs::Scope(Scope::TenantRead), "query TenantKey { tenant { key { version createdAt } } }", |_| {
            json!({})
        })
    },
];
