//! Links by which an outsider gives an integration its credential. Never the link, only its digest.

use sea_orm::{DeleteMany, UpdateMany, entity::prelude::*};

use crate::kernel::id::{ConnectLinkId, IntegrationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connect_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConnectLinkId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub digest: Vec<u8>,
    pub created_by: String,
    /// The same with its credential, which is checked again when the link is used.
    pub starter: Option<Json>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    /// Credentials that the provider refused.
    pub tries: i32,
    pub used_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The one with that digest, before it is known whose it is.
pub fn by_digest(digest: &[u8]) -> Select<Entity> {
    Entity::find().filter(COLUMN.digest.eq(digest))
}

/// Those of the whole hub that ended before that moment, to forget.
pub fn ended_before(moment: DateTimeUtc) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.expires_at.lt(moment))
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, link: ConnectLinkId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.eq(link))
}
