//! Outside issuers whose tokens a tenant accepts.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    id::{IssuerId, TenantId},
    scope::Role,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "issuers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IssuerId,
    pub tenant_id: TenantId,
    pub name: String,
    /// What the tokens say in `iss`.
    pub iss: String,
    /// What they say in `aud`, among others.
    pub audience: String,
    /// Where its keys are; null means where its discovery document says.
    pub jwks_url: Option<String>,
    pub algorithm: Algorithm,
    /// The names on the way to the claim that holds roles.
    pub roles_claim: Json,
    /// Roles by values of that claim.
    pub role_map: Json,
    /// The role of tokens with no value that is mapped; null means none.
    pub default_role: Option<Role>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// With what an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Algorithm {
    #[sea_orm(string_value = "RS256")]
    Rs256,
    #[sea_orm(string_value = "ES256")]
    Es256,
    #[sea_orm(string_value = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The name in tokens, keys and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl serde::Serialize for Algorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The issuers of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those with that name in `iss`, before it is known whose token it is.
pub fn by_iss(iss: &str) -> Select<Entity> {
    Entity::find().filter(COLUMN.iss.eq(iss))
}

/// The issuer whose tokens were checked before.
pub fn by_id(issuer: IssuerId) -> Select<Entity> {
    Entity::find_by_id(issuer)
}
