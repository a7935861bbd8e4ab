//! What runs write down.
//!
//! A line is written in the commit of what it tells of, into the table that is searched and into the event log that is
//! followed; so what was shown is kept, and what is kept was shown. There are one or two for a page, none for a record.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Select, sea_query::Expr};
use serde_json::Value;

use super::{Level, SyncLog, SyncRun};
use crate::{
    context::{Cx, Txn},
    entity::{
        page,
        sync_log::{self as entity, Column},
    },
    event::sync::SyncEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, SyncLogId, SyncRunId},
        page::{Page, PageArgs},
    },
};

/// Longest text that is searched for.
const MAX_SEARCH: usize = 100;

impl Level {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// A line to write.
pub(super) struct Line {
    level: Level,
    step: &'static str,
    message: String,
    fields: Value,
}

impl Line {
    pub(super) fn new(level: Level, step: &'static str, message: impl Into<String>, fields: Value) -> Self {
        Self { level, step, message: message.into(), fields }
    }
}

/// Writes lines of a run that is held, in order.
pub(super) async fn write(txn: &Txn, run: &mut SyncRun, lines: Vec<Line>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    // Ids of one moment have no order of their own.
    let mut ids: Vec<SyncLogId> = lines.iter().map(|_| txn.id()).collect();
    ids.sort_by_key(|id| id.uuid());
    let mut rows = Vec::new();
    for (id, line) in ids.into_iter().zip(lines) {
        run.lines += 1;
        txn.emit(&SyncEvent::Logged {
            integration: run.integration_id,
            stream: run.stream.clone(),
            run: run.id,
            line: id,
            level: line.level.name().to_owned(),
            step: line.step.to_owned(),
            message: line.message.clone(),
            fields: line.fields.clone(),
        })?;
        let row = SyncLog {
            id,
            tenant_id: run.tenant_id,
            integration_id: run.integration_id,
            stream_id: run.stream_id,
            stream: run.stream.clone(),
            run_id: run.id,
            number: run.lines,
            level: line.level,
            step: line.step.to_owned(),
            message: line.message,
            fields: line.fields,
            at: txn.now(),
        };
        rows.push(row.into_active_model());
    }
    entity::Entity::insert_many(rows).exec_without_returning(&**txn).await?;
    Ok(())
}

/// Which lines; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Of this integration.
    pub integration: Option<IntegrationId>,
    /// Of this run.
    pub run: Option<SyncRunId>,
    /// Of these levels.
    pub levels: Option<Vec<Level>>,
    /// With this in the message, in whichever case.
    pub text: Option<String>,
    /// Written at that moment or later.
    pub from: Option<Moment>,
    /// Written before that moment.
    pub to: Option<Moment>,
}

fn filtered(cx: &Cx, filter: &LogFilter) -> Result<Select<entity::Entity>> {
    let mut select = entity::of(cx.tenant()?);
    if let Some(integration) = filter.integration {
        select = select.filter(Column::IntegrationId.eq(integration));
    }
    if let Some(run) = filter.run {
        select = select.filter(Column::RunId.eq(run));
    }
    if let Some(levels) = &filter.levels {
        select = select.filter(Column::Level.is_in(levels.iter().copied()));
    }
    if let Some(from) = filter.from {
        select = select.filter(Column::Id.gte(entity::first_at(from)));
    }
    if let Some(to) = filter.to {
        select = select.filter(Column::Id.lt(entity::first_at(to)));
    }
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        if text.len() > MAX_SEARCH || text.contains('\0') {
            return Err(Error::invalid("filter.text", format!("a text has at most {MAX_SEARCH} bytes and no zeros")));
        }
        select = select.filter(page::holds(Expr::col((entity::Entity, Column::Message)), text));
    }
    Ok(select)
}

/// One page of the lines of the tenant, newest first.
pub async fn list(cx: &Cx, filter: &LogFilter, args: &PageArgs) -> Result<Page<SyncLog>> {
    let select = filtered(cx, filter)?;
    page::by_order(cx.db(), "sync log", select, Column::Id, true, |line| line.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &LogFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}
