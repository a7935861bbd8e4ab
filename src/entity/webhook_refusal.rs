//! Webhooks that were not believed: the last ones of each source, for people to look at. Nothing reads them otherwise.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, QueryTrait, entity::prelude::*};

use crate::kernel::{
    clock::Moment,
    id::{TenantId, WebhookRefusalId, WebhookSourceId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_refusals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookRefusalId,
    pub tenant_id: TenantId,
    pub source_id: WebhookSourceId,
    pub at: DateTimeUtc,
    pub address: Option<String>,
    pub reason: String,
    /// The parameters of the address, without secrets.
    pub query: String,
    /// Pairs of names and values, without secrets.
    pub headers: Json,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// How many bytes the body had.
    pub size: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// Those of the tenant's source, newest first.
pub fn of(tenant: TenantId, source: WebhookSourceId) -> Select<Entity> {
    let all = Entity::find().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.source_id.eq(source));
    all.order_by_desc(Column::Id)
}

/// All of the tenant's source but the newest so many, to forget.
pub fn beyond(tenant: TenantId, source: WebhookSourceId, most: u64) -> DeleteMany<Entity> {
    let newest = of(tenant, source).select_only().column(Column::Id).limit(most);
    Entity::delete_many()
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.source_id.eq(source))
        .filter(COLUMN.id.not_in_subquery(newest.into_query()))
}

/// Those of the whole hub from before a moment, to forget.
pub fn before(moment: Moment) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.at.lt(moment))
}
