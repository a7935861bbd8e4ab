//! One way to read a page of any list.
//!
//! The list is ordered by one column that is unique within it (ids are, and they sort by time of
//! creation), or by others before it. One row more than asked for tells whether there is another page.

use sea_orm::{
    ConnectionTrait, Cursor as Keyset, EntityTrait, ExprTrait, Identity, IntoIdentity, QueryFilter, Select,
    SelectModel,
    sea_query::{Expr, Func, IntoValueTuple, LikeExpr, SeaRc, ValueTuple},
};
use serde::{Serialize, de::DeserializeOwned};

use super::first::Bounded;
use crate::kernel::{cursor::Cursor, error::Result, page::Page, page::PageArgs};

/// Whether a column has a text in it, in whichever case.
pub fn holds(column: Expr, text: &str) -> Expr {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Expr::expr(Func::lower(column)).like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
}

/// Reads one page of `select`, ordered by `column`, which `key` reads from a row.
pub async fn by_key<E, K>(
    db: &impl ConnectionTrait,
    list: &'static str,
    select: Select<E>,
    column: E::Column,
    key: impl Fn(&E::Model) -> K,
    args: &PageArgs,
) -> Result<Page<E::Model>>
where
    E: EntityTrait<Model: Sync>,
    K: Serialize + DeserializeOwned + IntoValueTuple,
{
    by_order(db, list, select, column, false, key, args).await
}

/// The same in the order of several columns, of which the last makes it unique, or the other way round.
pub async fn by_order<E, K>(
    db: &impl ConnectionTrait,
    list: &'static str,
    select: Select<E>,
    columns: impl IntoIdentity,
    descending: bool,
    key: impl Fn(&E::Model) -> K,
    args: &PageArgs,
) -> Result<Page<E::Model>>
where
    E: EntityTrait<Model: Sync>,
    K: Serialize + DeserializeOwned + IntoValueTuple,
{
    let place = |cursor: Option<&Cursor>, argument: &'static str| -> Result<Option<ValueTuple>> {
        let key = cursor.map(|cursor| cursor.decode::<K>(list, argument)).transpose()?;
        Ok(key.map(IntoValueTuple::into_value_tuple))
    };
    let (after, before) = (place(args.after.as_ref(), "after")?, place(args.before.as_ref(), "before")?);
    let columns = columns.into_identity();
    let select = bounded(select, &columns, after.as_ref(), !descending);
    let select = bounded(select, &columns, before.as_ref(), descending);
    let mut keyset: Keyset<SelectModel<E::Model>> = select.cursor_by(columns);
    if descending {
        keyset.desc();
    }
    if let Some(after) = after {
        keyset.after(after);
    }
    if let Some(before) = before {
        keyset.before(before);
    }
    let wanted = args.size as usize;
    let more = u64::from(args.size) + 1;
    let read = if args.backward { keyset.last(more) } else { keyset.first(more) };
    let mut found = read.all(&Bounded(db)).await?;
    let cut = found.len() > wanted;
    if cut && args.backward {
        found.remove(0);
    } else {
        found.truncate(wanted);
    }
    let rows = found.into_iter().map(|row| Ok((Cursor::encode(list, &key(&row))?, row))).collect::<Result<_>>()?;
    Ok(page(rows, cut, args))
}

/// A page behind which there is more in the direction in which it was read, or not.
fn page<T>(rows: Vec<(Cursor, T)>, more: bool, args: &PageArgs) -> Page<T> {
    // On the far side of a cursor there is at least the row the cursor names.
    let (has_previous, has_next) =
        if args.backward { (more, args.before.is_some()) } else { (args.after.is_some(), more) };
    Page { rows, has_previous, has_next }
}

/// Of an order of two columns, what a cursor says of the first alone: nothing is on its other side.
///
/// What it says of both has an "or" in it, with which no index is entered: a page far behind would be found by going
/// through all that are before it.
fn bounded<E: EntityTrait>(select: Select<E>, columns: &Identity, key: Option<&ValueTuple>, above: bool) -> Select<E> {
    let (Identity::Binary(column, _), Some(ValueTuple::Two(value, _))) = (columns, key) else { return select };
    let column = Expr::col((SeaRc::new(E::default()), column.clone()));
    select.filter(if above { column.gte(value.clone()) } else { column.lte(value.clone()) })
}

/// The same of several selects, of which none finds what another one does.
///
/// Where somebody asks for this or that, an index has the rows of each in the order of the list, and those of both in
/// none: together they would all be sorted for each page.
pub async fn of_parts<E, K>(
    db: &impl ConnectionTrait,
    list: &'static str,
    parts: Vec<Select<E>>,
    columns: impl IntoIdentity,
    descending: bool,
    key: impl Fn(&E::Model) -> K,
    args: &PageArgs,
) -> Result<Page<E::Model>>
where
    E: EntityTrait<Model: Sync>,
    K: Serialize + DeserializeOwned + IntoValueTuple + Ord,
{
    let (columns, wanted) = (columns.into_identity(), args.size as usize);
    // A cursor of another list is refused, also where there is nothing to be read.
    for (cursor, argument) in [(&args.after, "after"), (&args.before, "before")] {
        cursor.as_ref().map(|cursor| cursor.decode::<K>(list, argument)).transpose()?;
    }
    let (mut rows, mut more) = (Vec::new(), false);
    for part in parts {
        let found = by_order(db, list, part, columns.clone(), descending, &key, args).await?;
        more |= if args.backward { found.has_previous } else { found.has_next };
        rows.extend(found.rows);
    }
    rows.sort_by(|(_, one), (_, other)| {
        let order = key(one).cmp(&key(other));
        if descending { order.reverse() } else { order }
    });
    more |= rows.len() > wanted;
    if args.backward {
        rows.drain(..rows.len().saturating_sub(wanted));
    } else {
        rows.truncate(wanted);
    }
    Ok(page(rows, more, args))
}
