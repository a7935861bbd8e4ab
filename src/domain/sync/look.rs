//! The order in which a full pass goes through the pages of a list: forward, and backward where it looks twice.
//!
//! The first look follows the provider's pointers. The second one, where it goes backward
//! ([`absent`](super::absent)), begins with the last page of the first, follows the list to its end in case it grew,
//! and then goes back page by page.

use crate::{
    entity::sync_run::SecondLook,
    kernel::error::{Error, Result},
    provider::{
        connector::Paged,
        manifest::paging::Paging,
        paging::{self, Position},
    },
};

use super::{SyncRun, marks::Marks};

/// Where a run goes on after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Onward {
    /// The next page; nothing at the end of the look.
    pub(super) position: Option<Position>,
    /// The way of the second look from there on.
    pub(super) look: Option<SecondLook>,
}

/// The position at which a run stands.
pub(super) fn position(run: &SyncRun) -> Result<Position> {
    serde_json::from_value(run.position.clone())
        .map_err(|error| Error::Internal("the position of a run cannot be read", error.into()))
}

/// What a run remembers of its pages.
pub(super) fn marks(run: &SyncRun) -> Marks {
    serde_json::from_value(run.marks.clone()).unwrap_or_default()
}

/// Says where to go on after the page at which the run stands.
pub(super) fn onward(run: &SyncRun, paging: Option<&Paging>, paged: &Paged) -> Result<Onward> {
    Ok(match run.second_look {
        None | Some(SecondLook::Again) => Onward { position: paged.next.clone(), look: run.second_look },
        Some(SecondLook::Up) if paged.next.is_some() => {
            Onward { position: paged.next.clone(), look: Some(SecondLook::Up) }
        }
        Some(SecondLook::Up | SecondLook::Down) => {
            let at = position(run)?;
            let position = paging.and_then(|paging| paging::previous(paging, &at, marks(run).step()));
            Onward { position, look: Some(SecondLook::Down) }
        }
    })
}

/// Whether records may lie between the page of a backward look and the one that was read before it: an offset went
/// back by more records than the provider gave, though it has more.
pub(super) fn leaves_gap(run: &SyncRun, paging: Option<&Paging>, paged: &Paged) -> bool {
    let records = (paged.records.len() + paged.unfit.len()) as u64;
    let back = run.second_look == Some(SecondLook::Down) && matches!(paging, Some(Paging::Offset(_)));
    back && paged.next.is_some() && records < marks(run).step()
}
