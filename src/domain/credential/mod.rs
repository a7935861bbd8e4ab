//! Credentials: what proves to a provider who asks.
//!
//! **Who acts.** An administrator or operator gives a credential when an integration is made, rotated or
//! connected anew; an outsider may through a link, a person by agreeing at the provider. Everybody who calls a
//! provider gets its values here, and nowhere else: [`open`] for the one in use, [`token::fresh`] where a token has
//! to be bought with it, [`at_hand`] for who calls for many integrations at once, [`resolve`] for callers that may
//! bring their own.
//!
//! **How it lives.** Each is a row with what may be seen of it (hints, a prefix, the end of its token); the fields and
//! the token are sealed under the credential's id. An integration has one in use. Giving another makes another
//! row, and the one before serves on for as long as the rotation said: calls that the provider refuses with the
//! new one are tried with it. Then its secrets are forgotten with the row.
//!
//! **What fails.** A token that cannot be fetched is tried again, later each time; while the old one lives, nobody
//! notices. If the provider says that the credential is void, it is not used again: the integration says
//! `NEEDS_REAUTH`, and stays as it is until somebody connects it anew.
//!
//! **Not promised**: that a provider which takes a refresh token once, and whose answer was lost on the way,
//! knows us afterwards. Those that allow a repetition until the next token is used do.

pub mod app;
mod at_hand;
pub mod given;
pub mod resolve;
pub mod signature;
pub mod token;
pub mod webhook;

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr};
use serde_json::{Map, Value, json};

use crate::{
    context::{Cx, Hub, Txn},
    domain::keyring::secret,
    entity::{
        credential::{self as entity, Column},
        first::First,
        integration::{self, Model as Integration},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{CredentialId, IntegrationId, TenantId},
        secret::Secret,
    },
};

pub use self::at_hand::{AtHand, at_hand};
pub use entity::Model as Credential;

use self::given::Fields;

/// The names under which the secrets of a credential are sealed.
const FIELDS: &str = "fields";
const TOKEN: &str = "token";

/// A credential with its secrets, ready to be used.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What may be seen of it.
    pub credential: Credential,
    /// Its fields, and its token as `access_token` and `refresh_token`.
    pub values: BTreeMap<String, Secret>,
}

/// A token as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The token.
    pub access: Secret,
    /// The token for the next one.
    pub refresh: Option<Secret>,
    /// When it is gone, if that is known.
    pub expires_at: Option<Moment>,
    /// When the next one should be fetched.
    pub refresh_at: Option<Moment>,
    /// Whether the next one can be fetched without a person.
    pub refreshable: bool,
}

/// The credential that an integration uses, if it has one.
pub async fn current(cx: &Cx, integration: &Integration) -> Result<Option<Credential>> {
    Ok(entity::current(integration.tenant_id, integration.id).first(cx.db()).await?)
}

