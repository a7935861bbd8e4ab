//! Tokens that have to be bought, and bought again before they end: once per end, however many ask on however
//! many nodes.
//!
//! **Who buys.** Whoever finds a token due takes the lease of the credential: one statement that succeeds for one, and
//! raises the fence. Within a process callers wait in line first, so that a hundred ask the database once. Who does not
//! get the lease goes on with the token that is there, or waits for the next one if there is none. The purchase and
//! its commit are a task of their own: a caller that hangs up takes no refresh token along.
//!
//! **What is written.** A token is kept if the one it follows is still the newest, whoever holds the lease by then: it
//! was bought with what is stored, so nothing newer is overwritten, and what was bought is not lost because a
//! lease was. The new refresh token is committed together with the token, and before that nothing is given up.
//!
//! **What fails.** A purchase that fails is tried again after a pause that doubles, one to thirty seconds. A refusal for
//! good ends it: but only who still holds the fence may say so, and only when nobody may still be on the way with an
//! answer, since a refresh token that serves once looks void to the second who brings it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter, QuerySelect, sea_query::Expr,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Credential, Kept, Opened, app, keep, open};
use crate::{
    context::{Audit, Cx, Hub, Txn},
    domain::alert::{self, Kind, NewAlert, Severity},
    entity::{
        credential::{self as entity, Column},
        first::First,
        integration::{self, Model as Integration, Status},
    },
    event::integration::IntegrationEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{CredentialId, IntegrationId},
        secret::Secret,
    },
    provider::{
        connector::{Bounds, Connection, Details, Grant, Misfit, Trouble},
        manifest::{Manifest, answer::Class, auth::Auth},
        token::Token,
    },
};

/// What is away while a token cannot be had.
pub const TOKEN: &str = "a token of the provider";

/// How long a purchase may take.
const PURCHASE: Duration = Duration::from_secs(10);

/// How long one who bought is left alone before another takes over.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// The longest pause after failures.
const LONGEST_PAUSE: i64 = 30;

/// How long a caller waits for a token that somebody else buys.
const PATIENCE: Duration = Duration::from_secs(25);

/// How often who waits looks.
const LOOK: Duration = Duration::from_millis(100);

/// How many tokens are bought ahead at a time.
const AHEAD: usize = 16;

/// What is known of a connection: its file, its settings and an opened credential.
pub async fn connection(
    cx: &Cx,
    integration: &Integration,
    opened: Option<&Opened>,
) -> Result<(Arc<Manifest>, Connection)> {
    connection_by(cx, integration, opened, None).await
}

/// The same with the fields of the operator's application, if they were read already.
pub async fn connection_by(
    cx: &Cx,
    integration: &Integration,
    opened: Option<&Opened>,
    app: Option<&BTreeMap<String, Secret>>,
) -> Result<(Arc<Manifest>, Connection)> {
    let hub = cx.hub();
    let manifest = hub.catalogue.get(&integration.provider).cloned();
    let manifest = manifest.ok_or_else(|| gone(&integration.provider))?;
    let mut values = opened.map(|opened| opened.values.clone()).unwrap_or_default();
    let mut details = Details {
        environment: Some(integration.environment.clone()),
        auth: Some(opened.map_or(&integration.auth_method, |opened| &opened.credential.auth_method).clone()),
        settings: settings(&integration.settings),
        simulator: hub.simulator.clone(),
        access_token: values.remove("access_token"),
        refresh_token: values.remove("refresh_token"),
        ..Details::default()
    };
    details.credential = values;
    if manifest.app.is_some() {
        details.app = match app {
            Some(known) => known.clone(),
            None => app::values(cx, integration.tenant_id, &integration.provider).await?.unwrap_or_default(),
        };
    }
    let connection = Connection::new(Arc::clone(&manifest), &details).map_err(|misfit| unknown(&misfit))?;
    Ok((manifest, connection))
}

