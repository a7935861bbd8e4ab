//! Integrations as a list: found, ordered, counted, followed.

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, sea_query::Expr};

use super::{Integration, Status};
use crate::{
    context::Cx,
    entity::{
        first::{Bounded, First},
        integration::{self as entity, Column},
        page,
    },
    event::Entry,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
        page::{Page, PageArgs},
    },
};

/// Rows of a page of the list that is followed.
const PAGE: usize = 100;

/// Longest text that is searched for.
const MAX_SEARCH: usize = 100;

/// Which integrations; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct IntegrationFilter {
    /// Of these providers.
    pub providers: Option<Vec<String>>,
    /// Of these categories of providers.
    pub categories: Option<Vec<String>>,
    /// In one of these states.
    pub statuses: Option<Vec<Status>>,
    /// Enabled or not.
    pub enabled: Option<bool>,
    /// With this in the name, in whichever case.
    pub search: Option<String>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderBy {
    /// Oldest first.
    #[default]
    Created,
    /// Newest first.
    CreatedDescending,
    /// By name.
    Name,
    /// By name, from the end of the alphabet.
    NameDescending,
}

fn filtered(cx: &Cx, filter: &IntegrationFilter) -> Result<Select<entity::Entity>> {
    let (mut select, columns) = (entity::of(cx.tenant()?), entity::COLUMN);
    if let Some(providers) = &filter.providers {
        select = select.filter(columns.provider.is_in(providers));
    }
    if let Some(categories) = &filter.categories {
        select = select.filter(columns.category.is_in(categories));
    }
    if let Some(statuses) = &filter.statuses {
        select = select.filter(columns.status.is_in(statuses.iter().copied()));
    }
    if let Some(enabled) = filter.enabled {
        select = select.filter(columns.enabled.eq(enabled));
    }
    if let Some(search) = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty()) {
        if search.len() > MAX_SEARCH {
            return Err(Error::invalid("filter.search", format!("a search has at most {MAX_SEARCH} bytes")));
        }
        select = select.filter(page::holds(Expr::col((entity::Entity, Column::Name)), search));
    }
    Ok(select)
}

/// One page of the integrations of the tenant.
pub async fn list(cx: &Cx, filter: &IntegrationFilter, order: OrderBy, args: &PageArgs) -> Result<Page<Integration>> {
    let (db, select) = (cx.db(), filtered(cx, filter)?);
    match order {
        OrderBy::Created | OrderBy::CreatedDescending => {
            let descending = order == OrderBy::CreatedDescending;
            let list = if descending { "integrations newest" } else { "integrations" };
            page::by_order(db, list, select, Column::Id, descending, |row| row.id.uuid(), args).await
        }
        OrderBy::Name | OrderBy::NameDescending => {
            let descending = order == OrderBy::NameDescending;
            let list = if descending { "integrations by name, last" } else { "integrations by name" };
            let key = |row: &Integration| (row.name.clone(), row.id.uuid());
            page::by_order(db, list, select, (Column::Name, Column::Id), descending, key, args).await
        }
    }
}

/// How many there are.
pub async fn count(cx: &Cx, filter: &IntegrationFilter) -> Result<u64> {
    Ok(filtered(cx, filter)?.count(cx.db()).await?)
}

/// A page of the list that is followed, after somebody, and whether there are more.
pub async fn page(
    cx: &Cx,
    filter: &IntegrationFilter,
    after: Option<IntegrationId>,
) -> Result<(Vec<Integration>, bool)> {
    let mut select = filtered(cx, filter)?.order_by_asc(Column::Id).limit(PAGE as u64 + 1);
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    let mut rows = select.all(&Bounded(cx.db())).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    Ok((rows, more))
}

/// An integration, if in the list.
pub async fn one(cx: &Cx, filter: &IntegrationFilter, id: IntegrationId) -> Result<Option<Integration>> {
    Ok(filtered(cx, filter)?.filter(Column::Id.eq(id)).first(cx.db()).await?)
}

/// Whose place in the list, or looks there, an event may have changed.
pub fn concerned(entry: &Entry) -> Option<IntegrationId> {
    entry.data["integration"].as_str()?.parse().ok()
}
