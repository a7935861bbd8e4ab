//! Outside issuers whose tokens a tenant accepts.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{IssuerId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "issuers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IssuerId,
    pub tenant_id: TenantId,
    pub name: String,
    pub issuer: String,
    pub jwks_url: String,
    pub algorithm: String,
    pub audience: String,
    pub roles_claim: String,
    pub role_map: Json,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub disabled_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The issuers of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those with that name in `iss`, before it is known whose token it is.
pub fn by_issuer(issuer: &str) -> Select<Entity> {
    Entity::find().filter(COLUMN.issuer.eq(issuer))
}
