//! Asking an integration's provider something, with the credential that is good now.
//!
//! A token that the provider refuses before its time is bought anew. A credential that was just rotated may not
//! be known everywhere at the provider yet: while the one before still serves, it is tried.

use std::sync::Arc;

use super::{Integration, create::connector};
use crate::{
    context::{Cx, evidence::Witness},
    domain::credential::{self, AtHand, Opened, token},
    kernel::{error::Result, id::CredentialId},
    provider::{
        connector::{Connection, Connector, Trouble},
        manifest::{Manifest, answer::Class, auth::Auth},
    },
};

/// With so many tokens it is tried: one may have ended on its way, and the next while the machine was busy.
const TRIES: u32 = 3;

/// Asks. The outer failure is ours or the tenant's and nothing was asked; the inner one is the provider's answer.
/// How it went is evidence of the integration's health.
pub async fn call<T, F>(
    cx: &Cx,
    integration: &Integration,
    ask: impl Fn(Connector, Connection) -> F,
) -> Result<Result<T, Trouble>>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let witness = Witness::of(cx.hub(), integration.tenant_id, integration.id);
    let connector = connector(cx, integration.timeout_ms).observed_by(witness);
    Box::pin(call_by(cx, connector, integration, None, ask)).await
}

/// The same by another connector, with what was read for many integrations at once if it was.
pub async fn call_by<T, F>(
    cx: &Cx,
    connector: Connector,
    integration: &Integration,
    at_hand: Option<AtHand>,
    ask: impl Fn(Connector, Connection) -> F,
) -> Result<Result<T, Trouble>>
where
    F: Future<Output = Result<T, Trouble>>,
{
    Ok(Box::pin(call_with(cx, connector, integration, at_hand, ask)).await?.0)
}

/// The same, with the credential to which the answer was given.
pub(super) async fn call_with<T, F>(
    cx: &Cx,
    connector: Connector,
    integration: &Integration,
    at_hand: Option<AtHand>,
    ask: impl Fn(Connector, Connection) -> F,
) -> Result<(Result<T, Trouble>, Option<CredentialId>)>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let (mut known, app) = at_hand.map(|at_hand| (at_hand.opened, at_hand.app)).unzip();
    let mut aged = known.is_some();
    let mut opened = opened(cx, integration, known.take()).await?;
    let mut left = TRIES;
    loop {
        let (_, connection) = token::connection_by(cx, integration, opened.as_ref(), app.as_deref()).await?;
        let answer = ask(connector.clone(), connection).await;
        left -= 1;
        let with = opened.as_ref().map(|opened| opened.credential.id);
        let refused = matches!(&answer, Err(trouble) if trouble.class() == Some(Class::Auth));
        let Some(used) = opened.filter(|_| refused && left > 0) else { return Ok((answer, with)) };
        let Some(other) = instead_of(cx, integration, &used, std::mem::take(&mut aged)).await? else {
            return Ok((answer, with));
        };
        opened = Some(other);
    }
}

/// What may be taken by a provider that refused this; nothing if there is nothing else. Of what was read a while ago
/// there may be another by now.
async fn instead_of(cx: &Cx, integration: &Integration, used: &Opened, aged: bool) -> Result<Option<Opened>> {
    let key = |opened: &Opened| (opened.credential.id, opened.credential.token_number);
    if aged
        && let Some(other) = opened(cx, integration, None).await?
        && key(&other) != key(used)
    {
        return Ok(Some(other));
    }
    let other = if used.credential.token_number > 0 {
        // Somebody gave another credential meanwhile, or the token is another one.
        Some(token::fresh(cx, integration, Some(used.credential.token_number)).await?)
    } else {
        credential::before(cx, integration).await?
    };
    Ok(other.filter(|other| key(other) != key(used)))
}

/// The credential to use, maybe one that was read already; nothing where the provider asks for none.
async fn opened(cx: &Cx, integration: &Integration, known: Option<Opened>) -> Result<Option<Opened>> {
    let open = manifest(cx, integration).and_then(|it| it.auth(&integration.auth_method).cloned());
    if matches!(open, Some(Auth::Open(_))) {
        return Ok(None);
    }
    token::fresh_of(cx, integration, None, known).await.map(Some)
}

/// The file of an integration's provider, while the hub has it.
pub fn manifest(cx: &Cx, integration: &Integration) -> Option<Arc<Manifest>> {
    cx.hub().catalogue.get(&integration.provider).cloned()
}
