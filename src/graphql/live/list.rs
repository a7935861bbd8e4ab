//! Lists that are followed: what is in them, then what changes.
//!
//! A live list begins with a snapshot, in pages, and goes on with what came into it or changed (`upserted`)
//! and what left it (`removed`). The snapshot is read after the cursor of its first item was fixed, so a change
//! between the two comes again afterwards: applying a change twice does nothing, and nothing is passed over.
//! A row that stops fitting the list's filter is removed from it, whether it is gone or only different. A
//! removal of what was never there can be passed over.

use std::borrow::Cow;

use async_graphql::{ID, Object, OutputType, TypeName};

use super::Item;

/// A change of a list.
pub struct ListChange<T> {
    number: i64,
    what: What<T>,
}

/// What changed.
enum What<T> {
    Snapshot { rows: Vec<T>, complete: bool },
    Upserted(T),
    Removed(ID),
}

impl<T> ListChange<T> {
    /// A page of what is in the list when somebody begins, and whether it is the last.
    pub const fn page(rows: Vec<T>, complete: bool, number: i64) -> Self {
        Self { number, what: What::Snapshot { rows, complete } }
    }

    /// A row that came, changed, or left.
    pub fn row(row: Option<T>, id: impl Into<ID>, number: i64) -> Self {
        let what = match row {
            Some(row) => What::Upserted(row),
            None => What::Removed(id.into()),
        };
        Self { number, what }
    }
}

impl<T: OutputType> TypeName for ListChange<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}ListChange", T::type_name()).into()
    }
}

/// A change of a list that is followed. First come the pages of a snapshot, then each row that came, changed
/// or left.
#[Object(name_type)]
impl<T: OutputType + 'static> ListChange<T> {
    /// Where to go on after this change, in `after`; of use once the snapshot is complete.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.number)
    }

    /// A page of what is in the list; null afterwards.
    async fn snapshot(&self) -> Option<&[T]> {
        match &self.what {
            What::Snapshot { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// Whether the snapshot is complete with this change, or was before.
    async fn complete(&self) -> bool {
        !matches!(self.what, What::Snapshot { complete: false, .. })
    }

    /// A row that came into the list or changed.
    async fn upserted(&self) -> Option<&T> {
        match &self.what {
            What::Upserted(row) => Some(row),
            _ => None,
        }
    }

    /// The id of a row that is not in the list any more.
    async fn removed(&self) -> Option<&ID> {
        match &self.what {
            What::Removed(id) => Some(id),
            _ => None,
        }
    }
}
