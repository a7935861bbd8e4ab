//! Somebody who writes to the database past all selectors: edits of every kind for every column, and back.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, IntoActiveModel, Iterable, ModelTrait, PrimaryKeyToColumn,
    QueryFilter, Value, sea_query::Expr,
};
use serde_json::json;
use uuid::Uuid;

/// Writes a value into one cell.
#[expect(clippy::disallowed_methods, reason = "that is what this is about")]
pub async fn set<E>(db: &DatabaseConnection, row: &E::Model, column: E::Column, value: Value)
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let mut update = E::update_many().col_expr(column, Expr::value(value));
    for key in E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column) {
        update = update.filter(key.eq(row.get(key)));
    }
    assert_eq!(update.exec(db).await.unwrap().rows_affected, 1);
}

/// Empties a table and writes what was there.
#[expect(clippy::disallowed_methods, reason = "that is what this is about")]
pub async fn put_back<E>(db: &DatabaseConnection, rows: &[E::Model])
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Clone,
{
    E::delete_many().exec(db).await.unwrap();
    let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    E::insert_many(rows).exec_without_returning(db).await.unwrap();
}

/// What could be written in place of each value of a row: something else of its kind, and nothing where that may
/// be.
pub fn edits<E>(row: &E::Model) -> Vec<(E::Column, Value)>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let of_column = |column: E::Column| {
        let value = row.get(column);
        let mut others = others(&value);
        if column.def().is_null() {
            others.push(value.as_null());
        }
        others.retain(|other| *other != value);
        others.into_iter().map(move |other| (column, other))
    };
    E::Column::iter().flat_map(of_column).collect()
}

fn others(value: &Value) -> Vec<Value> {
    let moment = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
    match value {
        Value::Int(Some(number)) => vec![(number + 1).into(), 0.into(), (-1).into()],
        Value::BigInt(Some(number)) => vec![(number + 1_000).into(), 0_i64.into(), (-1_i64).into()],
        Value::Uuid(Some(_)) => vec![Uuid::from_u128(7).into()],
        Value::String(text) => {
            let text = text.clone().unwrap_or_default();
            vec![format!("{text} ").into(), "somebody".into(), "".into()]
        }
        Value::Bytes(Some(bytes)) => {
            let (mut first, mut last, cut) = (bytes.clone(), bytes.clone(), bytes[1..].to_vec());
            first[0] ^= 1;
            last[bytes.len() - 1] ^= 128;
            vec![first.into(), last.into(), cut.into(), Vec::<u8>::new().into()]
        }
        Value::ChronoDateTimeUtc(Some(at)) => {
            vec![(*at + TimeDelta::microseconds(1)).into(), (*at - TimeDelta::days(1)).into()]
        }
        Value::ChronoDateTimeUtc(None) => vec![moment.into()],
        Value::Json(_) => vec![json!({}).into(), json!({ "email": "x" }).into(), json!(null).into()],
        other => panic!("nobody has thought of how to edit {other:?}"),
    }
}
