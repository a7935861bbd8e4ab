//! Jobs as people see them: listed, counted, begun anew.

use sea_orm::{ColumnTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::{Count, Job, State};
use crate::{
    context::{Audit, Cx, Database, Hub, Txn},
    domain::keyring::HUB,
    entity::{first::First, job as entity, page},
    event::job::JobEvent,
    kernel::{
        error::{Error, Result},
        id::{JobId, TenantId},
        page::{Page, PageArgs},
    },
};

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<String>,
}

fn filtered(mut select: Select<entity::Entity>, filter: &JobFilter) -> Select<entity::Entity> {
    if let Some(state) = filter.state {
        select = select.filter(entity::COLUMN.state.eq(state));
    }
    if let Some(kind) = &filter.kind {
        select = select.filter(entity::COLUMN.kind.eq(kind));
    }
    select
}

/// The jobs of the tenant, oldest first.
pub async fn list(cx: &Cx, filter: &JobFilter, args: &PageArgs) -> Result<Page<Job>> {
    let select = filtered(entity::of(cx.tenant()?), filter);
    page::by_key(cx.db(), "jobs", select, entity::Column::Id, |job| job.id.uuid(), args).await
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &JobFilter) -> Result<u64> {
    Ok(filtered(entity::of(cx.tenant()?), filter).count(cx.db()).await?)
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[JobId]) -> Result<Vec<Job>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The first jobs of everybody, or of one tenant, for operators of the hub.
pub async fn of_anybody(hub: &Hub, tenant: Option<TenantId>, filter: &JobFilter, most: u64) -> Result<Vec<Job>> {
    let whose = tenant.map_or_else(entity::of_everybody, entity::of);
    let select = filtered(whose, filter).order_by_asc(entity::Column::Id).limit(most);
    Ok(select.all(hub.database.reader()).await?)
}

/// One job of whomever, for operators of the hub.
pub async fn any(hub: &Hub, id: JobId) -> Result<Job> {
    let found = entity::of_everybody().filter(entity::COLUMN.id.eq(id)).first(hub.database.reader()).await?;
    found.ok_or(Error::NotFound("job"))
}

/// How many jobs there are of each kind and state, of everybody.
pub async fn counts(hub: &Hub) -> Result<Vec<Count>> {
    counted(&hub.database).await
}

/// The same for who has only a database at hand.
pub async fn counted(database: &Database) -> Result<Vec<Count>> {
    Ok(Count::find_by_statement(entity::counts(database.backend())).all(database.reader()).await?)
}

/// Lets a dead job begin anew, with all its attempts.
pub async fn retry(cx: &Cx, id: JobId) -> Result<Job> {
    let tenant = cx.tenant()?;
    let raised = cx
        .write(async |txn| {
            let found = entity::of(tenant).filter(entity::COLUMN.id.eq(id)).lock_exclusive().first(&**txn).await?;
            let before = found.ok_or(Error::NotFound("job"))?;
            if before.state != State::Dead {
                let reason = format!("this job is {} and not dead; it needs no retry", before.state.name());
                return Err(Error::conflict("id", reason));
            }
            raise(txn, &before).await
        })
        .await?;
    // It is due at once, and nobody else says so.
    cx.hub().jobs.notify_one();
    Ok(raised)
}

async fn raise(txn: &Txn, before: &Job) -> Result<Job> {
    let (tenant, id) = (before.tenant_id, before.id);
    entity::raise(tenant, id, txn.now()).exec(&**txn).await.map_err(|error| match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => {
            Error::conflict("id", "another job with the same key waits or runs already; it does the same")
        }
        _ => error.into(),
    })?;
    if tenant != HUB {
        let fact = JobEvent::Retried { job: id, work: before.kind.clone() };
        txn.emit(&fact)?;
        let before = serde_json::json!({ "attempts": before.attempts, "lastError": before.last_error });
        txn.audit(Audit::of(&fact).before(before))?;
    }
    let after = entity::of(tenant).filter(entity::COLUMN.id.eq(id)).first(&**txn).await?;
    after.ok_or(Error::NotFound("job"))
}
