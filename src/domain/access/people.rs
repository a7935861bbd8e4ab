//! The people of a tenant as a list that is followed.

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::user::User;
use crate::{
    context::Cx,
    entity::{
        first::{Bounded, First},
        membership, user as entity,
    },
    event::Entry,
    kernel::{error::Result, id::UserId, scope::Role},
};

/// Rows of a page.
const PAGE: usize = 100;

/// Who is in the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeopleFilter {
    /// Only people with this role.
    pub role: Option<Role>,
}

fn filtered(cx: &Cx, filter: PeopleFilter) -> Result<Select<entity::Entity>> {
    let select = entity::of(cx.tenant()?);
    Ok(match filter.role {
        Some(role) => select.filter(membership::Column::Role.eq(role)),
        None => select,
    })
}

/// A page of the list after somebody, and whether there are more.
pub async fn page(cx: &Cx, filter: PeopleFilter, after: Option<UserId>) -> Result<(Vec<User>, bool)> {
    let mut select = filtered(cx, filter)?.order_by_asc(entity::Column::Id).limit(PAGE as u64 + 1);
    if let Some(after) = after {
        select = select.filter(entity::Column::Id.gt(after));
    }
    let mut rows = select.all(&Bounded(cx.db())).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    Ok((rows, more))
}

/// Somebody, if in the list.
pub async fn one(cx: &Cx, filter: PeopleFilter, id: UserId) -> Result<Option<User>> {
    Ok(filtered(cx, filter)?.filter(entity::Column::Id.eq(id)).first(cx.db()).await?)
}

/// Whose place in the list an event may have changed.
pub fn concerned(entry: &Entry) -> Option<UserId> {
    let changes = entry.kind.starts_with("user.") || entry.kind.starts_with("membership.");
    entry.data["user"].as_str().filter(|_| changes)?.parse().ok()
}
