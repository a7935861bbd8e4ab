//! Integrations: a tenant's connections to providers.

use sea_orm::{
    DeleteMany, QueryOrder, QuerySelect, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, LockType},
};

use crate::kernel::id::{IntegrationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "integrations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IntegrationId,
    pub tenant_id: TenantId,
    /// The key of the provider's file.
    pub provider: String,
    /// The provider's category when the integration was made, for lists.
    pub category: String,
    /// The provider's key where a tenant may have one connection.
    pub slot: Option<String>,
    pub name: String,
    pub description: Option<String>,
    pub environment: String,
    pub auth_method: String,
    /// What the connection knows beside its credential, by name.
    pub settings: Json,
    /// What the tenant noted about it.
    pub metadata: Json,
    pub status: Status,
    pub enabled: bool,
    /// Whose credential it is, in the provider's words.
    pub account: Option<String>,
    /// Id of the account to which the provider said that the credential in use belongs. Webhooks of an address that
    /// serves every tenant follow this id and never a setting.
    pub proven_account: Option<String>,
    /// Time at which the provider was last asked which account that is.
    pub account_asked_at: Option<DateTimeUtc>,
    pub timeout_ms: Option<i64>,
    pub can_sync: bool,
    pub can_push: bool,
    pub can_webhook: bool,
    pub sync_frequency: Option<String>,
    pub last_synced_at: Option<DateTimeUtc>,
    pub last_tested_at: Option<DateTimeUtc>,
    pub last_success_at: Option<DateTimeUtc>,
    pub last_error_at: Option<DateTimeUtc>,
    pub error_class: Option<String>,
    pub error_message: Option<String>,
    pub total_records: i64,
    pub last_sync_count: i64,
    pub failed_sync_count: i64,
    /// How the last runs ended, newest last: `+` for one that succeeded, `-` for one that failed.
    pub sync_outcomes: String,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// Since when nobody sees it any more.
    pub deleted_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How an integration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    #[sea_orm(string_value = "PENDING")]
    Pending,
    #[sea_orm(string_value = "TESTING")]
    Testing,
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    #[sea_orm(string_value = "INACTIVE")]
    Inactive,
    #[sea_orm(string_value = "ERROR")]
    Error,
    #[sea_orm(string_value = "NEEDS_REAUTH")]
    NeedsReauth,
}

impl Status {
    /// The name in the database, in events and in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Testing => "TESTING",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Error => "ERROR",
            Self::NeedsReauth => "NEEDS_REAUTH",
        }
    }
}

/// Those that were not deleted.
fn there() -> Select<Entity> {
    Entity::find().filter(COLUMN.deleted_at.is_null())
}

/// The integrations of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    there().filter(COLUMN.tenant_id.eq(tenant))
}

/// One that was deleted, once nothing of it is left.
pub fn remove(tenant: TenantId, integration: IntegrationId) -> DeleteMany<Entity> {
    Entity::delete_many()
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.id.eq(integration))
        .filter(COLUMN.deleted_at.is_not_null())
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, integration: IntegrationId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.eq(integration))
}

/// One of them, held until the commit. Whoever writes what leads to it does not wait for that.
pub fn held(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(integration)).lock(LockType::NoKeyUpdate)
}

/// Forgets which account was proven of one of them.
pub fn unprove(tenant: TenantId, integration: IntegrationId) -> UpdateMany<Entity> {
    update_of(tenant, integration)
        .col_expr(Column::ProvenAccount, Expr::value(None::<String>))
        .col_expr(Column::AccountAskedAt, Expr::value(None::<DateTimeUtc>))
}

/// Integrations of the whole hub with a provider that have proven one of these accounts and are in good standing:
/// enabled, allowed to take webhooks, with a credential that is not refused, of a tenant that is served.
pub fn proven_of_hub(provider: &str, accounts: impl IntoIterator<Item = String>) -> Select<Entity> {
    let served = "EXISTS (SELECT 1 FROM tenants WHERE tenants.id = integrations.tenant_id \
                  AND tenants.status = 'ACTIVE' AND tenants.deleted_at IS NULL)";
    there()
        .filter(COLUMN.provider.eq(provider))
        .filter(COLUMN.proven_account.is_in(accounts))
        .filter(COLUMN.enabled.eq(true))
        .filter(COLUMN.can_webhook.eq(true))
        .filter(COLUMN.status.ne(Status::NeedsReauth))
        .filter(Expr::cust(served))
}

/// The same, not changed by anybody until the commit, in one order for all who hold them.
pub fn proven_of_hub_held(provider: &str, accounts: impl IntoIterator<Item = String>) -> Select<Entity> {
    proven_of_hub(provider, accounts).order_by_asc(Column::Id).lock_shared()
}

/// Those of the whole hub behind an id, in order, for chores that look at each.
pub fn of_anybody(after: Option<IntegrationId>, most: u64) -> Select<Entity> {
    let all = there().order_by_asc(Column::Id).limit(most);
    match after {
        Some(after) => all.filter(COLUMN.id.gt(after)),
        None => all,
    }
}

/// Those of the whole hub whose test was begun before that moment and never ended.
pub fn tested_since_before(moment: DateTimeUtc) -> Select<Entity> {
    there().filter(COLUMN.status.eq(Status::Testing)).filter(COLUMN.updated_at.lt(moment))
}

/// Those of the whole hub by their ids; for who asks how they are.
pub fn of_hub(ids: impl IntoIterator<Item = IntegrationId>) -> Select<Entity> {
    there().filter(COLUMN.id.is_in(ids))
}

/// The ids of the tenant's integrations, for a condition on what belongs to them.
pub fn ids_of(tenant: TenantId) -> sea_orm::sea_query::SelectStatement {
    sea_orm::QueryTrait::into_query(of(tenant).select_only().column(Column::Id))
}
