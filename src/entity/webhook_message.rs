//! What webhooks say, as it is signed and sent: once for all destinations of an event, and longer than the log has it.

use sea_orm::{DeleteMany, QuerySelect, entity::prelude::*, sea_query::Expr};

use crate::kernel::id::{EventId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_messages")]
pub struct Model {
    /// The id of the event, which is the id of the webhook.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    pub tenant_id: TenantId,
    pub topic: String,
    pub kind: String,
    pub subject: String,
    pub at: DateTimeUtc,
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// The messages of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those of the whole hub that are to be sent.
pub fn of_hub(ids: impl IntoIterator<Item = EventId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.id.is_in(ids))
}

/// The ids of some of the whole hub that are older than a border and that nobody waits for.
pub fn old(border: EventId, most: u64) -> Select<Entity> {
    let waits = "NOT EXISTS (SELECT 1 FROM webhook_deliveries d \
                 WHERE d.message_id = webhook_messages.id AND d.status = 'PENDING')";
    Entity::find().select_only().column(Column::Id).filter(COLUMN.id.lt(border)).filter(Expr::cust(waits)).limit(most)
}

/// Takes messages away.
pub fn forget(ids: &[EventId]) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.is_in(ids.iter().copied()))
}
