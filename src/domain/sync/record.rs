//! Records: what came is held against what is kept, and only what differs is written.
//!
//! A page costs one statement that reads digests, one that writes what is new or different, and, in a full pass of a
//! stream where absence means deletion, one that notes what was seen ([`absent`]).

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, PaginatorTrait, QueryFilter, QuerySelect, Select};
use sha2::{Digest, Sha256};

use super::{Record, SyncRun, SyncStream, absent, stream};
use crate::{
    context::{Cx, Txn},
    domain::integration,
    entity::{
        first::First,
        page,
        record::{self as entity, Column, Common, Known, Put},
        sync_stream,
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, SyncStreamId},
        page::{Page, PageArgs},
    },
    provider::extract::Record as Given,
};

/// Records that are written in one statement.
const BATCH: usize = 500;

/// Most ids of a filter.
const MAX_IDS: usize = 100;

/// What became of the records of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) added: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
    pub(super) deleted: i64,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Update,
    Delete,
    Keep,
}

/// What is to become of a record, given what is known of it.
fn decide(given: &Given, hash: &[u8], known: Option<&Known>) -> Change {
    let Some(known) = known else {
        // What was gone before it was ever seen is nobody's.
        return if given.deleted { Change::Keep } else { Change::Add };
    };
    let older = given.updated_at.zip(known.updated_at).is_some_and(|(given, known)| given < known);
    match (given.deleted, known.deleted_at.is_some()) {
        _ if older => Change::Keep,
        (true, false) => Change::Delete,
        (true, true) => Change::Keep,
        (false, true) => Change::Add,
        (false, false) if known.hash == hash => Change::Keep,
        (false, false) => Change::Update,
    }
}

/// Tells whether a record says what it said before, and of the same time. The text is that of its data.
fn digest(given: &Given, text: &str) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(given.updated_at.map_or(0, |at| at.timestamp_micros()).to_be_bytes());
    digest.update(text);
    digest.finalize()[..16].to_vec()
}

/// Writes what differs of a page's records. The stream is held; its counters move along.
pub(super) async fn merge(
    txn: &Txn,
    row: &mut SyncStream,
    run: &SyncRun,
    given: &[Given],
    absence_counts: bool,
) -> Result<Merged> {
    let mut merged = Merged::default();
    let pass = run.full_pass.unwrap_or(row.full_pass);
    let common =
        Common { tenant: row.tenant_id, integration: row.integration_id, stream: row.id, pass, now: txn.now() };
    let latest = latest(given);
    merged.unchanged += count(given.len() - latest.len());
    let backend = txn.get_database_backend();
    let mut same = Vec::new();
    for chunk in latest.chunks(BATCH) {
        let ids: Vec<&str> = chunk.iter().map(|given| given.id.as_str()).collect();
        let known = txn.query_all_raw(entity::known(backend, row.tenant_id, row.id, &ids)).await?;
        let known = known.iter().map(|row| Known::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
        let known: HashMap<&str, &Known> = known.iter().map(|known| (known.external_id.as_str(), known)).collect();
        let mut rows = Vec::new();
        for given in chunk {
            let data = given.data.to_string();
            let hash = digest(given, &data);
            let found = known.get(given.id.as_str()).copied();
            let change = decide(given, &hash, found);
            match change {
                Change::Add => merged.added += 1,
                Change::Update => merged.updated += 1,
                Change::Delete => merged.deleted += 1,
                Change::Keep => {
                    merged.unchanged += 1;
                    same.extend(found.map(|_| given.id.as_str()));
                    continue;
                }
            }
            row.change_number += 1;
            rows.push(Put {
                external_id: &given.id,
                data,
                hash,
                updated_at: given.updated_at,
                deleted: given.deleted,
                change_number: row.change_number,
            });
        }
        if !rows.is_empty() {
            txn.execute_raw(entity::put(backend, common, rows)).await?;
        }
    }
    if absence_counts && run.full_pass.is_some() && !same.is_empty() {
        absent::note(txn, run, &same).await?;
    }
    row.total += merged.added - merged.deleted;
    Ok(merged)
}

/// Of records with one id the one that counts: the newest, and of equals the last.
fn latest(given: &[Given]) -> Vec<&Given> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut latest: Vec<&Given> = Vec::with_capacity(given.len());
    for record in given {
        match places.get(record.id.as_str()) {
            None => {
                places.insert(&record.id, latest.len());
                latest.push(record);
            }
            Some(place) => {
                let before = latest[*place];
                if record.updated_at.zip(before.updated_at).is_none_or(|(this, before)| this >= before) {
                    latest[*place] = record;
                }
            }
        }
    }
    latest
}

/// A number of things, as the database counts.
pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Which records of a stream; what is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// With these ids at the provider.
    pub ids: Option<Vec<String>>,
    /// Gone, or not.
    pub deleted: Option<bool>,
    /// Of which the provider says that they changed at that moment or later.
    pub updated_from: Option<Moment>,
    /// Changed after the change of that number.
    pub changed_after: Option<i64>,
}

fn filtered(row: &SyncStream, filter: &RecordFilter) -> Result<Select<entity::Entity>> {
    let mut select = entity::of(row.tenant_id, row.id);
    if let Some(ids) = &filter.ids {
        if ids.len() > MAX_IDS || ids.iter().any(|id| id.contains('\0')) {
            return Err(Error::invalid("filter.ids", format!("at most {MAX_IDS} ids without zeros are taken")));
        }
        select = select.filter(Column::ExternalId.is_in(ids));
    }
    match filter.deleted {
        Some(true) => select = select.filter(Column::DeletedAt.is_not_null()),
        Some(false) => select = select.filter(Column::DeletedAt.is_null()),
        None => {}
    }
    if let Some(from) = filter.updated_from {
        select = select.filter(Column::UpdatedAt.gte(from));
    }
    if let Some(after) = filter.changed_after {
        select = select.filter(Column::ChangeNumber.gt(after));
    }
    Ok(select)
}

