//! Orders as a list: found, ordered, counted, followed.
//!
//! A page costs the same wherever it is and however many orders there are: each order of the list, alone and with a
//! status, a partner or an integration, is that of an index, which is entered at the cursor. Two filters at once go by
//! the index of one. A text by which very many orders are called costs as many looks for each page as there are of them.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, ConnectionTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use super::{Order, OrderChange, Sight};
use crate::{
    context::Cx,
    entity::{
        first::{Bounded, First},
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
const PAGE: u32 = 100;

/// The most statuses that are read one by one.
const PARTS: usize = 20;

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

impl OrderBy {
    /// Whether it goes by the last change.
    const fn is_by_change(self) -> bool {
        matches!(self, Self::Updated | Self::UpdatedDescending)
    }
}

fn seen(cx: &Cx) -> Result<Select<entity::Entity>> {
    let select = entity::of(cx.tenant()?);
    Ok(match Sight::of(cx)?.only() {
        Some(partner) => select.filter(Column::PartnerOrganizationId.eq(partner)),
        None => select,
    })
}

fn filtered(cx: &Cx, filter: &OrderFilter, order: OrderBy) -> Result<Select<entity::Entity>> {
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
    // Ids sort by the time at which they were made, and have the index; where the order is another, that index would
    // only lead to sorting.
    if let Some(from) = filter.from {
        let made = Column::Id.gte(OrderId::first_of(from));
        select = select.filter(if order.is_by_change() { Column::CreatedAt.gte(from) } else { made });
    }
    if let Some(to) = filter.to {
        let made = Column::Id.lt(OrderId::first_of(to));
        select = select.filter(if order.is_by_change() { Column::CreatedAt.lt(to) } else { made });
    }
    Ok(select)
}

/// The same, apart for each status that is asked for, as each stands in an index.
fn parts(cx: &Cx, filter: &OrderFilter, order: OrderBy) -> Result<Vec<Select<entity::Entity>>> {
    let statuses: BTreeSet<_> = filter.statuses.iter().flatten().collect();
    if filter.statuses.is_none() || statuses.len() > PARTS {
        return Ok(vec![filtered(cx, filter, order)?]);
    }
    let all = filtered(cx, &OrderFilter { statuses: None, ..filter.clone() }, order)?;
    Ok(statuses.into_iter().map(|status| all.clone().filter(Column::Status.eq(status.as_str()))).collect())
}

/// Whether what a filter names is there for the caller to see.
pub async fn check(cx: &Cx, filter: &OrderFilter) -> Result<()> {
    let (tenant, sight) = (cx.tenant()?, Sight::of(cx)?);
    if let Some(id) = filter.partner {
        let found = partner_organization::of(tenant).filter(partner_organization::COLUMN.id.eq(id));
        let found = found.first(cx.db()).await?.filter(|found| sight.takes(Some(found.id)));
        found.ok_or(Error::NotFound("partner organization"))?;
    }
    if let Some(id) = filter.integration {
        let found = partner_integration::of(tenant).filter(partner_integration::COLUMN.id.eq(id));
        let found = found.first(cx.db()).await?.filter(|found| sight.takes(Some(found.partner_organization_id)));
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

/// Those of the orders that the caller sees that are called so, at most so many; by one integration, or by any.
pub async fn called(cx: &Cx, kind: &str, value: &str, partner: Option<IntegrationId>, most: u64) -> Result<Vec<Order>> {
    let mut called = order_reference::orders_called(cx.tenant()?, Some(kind), value.trim());
    if let Some(partner) = partner {
        called = called.filter(order_reference::COLUMN.partner_integration_id.eq(partner));
    }
    // Who sees all of them needs no more of them; of those that a partner is called by, the first may all be others'.
    if Sight::of(cx)?.only().is_none() {
        called = called.limit(most);
    }
    let select = seen(cx)?.filter(Column::Id.in_subquery(called.into_query()));
    Ok(select.limit(most).all(&Bounded(cx.db())).await?)
}

/// One page of orders.
pub async fn list(cx: &Cx, filter: &OrderFilter, order: OrderBy, args: &PageArgs) -> Result<Page<Order>> {
    read(cx, cx.db(), filter, order, args).await
}

/// The same by a connection of one's own.
pub async fn read(
    cx: &Cx,
    db: &impl ConnectionTrait,
    filter: &OrderFilter,
    order: OrderBy,
    args: &PageArgs,
) -> Result<Page<Order>> {
    let parts = parts(cx, filter, order)?;
    match order {
        OrderBy::Created | OrderBy::CreatedDescending => {
            let descending = order == OrderBy::CreatedDescending;
            let list = if descending { "orders newest" } else { "orders" };
            page::of_parts(db, list, parts, Column::Id, descending, |row| row.id.uuid(), args).await
        }
        OrderBy::Updated | OrderBy::UpdatedDescending => {
            let descending = order == OrderBy::UpdatedDescending;
            let list = if descending { "orders changed last" } else { "orders changed" };
            let key = |row: &Order| (row.updated_at, row.id.uuid());
            page::of_parts(db, list, parts, (Column::UpdatedAt, Column::Id), descending, key, args).await
        }
    }
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &OrderFilter) -> Result<u64> {
    Ok(filtered(cx, filter, OrderBy::Created)?.count(cx.db()).await?)
}

/// A page of the list that is followed, after one, and whether there are more.
pub async fn page(cx: &Cx, filter: &OrderFilter, after: Option<OrderId>) -> Result<(Vec<Order>, bool)> {
    let mut parts = parts(cx, filter, OrderBy::Created)?;
    if let Some(after) = after {
        parts = parts.into_iter().map(|part| part.filter(Column::Id.gt(after))).collect();
    }
    let args = PageArgs { after: None, before: None, size: PAGE, backward: false };
    let page = page::of_parts(cx.db(), "orders", parts, Column::Id, false, |row| row.id.uuid(), &args).await?;
    Ok((page.rows.into_iter().map(|(_, row)| row).collect(), page.has_next))
}

/// An order, if in the list.
pub async fn one(cx: &Cx, filter: &OrderFilter, id: OrderId) -> Result<Option<Order>> {
    Ok(filtered(cx, filter, OrderBy::Created)?.filter(Column::Id.eq(id)).first(cx.db()).await?)
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
