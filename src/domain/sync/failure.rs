//! Elements of answers that could not be kept as records.

use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait};
use serde_json::Value;

use super::{SyncFailure, SyncRun};
use crate::{
    context::{Cx, Txn},
    entity::{
        first::First,
        page,
        sync_failure::{self as entity, Column},
        sync_run,
    },
    kernel::{
        error::{Error, Result},
        id::SyncRunId,
        page::{Page, PageArgs},
    },
    provider::extract::Unfit,
};

/// Of one page so many are kept; the others are only counted.
const MOST: usize = 100;

/// Bytes of an element that are kept.
const LONGEST: usize = 16 * 1024;

/// Keeps the elements of a page that are no records.
pub(super) async fn keep(txn: &Txn, run: &SyncRun, unfit: &[Unfit]) -> Result<()> {
    let rows = unfit.iter().take(MOST).map(|unfit| {
        let whole = unfit.data.to_string();
        let data = if whole.len() <= LONGEST {
            unfit.data.clone()
        } else {
            Value::String(whole.chars().take(LONGEST / 4).collect())
        };
        let row = SyncFailure {
            id: txn.id(),
            tenant_id: run.tenant_id,
            integration_id: run.integration_id,
            stream_id: run.stream_id,
            run_id: run.id,
            page: run.pages,
            external_id: unfit.id.clone(),
            reason: unfit.reason.clone(),
            data,
            at: txn.now(),
        };
        row.into_active_model()
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        entity::Entity::insert_many(rows).exec_without_returning(&**txn).await?;
    }
    Ok(())
}

/// One page of what a run could not keep.
pub async fn list(cx: &Cx, run: SyncRunId, args: &PageArgs) -> Result<Page<SyncFailure>> {
    let tenant = cx.tenant()?;
    if sync_run::one(tenant, run).first(cx.db()).await?.is_none() {
        return Err(Error::NotFound("sync run"));
    }
    page::by_key(cx.db(), "sync failures", entity::of_run(tenant, run), Column::Id, |row| row.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, run: SyncRunId) -> Result<u64> {
    Ok(entity::of_run(cx.tenant()?, run).count(cx.db()).await?)
}
