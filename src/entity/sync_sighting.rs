//! Which records a full pass saw as they were: a digest of each id, a row for each page, for as long as the run lasts.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, entity::prelude::*};

use crate::kernel::id::{SyncRunId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_sightings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: SyncRunId,
    /// From 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub page: i64,
    /// Eight bytes for each record.
    pub digests: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Some of a tenant's run, behind a page.
pub fn of_run(tenant: TenantId, run: SyncRunId, page: i64, most: u64) -> Select<Entity> {
    let rows = Entity::find().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.run_id.eq(run));
    rows.filter(COLUMN.page.gt(page)).order_by_asc(Column::Page).limit(most)
}

/// Those of a run that is over.
pub fn forget(tenant: TenantId, run: SyncRunId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.run_id.eq(run))
}
