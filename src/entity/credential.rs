//! Credentials of integrations: everything about them but the secrets, which are sealed elsewhere under the
//! credential's id.

use sea_orm::{UpdateMany, entity::prelude::*};

use crate::kernel::id::{CredentialId, IntegrationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credentials")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CredentialId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    /// The key of the provider's way to prove who asks.
    pub auth_method: String,
    /// True for the one in use, null for those before it.
    pub current: Option<bool>,
    /// How long one before it still serves.
    pub serves_until: Option<DateTimeUtc>,
    /// What may be seen of each field, by name.
    pub hints: Json,
    pub key_prefix: Option<String>,
    /// Counts the tokens that were fetched; zero means none.
    pub token_number: i64,
    /// Whether another token can be fetched without a person.
    pub refreshable: bool,
    pub token_expires_at: Option<DateTimeUtc>,
    pub refresh_at: Option<DateTimeUtc>,
    /// Somebody fetches a token until then.
    pub leased_until: Option<DateTimeUtc>,
    /// Counts those who fetched; the highest may.
    pub fence: i64,
    /// Fetches that failed in a row.
    pub failures: i32,
    /// Before that nobody tries again.
    pub retry_at: Option<DateTimeUtc>,
    /// When the provider refused it for good.
    pub refused_at: Option<DateTimeUtc>,
    pub refused_because: Option<String>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The credentials of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The credentials of one integration.
pub fn of_integration(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.integration_id.eq(integration))
}

/// The one that an integration uses.
pub fn current(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of_integration(tenant, integration).filter(COLUMN.current.eq(true))
}

/// Those that these integrations use, each of a tenant, for who calls for many at once.
pub fn current_of_hub(of: impl IntoIterator<Item = (TenantId, IntegrationId)>) -> Select<Entity> {
    let pairs = of.into_iter().map(|(tenant, integration)| (Value::from(tenant), Value::from(integration)));
    Entity::find()
        .filter(super::pair::among([Column::TenantId, Column::IntegrationId], pairs))
        .filter(COLUMN.current.eq(true))
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, credential: CredentialId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.eq(credential))
}

/// Those of the whole hub whose token should be fetched anew by that moment.
pub fn due(moment: DateTimeUtc) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.current.eq(true))
        .filter(COLUMN.refreshable.eq(true))
        .filter(COLUMN.refused_at.is_null())
        .filter(COLUMN.refresh_at.lte(moment))
}

/// Those of the whole hub that no longer serve at that moment.
pub fn over(moment: DateTimeUtc) -> Select<Entity> {
    Entity::find().filter(COLUMN.current.is_null()).filter(COLUMN.serves_until.lte(moment))
}
