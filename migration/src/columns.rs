//! The columns that every table spells the same way.

use sea_orm_migration::prelude::*;

/// The primary key: a UUIDv7.
pub(crate) fn id() -> ColumnDef {
    let mut column = required("id", ColumnType::Uuid);
    column.primary_key();
    column
}

/// A column that is never null.
pub(crate) fn required(name: &'static str, kind: ColumnType) -> ColumnDef {
    let mut column = ColumnDef::new_with_type(Alias::new(name), kind);
    column.not_null();
    column
}

/// A column that may be null.
pub(crate) fn optional(name: &'static str, kind: ColumnType) -> ColumnDef {
    let mut column = ColumnDef::new_with_type(Alias::new(name), kind);
    column.null();
    column
}

/// A moment in UTC with microseconds.
pub(crate) const MOMENT: ColumnType = ColumnType::TimestampWithTimeZone;

/// A foreign key to the tenant; its rows go when the tenant goes.
pub(crate) fn of_tenant(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_tenant"))
        .from(Alias::new(table), Alias::new("tenant_id"))
        .to(Alias::new("tenants"), Alias::new("id"))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// An index over columns of a table.
pub(crate) fn index(table: &'static str, name: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    index
}

/// A foreign key to an integration of the same tenant; its rows go when the integration goes.
pub(crate) fn of_integration(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_integration"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("integration_id")))
        .to(Alias::new("integrations"), (Alias::new("tenant_id"), Alias::new("id")))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
