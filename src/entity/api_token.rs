//! API tokens: never the token, only its digest.

use sea_orm::{
    Condition, ConnectionTrait, DbBackend, FromQueryResult, QueryTrait, Statement, UpdateMany, Value,
    entity::prelude::*, sea_query::Expr,
};

use super::{agent, tenant, written::Written};
use crate::kernel::{
    id::{AgentId, ApiTokenId, PartnerOrganizationId, TenantId},
    scope::Role,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiTokenId,
    pub tenant_id: TenantId,
    /// The machine user it belongs to, if it is not a token of its own.
    pub agent_id: Option<AgentId>,
    pub name: String,
    pub digest: Vec<u8>,
    pub hint: String,
    pub role: Role,
    /// Names of the scopes the token is narrowed to; null means all of its role.
    pub scopes: Option<Json>,
    /// The organisation to which a partner's token is bound.
    pub partner_organization_id: Option<PartnerOrganizationId>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub last_used_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
    #[sea_orm(belongs_to, from = "tenant_id", to = "id")]
    pub tenant: BelongsTo<tenant::Entity>,
    #[sea_orm(belongs_to, from = "agent_id", to = "id")]
    pub agent: BelongsTo<Option<agent::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The tokens of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// A token with its tenant and its agent: all that decides whether it opens the door.
#[derive(Debug)]
pub struct Held {
    pub token: Model,
    pub tenant: Option<tenant::Model>,
    pub agent: Option<agent::Model>,
}

/// The token with that digest, before it is known whose it is.
pub async fn by_digest<C: ConnectionTrait>(db: &C, digest: &[u8]) -> Result<Option<Held>, DbErr> {
    static TEXT: Written = Written::new(|backend| held(backend, COLUMN.digest.eq(Vec::new())));
    one(db, &TEXT, digest.to_vec().into()).await
}

/// The same for a token whose digest was checked before.
pub async fn by_id<C: ConnectionTrait>(db: &C, token: ApiTokenId) -> Result<Option<Held>, DbErr> {
    static TEXT: Written = Written::new(|backend| held(backend, COLUMN.id.eq(ApiTokenId::new(Uuid::nil()))));
    one(db, &TEXT, token.into()).await
}

fn held(backend: DbBackend, which: Expr) -> Statement {
    let token = Entity::find().filter(which);
    token.find_also_related(tenant::Entity).find_also_related(agent::Entity).build(backend)
}

async fn one<C: ConnectionTrait>(db: &C, text: &Written, value: Value) -> Result<Option<Held>, DbErr> {
    let Some(row) = db.query_one_raw(text.with(db.get_database_backend(), [value])).await? else { return Ok(None) };
    // The library names the columns of each table so.
    let token = Model::from_query_result(&row, "A_")?;
    let tenant = tenant::Model::from_query_result_optional(&row, "B_")?;
    let agent = agent::Model::from_query_result_optional(&row, "C_")?;
    Ok(Some(Held { token, tenant, agent }))
}

/// Revokes every token of the tenant that is not revoked yet.
pub fn revoke_all(tenant: TenantId, at: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(at))
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.revoked_at.is_null())
}

/// Notes a use, unless one was noted since `unless_since`.
pub fn used(token: ApiTokenId, at: DateTimeUtc, unless_since: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(at))
        .filter(COLUMN.id.eq(token))
        .filter(Condition::any().add(COLUMN.last_used_at.is_null()).add(COLUMN.last_used_at.lt(unless_since)))
}
