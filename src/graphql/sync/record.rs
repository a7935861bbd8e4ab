//! Records in the API.

use async_graphql::{Context, ID, InputObject, Json, Object};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::json;
use crate::{
    context::Cx,
    domain::sync::{
        self, failure,
        record::{self, RecordFilter},
    },
    graphql::{context::Ask, error::Result, guard::Needs, id, page::Connection},
    kernel::{
        error::Error,
        id::{IntegrationId, SyncRunId},
        scope::Scope,
    },
};

/// A record of a stream.
pub struct SyncRecord(pub sync::Record);

/// Something of a provider, as it was last read.
#[Object]
impl SyncRecord {
    /// The id at the provider.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }

    /// What it says, in the shape of the provider's file.
    async fn data(&self) -> Json<Value> {
        json(&self.0.data)
    }

    /// When it last changed, as the provider says.
    async fn updated_at(&self) -> Option<DateTime<Utc>> {
        self.0.updated_at
    }

    /// Since when it is known to be gone at the provider; null if it is there.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }

    /// The number of its last change among all changes of the stream, which have no holes.
    async fn change_number(&self) -> String {
        self.0.change_number.to_string()
    }

    /// When that change was noticed.
    async fn changed_at(&self) -> DateTime<Utc> {
        self.0.changed_at
    }
}

/// An element of an answer that could not be kept.
pub struct SyncFailure(pub sync::SyncFailure);

/// An element of a provider's answer that could not be kept as a record.
#[Object]
impl SyncFailure {
    /// The global id, beginning with `sfl_`.
    async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// On which page of the run it was, from 1.
    async fn page(&self) -> i32 {
        super::number(self.0.page)
    }

    /// Its id at the provider, if it has one.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// What is wrong with it.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// What the provider gave; a text with the beginning of it if it is large.
    async fn data(&self) -> Json<Value> {
        json(&self.0.data)
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
}

/// Which records; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct SyncRecordFilterInput {
    /// With these ids at the provider, 100 at most.
    ids: Option<Vec<String>>,
    /// Only those that are gone at the provider, or only those that are there.
    deleted: Option<bool>,
    /// Of which the provider says that they changed at that moment or later.
    updated_from: Option<DateTime<Utc>>,
}

/// Looking at records.
#[derive(Default)]
pub struct RecordQuery;

#[Object]
impl RecordQuery {
    /// The records of a stream in the order of their last changes, those that are gone at the provider among them.
    /// Whoever keeps the greatest `changeNumber` it has seen and gives it in `changedAfter` hears of every change.
    /// Needs `RECORD_READ`.
    #[expect(clippy::too_many_arguments, reason = "they are those of a connection")]
    #[graphql(guard = "Needs(Scope::RecordRead)")]
    async fn records(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this integration.")] integration_id: IntegrationId,
        #[graphql(desc = "The key of the stream.")] stream: String,
        #[graphql(desc = "Which records; left out, all.")] filter: Option<SyncRecordFilterInput>,
        #[graphql(desc = "Only what changed after the change of this number.")] changed_after: Option<String>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<SyncRecord>> {
        let filter = filter.unwrap_or_default();
        let changed_after = changed_after.map(|number| {
            let number = number.parse().ok().filter(|number: &i64| *number >= 0);
            number.ok_or_else(|| Error::invalid("changedAfter", "this is not the number of a change"))
        });
        let filter = RecordFilter {
            ids: filter.ids,
            deleted: filter.deleted,
            updated_from: filter.updated_from,
            changed_after: changed_after.transpose()?,
        };
        let args = ctx.cx().page(after, before, first, last)?;
        let row = record::row_of(ctx.cx(), integration_id, &stream).await?;
        let page = record::list(ctx.cx(), row.as_ref(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let (row, filter) = (row.clone(), filter.clone());
            Box::pin(async move { record::count_of(&cx, row.as_ref(), &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, SyncRecord, counter))
    }

    /// What a run could not keep as records, with the reasons; of each page a hundred at most. Needs `RECORD_READ`.
    #[graphql(guard = "Needs(Scope::RecordRead)")]
    async fn sync_failures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this run.")] run_id: SyncRunId,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<SyncFailure>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = failure::list(ctx.cx(), run_id, &args).await?;
        let counter =
            Box::new(move |cx: Cx| Box::pin(async move { failure::count(&cx, run_id).await }) as BoxFuture<'static, _>);
        Ok(Connection::new(page, SyncFailure, counter))
    }
}