/// The row of a stream of the tenant; nothing, if it was never read.
pub async fn row_of(cx: &Cx, id: IntegrationId, key: &str) -> Result<Option<SyncStream>> {
    let integration = integration::get(cx, id).await?;
    let rows = sync_stream::of(integration.tenant_id).filter(sync_stream::Column::IntegrationId.eq(id));
    let found = rows.filter(sync_stream::Column::Stream.eq(key)).first(cx.db()).await?;
    if found.is_none() {
        stream::named(&*stream::manifest(cx, &integration)?, key)?;
    }
    Ok(found)
}

/// One page of the records of a stream, in the order of their last changes.
pub async fn list(cx: &Cx, row: Option<&SyncStream>, filter: &RecordFilter, args: &PageArgs) -> Result<Page<Record>> {
    let Some(row) = row else { return Ok(Page { rows: Vec::new(), has_previous: false, has_next: false }) };
    let select = filtered(row, filter)?;
    page::by_key(cx.db(), "records", select, Column::ChangeNumber, |record| record.change_number, args).await
}

/// How many there are.
pub async fn count_of(cx: &Cx, row: Option<&SyncStream>, filter: &RecordFilter) -> Result<u64> {
    match row {
        Some(row) => Ok(filtered(row, filter)?.count(cx.db()).await?),
        None => Ok(0),
    }
}

/// The records of a stream that the provider dates in a span, each with that time: later than the first moment, and not
/// later than the second.
pub async fn changed_between(
    cx: &Cx,
    stream: SyncStreamId,
    after: Moment,
    to: Moment,
) -> Result<Vec<(String, Moment)>> {
    let select = entity::of(cx.tenant()?, stream).filter(Column::UpdatedAt.gt(after)).filter(Column::UpdatedAt.lte(to));
    let select = select.select_only().columns([Column::ExternalId, Column::UpdatedAt]);
    Ok(select.into_tuple().all(cx.db()).await?)
}

/// The first so many ids of a stream behind one, for who compares.
pub async fn ids(cx: &Cx, stream: SyncStreamId, after: &str, most: u64) -> Result<Vec<String>> {
    let select = entity::of(cx.tenant()?, stream).filter(Column::ExternalId.gt(after)).select_only();
    let select = sea_orm::QueryOrder::order_by_asc(select.column(Column::ExternalId), Column::ExternalId);
    Ok(select.limit(most).into_tuple().all(cx.db()).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: u32) -> Moment {
        format!("2026-01-01T00:00:{second:02}Z").parse().unwrap()
    }

    fn given(updated: Option<u32>, deleted: bool, data: i32) -> Given {
        Given { id: "1".to_owned(), updated_at: updated.map(at), deleted, data: json!({ "n": data }) }
    }

    fn known(of: &Given, deleted: bool) -> Known {
        Known {
            external_id: of.id.clone(),
            hash: digest(of, &of.data.to_string()),
            updated_at: of.updated_at,
            deleted_at: deleted.then(|| at(50)),
        }
    }

    fn decided(given: &Given, known: Option<&Known>) -> Change {
        decide(given, &digest(given, &given.data.to_string()), known)
    }

    #[test]
    fn what_says_what_it_said_before_is_kept_and_what_differs_is_written() {
        let before = known(&given(Some(1), false, 1), false);
        assert_eq!(decided(&given(Some(1), false, 1), Some(&before)), Change::Keep);
        assert_eq!(decided(&given(Some(1), false, 2), Some(&before)), Change::Update);
        assert_eq!(decided(&given(Some(2), false, 1), Some(&before)), Change::Update, "the time counts for later");
        assert_eq!(decided(&given(None, false, 2), Some(&before)), Change::Update);
        assert_eq!(decided(&given(Some(1), false, 1), None), Change::Add);
    }

    #[test]
    fn what_is_older_by_the_providers_time_changes_nothing() {
        let before = known(&given(Some(5), false, 1), false);
        assert_eq!(decided(&given(Some(4), false, 2), Some(&before)), Change::Keep);
        assert_eq!(decided(&given(Some(4), true, 2), Some(&before)), Change::Keep);
        let gone = known(&given(Some(5), true, 1), true);
        assert_eq!(decided(&given(Some(4), false, 2), Some(&gone)), Change::Keep);
    }

    #[test]
    fn what_is_marked_as_gone_is_deleted_once_and_may_come_back() {
        let (there, gone) = (known(&given(None, false, 1), false), known(&given(None, true, 1), true));
        assert_eq!(decided(&given(None, true, 1), Some(&there)), Change::Delete);
        assert_eq!(decided(&given(None, true, 1), Some(&gone)), Change::Keep);
        assert_eq!(decided(&given(None, false, 1), Some(&gone)), Change::Add);
        assert_eq!(decided(&given(None, true, 1), None), Change::Keep);
    }

    #[test]
    fn of_several_with_one_id_the_newest_counts() {
        let all = [given(Some(2), false, 1), given(Some(3), false, 2), given(Some(1), false, 3)];
        assert_eq!(latest(&all), [&all[1]]);
        let untimed = [given(None, false, 1), given(None, false, 2)];
        assert_eq!(latest(&untimed), [&untimed[1]]);
    }
}
