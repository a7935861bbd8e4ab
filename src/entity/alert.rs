//! Alerts: what somebody should look at, until it is over.

use sea_orm::{QueryOrder, QuerySelect, entity::prelude::*, sea_query::OnConflict};

use crate::kernel::id::{AlertId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alerts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AlertId,
    pub tenant_id: TenantId,
    pub kind: Kind,
    pub severity: Severity,
    /// The id of what it is about.
    pub subject: String,
    pub text: String,
    pub raised_at: DateTimeUtc,
    pub resolved_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    #[sea_orm(string_value = "needs_reauth")]
    NeedsReauth,
    #[sea_orm(string_value = "unhealthy")]
    Unhealthy,
    #[sea_orm(string_value = "sync_stopped")]
    SyncStopped,
    #[sea_orm(string_value = "deletions_held")]
    DeletionsHeld,
    #[sea_orm(string_value = "undelivered")]
    Undelivered,
    #[sea_orm(string_value = "destination_disabled")]
    DestinationDisabled,
    #[sea_orm(string_value = "webhooks_given_up")]
    WebhooksGivenUp,
    #[sea_orm(string_value = "unmapped_status")]
    UnmappedStatus,
    #[sea_orm(string_value = "forbidden_status")]
    ForbiddenStatus,
    #[sea_orm(string_value = "unknown_order")]
    UnknownOrder,
    #[sea_orm(string_value = "unreadable_setting")]
    UnreadableSetting,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Severity {
    #[sea_orm(string_value = "info")]
    Info,
    #[sea_orm(string_value = "warning")]
    Warning,
    #[sea_orm(string_value = "critical")]
    Critical,
}

/// The alerts of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those that are not over.
pub fn open(tenant: TenantId, subject: &str) -> Select<Entity> {
    of(tenant).filter(COLUMN.subject.eq(subject)).filter(COLUMN.resolved_at.is_null())
}

/// Those of a kind that are not over, of every tenant; raised before that moment.
pub fn open_since_before(kind: Kind, moment: DateTimeUtc, most: u64) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.kind.eq(kind))
        .filter(COLUMN.resolved_at.is_null())
        .filter(COLUMN.raised_at.lt(moment))
        .order_by_asc(Column::Id)
        .limit(most)
}

/// Somebody else raised the same meanwhile.
pub fn raised_meanwhile() -> OnConflict {
    OnConflict::new().do_nothing().to_owned()
}
