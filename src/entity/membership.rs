//! The bond of a user to a tenant, with a role.

use sea_orm::{QuerySelect, QueryTrait, entity::prelude::*, sea_query::SelectStatement};

use crate::kernel::{
    id::{MembershipId, TenantId, UserId},
    scope::Role,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MembershipId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub role: Role,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// Sessions that began by then do not act in the tenant.
    pub sessions_ended_at: Option<DateTimeUtc>,
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The memberships in the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those of one person in every tenant, to tell whether a tenant is that person's only one.
pub fn of_person(user: UserId) -> Select<Entity> {
    Entity::find().filter(COLUMN.user_id.eq(user))
}

/// Those with the role in any tenant, to tell whether somebody is left who has it.
pub fn of_role(role: Role) -> Select<Entity> {
    Entity::find().filter(COLUMN.role.eq(role))
}

/// The tenants in which somebody has the role, to select by in other tables.
pub fn tenants_of_role(role: Role) -> SelectStatement {
    Entity::find().select_only().column(Column::TenantId).filter(COLUMN.role.eq(role)).into_query()
}

/// The people of the tenant, to select by in other tables.
pub fn people_of(tenant: TenantId) -> SelectStatement {
    Entity::find().select_only().column(Column::UserId).filter(COLUMN.tenant_id.eq(tenant)).into_query()
}

/// The people of every other tenant, to select by in other tables.
pub fn people_elsewhere(tenant: TenantId) -> SelectStatement {
    Entity::find().select_only().column(Column::UserId).filter(COLUMN.tenant_id.ne(tenant)).into_query()
}
