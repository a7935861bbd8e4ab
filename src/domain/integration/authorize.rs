//! A person agrees at the provider.
//!
//! **The way.** [`start`] gives the address of the provider's page, with a state that nobody can guess and, where the
//! provider knows it, a challenge whose answer only we have. The person comes back to `/oauth/callback` with that
//! state and a code; [`finish`] trades the code for tokens. Then the account is looked up if the credential opens
//! just one, and the provider is asked whether all is well.
//!
//! **What is checked twice.** Between the two the tenant may be suspended, the integration disabled or deleted, and
//! whoever started it may have lost the credential or the right. All of that is looked at when the person comes back,
//! before the provider is called, and again before anything is written.
//!
//! **What cannot happen.** A state serves once, for ten minutes, for the integration it was made for, whoever brings it
//! twice or at once. The address to come back to is ours alone and never taken from a request. An answer that says it
//! comes from another issuer is refused. What proves the challenge is sealed, and forgotten with the state.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr};
use serde_json::json;
use url::Url;

use super::{Integration, Status, create::connector, get, held, into_status, test, trouble};
use crate::{
    context::{Audit, Cx, Txn},
    domain::{
        access::starter::Starter,
        credential::{self, given::Fields, token},
        keyring::secret,
    },
    entity::{
        authorization::{self as entity, Column, Model as Authorization},
        first::First,
        integration,
    },
    event::integration::IntegrationEvent,
    kernel::{
        actor::Caller,
        error::{Error, Result},
        id::IntegrationId,
        scope::Scope,
        secret::Secret,
        token::digest,
    },
    provider::{connector::Grant, manifest::auth::Auth},
};

/// How long a person has at the provider.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// The name under which the answer to a challenge is sealed.
const VERIFIER: &str = "verifier";

/// Where people come back to, below our address.
pub const CALLBACK: &str = "/oauth/callback";

/// What a provider sends along with the person.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    /// The state.
    pub state: Option<String>,
    /// The code.
    pub code: Option<Secret>,
    /// Who says to have sent it (RFC 9207).
    pub issuer: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// The same for people.
    pub error_description: Option<String>,
}

/// The page of the provider to which a person is sent.
pub async fn start(cx: &Cx, id: IntegrationId) -> Result<Url> {
    start_for(cx, id, &Starter::of(cx)).await
}

/// The same on behalf of whoever made the link by which the person comes.
pub(super) async fn start_for(cx: &Cx, id: IntegrationId, starter: &Starter) -> Result<Url> {
    let integration = get(cx, id).await?;
    if !integration.enabled {
        return Err(Error::conflict("id", format!("{} is disabled; enable it first", integration.name)));
    }
    let opened = credential::open(cx, &integration).await?;
    // The old token has no part in this.
    let opened = opened.map(|mut opened| {
        opened.values.retain(|name, _| name != "access_token" && name != "refresh_token");
        opened
    });
    let (manifest, connection) = token::connection(cx, &integration, opened.as_ref()).await?;
    if !matches!(connection.auth(), Auth::AuthorizationCode(_)) {
        let message = format!("nobody has to agree for {}: give it a credential", integration.name);
        return Err(Error::conflict("id", message));
    }
    let registered = credential::app::of_provider(cx, integration.tenant_id, &integration.provider).await?;
    if manifest.app.is_some() && registered.is_none() {
        let message = format!(
            "people agree to an application: register yours at {} and give it by setProviderApp",
            manifest.name
        );
        return Err(Error::conflict("id", message));
    }
    let redirect_uri = format!("{}{CALLBACK}", cx.hub().access.base_url.trim_end_matches('/'));
    let begun = connector(cx, integration.timeout_ms).authorize(&connection, &redirect_uri);
    let (url, pending) = begun.map_err(|found| trouble::refusal(&manifest, &found, "id"))?;
    cx.write(async |txn| {
        let row = Authorization {
            id: txn.id(),
            tenant_id: integration.tenant_id,
            integration_id: id,
            digest: digest(pending.state.expose()).to_vec(),
            redirect_uri: redirect_uri.clone(),
            started_by: cx.actor().to_string(),
            starter: Some(starter.stored()?),
            created_at: txn.now(),
            expires_at: txn.now() + PATIENCE,
            used_at: None,
        };
        entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
        if let Some(verifier) = &pending.verifier {
            secret::put(txn, row.tenant_id, &row.id.to_string(), VERIFIER, verifier).await?;
        }
        let fact = IntegrationEvent::AuthorizationStarted { integration: id };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))
    })
    .await?;
    Ok(url)
}

