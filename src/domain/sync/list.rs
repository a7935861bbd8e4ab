//! Runs as a list.

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, Select};

use super::{Mode, Status, SyncRun};
use crate::{
    context::Cx,
    entity::{
        page,
        sync_run::{self as entity, Column},
    },
    kernel::{
        error::{Error, Result},
        id::{IntegrationId, SyncRunId},
        page::{Page, PageArgs},
    },
};

/// Which runs; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Of this integration.
    pub integration: Option<IntegrationId>,
    /// Of the stream with this key.
    pub stream: Option<String>,
    /// In one of these states.
    pub statuses: Option<Vec<Status>>,
    /// Of one of these modes.
    pub modes: Option<Vec<Mode>>,
}

fn filtered(cx: &Cx, filter: &RunFilter) -> Result<Select<entity::Entity>> {
    let mut select = entity::of(cx.tenant()?);
    if let Some(integration) = filter.integration {
        select = select.filter(Column::IntegrationId.eq(integration));
    }
    if let Some(stream) = &filter.stream {
        if stream.contains('\0') {
            return Err(Error::invalid("filter.stream", "a key has no zeros"));
        }
        select = select.filter(Column::Stream.eq(stream));
    }
    if let Some(statuses) = &filter.statuses {
        select = select.filter(Column::Status.is_in(statuses.iter().copied()));
    }
    if let Some(modes) = &filter.modes {
        select = select.filter(Column::Mode.is_in(modes.iter().copied()));
    }
    Ok(select)
}

/// One page of the runs of the tenant, newest first.
pub async fn list(cx: &Cx, filter: &RunFilter, args: &PageArgs) -> Result<Page<SyncRun>> {
    page::by_order(cx.db(), "sync runs", filtered(cx, filter)?, Column::Id, true, |run| run.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &RunFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[SyncRunId]) -> Result<Vec<SyncRun>> {
    Ok(entity::of(cx.tenant()?).filter(Column::Id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One run of the tenant.
pub async fn get(cx: &Cx, id: SyncRunId) -> Result<SyncRun> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("sync run"))
}
