//! Tenants, which stand above tenant scope: whoever selects here says by which right.

use sea_orm::{Condition, DeleteMany, QueryOrder, entity::prelude::*};

use super::membership;
use crate::kernel::{id::TenantId, scope::Role};

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
    pub suspended_at: Option<DateTimeUtc>,
    pub suspension_reason: Option<String>,
    pub deleted_at: Option<DateTimeUtc>,
    /// When the last of its rows was removed after it was deleted.
    pub emptied_at: Option<DateTimeUtc>,
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

/// Those of the tenants that were not deleted, for who belongs to them.
pub fn of_any(ids: Vec<TenantId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.id.is_in(ids)).filter(COLUMN.deleted_at.is_null())
}

/// The tenant, and every one in which somebody has the role, in one order for all who hold them.
pub fn with_those_of_role(tenant: TenantId, role: Role) -> Select<Entity> {
    let with_role = Column::Id.in_subquery(membership::tenants_of_role(role));
    Entity::find().filter(Condition::any().add(COLUMN.id.eq(tenant)).add(with_role)).order_by_asc(Column::Id)
}

/// Those that were deleted by that moment and have rows left.
pub fn to_empty(deleted_by: DateTimeUtc) -> Select<Entity> {
    Entity::find().filter(COLUMN.deleted_at.lte(deleted_by)).filter(COLUMN.emptied_at.is_null())
}

/// Those of which nothing but the audit log is left.
pub fn emptied() -> Select<Entity> {
    Entity::find().filter(COLUMN.emptied_at.is_not_null())
}

/// Removes the row of a tenant that was deleted.
pub fn remove(tenant: TenantId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.eq(tenant)).filter(COLUMN.emptied_at.is_not_null())
}

/// Every tenant of the hub, for who runs the hub.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}
