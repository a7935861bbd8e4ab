//! The write side of the event log.
//!
//! Only the write transaction of `context` calls this, once, just before it commits: all facts of a
//! change go out in one statement.
//!
//! On **SQLite** there is one writer at a time, so the order of writing is the order of becoming visible,
//! and the transaction numbers its events itself. On **PostgreSQL** many write at once and nobody knows who
//! will commit first; there the events wait in `outbox` and are numbered once they are visible, by the
//! [`sequencer`](super::sequencer).

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{ActiveValue::NotSet, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, Statement, Value};

use super::{Entry, Fact};
use crate::{
    entity::{event, outbox},
    kernel::{
        actor::Actor,
        clock::Moment,
        error::{Error, Result},
        id::{EventId, TenantId},
    },
};

/// An event that waits for its commit.
#[derive(Clone, Debug)]
pub struct Draft {
    row: outbox::Model,
}

/// What a transaction wrote, for who wants to know at once.
#[derive(Clone, Debug)]
pub enum Written {
    /// Nothing.
    Nothing,
    /// Events that are in the log as soon as the transaction has committed.
    Logged(Vec<Entry>),
    /// Events that wait for the sequencer.
    Waiting,
}

impl Draft {
    /// Puts a fact on paper.
    pub fn new<F: Fact>(
        fact: &F,
        id: EventId,
        tenant: TenantId,
        actor: &Actor,
        request: &str,
        at: Moment,
    ) -> Result<Self> {
        let data = serde_json::to_value(fact)
            .map_err(|error| Error::Internal("an event could not be written", error.into()))?;
        let row = outbox::Model {
            position: 0,
            event_id: id,
            tenant_id: tenant,
            topic: F::TOPIC.to_owned(),
            kind: fact.kind().to_owned(),
            subject: fact.subject(),
            data,
            actor: actor.to_string(),
            request_id: Some(request.to_owned()),
            at,
        };
        Ok(Self { row })
    }

    /// The event at its place in the log.
    fn placed(self, position: i64, number: i64) -> event::Model {
        let outbox::Model { position: _, event_id, tenant_id, topic, kind, subject, data, actor, request_id, at } =
            self.row;
        event::Model { position, tenant_id, number, event_id, topic, kind, subject, data, actor, request_id, at }
    }
}

/// Writes the drafts, in order.
pub async fn write(db: &impl ConnectionTrait, drafts: Vec<Draft>) -> Result<Written> {
    if drafts.is_empty() {
        return Ok(Written::Nothing);
    }
    if db.get_database_backend() == DbBackend::Sqlite {
        return Ok(Written::Logged(append(db, drafts).await?));
    }
    let rows = drafts.into_iter().map(|draft| {
        let mut row = draft.row.into_active_model();
        row.position = NotSet;
        row
    });
    outbox::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(Written::Waiting)
}

/// Numbers and appends; whoever calls this is the only writer.
async fn append(db: &impl ConnectionTrait, drafts: Vec<Draft>) -> Result<Vec<Entry>> {
    let mut counts = BTreeMap::<TenantId, i64>::new();
    for draft in &drafts {
        *counts.entry(draft.row.tenant_id).or_default() += 1;
    }
    let mut numbers = BTreeMap::new();
    for (tenant, count) in counts {
        let head = "INSERT INTO event_heads (tenant_id, number, oldest) VALUES (?, ?, 1) \
                    ON CONFLICT (tenant_id) DO UPDATE SET number = number + excluded.number RETURNING number";
        let head = moved(db, head, vec![tenant.uuid().into(), count.into()]).await?;
        numbers.insert(tenant, head - count);
    }
    let count = i64::try_from(drafts.len()).unwrap_or(i64::MAX);
    let log = "UPDATE event_log SET position = position + ? WHERE id = 1 RETURNING position";
    let mut position = moved(db, log, vec![count.into()]).await? - count;
    let mut entries = Vec::with_capacity(drafts.len());
    for draft in drafts {
        position += 1;
        let number = numbers.entry(draft.row.tenant_id).or_default();
        *number += 1;
        entries.push(draft.placed(position, *number));
    }
    db.execute_raw(event::appended(&entries)?).await?;
    Ok(entries.into_iter().map(Arc::new).collect())
}

/// Moves a head on, and says where it is now.
async fn moved(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<i64> {
    let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
    let missing = || Error::Internal("the event log has no head", "no row came back".into());
    Ok(row.ok_or_else(missing)?.try_get_by_index(0)?)
}
