//! Following syncs: how runs come on, and what they write down.

use async_graphql::{Context, ID, Json, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};
use serde_json::Value;

use super::{SyncProgress, SyncRun, json, log::SyncLogLevel, run_of};
use crate::{
    domain::sync::Level,
    event::{Entry, Interest, sync::Counts},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        id,
        live::{Item, follow},
        loader::RunOf,
    },
    kernel::{
        id::{IntegrationId, SyncRunId},
        scope::Scope,
    },
};

/// A change of a run.
pub struct SyncRunChange(Entry);

/// A change of a run: it is to begin, began, came on, or is over.
#[Object]
impl SyncRunChange {
    /// Where to go on after this change, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// The place in your tenant's log of changes.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// What happened, such as `sync.run_progressed`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The integration.
    async fn integration_id(&self) -> Option<ID> {
        self.0.data["integration"].as_str().map(ID::from)
    }

    /// The key of the stream.
    async fn stream(&self) -> Option<&str> {
        self.0.data["stream"].as_str()
    }

    /// How far the run was then; null before it began.
    async fn progress(&self) -> Option<SyncProgress> {
        serde_json::from_value::<Counts>(self.0.data["counts"].clone()).ok().map(Into::into)
    }

    /// Why it failed or was cancelled.
    async fn reason(&self) -> Option<&str> {
        self.0.data["reason"].as_str()
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The run as it is now; null if it is not kept any more.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<SyncRun>> {
        let Some(id) = run_of(&self.0.data) else { return Ok(None) };
        Ok(ctx.loaders().load(RunOf(id)).await?.map(SyncRun))
    }
}

/// A line that a run wrote, as it was written.
pub struct SyncLogged(Entry);

/// A line that a run wrote, as it was written.
#[Object]
impl SyncLogged {
    /// Where to go on after this line, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// The global id of the line, beginning with `slg_`.
    async fn id(&self) -> Option<ID> {
        self.0.data["line"].as_str().map(ID::from)
    }

    /// The integration.
    async fn integration_id(&self) -> Option<ID> {
        self.0.data["integration"].as_str().map(ID::from)
    }

    /// The run.
    async fn run_id(&self) -> Option<ID> {
        run_of(&self.0.data).map(id::out)
    }

    /// The key of the stream.
    async fn stream(&self) -> Option<&str> {
        self.0.data["stream"].as_str()
    }

    /// How much it matters.
    async fn level(&self) -> Option<SyncLogLevel> {
        level_of(&self.0).map(Into::into)
    }

    /// In which step it was written, such as `page`.
    async fn step(&self) -> Option<&str> {
        self.0.data["step"].as_str()
    }

    /// What it says.
    async fn message(&self) -> Option<&str> {
        self.0.data["message"].as_str()
    }

    /// The same for programs: numbers and names.
    async fn fields(&self) -> Json<Value> {
        json(&self.0.data["fields"])
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
}

fn level_of(entry: &Entry) -> Option<Level> {
    let name = entry.data["level"].as_str()?;
    [Level::Info, Level::Warn, Level::Error].into_iter().find(|level| level.name() == name)
}

fn interest(integration: Option<IntegrationId>) -> Interest {
    let interest = Interest::of_topics(["sync"]);
    match integration {
        Some(id) => interest.about([id.to_string()]),
        None => interest,
    }
}

/// Following syncs.
#[derive(Default)]
pub struct SyncSubscription;

#[Subscription]
impl SyncSubscription {
    /// How your runs come on: every change, once and in order, those after the cursor and then each as it happens.
    /// Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn sync_run_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this integration; left out, of all.")] integration_id: Option<IntegrationId>,
        #[graphql(desc = "Go on after this cursor; left out, begin with what happens next.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<SyncRunChange>>> {
        follow(ctx, after, interest(integration_id), |_, entry| {
            let is_of_run = entry.kind.starts_with("sync.run_");
            future::ready(Ok(is_of_run.then_some(SyncRunChange(entry))))
        })
        .await
    }

    /// What your runs write down: every line, once and in order, those after the cursor and then each as it is
    /// written. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn sync_logged(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this integration; left out, of all.")] integration_id: Option<IntegrationId>,
        #[graphql(desc = "Only of this run; left out, of all.")] run_id: Option<SyncRunId>,
        #[graphql(desc = "Only of these levels; left out, of all.")] levels: Option<Vec<SyncLogLevel>>,
        #[graphql(desc = "Go on after this cursor; left out, begin with what is written next.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<SyncLogged>>> {
        let levels: Option<Vec<Level>> = levels.map(|levels| levels.into_iter().map(Into::into).collect());
        follow(ctx, after, interest(integration_id), move |_, entry| {
            let is_meant = entry.kind == "sync.logged"
                && run_id.is_none_or(|run| run_of(&entry.data) == Some(run))
                && levels.as_ref().is_none_or(|levels| level_of(&entry).is_some_and(|level| levels.contains(&level)));
            future::ready(Ok(is_meant.then_some(SyncLogged(entry))))
        })
        .await
    }
}
