//! Another credential for an integration that stays what it is: its id, its settings, its history.
//!
//! *Reconnecting* is for one that does not work: the new credential takes the place of the old one at once, and it
//! may be of another kind. *Rotating* is for one that does: the old credential serves for a while beside the new
//! one. Either way the provider is asked first, and if it refuses the new one nothing has changed.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::json;

use super::{
    Integration, Status,
    create::{Asked, Checked, NewIntegration, Place, ask, can_be_asked, check, connection, connector},
    get, held, into_status, link, proof,
};
use crate::{
    context::{Audit, Cx},
    domain::credential::{self, given::Given, token},
    entity::connect_link::Model as Link,
    event::integration::IntegrationEvent,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
};

/// How long the credential before may serve at most.
const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(30);

/// How the new credential takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// At once.
    AtOnce,
    /// The one before serves on for this long.
    Overlap(TimeDelta),
}

/// Gives an integration a credential in place of the one it has, if its provider takes it.
pub async fn give(cx: &Cx, id: IntegrationId, given: Given, how: Takeover, skip_test: bool) -> Result<Integration> {
    by(cx, id, given, how, skip_test, Beside::default()).await
}

/// The same, with settings that belong to the credential, such as where its tokens are bought.
pub async fn give_with(
    cx: &Cx,
    id: IntegrationId,
    given: Given,
    settings: &[(String, String)],
    skip_test: bool,
) -> Result<Integration> {
    by(cx, id, given, Takeover::AtOnce, skip_test, Beside { settings, link: None }).await
}

/// The same by an outsider, whose link it uses up.
pub(super) async fn give_by_link(cx: &Cx, link: &Link, given: Given) -> Result<Integration> {
    let beside = Beside { link: Some(link), ..Beside::default() };
    by(cx, link.integration_id, given, Takeover::AtOnce, false, beside).await
}

/// What comes with a credential.
#[derive(Clone, Copy, Default)]
struct Beside<'a> {
    /// Settings that it needs; the others stay.
    settings: &'a [(String, String)],
    /// The link by which it was given.
    link: Option<&'a Link>,
}

async fn by(
    cx: &Cx,
    id: IntegrationId,
    given: Given,
    how: Takeover,
    skip_test: bool,
    beside: Beside<'_>,
) -> Result<Integration> {
    if let Takeover::Overlap(overlap) = how
        && !(TimeDelta::zero()..=LONGEST_OVERLAP).contains(&overlap)
    {
        return Err(Error::invalid("overlap", format!("it is between 0 and {} days", LONGEST_OVERLAP.num_days())));
    }
    let before = get(cx, id).await?;
    let mut settings = token::settings(&before.settings);
    settings.extend(beside.settings.iter().cloned());
    let known = NewIntegration {
        provider: before.provider.clone(),
        environment: Some(before.environment.clone()),
        place: Place { timeout_ms: before.timeout_ms, ..Place::default() },
        settings: settings.into_iter().collect(),
        ..NewIntegration::default()
    };
    let checked = check(cx, &known, Some(&given)).await?;
    let connector = connector(cx, before.timeout_ms);
    let connection = connection(&connector, &checked)?;
    let test = !skip_test && can_be_asked(&checked);
    let asked = ask(&connector, &checked, connection, test).await?;
    if let Some(link) = beside.link {
        link::still_open(cx, link).await?;
    }
    write(cx, &before, &checked, asked, how, beside).await
}

async fn write(
    cx: &Cx,
    before: &Integration,
    checked: &Checked,
    asked: Asked,
    how: Takeover,
    beside: Beside<'_>,
) -> Result<Integration> {
    let fields = checked.fields.as_ref().ok_or_else(token::no_credential)?;
    let kept = asked.token.as_ref().map(|bought| token::kept(bought, None, &checked.auth, cx.now()));
    let tested = asked.verdict.is_some();
    cx.write(async |txn| {
        if let Some(link) = beside.link {
            link::use_up(txn, link).await?;
        }
        let found = held(txn, before.id).await?;
        let same = found.auth_method == fields.method;
        let works = found.status != Status::NeedsReauth;
        let overlap = match how {
            Takeover::Overlap(overlap) if same && works => Some(txn.now() + overlap),
            _ => None,
        };
        credential::put(txn, &found, fields, kept.as_ref(), overlap).await?;
        let fact = match how {
            Takeover::AtOnce => IntegrationEvent::Reconnected {
                integration: found.id,
                auth_method: fields.method.clone(),
                by: cx.actor().to_string(),
            },
            Takeover::Overlap(_) => {
                IntegrationEvent::CredentialsRotated { integration: found.id, overlap_until: overlap }
            }
        };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "authMethod": fields.method, "hints": fields.hints })))?;
        if let Some(token) = &asked.token {
            token::learned(txn, found.id, token).await?;
        }
        let found = held(txn, before.id).await?;
        let status = match (found.enabled, tested) {
            (false, _) => Status::Inactive,
            (true, true) => Status::Active,
            (true, false) => Status::Pending,
        };
        let mut settings = token::settings(&found.settings);
        settings.extend(beside.settings.iter().cloned());
        let mut row = found.into_active_model();
        row.settings = Set(json!(settings));
        row.auth_method = Set(fields.method.clone());
        row.error_class = Set(None);
        row.error_message = Set(None);
        if tested {
            row.last_tested_at = Set(Some(txn.now()));
            row.last_success_at = Set(Some(txn.now()));
        }
        if let Some(account) = asked.verdict.as_ref().and_then(|verdict| verdict.account.clone()) {
            row.account = Set(Some(account));
        }
        row.updated_at = Set(txn.now());
        let noted = row.update(&**txn).await?;
        let noted = proof::begin(txn, &checked.manifest, noted, asked.verdict.as_ref()).await?;
        into_status(txn, noted, status, "it was given another credential").await
    })
    .await
}
