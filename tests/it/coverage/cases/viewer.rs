//! Asking about oneself: anybody who has signed in may.

use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[Case::new(
    Needs::SignedIn,
    "query Viewer { viewer { kind actor role scopes expiresAt tenant { id } tenants { id }
       invitations { tenantName role createdAt expiresAt } } }",
    |_| json!({}),
)];
