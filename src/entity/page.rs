//! One way to read a page of any list.
//!
//! The list is ordered by one column that is unique within it (ids are, and they sort by time of
//! creation), or by others before it. One row more than asked for tells whether there is another page.

use sea_orm::{
    ConnectionTrait, Cursor as Keyset, EntityTrait, ExprTrait, IntoIdentity, Select, SelectModel,
    sea_query::{Expr, Func, IntoValueTuple, LikeExpr},
};
use serde::{Serialize, de::DeserializeOwned};

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
    let mut keyset: Keyset<SelectModel<E::Model>> = select.cursor_by(columns);
    if descending {
        keyset.desc();
    }
    if let Some(after) = &args.after {
        keyset.after(after.decode::<K>(list, "after")?);
    }
    if let Some(before) = &args.before {
        keyset.before(before.decode::<K>(list, "before")?);
    }
    let wanted = args.size as usize;
    let more = u64::from(args.size) + 1;
    let mut found = if args.backward { keyset.last(more).all(db).await? } else { keyset.first(more).all(db).await? };
    let cut = found.len() > wanted;
    if cut && args.backward {
        found.remove(0);
    } else {
        found.truncate(wanted);
    }
    let rows = found.into_iter().map(|row| Ok((Cursor::encode(list, &key(&row))?, row))).collect::<Result<_>>()?;
    // On the far side of a cursor there is at least the row the cursor names.
    let (has_previous, has_next) =
        if args.backward { (cut, args.before.is_some()) } else { (args.after.is_some(), cut) };
    Ok(Page { rows, has_previous, has_next })
}