/// Settings as they are kept.
#[must_use]
pub fn settings(kept: &Value) -> BTreeMap<String, String> {
    let pairs = kept.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn gone(provider: &str) -> Error {
    Error::conflict("integration", format!("the provider {provider:?} is not in the catalogue of this hub any more"))
}

fn unknown(misfit: &Misfit) -> Error {
    Error::conflict("integration", format!("the provider's file has no {:?} {:?} any more", misfit.part, misfit.name))
}

/// The credential of an integration with a token that is good now. Whoever was refused with a token says its number,
/// and gets another.
pub async fn fresh(cx: &Cx, integration: &Integration, refused: Option<i64>) -> Result<Opened> {
    fresh_of(cx, integration, refused, None).await
}

/// The same, where the credential was read a moment ago. If anything is to be done about it, it is read again.
pub async fn fresh_of(
    cx: &Cx,
    integration: &Integration,
    refused: Option<i64>,
    mut at_hand: Option<Opened>,
) -> Result<Opened> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let opened = match at_hand.take() {
            Some(opened) => opened,
            None => open(cx, integration).await?.ok_or_else(no_credential)?,
        };
        let manifest = cx.hub().catalogue.get(&integration.provider).ok_or_else(|| gone(&integration.provider))?;
        let bought = manifest.auth(&opened.credential.auth_method).is_some_and(|auth| auth.token().is_some());
        if !bought {
            return Ok(opened);
        }
        let state = State::of(&opened.credential, refused, cx.now());
        if opened.credential.refused_at.is_some() {
            return Err(needs_reauth(opened.credential.refused_because.as_deref()));
        }
        if !state.due {
            return Ok(opened);
        }
        if let Some(pause) = opened.credential.retry_at.filter(|at| *at > cx.now()) {
            if state.usable {
                return Ok(opened);
            }
            return Err(unavailable(pause, cx.now()));
        }
        if opened.credential.leased_until.is_some_and(|until| until > cx.now()) {
            if state.usable {
                return Ok(opened);
            }
            if Instant::now() >= patience {
                return Err(unavailable(cx.now() + LEASE, cx.now()));
            }
            sleep(LOOK).await;
            continue;
        }
        buy(cx, integration, opened.credential.id, refused).await?;
    }
}

/// What can be done with a token.
struct State {
    /// It can still be sent.
    usable: bool,
    /// The next one should be bought.
    due: bool,
}

impl State {
    fn of(credential: &Credential, refused: Option<i64>, now: Moment) -> Self {
        let there = credential.token_number > 0 && refused != Some(credential.token_number);
        let alive = credential.token_expires_at.is_none_or(|end| end > now);
        let early = credential.refresh_at.is_some_and(|at| at <= now);
        Self { usable: there && alive, due: !there || !alive || (early && credential.refreshable) }
    }
}

/// Waits for the turn in this process, looks again, and buys if it is still necessary. The work goes on when the
/// caller hangs up.
async fn buy(cx: &Cx, integration: &Integration, id: CredentialId, refused: Option<i64>) -> Result<()> {
    let turn = cx.hub().purchases.take(id).await;
    let Some(credential) = entity::of(integration.tenant_id).filter(entity::COLUMN.id.eq(id)).first(cx.db()).await?
    else {
        return Ok(());
    };
    let now = cx.now();
    let held = credential.leased_until.is_some_and(|until| until > now);
    let paused = credential.retry_at.is_some_and(|at| at > now);
    if held || paused || credential.refused_at.is_some() || !State::of(&credential, refused, now).due {
        return Ok(());
    }
    let Some(lease) = Lease::take(cx, &credential).await? else { return Ok(()) };
    let own = Cx::system(Arc::clone(cx.hub()), "token purchase", integration.tenant_id);
    let integration = integration.clone();
    let work = cx.hub().tasks.spawn(async move {
        let outcome = purchase(&own, &integration, &credential, &lease).await;
        drop(turn);
        outcome
    });
    work.await.map_err(|error| Error::Internal("a token purchase ended early", error.into()))?
}

/// The right to buy, for a while.
struct Lease {
    fence: i64,
    /// Whether somebody had it before and never gave it back.
    inherited: bool,
}

impl Lease {
    /// Takes it, unless somebody was quicker.
    async fn take(cx: &Cx, seen: &Credential) -> Result<Option<Self>> {
        let (until, fence) = (cx.now() + LEASE, seen.fence + 1);
        let taken = cx
            .write(async |txn| {
                let take = entity::update_of(seen.tenant_id, seen.id)
                    .col_expr(Column::LeasedUntil, Expr::value(until))
                    .col_expr(Column::Fence, Expr::value(fence))
                    .filter(entity::COLUMN.fence.eq(seen.fence))
                    .filter(entity::COLUMN.token_number.eq(seen.token_number));
                Ok(take.exec(&**txn).await?.rows_affected)
            })
            .await?;
        Ok((taken == 1).then_some(Self { fence, inherited: seen.leased_until.is_some() }))
    }
}

async fn purchase(cx: &Cx, integration: &Integration, seen: &Credential, lease: &Lease) -> Result<()> {
    let opened = super::opened(cx, seen.clone()).await?;
    let (manifest, connection) = connection(cx, integration, Some(&opened)).await?;
    let grant = match manifest.auth(&seen.auth_method) {
        Some(Auth::ClientCredentials(_)) => Grant::Credentials,
        _ => Grant::Refresh,
    };
    let bounds = Bounds { within: PURCHASE, ..Bounds::default() };
    let bought = cx.hub().connector.clone().within(bounds).token(&connection, grant).await;
    match bought {
        Ok(token) => {
            let before = opened.values.get("refresh_token").cloned();
            stored(cx, integration, seen, before, token).await
        }
        Err(trouble) if for_good(&trouble) => refuse(cx, integration, seen, lease, &trouble).await,
        Err(trouble) => postpone(cx, integration, seen, lease, &trouble).await,
    }
}

