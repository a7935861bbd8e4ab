//! Webhooks on their way to destinations, and what became of them.
//!
//! Statements that many nodes run at once stand here as they are sent. Both databases read `$1`.

use sea_orm::{
    DbBackend, DeleteMany, FromQueryResult, QueryOrder, QuerySelect, Statement, UpdateMany, Value,
    entity::prelude::*,
    sea_query::{ArrayType, Expr, ExprTrait},
};

use super::places::{Places, column};
use crate::kernel::{
    clock::Moment,
    id::{EventId, TenantId, WebhookDeliveryId, WebhookDestinationId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDeliveryId,
    pub tenant_id: TenantId,
    pub destination_id: WebhookDestinationId,
    pub message_id: EventId,
    /// The place of the event in the log of all tenants.
    pub position: i64,
    /// Within one key the order is kept.
    pub key: String,
    pub kind: String,
    pub status: Status,
    /// Whether it is the first of its key that waits.
    pub head: bool,
    /// When it is to be tried; who tries it moves this on, and so has until then.
    pub next_at: DateTimeUtc,
    /// How often it was taken; what was begun under an older number cannot be settled.
    pub fence: i64,
    pub attempts: i32,
    pub last_status: Option<i32>,
    pub last_error: Option<String>,
    /// Microseconds.
    pub last_latency: Option<i64>,
    pub created_at: DateTimeUtc,
    pub settled_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    #[sea_orm(string_value = "PENDING")]
    Pending,
    #[sea_orm(string_value = "DELIVERED")]
    Delivered,
    #[sea_orm(string_value = "FAILED")]
    Failed,
    #[sea_orm(string_value = "SKIPPED")]
    Skipped,
}

/// The deliveries of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// What a destination of the tenant missed since a moment, behind a place, in order.
pub fn missed(
    tenant: TenantId,
    destination: WebhookDestinationId,
    since: Moment,
    after: Option<(i64, WebhookDeliveryId)>,
    most: u64,
) -> Select<Entity> {
    let missed = of(tenant)
        .filter(COLUMN.destination_id.eq(destination))
        .filter(COLUMN.status.is_in([Status::Failed, Status::Skipped]))
        .filter(COLUMN.created_at.gte(since))
        .order_by_asc(Column::Position)
        .order_by_asc(Column::Id)
        .limit(most);
    match after {
        Some((position, id)) => {
            missed.filter(COLUMN.position.gt(position).or(COLUMN.position.eq(position).and(COLUMN.id.gt(id))))
        }
        None => missed,
    }
}

/// Something that waits in a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, FromQueryResult)]
pub struct Place {
    pub destination_id: WebhookDestinationId,
    pub key: String,
}

/// In which of these lines something waits.
pub fn waiting(
    destinations: impl IntoIterator<Item = WebhookDestinationId>,
    keys: impl IntoIterator<Item = String>,
) -> Select<Entity> {
    Entity::find()
        .select_only()
        .column(Column::DestinationId)
        .column(Column::Key)
        // Said as the index says it, which does not serve a value that is filled in.
        .filter(Expr::cust("status = 'PENDING'"))
        .filter(COLUMN.destination_id.is_in(destinations))
        .filter(COLUMN.key.is_in(keys))
        .distinct()
}

/// Lets those of the whole hub that wait be sent now which are planned for later than they can be, or were made after a
/// moment that has not come yet.
pub fn replanned(latest: Moment, future: Moment, now: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(now))
        .filter(Expr::cust("status = 'PENDING'"))
        .filter(COLUMN.next_at.gt(future))
        .filter(COLUMN.next_at.gt(latest).or(COLUMN.created_at.gt(future)))
}

