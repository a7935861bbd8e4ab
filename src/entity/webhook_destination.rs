//! Where webhooks go. Who settles deliveries and who adds some holds the rows of their destinations, always in the
//! order of their ids: so what is first in line is known to both.

use sea_orm::{
    DbBackend, FromQueryResult, QueryOrder, QuerySelect, Statement, UpdateMany, entity::prelude::*, sea_query::Expr,
};

use crate::kernel::id::{IntegrationId, TenantId, WebhookDestinationId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_destinations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDestinationId,
    pub tenant_id: TenantId,
    pub name: String,
    /// Empty where it is told by an action, or not at all.
    pub url: String,
    /// The action of the partner's interface by which it is told instead.
    pub action: Option<String>,
    /// Minutes from round to round; at once, if there are none.
    pub every: Option<i32>,
    /// Kinds of events, with wildcards.
    pub patterns: Json,
    /// The topics that who chose the patterns may read.
    pub topics: Json,
    /// An expression that must hold for the body.
    pub filter: Option<String>,
    /// The partner integration whose it is, if it is a partner's.
    pub partner_integration_id: Option<IntegrationId>,
    pub enabled: bool,
    pub disabled_at: Option<DateTimeUtc>,
    pub disabled_because: Option<String>,
    /// When the first attempt failed since which none succeeded.
    pub failing_since: Option<DateTimeUtc>,
    /// Attempts that failed in a row.
    pub failures: i32,
    /// Before that nothing is tried.
    pub paused_until: Option<DateTimeUtc>,
    /// What may be seen of the secret.
    pub hint: String,
    /// The public half of the key of the second signature, if there is one.
    pub public_key: Option<String>,
    /// Goes up when the secrets change.
    pub secret_version: i32,
    /// Until then the secrets before sign as well.
    pub overlap_until: Option<DateTimeUtc>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The destinations of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: WebhookDestinationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}

/// Those of several tenants, for who follows the log of all.
pub fn of_tenants(tenants: impl IntoIterator<Item = TenantId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.is_in(tenants)).order_by_asc(Column::Id)
}

/// Those of the whole hub to which something goes.
pub fn of_hub(ids: impl IntoIterator<Item = WebhookDestinationId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.id.is_in(ids))
}

/// The same, held until the commit, always in one order.
pub fn held_of_hub(ids: impl IntoIterator<Item = WebhookDestinationId>) -> Select<Entity> {
    of_hub(ids).order_by_asc(Column::Id).lock_exclusive()
}

/// Whether the hub has any, for who removes what they may still want.
pub fn any() -> Select<Entity> {
    Entity::find().limit(1)
}

/// A destination that may be sent to, and when something for it is due next.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Line {
    pub id: WebhookDestinationId,
    pub failures: i32,
    pub paused_until: Option<DateTimeUtc>,
    pub due: DateTimeUtc,
}

/// Ends pauses of the whole hub that are longer than pauses are.
pub fn paused_after(longest: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::PausedUntil, Expr::value(None::<DateTimeUtc>))
        .filter(COLUMN.paused_until.gt(longest))
}

/// Lets failures of the whole hub begin now that are said to have begun after a moment.
pub fn failing_after(moment: DateTimeUtc, now: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::FailingSince, Expr::value(now)).filter(COLUMN.failing_since.gt(moment))
}

/// The destinations of the whole hub that wait for something, and for when. Tenants that are suspended wait, and so do
/// partners with which nothing is exchanged now, to which no webhooks may go, or that cannot be told in any way.
pub fn lines(backend: DbBackend) -> Statement {
    const OPEN: &str = "d.enabled AND (d.url <> '' OR d.action IS NOT NULL) AND NOT EXISTS \
                        (SELECT 1 FROM tenants t WHERE t.id = d.tenant_id AND t.status <> 'ACTIVE') \
                        AND (d.partner_integration_id IS NULL OR NOT EXISTS \
                        (SELECT 1 FROM integrations i WHERE i.id = d.partner_integration_id \
                        AND (NOT i.enabled OR (d.action IS NULL AND NOT i.can_webhook)) \
                        AND i.deleted_at IS NULL))";
    const FIRST: &str = "SELECT w.next_at AS due FROM webhook_deliveries w \
                         WHERE w.destination_id = d.id AND w.head AND w.status = 'PENDING' ORDER BY w.next_at LIMIT 1";
    let sql = match backend {
        // A server that is asked for a value that must be there looks for it twice.
        DbBackend::Postgres => format!(
            "SELECT id, failures, paused_until, due FROM webhook_destinations d CROSS JOIN LATERAL ({FIRST}) AS first \
             WHERE {OPEN} ORDER BY due"
        ),
        _ => format!(
            "SELECT id, failures, paused_until, due FROM \
             (SELECT id, failures, paused_until, ({FIRST}) AS due FROM webhook_destinations d WHERE {OPEN}) AS lines \
             WHERE due IS NOT NULL ORDER BY due"
        ),
    };
    Statement::from_string(backend, sql)
}