/// Whether trying again with the same would be in vain.
fn for_good(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Failed(failure) => {
            matches!(failure.class, Class::Auth | Class::Invalid | Class::Permission | Class::NotFound)
        }
        // Something that the call needs is not there, and will not come by itself.
        Trouble::Unmade(_) | Trouble::NoSuchGrant | Trouble::Arguments(_) => true,
        Trouble::Refused(_) => false,
    }
}

/// What is kept of a token that was bought.
#[must_use]
pub fn kept(token: &Token, refresh_before: Option<Secret>, auth: &Auth, now: Moment) -> Kept {
    let refresh = token.refresh.clone().or(refresh_before);
    let refreshable = match auth {
        Auth::ClientCredentials(_) => true,
        Auth::AuthorizationCode(it) => {
            it.refresh.get().is_some_and(|call| refresh.is_some() || !call.sends_refresh_token())
        }
        _ => false,
    };
    Kept {
        access: token.access.clone(),
        refresh,
        expires_at: token.expires_at,
        refresh_at: token.refresh_at(now),
        refreshable,
    }
}

/// Writes a token that was bought, unless a newer one is there.
async fn stored(
    cx: &Cx,
    integration: &Integration,
    seen: &Credential,
    refresh_before: Option<Secret>,
    token: Token,
) -> Result<()> {
    let manifest = cx.hub().catalogue.get(&integration.provider).ok_or_else(|| gone(&integration.provider))?;
    let auth = manifest.auth(&seen.auth_method).ok_or_else(|| gone(&integration.provider))?;
    let kept = kept(&token, refresh_before, auth, cx.now());
    cx.write(async |txn| {
        let Some(row) = held(txn, seen).await? else { return Ok(()) };
        if row.token_number != seen.token_number {
            tracing::info!(integration = %integration.id, "a token came after a newer one and was left");
            return Ok(());
        }
        keep(txn, row.tenant_id, row.id, &kept).await?;
        let mut row = row.into_active_model();
        row.token_number = Set(seen.token_number + 1);
        row.token_expires_at = Set(kept.expires_at);
        row.refresh_at = Set(kept.refresh_at);
        row.refreshable = Set(kept.refreshable);
        row.leased_until = Set(None);
        row.retry_at = Set(None);
        row.failures = Set(0);
        row.updated_at = Set(txn.now());
        row.update(&**txn).await?;
        learned(txn, integration.id, &token).await?;
        txn.emit(&IntegrationEvent::TokenRefreshed { integration: integration.id, expires_at: kept.expires_at })
    })
    .await
}

/// Takes over settings that a token's answer filled.
pub(in crate::domain) async fn learned(txn: &Txn, id: IntegrationId, token: &Token) -> Result<()> {
    if token.set.is_empty() {
        return Ok(());
    }
    let tenant = txn.cx().tenant()?;
    let found = integration::of(tenant).filter(integration::COLUMN.id.eq(id)).lock_exclusive().first(&**txn).await?;
    let Some(found) = found else { return Ok(()) };
    let before = settings(&found.settings);
    let mut known = before.clone();
    known.extend(token.set.iter().map(|(name, value)| (name.clone(), value.clone())));
    if known == before {
        return Ok(());
    }
    let mut row = found.into_active_model();
    row.settings = Set(json!(known));
    (row.proven_account, row.account_asked_at) = (Set(None), Set(None));
    row.updated_at = Set(txn.now());
    row.update(&**txn).await?;
    Ok(())
}

/// The credential, held until the commit; nothing if it is gone.
async fn held(txn: &Txn, seen: &Credential) -> Result<Option<Credential>> {
    let select = entity::of(seen.tenant_id).filter(entity::COLUMN.id.eq(seen.id)).lock_exclusive();
    Ok(select.first(&**txn).await?)
}

/// Notes that the provider refused for good, if that can be known.
async fn refuse(cx: &Cx, integration: &Integration, seen: &Credential, lease: &Lease, trouble: &Trouble) -> Result<()> {
    if lease.inherited && seen.failures == 0 {
        // Who had the lease before may have spent the refresh token, and may still be about to say what came of it.
        sleep(PURCHASE).await;
    }
    cx.write(async |txn| {
        let Some(row) = held(txn, seen).await? else { return Ok(()) };
        if row.token_number != seen.token_number || row.fence != lease.fence || row.current != Some(true) {
            return Ok(());
        }
        refused(txn, row, &trouble.to_string()).await
    })
    .await?;
    tracing::warn!(integration = %integration.id, "the provider refused the credential for good");
    Ok(())
}