/// Takes what a person brought back. Whoever brings it needs no credential of ours: the state is one.
pub async fn finish(cx: &Cx, returned: Returned) -> Result<Integration> {
    let state = returned.state.as_deref().filter(|state| state.len() <= 200).ok_or_else(unknown_state)?;
    let found = entity::by_digest(&digest(state)).first(cx.db()).await?.ok_or_else(unknown_state)?;
    let cx = &cx.with_caller(Caller::system("authorization", found.tenant_id));
    let (row, verifier) = take(cx, &found).await?;
    let integration = get(cx, row.integration_id).await?;
    if let Some(reason) = barred(cx, &row, &integration).await? {
        return Err(refuse(cx, &integration, &reason).await?);
    }
    let opened = credential::open(cx, &integration).await?;
    let (manifest, connection) = token::connection(cx, &integration, opened.as_ref()).await?;
    let Auth::AuthorizationCode(method) = connection.auth().clone() else {
        return Err(Error::conflict("state", "the integration proves who asks in another way by now"));
    };
    let pages = [connection.authorize_origin(), connection.token_origin()];
    if let Some(issuer) = &returned.issuer
        && !pages
            .iter()
            .flatten()
            .any(|origin| Url::parse(issuer).is_ok_and(|url| url.origin().ascii_serialization() == *origin))
    {
        return Err(refuse(cx, &integration, "the answer came from another issuer than the one that was asked").await?);
    }
    if let Some(error) = &returned.error {
        let said = returned.error_description.as_deref().unwrap_or(error);
        let said: String = said.chars().filter(|letter| !letter.is_control()).take(300).collect();
        return Err(refuse(cx, &integration, &format!("{} says: {said}", manifest.name)).await?);
    }
    let Some(code) = returned.code.filter(|code| (1..=4096).contains(&code.expose().len())) else {
        return Err(refuse(cx, &integration, "the answer has no code").await?);
    };
    if method.authorize.pkce && verifier.is_none() {
        return Err(refuse(cx, &integration, "what proves that we asked is gone; begin again").await?);
    }
    let connector = connector(cx, integration.timeout_ms);
    let grant = Grant::Code { code: &code, redirect_uri: &row.redirect_uri, verifier: verifier.as_ref() };
    let bought = match connector.token(&connection, grant).await {
        Ok(bought) => bought,
        Err(found) => {
            refuse(cx, &integration, &found.to_string()).await?;
            return Err(trouble::refusal(&manifest, &found, "code"));
        }
    };
    let connection = connection.with_token(&bought);
    let kept = token::kept(&bought, None, &Auth::AuthorizationCode(method), cx.now());
    let mut settings = bought.set.clone();
    if manifest.discovery.get().is_some()
        && let Ok(accounts) = connector.discover(&connection).await
        && let [only] = accounts.as_slice()
    {
        // What is set already was chosen by somebody.
        let known = token::settings(&integration.settings);
        settings.extend(
            only.set.iter().filter(|(name, _)| !known.contains_key(*name)).map(|(n, v)| (n.clone(), v.clone())),
        );
    }
    let fields = Fields {
        method: integration.auth_method.clone(),
        values: opened
            .map(|opened| opened.values)
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, _)| !name.ends_with("_token"))
            .collect(),
        hints: std::collections::BTreeMap::new(),
        key_prefix: None,
    };
    let learned = crate::provider::token::Token { set: settings, ..bought };
    // The provider may have taken its time.
    let integration = get(cx, integration.id).await?;
    if let Some(reason) = barred(cx, &row, &integration).await? {
        return Err(refuse(cx, &integration, &reason).await?);
    }
    cx.write(async |txn| {
        let found = held(txn, integration.id).await?;
        if !found.enabled {
            return Err(Error::conflict("state", disabled(&found)));
        }
        credential::put(txn, &found, &fields, Some(&kept), None).await?;
        token::learned(txn, found.id, &learned).await?;
        let fact = IntegrationEvent::Reconnected {
            integration: found.id,
            auth_method: fields.method.clone(),
            by: row.started_by.clone(),
        };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "authMethod": fields.method, "startedBy": row.started_by })))?;
        let found = held(txn, integration.id).await?;
        into_status(txn, found, Status::Pending, "somebody agreed at the provider").await?;
        Ok(())
    })
    .await?;
    Ok(test::test(cx, integration.id).await?.integration)
}

