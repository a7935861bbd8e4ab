//! People. They stand above tenants; a tenant sees those who have a membership in it.

use sea_orm::{DeleteMany, JoinType, QuerySelect, RelationTrait, entity::prelude::*};

use super::membership;
use crate::kernel::id::{TenantId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub password_hash: Option<String>,
    pub password_changed_at: Option<DateTimeUtc>,
    /// When the person last asked for a new password, until there is one.
    pub password_reset_requested_at: Option<DateTimeUtc>,
    /// The tenant that the account began in; its administrators look after it while the person has no other.
    pub founding_tenant_id: Option<TenantId>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub memberships: HasMany<membership::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The people with a membership in the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().join(JoinType::InnerJoin, Relation::Membership.def()).filter(membership::COLUMN.tenant_id.eq(tenant))
}

/// The person, for what concerns the account itself.
pub fn by_id(user: UserId) -> Select<Entity> {
    Entity::find_by_id(user)
}

/// Whoever has that address, in whichever tenant: an address names one person in the hub.
pub fn by_email(email: &str) -> Select<Entity> {
    Entity::find().filter(COLUMN.email.eq(email))
}

/// The people of the tenant who belong to no other one.
pub fn only_of(tenant: TenantId) -> Select<Entity> {
    Entity::find()
        .filter(Column::Id.in_subquery(membership::people_of(tenant)))
        .filter(Column::Id.not_in_subquery(membership::people_elsewhere(tenant)))
}

/// Removes those of the people who belong to no other tenant, when the tenant is gone.
pub fn remove_only_of(tenant: TenantId, people: Vec<UserId>) -> DeleteMany<Entity> {
    Entity::delete_many()
        .filter(COLUMN.id.is_in(people))
        .filter(Column::Id.not_in_subquery(membership::people_elsewhere(tenant)))
}