/// Marks a credential, which is held, as void: its integration needs somebody.
pub(in crate::domain) async fn refused(txn: &Txn, credential: Credential, reason: &str) -> Result<()> {
    let (tenant, id) = (credential.tenant_id, credential.integration_id);
    let mut row = credential.into_active_model();
    row.refused_at = Set(Some(txn.now()));
    row.refused_because = Set(Some(reason.to_owned()));
    row.leased_until = Set(None);
    row.updated_at = Set(txn.now());
    row.update(&**txn).await?;
    let found = integration::of(tenant).filter(integration::COLUMN.id.eq(id)).lock_exclusive().first(&**txn).await?;
    let Some(found) = found else { return Ok(()) };
    let fact = IntegrationEvent::CredentialRefused { integration: id, reason: reason.to_owned() };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(json!({ "reason": reason })))?;
    let from = found.status;
    let mut row = found.into_active_model();
    row.status = Set(Status::NeedsReauth);
    (row.proven_account, row.account_asked_at) = (Set(None), Set(None));
    row.last_error_at = Set(Some(txn.now()));
    row.error_class = Set(Some(Class::Auth.as_str().to_owned()));
    row.error_message = Set(Some(reason.to_owned()));
    row.updated_at = Set(txn.now());
    let name = row.update(&**txn).await?.name;
    let text = format!("{name} needs to be connected anew: {reason}");
    let alert = NewAlert { kind: Kind::NeedsReauth, severity: Severity::Critical, subject: id.to_string(), text };
    alert::raise(txn, alert).await?;
    if from != Status::NeedsReauth {
        txn.emit(&IntegrationEvent::StatusChanged {
            integration: id,
            from: from.name().to_owned(),
            to: Status::NeedsReauth.name().to_owned(),
            reason: reason.to_owned(),
        })?;
    }
    Ok(())
}

/// Notes a failure that may pass, and when to try again.
async fn postpone(
    cx: &Cx,
    integration: &Integration,
    seen: &Credential,
    lease: &Lease,
    trouble: &Trouble,
) -> Result<()> {
    let reason = trouble.to_string();
    let failures = seen.failures.saturating_add(1);
    let mut pause = TimeDelta::seconds((1_i64 << failures.clamp(1, 6).saturating_sub(1)).min(LONGEST_PAUSE));
    if let Trouble::Failed(failure) = trouble
        && let Some(until) = failure.until
    {
        pause = pause.max((until - cx.now()).min(TimeDelta::hours(1)));
    }
    cx.write(async |txn| {
        let Some(row) = held(txn, seen).await? else { return Ok(()) };
        if row.token_number != seen.token_number || row.fence != lease.fence {
            return Ok(());
        }
        let mut row = row.into_active_model();
        row.failures = Set(failures);
        row.retry_at = Set(Some(txn.now() + pause));
        row.leased_until = Set(None);
        row.updated_at = Set(txn.now());
        row.update(&**txn).await?;
        txn.emit(&IntegrationEvent::TokenRefreshFailed {
            integration: integration.id,
            reason: reason.clone(),
            failures,
        })
    })
    .await
}

/// Buys tokens that are due ahead of their end. Says how many were due.
pub async fn ahead(hub: Arc<Hub>) -> Result<u64> {
    let due = entity::due(hub.clock.now()).limit(1_000).all(hub.database.reader()).await?;
    let count = due.len() as u64;
    let work = due.into_iter().map(|credential| {
        let hub = Arc::clone(&hub);
        async move {
            let cx = Cx::system(hub, "token purchase", credential.tenant_id);
            let select = integration::of(credential.tenant_id)
                .filter(integration::COLUMN.id.eq(credential.integration_id))
                .filter(integration::COLUMN.enabled.eq(true));
            if let Some(found) = select.first(cx.db()).await? {
                // Whether it worked is in the rows.
                drop(fresh(&cx, &found, None).await);
            }
            Ok::<_, Error>(())
        }
    });
    futures_util::TryStreamExt::try_collect::<()>(futures_util::StreamExt::buffer_unordered(
        futures_util::stream::iter(work),
        AHEAD,
    ))
    .await?;
    Ok(count)
}

/// There is nothing to prove who asks.
#[must_use]
pub fn no_credential() -> Error {
    Error::conflict("integration", "the integration has no credential yet: connect it first")
}

/// Only a person can mend this.
#[must_use]
pub fn needs_reauth(reason: Option<&str>) -> Error {
    let why = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    Error::conflict("integration", format!("the provider refuses the credential{why}: connect the integration anew"))
}

fn unavailable(until: Moment, now: Moment) -> Error {
    let seconds = (until - now).num_seconds().max(1);
    Error::Unavailable(TOKEN, format!("it is tried again in {seconds} s").into())
}