/// The reason why an authorization may not end any more what was allowed to begin; nothing if it may.
async fn barred(cx: &Cx, row: &Authorization, integration: &Integration) -> Result<Option<String>> {
    if !integration.enabled {
        return Ok(Some(disabled(integration)));
    }
    let Some(starter) = Starter::recorded(row.starter.as_ref()) else {
        return Ok(Some("it is not known who started this; begin again".to_owned()));
    };
    let reason = starter.barred(cx.hub(), row.tenant_id, Scope::IntegrationWrite).await?;
    Ok(reason.map(|reason| format!("{reason}; begin again")))
}

fn disabled(integration: &Integration) -> String {
    format!("{} is disabled; enable it and begin again", integration.name)
}

/// Uses a state up; with it what proves the challenge.
async fn take(cx: &Cx, found: &Authorization) -> Result<(Authorization, Option<Secret>)> {
    if found.used_at.is_some() {
        return Err(Error::conflict("state", "this answer was used before; begin again"));
    }
    if found.expires_at <= cx.now() {
        return Err(Error::conflict("state", "this took longer than ten minutes; begin again"));
    }
    let owner = found.id.to_string();
    let verifier = secret::get(cx.hub(), cx.db(), found.tenant_id, &owner, VERIFIER).await?;
    cx.write(async |txn| {
        let used = entity::update_of(found.tenant_id, found.id)
            .col_expr(Column::UsedAt, Expr::value(txn.now()))
            .filter(entity::COLUMN.used_at.is_null())
            .exec(&**txn)
            .await?;
        if used.rows_affected == 0 {
            return Err(Error::conflict("state", "this answer was used before; begin again"));
        }
        secret::forget(txn, found.tenant_id, &owner).await
    })
    .await?;
    Ok((found.clone(), verifier))
}

fn unknown_state() -> Error {
    Error::invalid("state", "this is no answer to a question of ours; begin again")
}

/// Notes that a person came back without what we need.
async fn refuse(cx: &Cx, integration: &Integration, reason: &str) -> Result<Error> {
    cx.write(async |txn| {
        let fact = IntegrationEvent::AuthorizationRefused { integration: integration.id, reason: reason.to_owned() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "reason": reason })))?;
        said(txn, integration.id, reason).await
    })
    .await?;
    Ok(Error::conflict("state", reason))
}

async fn said(txn: &Txn, id: IntegrationId, reason: &str) -> Result<()> {
    let held = integration::held(txn.cx().tenant()?, id);
    let Some(found) = held.first(&**txn).await? else { return Ok(()) };
    let mut row = found.into_active_model();
    row.error_message = Set(Some(reason.to_owned()));
    row.last_error_at = Set(Some(txn.now()));
    row.updated_at = Set(txn.now());
    row.update(&**txn).await?;
    Ok(())
}
