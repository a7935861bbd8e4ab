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
        |side| {
            json!({ "input": {
                "email": side["email"], "password": PASSWORD, "tenantId": side["tenant"], "userAgent": "test",
            } })
        },
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
        Needs::Anyone,
        "mutation RequestPasswordReset($input: RequestPasswordResetInput!) {
           requestPasswordReset(input: $input) { accepted userErrors { code path message } }
         }",
        |side| json!({ "input": { "email": format!("{}@example.test", side.fresh()) } }),
    )
    // There is no such account.
    .quiet(),
    Case::spending(
        Needs::Person,
        "mutation ChangePassword($input: ChangePasswordInput!) {
           changePassword(input: $input) { session { accessToken } userErrors { code path message } }
         }",
        // The callers signed in by a link; who has no password may say anything.
        |_| {
            json!({ "input": {
                "currentPassword": "none", "newPassword": "another password", "userAgent": "test",
            } })
        },
    ),
    Case::new(
        Needs::Person,
        "mutation SwitchTenant($input: SwitchTenantInput!) {
           switchTenant(input: $input) { tenant { id } role userErrors { code path message } }
         }",
        |side| json!({ "input": { "tenantId": side["tenant"] } }),
    ),
    Case::new(
        Needs::Person,
        "mutation UpdateProfile($input: UpdateProfileInput!) {
           updateProfile(input: $input) { user { id } userErrors { code path message } }
         }",
        |side| json!({ "input": { "name": side.fresh() } }),
    ),
    Case::spending(Needs::SignedIn, "mutation SignOut { signOut { ended userErrors { code path message } } }", |_| {
        json!({})
    })
    // Tokens have no session that could end.
    .quiet(),
    Case::spending(
        Needs::Scope(Scope::AccessWrite),
        "mutation CreateLink($input: CreateLinkInput!) {
           createLink(input: $input) { token url expiresAt userErrors { code path message } }
         }",
        |side| json!({ "input": { "userId": side["user"], "purpose": "ACTIVATION" } }),
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
