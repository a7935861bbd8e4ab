//! Looking at destinations, deliveries and attempts.

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, Select};

use super::{Status, WebhookAttempt, WebhookDelivery, WebhookDestination, WebhookMessage};
use crate::{
    context::Cx,
    entity::{page, webhook_attempt, webhook_delivery as entity, webhook_destination, webhook_message},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{EventId, WebhookDeliveryId, WebhookDestinationId},
        page::{Page, PageArgs},
    },
};

/// Those of the ids that belong to the tenant.
pub async fn destinations_by_ids(cx: &Cx, ids: &[WebhookDestinationId]) -> Result<Vec<WebhookDestination>> {
    let select = webhook_destination::of(cx.tenant()?);
    Ok(select.filter(webhook_destination::Column::Id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One destination of the tenant.
pub async fn destination(cx: &Cx, id: WebhookDestinationId) -> Result<WebhookDestination> {
    destinations_by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("webhook destination"))
}

/// One page of the tenant's destinations, oldest first.
pub async fn destinations(cx: &Cx, args: &PageArgs) -> Result<Page<WebhookDestination>> {
    let (select, column) = (webhook_destination::of(cx.tenant()?), webhook_destination::Column::Id);
    page::by_key(cx.db(), "webhook destinations", select, column, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count_destinations(cx: &Cx) -> Result<u64> {
    Ok(webhook_destination::of(cx.tenant()?).count(cx.db()).await?)
}

/// Which deliveries; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this destination.
    pub destination: Option<WebhookDestinationId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// In one of these states.
    pub statuses: Option<Vec<Status>>,
    /// Of one of these kinds of events.
    pub kinds: Option<Vec<String>>,
    /// About this id.
    pub subject: Option<String>,
    /// Made at that moment or later.
    pub from: Option<Moment>,
    /// Made before that moment.
    pub to: Option<Moment>,
}

/// Whether what a filter names is the tenant's.
pub async fn check(cx: &Cx, filter: &DeliveryFilter) -> Result<()> {
    if let Some(id) = filter.destination {
        destination(cx, id).await?;
    }
    if let Some(id) = filter.event {
        messages(cx, &[id]).await?.pop().ok_or(Error::NotFound("webhook about that event"))?;
    }
    Ok(())
}

fn filtered(cx: &Cx, filter: &DeliveryFilter) -> Result<Select<entity::Entity>> {
    let mut select = entity::of(cx.tenant()?);
    if let Some(destination) = filter.destination {
        select = select.filter(entity::Column::DestinationId.eq(destination));
    }
    if let Some(event) = filter.event {
        select = select.filter(entity::Column::MessageId.eq(event));
    }
    if let Some(statuses) = &filter.statuses {
        select = select.filter(entity::Column::Status.is_in(statuses.iter().copied()));
    }
    if let Some(kinds) = &filter.kinds {
        select = select.filter(entity::Column::Kind.is_in(kinds));
    }
    if let Some(subject) = &filter.subject {
        select = select.filter(entity::Column::Key.eq(subject));
    }
    // Ids sort by the time at which they were made, and have the index.
    if let Some(from) = filter.from {
        select = select.filter(entity::Column::Id.gte(WebhookDeliveryId::first_of(from)));
    }
    if let Some(to) = filter.to {
        select = select.filter(entity::Column::Id.lt(WebhookDeliveryId::first_of(to)));
    }
    Ok(select)
}

/// One page of the tenant's deliveries, newest first.
pub async fn deliveries(cx: &Cx, filter: &DeliveryFilter, args: &PageArgs) -> Result<Page<WebhookDelivery>> {
    let (select, column) = (filtered(cx, filter)?, entity::Column::Id);
    page::by_order(cx.db(), "webhook deliveries", select, column, true, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &DeliveryFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[WebhookDeliveryId]) -> Result<Vec<WebhookDelivery>> {
    Ok(entity::of(cx.tenant()?).filter(entity::Column::Id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One delivery of the tenant.
pub async fn delivery(cx: &Cx, id: WebhookDeliveryId) -> Result<WebhookDelivery> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("webhook delivery"))
}

/// The attempts at these deliveries of the tenant, in order.
pub async fn attempts(cx: &Cx, ids: &[WebhookDeliveryId]) -> Result<Vec<WebhookAttempt>> {
    Ok(webhook_attempt::of_deliveries(cx.tenant()?, ids).all(cx.db()).await?)
}

/// What these webhooks of the tenant say.
pub async fn messages(cx: &Cx, ids: &[EventId]) -> Result<Vec<WebhookMessage>> {
    let select = webhook_message::of(cx.tenant()?);
    Ok(select.filter(webhook_message::Column::Id.is_in(ids.iter().copied())).all(cx.db()).await?)
}
