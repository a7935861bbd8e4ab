//! The account at the provider to which an integration's credential belongs, as the provider says.
//!
//! Webhooks of an address that serves every tenant are given to the tenant that has proven the account. A setting is no
//! proof, since anybody may type it. What counts is an answer of the provider to a call with the credential in use that
//! names the account; the provider's file says which call that is ([`Proof`]).
//!
//! **How a proof lives.** A test, another credential that is tested, and the regular probes record it; once a day the
//! provider is asked again. It is gone in the commit that changes the credential, a setting that names the account or
//! stands in an address, or the integration's state to disabled or `NEEDS_REAUTH`, and as soon as the provider's answer
//! names the account no more. An answer counts only if it was given to the credential that is in use when it is
//! written.
//!
//! **What fails.** While the provider cannot be reached the proof stays as it was. One that was lost comes back by the
//! next probe, within the probe interval.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

use super::{Integration, Status, call};
use crate::{
    context::Txn,
    domain::credential::token,
    entity::{self, first::First},
    event::{Changes, integration::IntegrationEvent},
    kernel::{clock::Moment, error::Result, id::CredentialId},
    provider::{
        manifest::{Manifest, answer::Class, connection::Environment, proof::Proof},
        probe::Verdict,
    },
};

/// Time after which the provider is asked again.
const RENEWED: TimeDelta = TimeDelta::days(1);

/// The account that settings name, if the provider's answer names it as one of the credential's.
#[must_use]
pub(super) fn proven(
    manifest: &Manifest,
    settings: &BTreeMap<String, String>,
    named: Option<&BTreeSet<String>>,
) -> Option<String> {
    let (setting, _) = manifest.account_proof()?;
    let claimed = settings.get(setting)?;
    named?.contains(claimed).then(|| claimed.clone())
}

/// Whether webhooks of an account that came to an address for every tenant are this integration's.
#[must_use]
pub fn has(integration: &Integration, account: &str) -> bool {
    integration.proven_account.as_deref() == Some(account)
        && integration.enabled
        && integration.can_webhook
        && integration.status != Status::NeedsReauth
}

/// Whether the list of accounts behind the credential should be asked for.
#[must_use]
pub fn is_due(manifest: &Manifest, integration: &Integration, now: Moment) -> bool {
    matches!(manifest.account_proof(), Some((_, Proof::Discovery(_)))) && is_old(integration, now)
}

/// Whether an answer is worth a commit.
#[must_use]
pub fn is_news(manifest: &Manifest, integration: &Integration, verdict: &Verdict, now: Moment) -> bool {
    named(manifest, verdict).is_some_and(|named| {
        let settings = token::settings(&integration.settings);
        is_old(integration, now) || proven(manifest, &settings, Some(&named)) != integration.proven_account
    })
}

fn is_old(integration: &Integration, now: Moment) -> bool {
    integration.account_asked_at.is_none_or(|asked| now - asked >= RENEWED)
}

/// What an answer says of the accounts; nothing if it says nothing.
fn named(manifest: &Manifest, verdict: &Verdict) -> Option<BTreeSet<String>> {
    let (_, proof) = manifest.account_proof()?;
    if let Some(named) = &verdict.named {
        return Some(named.clone());
    }
    let class = verdict.failure.as_ref()?.class;
    // A refusal names nothing, even one that shows that the credential is known.
    let refused = class == Class::Auth || (matches!(proof, Proof::Probe(_)) && !class.retry());
    refused.then(BTreeSet::new)
}

/// Whether changed settings still name the same account at the same addresses.
#[must_use]
pub(super) fn outlives(
    manifest: &Manifest,
    environment: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> bool {
    let Some((setting, _)) = manifest.account_proof() else { return true };
    let addresses = manifest.environment(environment).map(Environment::addresses);
    let names = addresses.into_iter().flatten().flat_map(|address| address.0.names());
    names.chain([setting]).all(|name| before.get(name) == after.get(name))
}

/// Writes what the provider answered to a credential that was put into use in this transaction.
pub(super) async fn begin(
    txn: &Txn,
    manifest: &Manifest,
    integration: Integration,
    verdict: Option<&Verdict>,
) -> Result<Integration> {
    let Some(named) = verdict.and_then(|verdict| verdict.named.as_ref()) else { return Ok(integration) };
    let account = proven(manifest, &token::settings(&integration.settings), Some(named));
    let enabled = integration.enabled;
    let mut row = integration.into_active_model();
    row.proven_account = Set(account.filter(|_| enabled));
    row.account_asked_at = Set(Some(txn.now()));
    Ok(row.update(&**txn).await?)
}

/// Writes what a provider's answer to that credential says of the account of an integration, which is held.
pub(super) async fn note(
    txn: &Txn,
    found: Integration,
    used: Option<CredentialId>,
    verdict: &Verdict,
) -> Result<Integration> {
    let Some(manifest) = call::manifest(txn.cx(), &found) else { return Ok(found) };
    let Some(named) = named(&manifest, verdict) else { return Ok(found) };
    let current = entity::credential::current(found.tenant_id, found.id).first(&**txn).await?;
    if used.is_none() || current.map(|credential| credential.id) != used {
        return Ok(found);
    }
    let account = proven(&manifest, &token::settings(&found.settings), Some(&named)).filter(|_| found.enabled);
    let before = found.proven_account.clone();
    let mut row = found.into_active_model();
    row.proven_account = Set(account.clone());
    row.account_asked_at = Set(Some(txn.now()));
    let noted = row.update(&**txn).await?;
    if before.is_some() && before != account {
        let changes = Changes::new().field("provenAccount", &before, &account);
        txn.emit(&IntegrationEvent::Updated { integration: noted.id, changes })?;
    }
    Ok(noted)
}
