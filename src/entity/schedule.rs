//! What is due again and again. Rows of the nil tenant are the hub's own.

use sea_orm::{
    DeleteMany, QueryOrder, QuerySelect, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, LockBehavior, LockType, OnConflict},
};

use crate::kernel::{
    clock::Moment,
    id::{ScheduleId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ScheduleId,
    pub tenant_id: TenantId,
    /// Which kind of job each tick enqueues.
    pub kind: String,
    /// What it is for, within its tenant and kind.
    pub key: String,
    pub payload: Json,
    pub max_attempts: i32,
    /// The rhythm, as `kernel::rhythm` writes it.
    pub rhythm: Json,
    /// When it is due next; nothing, if never again.
    pub next_at: Option<DateTimeUtc>,
    pub last_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The schedules of one tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The one that is there for this.
pub fn by_key(tenant: TenantId, kind: &str, key: &str) -> Select<Entity> {
    of(tenant).filter(COLUMN.kind.eq(kind)).filter(COLUMN.key.eq(key))
}

/// What to do when there is one already that was made at the same instant: nothing.
pub fn made_meanwhile() -> OnConflict {
    OnConflict::columns([Column::TenantId, Column::Kind, Column::Key]).do_nothing().to_owned()
}

/// Those that are due, held until the commit; those that somebody else holds are passed over.
pub fn due(now: Moment, most: u64) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.next_at.lte(now))
        .order_by_asc(Column::NextAt)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
}

/// The first that is due next.
pub fn next() -> Select<Entity> {
    Entity::find().filter(COLUMN.next_at.is_not_null()).order_by_asc(Column::NextAt).limit(1)
}

/// Those of everybody that are due later than a moment, after an id, in the order of ids.
pub fn later_than(moment: Moment, after: Option<ScheduleId>, most: u64) -> Select<Entity> {
    let later = Entity::find().filter(COLUMN.next_at.gt(moment)).order_by_asc(Column::Id).limit(most);
    match after {
        Some(id) => later.filter(COLUMN.id.gt(id)),
        None => later,
    }
}

/// Plans another next tick, unless somebody else has planned one.
pub fn replanned(id: ScheduleId, from: Moment, to: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(to))
        .filter(COLUMN.id.eq(id))
        .filter(COLUMN.next_at.eq(from))
}

/// Notes that a tick is over, and when the next one is.
pub fn moved(id: ScheduleId, last: Moment, next: Option<Moment>) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::LastAt, Expr::value(last))
        .col_expr(Column::NextAt, Expr::value(next))
        .filter(COLUMN.id.eq(id))
}

/// Ends one.
pub fn remove(tenant: TenantId, kind: &str, key: &str) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.kind.eq(kind)).filter(COLUMN.key.eq(key))
}
