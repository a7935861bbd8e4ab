//! Events as their writers put them down, in the transaction of the change.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{EventId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub position: i64,
    pub event_id: EventId,
    pub tenant_id: TenantId,
    pub topic: String,
    pub kind: String,
    pub subject: String,
    pub data: Json,
    pub actor: String,
    pub request_id: Option<String>,
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What waits for the log, of one tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}
