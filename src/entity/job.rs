//! Background work. Rows of the nil tenant are the hub's own.
//!
//! The statements that many nodes run at once stand here as they are sent, since how they take rows is what
//! matters about them. Both databases read `$1`.

use std::{fmt, str::FromStr};

use sea_orm::{
    DbBackend, DeleteMany, FromQueryResult, QuerySelect, Statement, UpdateMany, Value,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::kernel::{
    clock::Moment,
    id::{JobId, TenantId},
    scope::UnknownName,
};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sea_orm::DeriveValueType)]
#[sea_orm(value_type = "String")]
pub enum State {
    /// For its time or its turn.
    Waiting,
    /// Somebody does it, under a lease.
    Running,
    /// It was given up.
    Dead,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Running, Self::Dead];

    /// The name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
            Self::Dead => "DEAD",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = UnknownName;

    /// Takes the name in any case.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let wanted = text.to_ascii_uppercase();
        Self::ALL.into_iter().find(|state| state.name() == wanted).ok_or_else(|| {
            UnknownName::new(format!("there is no state {text:?}; the states are WAITING, RUNNING and DEAD"))
        })
    }
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    pub tenant_id: TenantId,
    pub kind: String,
    pub unique_key: Option<String>,
    pub payload: Json,
    pub state: State,
    pub priority: i16,
    /// Its place among the jobs of its kind and priority.
    pub turn: i64,
    pub run_at: DateTimeUtc,
    pub attempts: i32,
    pub max_attempts: i32,
    /// Whether it was enqueued again while it ran.
    pub again: bool,
    /// Which worker has it.
    pub holder: Option<String>,
    pub leased_until: Option<DateTimeUtc>,
    /// How often it was taken; what was begun under an older number cannot be committed.
    pub fence: i64,
    pub last_error: Option<String>,
    /// Who caused it.
    pub actor_kind: String,
    pub actor: String,
    pub request_id: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The work of one tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The work of every tenant and of the hub, for its operators.
pub fn of_everybody() -> Select<Entity> {
    Entity::find()
}

/// The work of a tenant and kind whose key begins so.
pub fn under_keys(tenant: TenantId, kind: &str, prefix: &str) -> Select<Entity> {
    of(tenant).filter(COLUMN.kind.eq(kind)).filter(COLUMN.unique_key.starts_with(prefix))
}

/// What to do when work of that key waits or runs already: the newest payload counts, and one that runs will run
/// once more. One that waits is hurried, but not past the pause after a failure.
pub fn enqueued_again() -> OnConflict {
    let sooner = "CASE WHEN (jobs.state = 'RUNNING' AND NOT jobs.again) \
                  OR (excluded.run_at < jobs.run_at AND (jobs.attempts = 0 OR jobs.state = 'RUNNING')) \
                  THEN excluded.run_at ELSE jobs.run_at END";
    OnConflict::columns([Column::TenantId, Column::Kind, Column::UniqueKey])
        .target_and_where(Expr::cust("state <> 'DEAD'"))
        .values([
            (Column::Payload, Expr::cust("excluded.payload")),
            (Column::RunAt, Expr::cust(sooner)),
            (Column::Again, Expr::cust("jobs.again OR jobs.state = 'RUNNING'")),
            (Column::UpdatedAt, Expr::cust("excluded.updated_at")),
        ])
        .to_owned()
}

/// The turn of a tenant's next job of a kind: after its last, and not before whatever is first in line.
pub async fn next_turn(db: &impl ConnectionTrait, tenant: TenantId, kind: &str) -> Result<i64, DbErr> {
    let sql = "SELECT COALESCE((SELECT turn FROM jobs WHERE state = 'WAITING' AND kind = $1 \
               ORDER BY priority DESC, turn LIMIT 1), 0) AS first, \
               COALESCE((SELECT MAX(turn) FROM jobs WHERE state = 'WAITING' AND kind = $1 AND tenant_id = $2), -1) \
               AS last";
    let asked = Statement::from_sql_and_values(db.get_database_backend(), sql, [kind.into(), tenant.into()]);
    let Some(row) = db.query_one_raw(asked).await? else { return Ok(0) };
    let (first, last): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(std::cmp::max(first, last + 1))
}

