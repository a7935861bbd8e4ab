//! Why an integration is as it is: what happened to it, in order of time.
//!
//! Four things are laid beside each other: changes of what is known of the integration, what became of its credential,
//! checks that failed, and changes of the verdict. The chain begins a day before the present verdict did; of each
//! kind the newest are in it. Who looks at it sees the cause before the effect, if the hub has seen it; what happened at
//! the provider alone is there as what the provider said.

use std::collections::HashMap;

use chrono::TimeDelta;
use sea_orm::FromQueryResult;
use serde_json::Value;

use super::{Health, HealthChange, HealthCheck, list};
use crate::{
    context::Cx,
    entity::{event, health_check::Part},
    kernel::{
        clock::Moment,
        error::Result,
        id::{HealthCheckId, IntegrationId},
    },
};

/// How long before the present verdict the chain begins.
const BEFORE: TimeDelta = TimeDelta::days(1);

/// Of each kind at most so many.
const MOST: usize = 20;

/// Subjects of one statement.
const SUBJECTS: usize = 250;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is known of the integration was changed.
    Configuration,
    /// Something became of its credential.
    Credential,
    /// A call failed.
    Call,
    /// The verdict changed.
    State,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What kind of thing.
    pub kind: Kind,
    /// When.
    pub at: Moment,
    /// In a sentence.
    pub text: String,
    /// Through whom, if through somebody.
    pub actor: Option<String>,
    /// The request in which it was, if it was in one.
    pub request: Option<String>,
    /// The trace of the call, if it was one.
    pub trace: Option<String>,
}

/// The chains of several integrations.
pub async fn why(cx: &Cx, ids: &[IntegrationId]) -> Result<HashMap<IntegrationId, Vec<Cause>>> {
    let rows = list::of_integrations(cx, ids).await?;
    let rows: HashMap<_, Health> = rows.into_iter().map(|row| (row.integration_id, row)).collect();
    let begin = |id: &IntegrationId| rows.get(id).map_or(cx.now() - BEFORE, |row| row.since - BEFORE);
    let part = |id: &IntegrationId| Part {
        integration: *id,
        before: None,
        since: Some(HealthCheckId::first_of(begin(id))),
        bad: true,
        most: MOST as u64,
    };
    let parts: Vec<_> = ids.iter().map(part).collect();
    let checks = list::by_integration(cx, &parts).await?;
    let changes = list::changes(cx, ids).await?;
    let mut chains: HashMap<IntegrationId, Vec<Cause>> = HashMap::new();
    for (id, checks) in checks {
        chains.entry(id).or_default().extend(checks.into_iter().map(call));
    }
    for (id, changes) in changes {
        let late = changes.into_iter().rev().filter(|change| change.at >= begin(&id)).take(MOST);
        chains.entry(id).or_default().extend(late.map(state));
    }
    for (id, entry) in events(cx, ids).await? {
        if entry.at >= begin(&id) {
            chains.entry(id).or_default().extend(told(&entry));
        }
    }
    for chain in chains.values_mut() {
        chain.sort_by_key(|cause| (cause.at, cause.kind == Kind::State));
    }
    Ok(chains)
}

async fn events(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<(IntegrationId, event::Model)>> {
    let mut found = Vec::new();
    for ids in ids.chunks(SUBJECTS) {
        let subjects: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let backend = cx.hub().database.backend();
        let asked = event::newest_about(backend, cx.tenant()?, "integration", &subjects, MOST as u64);
        let rows = event::Model::find_by_statement(asked).all(cx.db()).await?;
        found.extend(rows.into_iter().filter_map(|row| Some((row.subject.parse().ok()?, row))));
    }
    Ok(found)
}

fn call(check: HealthCheck) -> Cause {
    let said = check.message.unwrap_or_else(|| "it was not as it should be".to_owned());
    let what = check.source.word();
    Cause {
        kind: Kind::Call,
        at: check.at,
        text: format!("{what} failed: {said}"),
        actor: None,
        request: None,
        trace: check.trace,
    }
}

fn state(change: HealthChange) -> Cause {
    let because = change.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let (from, to) = (change.before.name(), change.after.name());
    Cause {
        kind: Kind::State,
        at: change.at,
        text: format!("{from} became {to}{because}"),
        actor: None,
        request: None,
        trace: change.trace,
    }
}

/// An event as a cause; nothing if it is none, such as a test, whose call is there already.
fn told(entry: &event::Model) -> Option<Cause> {
    let data = &entry.data;
    let said = |name: &str| data[name].as_str().map(|text| format!(": {text}")).unwrap_or_default();
    let (kind, text) = match entry.kind.strip_prefix("integration.")? {
        "created" => (Kind::Configuration, "it was made".to_owned()),
        "updated" => (Kind::Configuration, format!("these were changed: {}", names(&data["changes"]))),
        "enabled" => (Kind::Configuration, "it was enabled".to_owned()),
        "disabled" => (Kind::Configuration, "it was disabled".to_owned()),
        "reconnected" => (Kind::Credential, "it was connected anew".to_owned()),
        "credentials_rotated" => (Kind::Credential, "it was given another credential".to_owned()),
        "token_refreshed" => (Kind::Credential, "its token was fetched anew".to_owned()),
        "token_refresh_failed" => (Kind::Credential, format!("its token could not be fetched anew{}", said("reason"))),
        "credential_refused" => (Kind::Credential, format!("its credential was refused for good{}", said("reason"))),
        "authorization_refused" => {
            (Kind::Credential, format!("somebody did not agree at the provider{}", said("reason")))
        }
        _ => return None,
    };
    let (actor, request) = (Some(entry.actor.clone()), entry.request_id.clone());
    Some(Cause { kind, at: entry.at, text, actor, request, trace: None })
}

fn names(changes: &Value) -> String {
    let names: Vec<_> = changes.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
