//! Tenants, which stand above tenant scope: whoever selects here says by which right.

use sea_orm::{QuerySelect, QueryTrait, entity::prelude::*, sea_query::SelectStatement};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub status: String,
    pub time_zone: String,
    pub locale: String,
    pub currency: String,
    pub date_format: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The one tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find_by_id(tenant)
}

/// The tenant with that slug, for who chooses a tenant by name.
pub fn by_slug(slug: &str) -> Select<Entity> {
    Entity::find().filter(COLUMN.slug.eq(slug))
}

/// The ids of all that are served, to select by in other tables.
pub fn served_ids() -> SelectStatement {
    Entity::find().select_only().column(Column::Id).filter(COLUMN.status.eq("ACTIVE")).into_query()
}

/// Those of the tenants that are served.
pub fn served(ids: Vec<TenantId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.id.is_in(ids)).filter(COLUMN.status.eq("ACTIVE"))
}

/// Every tenant of the hub, for who runs the hub.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}
