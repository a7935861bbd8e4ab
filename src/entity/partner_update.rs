//! What partners said of orders, and what came of it.

use sea_orm::{
    DbBackend, FromQueryResult, QueryOrder, QuerySelect, Statement, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, OrderId, PartnerUpdateId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner_updates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnerUpdateId,
    pub tenant_id: TenantId,
    pub partner_integration_id: IntegrationId,
    /// The order, once it is known.
    pub order_id: Option<OrderId>,
    pub partner_order_id: String,
    /// The partner's word.
    pub said: String,
    pub note: Option<String>,
    /// By the partner's clock.
    pub happened_at: DateTimeUtc,
    pub received_at: DateTimeUtc,
    pub via: Via,
    /// What is the same when it is said again.
    pub dedupe_key: String,
    pub repeats: i64,
    pub state: State,
    pub reason: Option<String>,
    /// Our status that it means, once that is known.
    pub meant: Option<String>,
    /// The status that the order had.
    pub from_status: Option<String>,
    pub mapping_version: Option<i32>,
    pub settled_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How an update came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Via {
    #[sea_orm(string_value = "API")]
    Api,
    #[sea_orm(string_value = "WEBHOOK")]
    Webhook,
    #[sea_orm(string_value = "SYNC")]
    Sync,
}

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    #[sea_orm(string_value = "APPLIED")]
    Applied,
    #[sea_orm(string_value = "UNCHANGED")]
    Unchanged,
    #[sea_orm(string_value = "LATE")]
    Late,
    #[sea_orm(string_value = "IGNORED")]
    Ignored,
    #[sea_orm(string_value = "UNMAPPED")]
    Unmapped,
    #[sea_orm(string_value = "FORBIDDEN")]
    Forbidden,
    #[sea_orm(string_value = "WAITING")]
    Waiting,
    #[sea_orm(string_value = "DEAD")]
    Dead,
}

impl State {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "APPLIED",
            Self::Unchanged => "UNCHANGED",
            Self::Late => "LATE",
            Self::Ignored => "IGNORED",
            Self::Unmapped => "UNMAPPED",
            Self::Forbidden => "FORBIDDEN",
            Self::Waiting => "WAITING",
            Self::Dead => "DEAD",
        }
    }
}

/// Said as an index says it, which does not serve a value that is filled in.
const WAITING: &str = "state = 'WAITING'";

/// The same for those that were given up.
const DEAD: &str = "state = 'DEAD'";

/// The updates of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those of one partner integration.
pub fn of_integration(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.partner_integration_id.eq(integration))
}

/// The one that says the same, if it was said before.
pub fn same(tenant: TenantId, integration: IntegrationId, key: &str) -> Select<Entity> {
    of_integration(tenant, integration).filter(COLUMN.dedupe_key.eq(key)).lock_exclusive()
}

/// Notes that it was said once more.
pub fn repeated(tenant: TenantId, id: PartnerUpdateId) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Repeats, Expr::col(Column::Repeats).add(1))
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.id.eq(id))
}

/// Somebody else wrote the same meanwhile.
pub fn written_meanwhile() -> OnConflict {
    OnConflict::columns([Column::PartnerIntegrationId, Column::DedupeKey]).do_nothing().to_owned()
}

/// Those for an order that wait for it to be known.
pub fn waiting_for(tenant: TenantId, integration: IntegrationId, partner_order: &str) -> Select<Entity> {
    of_integration(tenant, integration).filter(COLUMN.partner_order_id.eq(partner_order)).filter(Expr::cust(WAITING))
}

/// Those of a partner integration that were given up because no order was known. What was refused was settled as it
/// came, and is none of them.
pub fn given_up(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of_integration(tenant, integration)
        .filter(Expr::cust(DEAD))
        .filter(Expr::col(Column::SettledAt).gt(Expr::col(Column::ReceivedAt)))
}

/// Those of them that were for one order.
pub fn given_up_for(tenant: TenantId, integration: IntegrationId, partner_order: &str) -> Select<Entity> {
    given_up(tenant, integration).filter(COLUMN.partner_order_id.eq(partner_order))
}

/// Those of an order that were kept because they could not be applied then, in the order of the partner's clock.
pub fn kept_of(tenant: TenantId, order: OrderId) -> Select<Entity> {
    of(tenant)
        .filter(COLUMN.order_id.eq(order))
        .filter(COLUMN.state.eq(State::Forbidden))
        .order_by_asc(Column::HappenedAt)
        .order_by_asc(Column::Said)
}

/// Those of a partner integration whose word meant nothing, in the order of the partner's clock.
pub fn unmapped(tenant: TenantId, integration: IntegrationId, most: u64) -> Select<Entity> {
    of_integration(tenant, integration)
        .filter(Expr::cust("state = 'UNMAPPED'"))
        .order_by_asc(Column::HappenedAt)
        .order_by_asc(Column::Id)
        .limit(most)
}

/// Those of the whole hub that wait for an order since before that moment.
pub fn waiting_since_before(moment: Moment, most: u64) -> Select<Entity> {
    Entity::find()
        .filter(Expr::cust(WAITING))
        .filter(COLUMN.received_at.lt(moment))
        .order_by_asc(Column::Id)
        .limit(most)
}

/// How many came in one state, and how late.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Count {
    pub partner_integration_id: IntegrationId,
    pub state: State,
    pub updates: i64,
    pub repeats: Option<i64>,
}

/// How many came to these since a moment, by what came of them.
pub fn counts(
    tenant: TenantId,
    ids: &[IntegrationId],
    since: Moment,
) -> sea_orm::Selector<sea_orm::SelectModel<Count>> {
    of(tenant)
        .filter(COLUMN.partner_integration_id.is_in(ids.iter().copied()))
        // Ids sort by the time at which they came, and have the index.
        .filter(COLUMN.id.gte(PartnerUpdateId::first_of(since)))
        .select_only()
        .columns([Column::PartnerIntegrationId, Column::State])
        .column_as(COLUMN.id.count(), "updates")
        .column_as(Expr::cust("CAST(SUM(repeats) AS BIGINT)"), "repeats")
        .group_by(Column::PartnerIntegrationId)
        .group_by(Column::State)
        .into_model::<Count>()
}

/// When something was said and when it was heard.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Timing {
    pub happened_at: DateTimeUtc,
    pub received_at: DateTimeUtc,
}

/// The newest so many of a partner integration since a moment, for how late they come.
pub fn timings(
    tenant: TenantId,
    integration: IntegrationId,
    since: Moment,
    most: u64,
) -> sea_orm::Selector<sea_orm::SelectModel<Timing>> {
    of_integration(tenant, integration)
        .filter(COLUMN.id.gte(PartnerUpdateId::first_of(since)))
        .order_by_desc(Column::Id)
        .limit(most)
        .select_only()
        .columns([Column::HappenedAt, Column::ReceivedAt])
        .into_model::<Timing>()
}

/// Deletes the oldest that are settled since before a moment, at most so many.
pub fn forget(backend: DbBackend, before: Moment, most: u64) -> Statement {
    let sql = format!(
        "DELETE FROM partner_updates WHERE id IN (SELECT id FROM partner_updates \
         WHERE settled_at < $1 AND state NOT IN ('WAITING', 'UNMAPPED', 'FORBIDDEN') LIMIT {most})"
    );
    Statement::from_sql_and_values(backend, sql, [before.into()])
}
