//! API tokens: never the token, only its digest.

use sea_orm::{Condition, UpdateMany, entity::prelude::*, sea_query::Expr};

use super::tenant;
use crate::kernel::{
    id::{AgentId, ApiTokenId, TenantId},
    scope::Role,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiTokenId,
    pub tenant_id: TenantId,
    /// The machine user it belongs to, if it is not a token of its own.
    pub agent_id: Option<AgentId>,
    pub name: String,
    pub digest: Vec<u8>,
    pub hint: String,
    pub role: Role,
    /// Names of the scopes the token is narrowed to; null means all of its role.
    pub scopes: Option<Json>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub last_used_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The tokens of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The token with that digest, before it is known whose it is; none of a tenant that is not served.
pub fn by_digest(digest: &[u8]) -> Select<Entity> {
    Entity::find().filter(COLUMN.digest.eq(digest)).filter(Column::TenantId.in_subquery(tenant::served_ids()))
}

/// The token with that id, whose digest was checked before; none of a tenant that is not served.
pub fn by_id(token: ApiTokenId) -> Select<Entity> {
    Entity::find_by_id(token).filter(Column::TenantId.in_subquery(tenant::served_ids()))
}

/// Notes a use, unless one was noted since `unless_since`.
pub fn used(token: ApiTokenId, at: DateTimeUtc, unless_since: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(at))
        .filter(COLUMN.id.eq(token))
        .filter(Condition::any().add(COLUMN.last_used_at.is_null()).add(COLUMN.last_used_at.lt(unless_since)))
}
