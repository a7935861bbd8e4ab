//! A row that is there, written as it is now.
//!
//! Which row it is and whose stays out of the statement. A statement that names a key of a row to which others lead
//! makes SQLite go through all of those, even if it writes the key as it was: writing down how far a sync had come
//! read every record that it had brought.

use sea_orm::{ActiveModelTrait, EntityTrait, IdenStatic, IntoActiveModel, Iterable};

/// The row, to be updated by its id.
pub fn rewrite<A: ActiveModelTrait>(row: impl IntoActiveModel<A>) -> A {
    let mut row = row.into_active_model().reset_all();
    for column in <A::Entity as EntityTrait>::Column::iter() {
        if column.as_str() == "tenant_id" {
            row.not_set(column);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryTrait};
    use uuid::Uuid;

    use super::*;
    use crate::entity::sync_stream as entity;

    #[test]
    fn keys_to_which_rows_lead_are_not_written() {
        let row = entity::ActiveModel {
            id: sea_orm::ActiveValue::Unchanged(crate::kernel::id::SyncStreamId::new(Uuid::nil())),
            tenant_id: sea_orm::ActiveValue::Unchanged(crate::kernel::id::TenantId::new(Uuid::nil())),
            stream: sea_orm::ActiveValue::Unchanged("orders".to_owned()),
            ..Default::default()
        };
        let sql = entity::Entity::update(rewrite(row)).validate().unwrap().build(DbBackend::Sqlite).sql;
        let (set, by) = sql.split_once("WHERE").unwrap();
        assert!(set.contains("\"stream\" = ") && by.contains("\"id\" = "), "{sql}");
        assert!(!set.contains("\"tenant_id\"") && !set.contains("\"id\""), "{sql}");
    }
}
