//! The keys with which the hub signs tokens and checkpoints: the public halves. The private ones are
//! secrets of the hub.

use sea_orm::entity::prelude::*;

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

/// All of them: they are the hub's own.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}
