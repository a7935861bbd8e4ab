//! Erasing destroyed and replaced keys from the files of the database.
//!
//! A tenant's data key is destroyed by deleting its row. Until its bytes are gone from the files, too, whoever has
//! the files and the master key could still unwrap it. So each commit that destroys or replaces a wrapped key leaves
//! a note, and [`erase`] follows the notes: right after a tenant was deleted, and as a chore, until it has succeeded.
//! A process that is killed in between leaves the note.
//!
//! **SQLite** overwrites what is deleted with zeros, but a page that was split may have left a copy of a row in its
//! unused part. So all rows of keys are removed and written again in one commit, on clean pages, and the write-ahead
//! log is emptied. **PostgreSQL** writes the table into a new file.
//!
//! The sealed secrets need no such care: without the key they are noise.

use std::sync::Arc;

use sea_orm::{DbBackend, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::HUB;
use crate::{
    context::{Cx, Hub, Txn},
    entity::{data_key, key_erasure as entity},
    kernel::{error::Result, id::JobId},
};

/// Rows that are written in one statement.
const BATCH: usize = 500;

/// Notes that this commit destroys or replaces a wrapped key.
pub(super) async fn owe(txn: &Txn) -> Result<()> {
    let id: JobId = txn.id();
    let note = entity::Model { id: id.uuid() };
    entity::Entity::insert(note.into_active_model()).exec_without_returning(&**txn).await?;
    Ok(())
}

/// Erases what destroyed and replaced keys left in the files. Says how many notes were followed.
pub async fn erase(hub: &Arc<Hub>) -> Result<u64> {
    let notes: Vec<Uuid> = entity::of_hub().into_tuple().all(hub.database.reader()).await?;
    if notes.is_empty() {
        return Ok(0);
    }
    let cx = Cx::system(Arc::clone(hub), "key erasure", HUB);
    if hub.database.backend() == DbBackend::Sqlite {
        cx.write(async |txn| write_again(txn).await).await?;
    }
    hub.database.rewrite("data_keys").await?;
    hub.database.empty_log().await?;
    let done = notes.len() as u64;
    cx.write(async |txn| Ok(entity::forget(notes.clone()).exec(&**txn).await?)).await?;
    Ok(done)
}

/// Removes all keys and writes them again, so that no page holds anything else.
async fn write_again(txn: &Txn) -> Result<()> {
    let rows = data_key::of_hub().all(&**txn).await?;
    data_key::remove_all().exec(&**txn).await?;
    for some in rows.chunks(BATCH) {
        let some = some.iter().cloned().map(IntoActiveModel::into_active_model);
        data_key::Entity::insert_many(some).exec_without_returning(&**txn).await?;
    }
    Ok(())
}
