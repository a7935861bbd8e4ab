//! Numbers events once they are visible; for PostgreSQL.
//!
//! A sequence hands out its values before the commit, so a reader that pages by one loses whatever commits
//! late. Writers therefore put events into `outbox` and a *pass* moves what is visible into `events`, where
//! position and number are given in the order of becoming visible, without holes:
//!
//! ```text
//! writers ──insert──▶ outbox ──pass: take, number, append──▶ events ──▶ readers page by number
//! ```
//!
//! **One at a time.** A pass holds an advisory lock for the length of its transaction. There is no leader and
//! no lease that could outlive its holder: the database lets go of the lock when the transaction ends, however
//! it ends, and visibly *after* what it wrote. Every node makes a pass right after its own commits, so the
//! usual wait is that pass; once a second each looks whether somebody left something behind.
//!
//! **Nobody waits for writers.** A pass takes what its snapshot shows and no more. A transaction that is open
//! for an hour, in this database or another, holds back its own events and nothing else.
//!
//! **Causes before effects.** Whoever saw a change wrote after that change was committed, so its row drew the
//! later value of `outbox.position`; and a snapshot that shows the effect shows the cause. A pass takes the
//! lowest positions first: no effect can overtake its cause, not even between two passes.
//!
//! **A crash** between commit and pass leaves rows in `outbox` for the next pass of any node. A crash in a
//! pass undoes the pass.
//!
//! One statement does the whole pass, so it costs the same three round trips for one event and for a thousand.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement, TransactionTrait};
use tokio_util::sync::CancellationToken;

use super::{Entry, Feed};
use crate::{
    entity::event,
    kernel::error::{Result, chain},
};

/// Events that one pass moves at most.
const BATCH: usize = 1_000;

/// How long to wait before looking for what others left behind.
const FLOOR: Duration = Duration::from_secs(1);

/// The lock under which a pass is made; the number spells "prtq".
const LOCK: i64 = 0x7072_7471;

/// On which channel other nodes hear of new events.
pub const CHANNEL: &str = "portolan_events";

const PASS: &str = "
    WITH taken AS (
        SELECT position FROM outbox ORDER BY position LIMIT $1
    ), moved AS (
        DELETE FROM outbox USING taken WHERE outbox.position = taken.position RETURNING outbox.*
    ), placed AS (
        SELECT moved.*, row_number() OVER (ORDER BY position) AS nth,
               row_number() OVER (PARTITION BY tenant_id ORDER BY position) AS nth_of_tenant
        FROM moved
    ), heads AS (
        INSERT INTO event_heads (tenant_id, number, oldest)
        SELECT tenant_id, count(*), 1 FROM moved GROUP BY tenant_id
        ON CONFLICT (tenant_id) DO UPDATE SET number = event_heads.number + excluded.number
        RETURNING tenant_id, number
    ), counts AS (
        SELECT tenant_id, count(*) AS count FROM moved GROUP BY tenant_id
    ), log AS (
        UPDATE event_log SET position = position + (SELECT count(*) FROM moved) WHERE id = 1
        RETURNING position
    ), appended AS (
        INSERT INTO events (position, tenant_id, number, event_id, topic, kind, subject, data, actor, request_id, at)
        SELECT log.position - (SELECT count(*) FROM moved) + nth, placed.tenant_id,
               heads.number - counts.count + nth_of_tenant,
               event_id, topic, kind, subject, data, actor, request_id, at
        FROM placed JOIN heads USING (tenant_id) JOIN counts USING (tenant_id) CROSS JOIN log
        RETURNING *
    ), told AS (
        SELECT pg_notify('portolan_events', position::text) FROM log WHERE EXISTS (SELECT 1 FROM moved)
    )
    SELECT appended.*, (SELECT count(*) FROM told) AS told FROM appended ORDER BY position";

/// Moves what is visible into the log; at most a batch. Says what it moved, in order.
pub async fn pass(db: &DatabaseConnection) -> Result<Vec<Entry>> {
    let turn = db.begin().await?;
    turn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, PASS, [batch.into()]);
    let moved = event::Model::find_by_statement(statement).all(&turn).await?;
    turn.commit().await?;
    Ok(moved.into_iter().map(Arc::new).collect())
}

/// Makes passes whenever somebody wrote, until stopped.
pub async fn run(db: DatabaseConnection, feed: Feed, stop: CancellationToken) {
    loop {
        match pass(&db).await {
            Ok(moved) => {
                let full = moved.len() == BATCH;
                feed.announce(moved);
                if full {
                    continue;
                }
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "events wait for their numbers, will try again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(FLOOR) => continue,
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = feed.written() => {}
            () = tokio::time::sleep(FLOOR) => {}
        }
    }
}
