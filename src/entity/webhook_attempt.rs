//! Attempts to deliver webhooks, and what was answered.

use sea_orm::{DbBackend, DeleteMany, QueryOrder, Statement, entity::prelude::*};

use super::places::Places;
use crate::kernel::id::{EventId, TenantId, WebhookAttemptId, WebhookDeliveryId, WebhookDestinationId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookAttemptId,
    pub tenant_id: TenantId,
    pub destination_id: WebhookDestinationId,
    pub delivery_id: WebhookDeliveryId,
    pub at: DateTimeUtc,
    /// The status of the answer, if there was one.
    pub status: Option<i32>,
    /// The class of what went wrong.
    pub error: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// Microseconds.
    pub latency: i64,
    /// The beginning of the answer.
    pub answer: Vec<u8>,
    pub trace: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// The attempts at these deliveries of the tenant, in order.
pub fn of_deliveries(tenant: TenantId, ids: &[WebhookDeliveryId]) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.delivery_id.is_in(ids.iter().copied()))
        .order_by_asc(Column::Id)
}

/// Takes the attempts at messages away that are forgotten.
pub fn forget(backend: DbBackend, messages: &[EventId]) -> Statement {
    let mut places = Places::of(backend);
    let ids = places.list(messages.iter().copied());
    places.statement(format!(
        "DELETE FROM webhook_attempts WHERE delivery_id IN \
         (SELECT id FROM webhook_deliveries WHERE message_id IN ({ids}))"
    ))
}

/// All attempts at a destination.
pub fn forget_all(tenant: TenantId, destination: WebhookDestinationId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.destination_id.eq(destination))
}