/// Takes the first so many that are due of each of several destinations: nobody else does until that moment.
///
/// A server is told to go from destination to destination, and then by the ids: what it counted when nothing waited
/// would have it read all that waits. Its statement is the same however many destinations there are.
pub fn take(backend: DbBackend, of: &[(WebhookDestinationId, usize)], now: Moment, until: Moment) -> Statement {
    // Whoever else takes the same at this moment is waited for, and has then moved it on.
    const TAKEN: &str = "(head AND status = 'PENDING' AND next_at <=";
    let mut places = Places::of(backend);
    let until = places.put(until);
    if backend == DbBackend::Postgres {
        let now = places.put(now);
        let ids = places.put(column(ArrayType::Uuid, of.iter().map(|(id, _)| *id)));
        let most = of.iter().map(|(_, most)| i64::try_from(*most).unwrap_or(i64::MAX));
        let most = places.put(column(ArrayType::BigInt, most));
        return places.statement(format!(
            "UPDATE webhook_deliveries SET next_at = {until}, fence = fence + 1 \
             WHERE id = ANY (ARRAY (SELECT part.id FROM UNNEST({ids}::uuid[], {most}::bigint[]) AS of (destination, most) \
               CROSS JOIN LATERAL (SELECT id FROM webhook_deliveries WHERE destination_id = of.destination AND head \
                 AND status = 'PENDING' AND next_at <= {now} ORDER BY next_at, position LIMIT of.most) AS part)) \
             AND {TAKEN} {now}) IS TRUE RETURNING *"
        ));
    }
    let each = of.iter().map(|(destination, most)| {
        format!(
            "SELECT * FROM (SELECT id FROM webhook_deliveries WHERE destination_id = {} AND head \
             AND status = 'PENDING' AND next_at <= {} ORDER BY next_at, position LIMIT {most}) AS part",
            places.put(*destination),
            places.put(now),
        )
    });
    let each = each.collect::<Vec<_>>().join(" UNION ALL ");
    let now = places.put(now);
    places.statement(format!(
        "UPDATE webhook_deliveries SET next_at = {until}, fence = fence + 1 WHERE id IN ({each}) AND {TAKEN} {now}) \
         RETURNING *"
    ))
}

/// Lets who wants take a delivery that was taken and not tried, unless somebody has.
pub fn give_back(id: WebhookDeliveryId, fence: i64, now: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(now))
        .filter(COLUMN.id.eq(id))
        .filter(COLUMN.fence.eq(fence))
        .filter(COLUMN.status.eq(Status::Pending))
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Ending {
    pub id: WebhookDeliveryId,
    pub fence: i64,
    pub status: Status,
    pub next_at: Moment,
    pub last_status: Option<i32>,
    pub last_error: Option<String>,
    pub last_latency: i64,
}

/// Writes how attempts ended, where nobody has taken the delivery again since; gives the ids of those.
pub fn settle(backend: DbBackend, endings: &[Ending], now: Moment) -> Statement {
    let mut places = Places::of(backend);
    let mut rows = Vec::with_capacity(endings.len());
    for ending in endings {
        let of: [Value; 7] = [
            ending.id.into(),
            ending.fence.into(),
            ending.status.to_value().into(),
            ending.next_at.into(),
            ending.last_status.into(),
            ending.last_error.clone().into(),
            ending.last_latency.into(),
        ];
        // A server has to be told what a bare value is.
        let types = ["uuid", "bigint", "text", "timestamptz", "integer", "text", "bigint"];
        let row = of.into_iter().zip(types).map(|(value, kind)| match backend {
            DbBackend::Postgres => format!("{}::{kind}", places.put(value)),
            _ => places.put(value),
        });
        rows.push(format!("({})", row.collect::<Vec<_>>().join(", ")));
    }
    let (rows, now) = (rows.join(", "), places.put(now));
    // By the ids, and not by way of all that waits.
    let (found, returning) = match backend {
        DbBackend::Postgres => (
            "webhook_deliveries.id = ANY (ARRAY (SELECT id FROM ended)) AND (webhook_deliveries.status = 'PENDING') IS TRUE",
            "webhook_deliveries.*",
        ),
        _ => ("webhook_deliveries.status = 'PENDING'", "*"),
    };
    places.statement(format!(
        "WITH ended (id, fence, status, next_at, last_status, last_error, last_latency) AS (VALUES {rows}) \
         UPDATE webhook_deliveries SET status = ended.status, next_at = ended.next_at, \
           head = (ended.status = 'PENDING'), attempts = attempts + 1, last_status = ended.last_status, \
           last_error = ended.last_error, last_latency = ended.last_latency, \
           settled_at = CASE WHEN ended.status = 'PENDING' THEN NULL ELSE {now} END \
         FROM ended WHERE webhook_deliveries.id = ended.id AND webhook_deliveries.fence = ended.fence \
           AND {found} RETURNING {returning}"
    ))
}

