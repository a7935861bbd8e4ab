//! Syncs: what providers have is read, page by page, and kept as records.
//!
//! **Who acts.** A schedule, for each stream of an integration's provider ([`schedule`]); a person ([`run`]); or a
//! provider, which told of a change ([`hint`]). A worker does a run as a job ([`work`]).
//!
//! **How a run lives.** QUEUED, RUNNING, and then SUCCEEDED, FAILED or CANCELLED; of a stream there is one at a time,
//! which an index holds. Each page is asked for outside of any transaction and then kept in one commit ([`page`]): the
//! records, the position of the next page, the counts, the lines of the log and the events, and all of it only while
//! the job's lease is held. While one is kept the next is asked for already; it counts when its turn comes. A process
//! may be killed anywhere: whoever takes the job next goes on with the page that was not kept, and finds nothing of it.
//! Long runs give their place in the line to others now and then.
//!
//! **What is read.** Incrementally, what changed since the newest change that was seen (the watermark). It is moved
//! when a run has come to its end, and not before, since providers list in whatever order they like: what a cut off
//! run has not seen may be older than what it has. It is never put after the present, so that a record from the future
//! does not hide others. Where a provider cannot be asked so, or was never read, everything is read: a full pass.
//!
//! **Records** ([`record`]) are told apart by the provider's id. One that says what it said before is not written.
//! One that is older, by the provider's time, than what is kept is passed over, so that it does not matter whether a
//! webhook or a poll comes first. What the provider marks as gone, or what a complete full pass did not see where
//! absence means that ([`absent`]), is marked as deleted and stays for who follows changes. Where pages are numbered,
//! a record must be missing in two looks; and a pass that would delete a large share of the records deletes none until
//! somebody confirms it ([`deletions`]). Every change takes the next number of its stream, while the stream's row is
//! held: numbers have no holes and come in the order of commits.
//!
//! **What goes wrong.** Elements that are no record are kept with the reason, and the run goes on; but then nothing
//! counts as absent. A provider that is away or cannot be read is asked again after a pause; after three times without
//! progress the run has failed. One that asks for patience gets it. One that refuses is not asked again. Pages that
//! come again end the run: two cells of memory find a circle of any length. After three failed runs the schedule
//! stops and an alert says so, until somebody resumes it. A run whose job is gone is put back by [`watch`].
//!
//! **What is not promised.** That a record is there before its page is kept; that what changes while a full pass runs
//! is in it: the next run brings it. That a record which is there is never marked as deleted is promised as far as
//! [`absent`] says.

mod absent;
mod decide;
pub mod deletions;
pub mod failure;
pub mod hint;
pub mod list;
pub mod log;
mod look;
mod marks;
mod page;
pub mod plan;
pub mod record;
pub mod run;
pub mod schedule;
pub mod stream;
pub mod watch;
pub mod work;

pub use crate::entity::{
    record::Model as Record,
    sync_failure::Model as SyncFailure,
    sync_log::{Level, Model as SyncLog},
    sync_run::{Cause, Mode, Model as SyncRun, Status},
    sync_stream::Model as SyncStream,
};
