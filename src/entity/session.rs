//! Sessions of people. They stand above tenants, as people do.

use sea_orm::{UpdateMany, entity::prelude::*, sea_query::Expr};

use super::membership;
use crate::kernel::id::{SessionId, TenantId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub user_id: UserId,
    /// The tenant in which requests of the session act unless they name one.
    pub chosen_tenant: Option<TenantId>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: DateTimeUtc,
    pub last_used_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub revoked_at: Option<DateTimeUtc>,
    pub revoked_because: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The sessions of a person.
pub fn of_person(user: UserId) -> Select<Entity> {
    Entity::find().filter(COLUMN.user_id.eq(user))
}

/// The session with that id, before it is known whose it is.
pub fn by_id(session: SessionId) -> Select<Entity> {
    Entity::find_by_id(session)
}

/// Ends the sessions of the people who belong to that tenant alone.
pub fn end_of_tenant(tenant: TenantId, at: DateTimeUtc, because: &str) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(at))
        .col_expr(Column::RevokedBecause, Expr::value(because))
        .filter(COLUMN.revoked_at.is_null())
        .filter(Column::UserId.in_subquery(membership::people_of(tenant)))
        .filter(Column::UserId.not_in_subquery(membership::people_elsewhere(tenant)))
}
