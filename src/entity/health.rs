//! What is known of each integration's health. Rows of the whole hub are taken by whoever probes.

use sea_orm::{
    FromQueryResult, QueryOrder, QuerySelect, QueryTrait, Statement, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict},
};

use super::{integration, places::Places};
use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "health")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    pub tenant_id: TenantId,
    /// Whether it is probed.
    pub watched: bool,
    pub verdict: Verdict,
    pub since: DateTimeUtc,
    pub axis: Option<Axis>,
    pub reason: Option<String>,
    pub class: Option<String>,
    pub credential: Side,
    pub reachability: Side,
    pub quota: Side,
    pub permission: Side,
    pub freshness: Side,
    /// Observations in a row that were failures.
    pub failures: i32,
    /// In a row that were not as they should be, failures among them.
    pub troubles: i32,
    /// In a row that were as they should be.
    pub successes: i32,
    /// Microseconds of the last probe.
    pub latency: Option<i64>,
    /// Microseconds as it usually takes.
    pub baseline: Option<i64>,
    /// How many probes the baseline was learned from.
    pub samples: i32,
    /// When it last got better.
    pub improved_at: Option<DateTimeUtc>,
    /// When somebody last set out to ask.
    pub asked_at: Option<DateTimeUtc>,
    pub checked_at: Option<DateTimeUtc>,
    pub next_at: DateTimeUtc,
    /// Seconds between probes, where somebody chose them.
    pub every: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How an integration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Verdict {
    #[sea_orm(string_value = "UNKNOWN")]
    Unknown,
    #[sea_orm(string_value = "HEALTHY")]
    Healthy,
    #[sea_orm(string_value = "DEGRADED")]
    Degraded,
    #[sea_orm(string_value = "DOWN")]
    Down,
}

/// A side that is looked at by itself, because it is mended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Axis {
    #[sea_orm(string_value = "CREDENTIAL")]
    Credential,
    #[sea_orm(string_value = "REACHABILITY")]
    Reachability,
    #[sea_orm(string_value = "QUOTA")]
    Quota,
    #[sea_orm(string_value = "PERMISSION")]
    Permission,
    #[sea_orm(string_value = "FRESHNESS")]
    Freshness,
}

/// How a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Side {
    #[sea_orm(string_value = "UNKNOWN")]
    Unknown,
    #[sea_orm(string_value = "GOOD")]
    Good,
    #[sea_orm(string_value = "BAD")]
    Bad,
}

/// The health of the tenant's integrations.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, integration: IntegrationId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.integration_id.eq(integration))
}

/// Those of the whole hub that are due, the longest first, held until the commit; those that somebody else holds are
/// passed over. Of tenants that are suspended nobody is asked.
pub fn due(now: Moment, most: u64) -> Select<Entity> {
    let asleep =
        "NOT EXISTS (SELECT 1 FROM tenants WHERE tenants.id = health.tenant_id AND tenants.status <> 'ACTIVE')";
    Entity::find()
        .filter(COLUMN.watched.eq(true))
        .filter(COLUMN.next_at.lte(now))
        .filter(Expr::cust(asleep))
        .order_by_asc(Column::NextAt)
        .limit(most)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
}

/// The one of the whole hub that is due first.
pub fn next() -> Select<Entity> {
    Entity::find().filter(COLUMN.watched.eq(true)).order_by_asc(Column::NextAt).limit(1)
}

/// The integrations that rows belong to, to be held before those: deleting one takes them in that order. Whoever writes
/// a line that leads to one of them is not kept waiting by that.
pub fn owners(ids: impl IntoIterator<Item = IntegrationId>) -> Select<integration::Entity> {
    integration::Entity::find()
        .select_only()
        .column(integration::Column::Id)
        .filter(integration::COLUMN.id.is_in(ids))
        .order_by_asc(integration::Column::Id)
        .lock(LockType::NoKeyUpdate)
}

/// Those of the whole hub about which something was observed, held until the commit, always in one order.
pub fn held(ids: impl IntoIterator<Item = IntegrationId>) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.integration_id.is_in(ids))
        .order_by_asc(Column::IntegrationId)
        .lock(LockType::NoKeyUpdate)
}

/// Rows that are there and are written as they are now: that many in one statement.
pub fn rewritten() -> OnConflict {
    let mut all: Vec<Column> = <Column as sea_orm::Iterable>::iter().collect();
    all.retain(|column| !matches!(column, Column::IntegrationId | Column::TenantId));
    OnConflict::column(Column::IntegrationId).update_columns(all).to_owned()
}