/// Makes the oldest that waits behind each of these the head of its line, where the line has none.
///
/// A server is asked for a head in words that the index of what is due does not know: it would go through the heads of
/// all lines of the destination to look for one.
pub fn promote(backend: DbBackend, settled: &[WebhookDeliveryId]) -> Statement {
    const LINE: &str = "FROM webhook_deliveries n WHERE n.destination_id = s.destination_id AND n.key = s.key \
                        AND n.status = 'PENDING'";
    let mut places = Places::of(backend);
    if backend == DbBackend::Postgres {
        let ids = places.put(column(ArrayType::Uuid, settled.iter().copied()));
        return places.statement(format!(
            "UPDATE webhook_deliveries SET head = TRUE WHERE id = ANY (ARRAY ( \
               SELECT next.id FROM UNNEST({ids}::uuid[]) AS over (id) \
               CROSS JOIN LATERAL (SELECT destination_id, key FROM webhook_deliveries WHERE id = over.id LIMIT 1) AS s \
               LEFT JOIN LATERAL (SELECT n.id {LINE} AND CASE WHEN n.head THEN 1 END = 1 LIMIT 1) AS first ON TRUE \
               CROSS JOIN LATERAL (SELECT n.id {LINE} ORDER BY n.position, n.id LIMIT 1) AS next \
               WHERE first.id IS NULL))"
        ));
    }
    let ids = places.list(settled.iter().copied());
    places.statement(format!(
        "UPDATE webhook_deliveries SET head = TRUE WHERE id IN ( \
           SELECT (SELECT n.id {LINE} ORDER BY n.position, n.id LIMIT 1) \
           FROM webhook_deliveries s WHERE s.id IN ({ids}) AND NOT EXISTS (SELECT 1 {LINE} AND n.head))"
    ))
}

/// Lets deliveries that are over begin anew, each behind whatever waits in its line.
pub fn begin_anew(ids: &[WebhookDeliveryId], now: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(Status::Pending))
        .col_expr(Column::Head, Expr::value(false))
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::NextAt, Expr::value(now))
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1))
        .col_expr(Column::SettledAt, Expr::value(None::<Moment>))
        .filter(COLUMN.id.is_in(ids.iter().copied()))
        .filter(COLUMN.status.ne(Status::Pending))
}

/// Makes what waits in lines of a destination for the end of a round due at that moment, if that is earlier. Whatever
/// was tried keeps the time of its next attempt.
pub fn hasten(destination: WebhookDestinationId, until: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(until))
        .filter(Expr::cust("status = 'PENDING'"))
        .filter(COLUMN.destination_id.eq(destination))
        .filter(COLUMN.fence.eq(0))
        .filter(COLUMN.next_at.gt(until))
}

/// The same for some lines only.
pub fn hasten_lines(
    destination: WebhookDestinationId,
    keys: impl IntoIterator<Item = String>,
    until: Moment,
) -> UpdateMany<Entity> {
    hasten(destination, until).filter(COLUMN.key.is_in(keys))
}

/// The deliveries of messages, to forget.
pub fn of_messages(messages: &[EventId]) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.message_id.is_in(messages.iter().copied()))
}

/// All deliveries to a destination, to forget.
pub fn forget_all(tenant: TenantId, destination: WebhookDestinationId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.destination_id.eq(destination))
}

/// How many deliveries there are to a destination in one state.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Count {
    pub destination_id: WebhookDestinationId,
    pub status: Status,
    pub deliveries: i64,
}

/// How many were made for these destinations since a moment, by what became of them.
pub fn counts(
    tenant: TenantId,
    destinations: &[WebhookDestinationId],
    since: Moment,
) -> sea_orm::Selector<sea_orm::SelectModel<Count>> {
    of(tenant)
        .filter(COLUMN.destination_id.is_in(destinations.iter().copied()))
        .filter(COLUMN.id.gte(WebhookDeliveryId::first_of(since)))
        .select_only()
        .columns([Column::DestinationId, Column::Status])
        .column_as(COLUMN.id.count(), "deliveries")
        .group_by(Column::DestinationId)
        .group_by(Column::Status)
        .into_model::<Count>()
}
