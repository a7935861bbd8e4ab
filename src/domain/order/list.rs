//! Orders as a list: found, ordered, counted, followed.

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use super::{Order, OrderChange, Sight};
use crate::{
    context::Cx,
    entity::{
        order::{self as entity, Column},
        order_change, order_reference, page, partner_integration, partner_organization,
    },
    event::Entry,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, OrderId, PartnerOrganizationId},
        page::{Page, PageArgs},
    },
};

/// Rows of a page of the list that is followed.
const PAGE: usize = 100;

/// Which orders; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// With one of these statuses.
    pub statuses: Option<Vec<String>>,
    /// Of this organisation.
    pub partner: Option<PartnerOrganizationId>,
    /// By this partner integration.
    pub integration: Option<IntegrationId>,
    /// Called so by somebody: the kind, if it matters, and the value.
    pub reference: Option<(Option<String>, String)>,
    /// With this number.
    pub number: Option<i64>,
    /// Made at that moment or later.
    pub from: Option<Moment>,
    /// Made before that moment.
    pub to: Option<Moment>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderBy {
    /// Oldest first.
    #[default]
    Created,
    /// Newest first.
    CreatedDescending,
    /// Those first that were not changed for longest.
    Updated,
    /// Those first that were changed last.
    UpdatedDescending,
}

fn seen(cx: &Cx) -> Result<Select<entity::Entity>> {
    let select = entity::of(cx.tenant()?);
    Ok(match Sight::of(cx)?.only() {
        Some(partner) => select.filter(Column::PartnerOrganizationId.eq(partner)),
        None => select,
    })
}

fn filtered(cx: &Cx, filter: &OrderFilter) -> Result<Select<entity::Entity>> {
    let mut select = seen(cx)?;
    if let Some(statuses) = &filter.statuses {
        select = select.filter(Column::Status.is_in(statuses));
    }
    if let Some(partner) = filter.partner {
        select = select.filter(Column::PartnerOrganizationId.eq(partner));
    }
    if let Some(integration) = filter.integration {
        select = select.filter(Column::PartnerIntegrationId.eq(integration));
    }
    if let Some((kind, value)) = &filter.reference {
        let called = order_reference::orders_called(cx.tenant()?, kind.as_deref(), value.trim());
        select = select.filter(Column::Id.in_subquery(called.into_query()));
    }
    if let Some(number) = filter.number {
        select = select.filter(Column::Number.eq(number));
    }
    // Ids sort by the time at which they were made, and have the index.
    if let Some(from) = filter.from {
        select = select.filter(Column::Id.gte(OrderId::first_of(from)));
    }
    if let Some(to) = filter.to {
        select = select.filter(Column::Id.lt(OrderId::first_of(to)));
    }
    Ok(select)
}

/// Whether what a filter names is there for the caller to see.
pub async fn check(cx: &Cx, filter: &OrderFilter) -> Result<()> {
    let (tenant, sight) = (cx.tenant()?, Sight::of(cx)?);
    if let Some(id) = filter.partner {
        let found = partner_organization::of(tenant).filter(partner_organization::COLUMN.id.eq(id));
        let found = found.one(cx.db()).await?.filter(|found| sight.takes(Some(found.id)));
        found.ok_or(Error::NotFound("partner organization"))?;
    }
    if let Some(id) = filter.integration {
        let found = partner_integration::of(tenant).filter(partner_integration::COLUMN.id.eq(id));
        let found = found.one(cx.db()).await?.filter(|found| sight.takes(Some(found.partner_organization_id)));
        found.ok_or(Error::NotFound("partner integration"))?;
    }
    Ok(())
}

/// Those of the ids that the caller sees.
pub async fn by_ids(cx: &Cx, ids: &[OrderId]) -> Result<Vec<Order>> {
    Ok(seen(cx)?.filter(Column::Id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One order.
pub async fn get(cx: &Cx, id: OrderId) -> Result<Order> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("order"))
}

/// One page of orders.
pub async fn list(cx: &Cx, filter: &OrderFilter, order: OrderBy, args: &PageArgs) -> Result<Page<Order>> {
    let (db, select) = (cx.db(), filtered(cx, filter)?);
    match order {
        OrderBy::Created | OrderBy::CreatedDescending => {
            let descending = order == OrderBy::CreatedDescending;
            let list = if descending { "orders newest" } else { "orders" };
            page::by_order(db, list, select, Column::Id, descending, |row| row.id.uuid(), args).await
        }
        OrderBy::Updated | OrderBy::UpdatedDescending => {
            let descending = order == OrderBy::UpdatedDescending;
            let list = if descending { "orders changed last" } else { "orders changed" };
            let key = |row: &Order| (row.updated_at, row.id.uuid());
            page::by_order(db, list, select, (Column::UpdatedAt, Column::Id), descending, key, args).await
        }
    }
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &OrderFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// A page of the list that is followed, after one, and whether there are more.
pub async fn page(cx: &Cx, filter: &OrderFilter, after: Option<OrderId>) -> Result<(Vec<Order>, bool)> {
    let mut select = filtered(cx, filter)?.order_by_asc(Column::Id).limit(PAGE as u64 + 1);
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    let mut rows = select.all(cx.db()).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    Ok((rows, more))
}

/// An order, if in the list.
pub async fn one(cx: &Cx, filter: &OrderFilter, id: OrderId) -> Result<Option<Order>> {
    Ok(filtered(cx, filter)?.filter(Column::Id.eq(id)).one(cx.db()).await?)
}

/// Whose place in the list, or looks there, an event may have changed. A partner learns of its own alone.
pub fn concerned(cx: &Cx, entry: &Entry) -> Option<OrderId> {
    let partner = entry.data["partner"].as_str().and_then(|partner| partner.parse().ok());
    if !Sight::of(cx).ok()?.takes(partner) {
        return None;
    }
    entry.data["order"].as_str()?.parse().ok()
}

/// What happened to these orders, in order; who asks has found the orders by what it may see.
pub async fn history(cx: &Cx, orders: &[OrderId]) -> Result<Vec<OrderChange>> {
    Ok(order_change::of_orders(cx.tenant()?, orders).all(cx.db()).await?)
}