/// What whoever probes notes when it sets out: for each integration when it is due next.
pub fn set_out(backend: sea_orm::DbBackend, now: Moment, next: Vec<(IntegrationId, Moment)>) -> Statement {
    let mut places = Places::of(backend);
    let now = places.put(now);
    let rows =
        next.into_iter().map(|(integration, next)| format!("({}, {})", places.put(integration), places.put(next)));
    let rows = rows.collect::<Vec<_>>().join(", ");
    places.statement(format!(
        "UPDATE health SET asked_at = {now}, next_at = due.column2 FROM (VALUES {rows}) AS due \
         WHERE health.integration_id = due.column1"
    ))
}

/// The intervals that people chose, each once.
pub fn intervals() -> Select<Entity> {
    Entity::find().select_only().column(Column::Every).filter(COLUMN.every.is_not_null()).distinct()
}

/// Lets the next probe be now where it is planned for later than a moment: of integrations with this interval of their
/// own, or of those of some providers that have none.
pub fn replanned(later_than: Moment, now: Moment, of: Replanned<'_>) -> UpdateMany<Entity> {
    let late = Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(now))
        .filter(COLUMN.watched.eq(true))
        .filter(COLUMN.next_at.gt(later_than));
    let providers = |select: Select<integration::Entity>| {
        Column::IntegrationId.in_subquery(select.select_only().column(integration::Column::Id).into_query())
    };
    let all = integration::Entity::find;
    match of {
        Replanned::Every(seconds) => late.filter(COLUMN.every.eq(seconds)),
        Replanned::Of(keys) => late
            .filter(COLUMN.every.is_null())
            .filter(providers(all().filter(integration::COLUMN.provider.is_in(keys.iter().copied())))),
        Replanned::NotOf(keys) => late
            .filter(COLUMN.every.is_null())
            .filter(providers(all().filter(integration::COLUMN.provider.is_not_in(keys.iter().copied())))),
    }
}

/// Whose probes are planned anew.
#[derive(Clone, Copy, Debug)]
pub enum Replanned<'a> {
    /// Those with this interval of their own, in seconds.
    Every(i32),
    /// Those of these providers.
    Of(&'a [&'a str]),
    /// Those of all other providers.
    NotOf(&'a [&'a str]),
}

/// Begins to watch every enabled integration of the hub of which nothing is known yet.
pub fn adopt(backend: sea_orm::DbBackend, now: Moment) -> Statement {
    let sql = "INSERT INTO health (integration_id, tenant_id, watched, verdict, since, credential, reachability, \
               quota, permission, freshness, failures, troubles, successes, samples, next_at) \
               SELECT id, tenant_id, TRUE, 'UNKNOWN', $1, 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', \
               0, 0, 0, 0, $1 FROM integrations WHERE enabled \
               AND NOT EXISTS (SELECT 1 FROM health WHERE health.integration_id = integrations.id) \
               ON CONFLICT (integration_id) DO NOTHING";
    Statement::from_sql_and_values(backend, sql, [now.into()])
}

/// Begins again to watch what was enabled again.
pub fn resume(backend: sea_orm::DbBackend, now: Moment) -> Statement {
    let sql = "UPDATE health SET watched = TRUE, next_at = $1 WHERE NOT watched AND EXISTS \
               (SELECT 1 FROM integrations WHERE integrations.id = health.integration_id AND integrations.enabled)";
    Statement::from_sql_and_values(backend, sql, [now.into()])
}

/// Those that are watched though their integration was disabled.
pub fn disabled(most: u64) -> Select<Entity> {
    let off = "EXISTS (SELECT 1 FROM integrations \
               WHERE integrations.id = health.integration_id AND NOT integrations.enabled)";
    Entity::find().filter(COLUMN.watched.eq(true)).filter(Expr::cust(off)).limit(most)
}

/// Lets the next probe of an integration be now, unless somebody has set out since that moment.
pub fn hurry(tenant: TenantId, integration: IntegrationId, since: Moment, now: Moment) -> UpdateMany<Entity> {
    update_of(tenant, integration)
        .col_expr(Column::NextAt, Expr::value(now))
        .filter(COLUMN.next_at.gt(now))
        .filter(COLUMN.asked_at.is_null().or(COLUMN.asked_at.lt(since)))
}

/// How many of a tenant's integrations are so; nothing where nothing is known yet.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Count {
    pub verdict: Option<Verdict>,
    pub integrations: i64,
}

/// How many enabled integrations of the tenant there are of each verdict.
pub fn counts(backend: sea_orm::DbBackend, tenant: TenantId) -> Statement {
    let sql = "SELECT health.verdict AS verdict, COUNT(*) AS integrations FROM integrations \
               LEFT JOIN health ON health.integration_id = integrations.id \
               WHERE integrations.tenant_id = $1 AND integrations.enabled GROUP BY health.verdict";
    Statement::from_sql_and_values(backend, sql, [tenant.into()])
}

/// What to do when a row is there already: nothing.
pub fn there() -> OnConflict {
    OnConflict::column(Column::IntegrationId).do_nothing().to_owned()
}