/// The credentials in use of several integrations of the tenant.
pub async fn of_integrations(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<Credential>> {
    let select = entity::of(cx.tenant()?).filter(entity::COLUMN.current.eq(true));
    Ok(select.filter(entity::COLUMN.integration_id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The credential in use with its secrets; nothing if there is none.
pub async fn open(cx: &Cx, integration: &Integration) -> Result<Option<Opened>> {
    match current(cx, integration).await? {
        Some(credential) => Ok(Some(opened(cx, credential).await?)),
        None => Ok(None),
    }
}

/// The newest one before it that still serves, with its secrets.
pub async fn before(cx: &Cx, integration: &Integration) -> Result<Option<Opened>> {
    let select = entity::of_integration(integration.tenant_id, integration.id)
        .filter(entity::COLUMN.current.is_null())
        .filter(entity::COLUMN.serves_until.gt(cx.now()))
        .order_by_desc(Column::Id);
    match select.first(cx.db()).await? {
        Some(credential) => Ok(Some(opened(cx, credential).await?)),
        None => Ok(None),
    }
}

async fn opened(cx: &Cx, credential: Credential) -> Result<Opened> {
    let (tenant, owner) = (credential.tenant_id, credential.id.to_string());
    let fields = secret::get(cx.hub(), cx.db(), tenant, &owner, FIELDS).await?;
    let mut values = fields.map(|fields| unpacked(&fields)).transpose()?.unwrap_or_default();
    if credential.token_number > 0
        && let Some(token) = secret::get(cx.hub(), cx.db(), tenant, &owner, TOKEN).await?
    {
        values.extend(unpacked(&token)?);
    }
    Ok(Opened { credential, values })
}

/// Gives an integration a credential. The one before serves until then, or not at all.
pub async fn put(
    txn: &Txn,
    integration: &Integration,
    fields: &Fields,
    token: Option<&Kept>,
    overlap_until: Option<Moment>,
) -> Result<Credential> {
    let (tenant, now) = (integration.tenant_id, txn.now());
    match overlap_until {
        Some(until) => {
            let before = entity::current(tenant, integration.id).first(&**txn).await?;
            if let Some(before) = before {
                let retire = entity::update_of(tenant, before.id)
                    .col_expr(Column::Current, Expr::value(Option::<bool>::None))
                    .col_expr(Column::ServesUntil, Expr::value(until))
                    .col_expr(Column::UpdatedAt, Expr::value(now));
                retire.exec(&**txn).await?;
            }
        }
        None => forget(txn, integration).await?,
    }
    // What the one before had proven is not proven of this one.
    integration::unprove(tenant, integration.id).exec(&**txn).await?;
    let row = Credential {
        id: txn.id(),
        tenant_id: tenant,
        integration_id: integration.id,
        auth_method: fields.method.clone(),
        current: Some(true),
        serves_until: None,
        hints: json!(fields.hints),
        key_prefix: fields.key_prefix.clone(),
        token_number: i64::from(token.is_some()),
        refreshable: token.is_some_and(|token| token.refreshable),
        token_expires_at: token.and_then(|token| token.expires_at),
        refresh_at: token.and_then(|token| token.refresh_at),
        leased_until: None,
        fence: 0,
        failures: 0,
        retry_at: None,
        refused_at: None,
        refused_because: None,
        created_by: txn.cx().actor().to_string(),
        created_at: now,
        updated_at: now,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    let owner = row.id.to_string();
    if !fields.values.is_empty() {
        secret::put(txn, tenant, &owner, FIELDS, &packed(&fields.values)).await?;
    }
    if let Some(token) = token {
        keep(txn, tenant, row.id, token).await?;
    }
    Ok(row)
}

/// Seals a token of a credential.
async fn keep(txn: &Txn, tenant: TenantId, id: CredentialId, token: &Kept) -> Result<()> {
    let mut parts = BTreeMap::from([("access_token".to_owned(), token.access.clone())]);
    if let Some(refresh) = &token.refresh {
        parts.insert("refresh_token".to_owned(), refresh.clone());
    }
    secret::put(txn, tenant, &id.to_string(), TOKEN, &packed(&parts)).await
}

/// Forgets every credential of an integration, those before included.
pub async fn forget(txn: &Txn, integration: &Integration) -> Result<()> {
    let all = entity::of_integration(integration.tenant_id, integration.id).all(&**txn).await?;
    for credential in all {
        forget_one(txn, credential).await?;
    }
    Ok(())
}

async fn forget_one(txn: &Txn, credential: Credential) -> Result<()> {
    secret::forget(txn, credential.tenant_id, &credential.id.to_string()).await?;
    entity::Entity::delete(credential.into_active_model()).exec(&**txn).await?;
    Ok(())
}

/// Forgets credentials whose overlap is over. Says how many.
pub async fn retire(hub: std::sync::Arc<Hub>) -> Result<u64> {
    let mut gone = 0;
    for credential in entity::over(hub.clock.now()).all(hub.database.reader()).await? {
        let cx = Cx::system(std::sync::Arc::clone(&hub), "credential retirement", credential.tenant_id);
        cx.write(async |txn| forget_one(txn, credential).await).await?;
        gone += 1;
    }
    Ok(gone)
}

/// What may be seen of each field, by name, in the order of names.
#[must_use]
pub fn hints(credential: &Credential) -> Vec<(String, String)> {
    shown(&credential.hints)
}

fn shown(hints: &Value) -> Vec<(String, String)> {
    let pairs = hints.as_object().into_iter().flatten();
    pairs.filter_map(|(name, hint)| Some((name.clone(), hint.as_str()?.to_owned()))).collect()
}

/// Several secrets as one.
fn packed(values: &BTreeMap<String, Secret>) -> Secret {
    let fields: Map<String, Value> =
        values.iter().map(|(name, secret)| (name.clone(), Value::from(secret.expose()))).collect();
    Secret::from(Value::Object(fields).to_string())
}

fn unpacked(secret: &Secret) -> Result<BTreeMap<String, Secret>> {
    let fields: BTreeMap<String, String> = serde_json::from_str(secret.expose())
        .map_err(|error| Error::Internal("the secrets of a credential are damaged", error.to_string().into()))?;
    Ok(fields.into_iter().map(|(name, text)| (name, Secret::from(text))).collect())
}
