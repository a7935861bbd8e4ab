//! Each change of an integration's verdict. Append-only, kept as long as the integration; ids sort by time.

use sea_orm::{QueryOrder, entity::prelude::*};

use super::{
    health::{Axis, Verdict},
    health_check::Source,
};
use crate::kernel::{
    clock::Moment,
    id::{HealthChangeId, IntegrationId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "health_changes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HealthChangeId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub at: DateTimeUtc,
    pub before: Verdict,
    pub after: Verdict,
    pub axis: Option<Axis>,
    pub reason: Option<String>,
    pub class: Option<String>,
    /// In microseconds.
    pub latency: Option<i64>,
    /// What was observed; nothing if it was not observed but switched off.
    pub source: Option<Source>,
    pub trace: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The changes of the tenant's integrations.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those of several integrations since a moment, in order.
pub fn since(tenant: TenantId, ids: impl IntoIterator<Item = IntegrationId>, moment: Moment) -> Select<Entity> {
    of(tenant).filter(COLUMN.integration_id.is_in(ids)).filter(COLUMN.at.gte(moment)).order_by_asc(Column::Id)
}
