//! The keys with which the hub signs tokens and checkpoints: the public halves. The private ones are
//! secrets of the hub.

use sea_orm::{UpdateMany, entity::prelude::*, sea_query::Expr};

use crate::kernel::id::SigningKeyId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SigningKeyId,
    pub algorithm: String,
    pub public_key: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub signs_from: DateTimeUtc,
    pub retired_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Lets keys sign from a moment on that would begin only after another.
pub fn signing_after(moment: DateTimeUtc, from: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::SignsFrom, Expr::value(from)).filter(COLUMN.signs_from.gt(moment))
}

/// All of them: they are the hub's own.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}
