//! Invitations to join a tenant. Never the secret of the link, only its digest.

use sea_orm::{QueryOrder, entity::prelude::*};

use crate::kernel::{
    id::{InvitationId, TenantId},
    scope::Role,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    pub tenant_id: TenantId,
    pub email: String,
    pub role: Role,
    pub digest: Vec<u8>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
    pub outcome: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The invitations of a tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The invitation with that digest, before it is known whose it is.
pub fn by_digest(digest: &[u8]) -> Select<Entity> {
    Entity::find().filter(COLUMN.digest.eq(digest))
}

/// The open invitations of a person to any tenant, oldest first, for that person.
pub fn open_to(email: &str, now: DateTimeUtc) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.email.eq(email))
        .filter(COLUMN.ended_at.is_null())
        .filter(COLUMN.expires_at.gt(now))
        .order_by_asc(Column::Id)
}