/// When something of a kind is due next.
#[derive(Debug, FromQueryResult)]
pub struct Due {
    pub kind: String,
    pub at: Option<DateTimeUtc>,
}

/// When something of each of the kinds is due next.
pub fn due(backend: DbBackend, kinds: &[&'static str]) -> Statement {
    let each = (1..=kinds.len()).map(|at| {
        format!(
            "SELECT ${at} AS kind, \
             (SELECT run_at FROM jobs WHERE state = 'WAITING' AND kind = ${at} ORDER BY run_at LIMIT 1) AS at"
        )
    });
    let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
    Statement::from_sql_and_values(backend, sql, kinds.iter().map(|kind| Value::from(*kind)))
}

/// Who takes jobs, and until when it has them if it says nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a> {
    pub holder: &'a str,
    pub now: Moment,
    pub until: Moment,
}

/// Takes the first so many of a kind that are due, and gives them.
///
/// Rows that somebody else is taking are passed over (PostgreSQL), or there is nobody else (SQLite, which has one
/// writer). The work of tenants that are suspended or deleted waits.
pub fn take(backend: DbBackend, kind: &str, most: u64, taking: Taking<'_>) -> Statement {
    let first = "SELECT id FROM jobs WHERE state = 'WAITING' AND kind = $1 AND run_at <= $2 \
                 AND NOT EXISTS (SELECT 1 FROM tenants \
                     WHERE tenants.id = jobs.tenant_id AND tenants.status <> 'ACTIVE') \
                 ORDER BY priority DESC, turn, id LIMIT $3";
    let change = "UPDATE jobs SET state = 'RUNNING', attempts = attempts + 1, fence = fence + 1, holder = $4, \
                  leased_until = $5, updated_at = $2";
    let sql = match backend {
        DbBackend::Postgres => format!(
            "WITH taken AS MATERIALIZED ({first} FOR UPDATE SKIP LOCKED) \
             {change} FROM taken WHERE jobs.id = taken.id RETURNING jobs.*"
        ),
        _ => format!("{change} WHERE id IN ({first}) RETURNING *"),
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let values: [Value; 5] = [kind.into(), taking.now.into(), most.into(), taking.holder.into(), taking.until.into()];
    Statement::from_sql_and_values(backend, sql, values)
}

/// Prolongs the leases of a worker on these jobs.
pub fn keep(holder: &str, jobs: Vec<JobId>, until: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::LeasedUntil, Expr::value(until))
        .filter(COLUMN.id.is_in(jobs))
        .filter(COLUMN.holder.eq(holder))
        .filter(COLUMN.state.eq(State::Running))
}

/// Some that wait and were written after a moment, when it has not come yet: by a clock that was ahead.
pub fn written_after(moment: Moment, most: u64) -> Select<Entity> {
    Entity::find().filter(COLUMN.state.eq(State::Waiting)).filter(COLUMN.updated_at.gt(moment)).limit(most)
}

/// Lets one of them run at another moment, unless it was written again.
pub fn replanned(job: JobId, written: Moment, run_at: Moment, now: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::RunAt, Expr::value(run_at))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(COLUMN.id.eq(job))
        .filter(COLUMN.state.eq(State::Waiting))
        .filter(COLUMN.updated_at.eq(written))
}

/// Shortens leases that are longer than leases are.
pub fn shortened(longest: Moment, until: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::LeasedUntil, Expr::value(until))
        .filter(COLUMN.state.eq(State::Running))
        .filter(COLUMN.leased_until.gt(longest))
}

/// Lets go of jobs whose worker was not heard of for the length of its lease, unless they were tried often enough.
pub fn let_go(now: Moment, reason: &str) -> UpdateMany<Entity> {
    waiting(Entity::update_many(), now)
        .col_expr(Column::RunAt, Expr::value(now))
        .col_expr(Column::LastError, Expr::value(reason))
        .filter(COLUMN.state.eq(State::Running))
        .filter(COLUMN.leased_until.lte(now))
        .filter(Expr::col(Column::Attempts).lt(Expr::col(Column::MaxAttempts)))
}

