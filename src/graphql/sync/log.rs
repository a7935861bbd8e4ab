//! What runs write down, in the API.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::json;
use crate::{
    context::Cx,
    domain::{
        integration,
        sync::{
            self, Level, list,
            log::{self, LogFilter},
        },
    },
    graphql::{context::Ask, error::Result, guard::Needs, id, page::Connection},
    kernel::{
        id::{IntegrationId, SyncRunId},
        scope::Scope,
    },
};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Level")]
pub enum SyncLogLevel {
    /// It goes as it should.
    Info,
    /// Something is odd; the run goes on.
    Warn,
    /// The run came to nothing.
    Error,
}

/// A line that a run wrote.
#[derive(Clone)]
pub struct SyncLogLine(pub sync::SyncLog);

/// A line that a run wrote.
#[Object]
impl SyncLogLine {
    /// The global id, beginning with `slg_`.
    async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The integration through which the run reads.
    async fn integration_id(&self) -> ID {
        id::out(self.0.integration_id)
    }

    /// The key of the stream.
    async fn stream(&self) -> &str {
        &self.0.stream
    }

    /// The run.
    async fn run_id(&self) -> ID {
        id::out(self.0.run_id)
    }

    /// Its place among the lines of its run, from 1.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// How much it matters.
    async fn level(&self) -> SyncLogLevel {
        self.0.level.into()
    }

    /// In which step it was written, such as `page`.
    async fn step(&self) -> &str {
        &self.0.step
    }

    /// What it says.
    async fn message(&self) -> &str {
        &self.0.message
    }

    /// The same for programs: numbers and names.
    async fn fields(&self) -> Json<Value> {
        json(&self.0.fields)
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
}

/// Which lines; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct SyncLogFilterInput {
    /// Of this integration.
    integration_id: Option<IntegrationId>,
    /// Of this run.
    run_id: Option<SyncRunId>,
    /// Of these levels.
    levels: Option<Vec<SyncLogLevel>>,
    /// With this in the message, in whichever case.
    text: Option<String>,
    /// Written at that moment or later.
    from: Option<DateTime<Utc>>,
    /// Written before that moment.
    to: Option<DateTime<Utc>>,
}

/// Looking at what runs write down.
#[derive(Default)]
pub struct SyncLogQuery;

#[Object]
impl SyncLogQuery {
    /// The lines that runs wrote, newest first. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn sync_logs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which lines; left out, all.")] filter: Option<SyncLogFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<SyncLogLine>> {
        let filter = filter.unwrap_or_default();
        if let Some(id) = filter.integration_id {
            integration::get(ctx.cx(), id).await?;
        }
        if let Some(id) = filter.run_id {
            list::get(ctx.cx(), id).await?;
        }
        let filter = LogFilter {
            integration: filter.integration_id,
            run: filter.run_id,
            levels: filter.levels.map(|all| all.into_iter().map(Into::into).collect()),
            text: filter.text,
            from: filter.from,
            to: filter.to,
        };
        let args = ctx.cx().page(after, before, first, last)?;
        let page = log::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { log::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, SyncLogLine, counter))
    }
}
