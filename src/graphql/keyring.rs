//! The keys of a tenant in the API.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    attempt::attempt,
    context::Ask,
    error::{Result, UserError},
    guard::Needs,
};
use crate::{domain::keyring::data_key, kernel::scope::Scope};

/// The key under which a tenant's secrets are sealed. The key itself never leaves the hub.
#[derive(SimpleObject)]
pub struct TenantKey {
    /// Which version it is; each rotation makes the next.
    version: i32,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<data_key::TenantKey> for TenantKey {
    fn from(row: data_key::TenantKey) -> Self {
        Self { version: row.version, created_at: row.created_at }
    }
}

/// Which tenant's key to rotate.
#[derive(InputObject)]
pub struct RotateTenantKeyInput {
    /// Why, for the audit log.
    reason: Option<String>,
}

/// What came of rotating a key.
#[derive(SimpleObject)]
pub struct RotateTenantKeyPayload {
    /// The new key, unless refused.
    tenant_key: Option<TenantKey>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Changing keys.
#[derive(Default)]
pub struct KeyringMutation;

#[Object]
impl KeyringMutation {
    /// Makes a new key for your tenant, which seals from now on. What was sealed before is sealed anew in
    /// the background, and the old key is then destroyed. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn rotate_tenant_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to note.")] input: RotateTenantKeyInput,
    ) -> Result<RotateTenantKeyPayload> {
        let (key, user_errors) = attempt(ctx, data_key::rotate(ctx.cx(), input.reason).await)?;
        Ok(RotateTenantKeyPayload { tenant_key: key.map(Into::into), user_errors })
    }
}
