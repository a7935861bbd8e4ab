//! The event log: append-only, numbered without holes for each tenant.

use sea_orm::{DbBackend, DeleteMany, QueryOrder, Statement, Value, entity::prelude::*};
use serde::{Deserialize, Serialize};

use crate::kernel::{
    error::{Error, Result},
    id::{EventId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub tenant_id: TenantId,
    pub number: i64,
    pub event_id: EventId,
    pub topic: String,
    pub kind: String,
    pub subject: String,
    pub data: Json,
    pub actor: String,
    pub request_id: Option<String>,
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The log of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The log of all tenants after a position, in order; for the feed and other parts of the program that
/// follow all of it.
pub fn beyond(position: i64) -> Select<Entity> {
    Entity::find().filter(COLUMN.position.gt(position)).order_by_asc(Column::Position)
}

/// The oldest events of the whole hub; for retention.
pub fn oldest() -> Select<Entity> {
    Entity::find().order_by_asc(Column::Position)
}

/// The newest events of the whole hub first; for a comparison with the clock.
pub fn newest() -> Select<Entity> {
    Entity::find().order_by_desc(Column::Position)
}

/// Takes away events up to a position; for retention.
pub fn up_to(position: i64) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.position.lte(position))
}

/// Puts events at the end of the log of SQLite. Written out, since the log is where all changes go: to build this from
/// models costs several times what the rows cost.
pub fn appended(events: &[Model]) -> Result<Statement> {
    const COLUMNS: [Column; 11] = [
        Column::Position,
        Column::TenantId,
        Column::Number,
        Column::EventId,
        Column::Topic,
        Column::Kind,
        Column::Subject,
        Column::Data,
        Column::Actor,
        Column::RequestId,
        Column::At,
    ];
    let mut values: Vec<Value> = Vec::with_capacity(events.len() * COLUMNS.len());
    for event in events {
        let data = serde_json::to_string(&event.data)
            .map_err(|error| Error::Internal("an event could not be written", error.into()))?;
        values.extend([
            event.position.into(),
            event.tenant_id.into(),
            event.number.into(),
            event.event_id.into(),
            event.topic.as_str().into(),
            event.kind.as_str().into(),
            event.subject.as_str().into(),
            data.into(),
            event.actor.as_str().into(),
            event.request_id.as_deref().into(),
            event.at.into(),
        ]);
    }
    let columns: Vec<_> = COLUMNS.iter().map(Column::as_str).collect();
    let row = format!("({})", vec!["?"; COLUMNS.len()].join(", "));
    let rows = vec![row.as_str(); events.len()].join(", ");
    let sql = format!("INSERT INTO events ({}) VALUES {rows}", columns.join(", "));
    Ok(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
}

/// The newest events of a topic about each of several subjects, in one statement.
pub fn newest_about(backend: DbBackend, tenant: TenantId, topic: &str, subjects: &[String], most: u64) -> Statement {
    let mut values: Vec<Value> = vec![tenant.into(), topic.into()];
    let mut each = Vec::with_capacity(subjects.len());
    for subject in subjects {
        values.push(subject.as_str().into());
        let at = values.len();
        each.push(format!(
            "SELECT * FROM (SELECT * FROM events WHERE tenant_id = $1 AND topic = $2 AND subject = ${at} \
             ORDER BY number DESC LIMIT {most}) AS part"
        ));
    }
    Statement::from_sql_and_values(backend, each.join(" UNION ALL "), values)
}