/// Those whose worker was not heard of, and that were tried often enough.
pub fn worn_out(now: Moment) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.state.eq(State::Running))
        .filter(COLUMN.leased_until.lte(now))
        .filter(Expr::col(Column::Attempts).gte(Expr::col(Column::MaxAttempts)))
}

/// That the tenant of the job is served, or that it is of the hub itself.
fn served() -> Expr {
    Expr::cust("NOT EXISTS (SELECT 1 FROM tenants WHERE tenants.id = jobs.tenant_id AND tenants.status <> 'ACTIVE')")
}

/// The job, held until the commit, if it was not taken again since and its tenant is served.
pub fn held_under(job: JobId, fence: i64) -> Select<Entity> {
    Entity::find_by_id(job)
        .filter(COLUMN.fence.eq(fence))
        .filter(COLUMN.state.eq(State::Running))
        .filter(served())
        .lock_exclusive()
}

/// The end of a job that is done, unless it was enqueued again meanwhile or its tenant is not served any more.
pub fn remove_done(job: JobId, fence: i64) -> DeleteMany<Entity> {
    Entity::delete_many()
        .filter(served())
        .filter(COLUMN.id.eq(job))
        .filter(COLUMN.fence.eq(fence))
        .filter(COLUMN.state.eq(State::Running))
        .filter(COLUMN.again.eq(false))
}

/// Lets a job that was enqueued again meanwhile begin anew.
pub fn once_more(job: JobId, fence: i64, reason: Option<&str>, now: Moment) -> UpdateMany<Entity> {
    waiting(running(job, fence), now)
        .col_expr(Column::Again, Expr::value(false))
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::LastError, Expr::value(reason))
        .filter(COLUMN.again.eq(true))
}

/// Puts a job back, to be taken again at a moment. Without a reason it was interrupted, which is no attempt.
pub fn put_back(job: JobId, fence: i64, at: Moment, reason: Option<&str>, now: Moment) -> UpdateMany<Entity> {
    let back = waiting(running(job, fence), now).col_expr(Column::RunAt, Expr::value(at));
    match reason {
        Some(reason) => back.col_expr(Column::LastError, Expr::value(reason)),
        None => back.col_expr(Column::Attempts, Expr::col(Column::Attempts).sub(1)),
    }
}

/// Gives a job up.
pub fn bury(job: JobId, fence: i64, reason: &str, now: Moment) -> UpdateMany<Entity> {
    released(running(job, fence), now)
        .col_expr(Column::State, Expr::value(State::Dead))
        .col_expr(Column::LastError, Expr::value(reason))
}

/// Lets a dead job of the tenant begin anew.
pub fn raise(tenant: TenantId, job: JobId, now: Moment) -> UpdateMany<Entity> {
    let of = Entity::update_many().filter(COLUMN.id.eq(job)).filter(COLUMN.tenant_id.eq(tenant));
    waiting(of.filter(COLUMN.state.eq(State::Dead)), now)
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::RunAt, Expr::value(now))
}

fn running(job: JobId, fence: i64) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(COLUMN.id.eq(job))
        .filter(COLUMN.fence.eq(fence))
        .filter(COLUMN.state.eq(State::Running))
}

fn waiting(update: UpdateMany<Entity>, now: Moment) -> UpdateMany<Entity> {
    released(update, now).col_expr(Column::State, Expr::value(State::Waiting))
}

fn released(update: UpdateMany<Entity>, now: Moment) -> UpdateMany<Entity> {
    update
        .col_expr(Column::Holder, Expr::value(None::<String>))
        .col_expr(Column::LeasedUntil, Expr::value(None::<DateTimeUtc>))
        .col_expr(Column::UpdatedAt, Expr::value(now))
}

/// How many jobs of a kind are in a state, and since when the one that has waited longest could run.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Count {
    pub kind: String,
    pub state: State,
    pub jobs: i64,
    pub oldest: Option<DateTimeUtc>,
}

/// How many jobs there are, of everybody.
pub fn counts(backend: DbBackend) -> Statement {
    let sql = "SELECT kind, state, COUNT(*) AS jobs, MIN(run_at) AS oldest FROM jobs GROUP BY kind, state \
               ORDER BY kind, state";
    Statement::from_string(backend, sql)
}
