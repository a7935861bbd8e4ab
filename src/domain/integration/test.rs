//! Testing an integration: its provider is asked whether it is there and takes the credential.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::json;

use super::{Integration, Status, call, create::connector, get, held, into_status, proof, trouble};
use crate::{
    context::{Audit, Cx, evidence::Witness},
    domain::credential::AtHand,
    event::integration::IntegrationEvent,
    kernel::{
        clock::Moment,
        error::{Code, Error, Result},
        id::{CredentialId, IntegrationId},
    },
    provider::{
        connector::{Connection, Connector, Trouble},
        manifest::answer::Class,
        probe::Verdict,
    },
};

pub use crate::provider::probe::Known;

/// What a test found.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The integration as it is now.
    pub integration: Integration,
    /// Whether it works.
    pub passed: bool,
    /// What the provider said, in a sentence.
    pub message: String,
    /// The class of the failure, if there was one.
    pub class: Option<Class>,
    /// Whether the provider can be reached.
    pub reach: Known,
    /// Whether the credential is right.
    pub credential: Known,
    /// Whether it may do what was asked.
    pub permission: Known,
    /// Whether there is allowance left.
    pub quota: Known,
    /// How long it took.
    pub took: TimeDelta,
}

/// Asks the provider of an integration, and notes what came of it. One that is disabled can be tested; it stays
/// disabled.
pub async fn test(cx: &Cx, id: IntegrationId) -> Result<Tested> {
    let before = get(cx, id).await?;
    let manifest = super::create::provider(cx, &before.provider)?;
    let integration = cx
        .write(async |txn| {
            let found = held(txn, id).await?;
            match found.status {
                Status::Inactive => Ok(found),
                _ => into_status(txn, found, Status::Testing, "it is being tested").await,
            }
        })
        .await?;
    let began = cx.now();
    let outcome = probed(cx, &integration).await;
    let took = cx.now() - began;
    let (verdict, used, message) = match outcome {
        Ok(Probed { verdict, used }) => {
            let message = trouble::told(&manifest, &verdict);
            (verdict, used, message)
        }
        // What keeps it from being asked is a result of the test too.
        Err(Error::Refused(issues)) => {
            let message = issues.first().map(|issue| issue.message.clone()).unwrap_or_default();
            let ours = issues.first().is_some_and(|issue| issue.code == Code::Conflict);
            let credential = if ours && needs_somebody(cx, id).await? { Known::Bad } else { Known::Unknown };
            (unasked(credential), None, message)
        }
        Err(Error::Unavailable(what, _)) => (unasked(Known::Unknown), None, format!("{what} cannot be had at present")),
        Err(error) => {
            cx.write(async |txn| {
                let found = held(txn, id).await?;
                if found.status == Status::Testing {
                    into_status(txn, found, before.status, "the test could not be made").await?;
                }
                Ok(())
            })
            .await?;
            return Err(error);
        }
    };
    let integration = note(cx, id, &Probed { verdict: verdict.clone(), used }, &message, began).await?;
    Ok(Tested {
        integration,
        passed: verdict.is_good(),
        message,
        class: verdict.failure.as_ref().map(|failure| failure.class),
        reach: verdict.reach,
        credential: verdict.credential,
        permission: verdict.permission,
        quota: verdict.quota,
        took,
    })
}

/// Whether the credential was refused for good, so that only a person can mend it.
async fn needs_somebody(cx: &Cx, id: IntegrationId) -> Result<bool> {
    let integration = get(cx, id).await?;
    let credential = crate::domain::credential::current(cx, &integration).await?;
    Ok(credential.is_some_and(|credential| credential.refused_at.is_some()))
}

const fn unasked(credential: Known) -> Verdict {
    Verdict {
        reach: Known::Unknown,
        credential,
        permission: Known::Unknown,
        quota: Known::Unknown,
        account: None,
        named: None,
        failure: None,
    }
}

/// What a provider said, and the credential to which it said so.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What it said.
    pub verdict: Verdict,
    /// The credential, where one is needed.
    used: Option<CredentialId>,
}

/// Asks the provider what its file calls the probe, and whose credential it is.
async fn probed(cx: &Cx, integration: &Integration) -> Result<Probed> {
    let witness = Witness::of(cx.hub(), integration.tenant_id, integration.id);
    let connector = connector(cx, integration.timeout_ms).observed_by(witness);
    let answer = Box::pin(call::call_with(cx, connector, integration, None, |connector, connection| async move {
        let mut verdict = probe(connector.clone(), connection.clone()).await?;
        if verdict.is_good() && verdict.named.is_none() {
            verdict.named = connector.listed_ids(&connection).await;
        }
        Ok(verdict)
    }));
    verdict(cx, integration, answer.await?)
}

/// Writes which account a provider's answer proves, if that is news. Where the file says that the list of accounts is
/// the proof, the provider is asked for it when it is due.
pub async fn prove(cx: &Cx, connector: Connector, integration: &Integration, mut probed: Probed) -> Result<()> {
    let Some(manifest) = call::manifest(cx, integration) else { return Ok(()) };
    if probed.verdict.is_good() && proof::is_due(&manifest, integration, cx.now()) {
        let listed = call::call_with(cx, connector, integration, None, |connector, connection| async move {
            Ok(connector.listed_ids(&connection).await)
        });
        let (named, used) = Box::pin(listed).await?;
        probed = Probed { verdict: Verdict { named: named.unwrap_or_default(), ..probed.verdict }, used };
    }
    if !proof::is_news(&manifest, integration, &probed.verdict, cx.now()) {
        return Ok(());
    }
    cx.write(async |txn| {
        let found = held(txn, integration.id).await?;
        proof::note(txn, found, probed.used, &probed.verdict).await?;
        Ok(())
    })
    .await
}

/// The same by another connector, with what was read for many integrations at once if it was.
pub async fn probed_by(
    cx: &Cx,
    connector: Connector,
    integration: &Integration,
    at_hand: Option<AtHand>,
) -> Result<Probed> {
    verdict(cx, integration, Box::pin(call::call_with(cx, connector, integration, at_hand, probe)).await?)
}

/// A refused credential is a failure, so that the call is tried with another if there is one.
async fn probe(connector: Connector, connection: Connection) -> Result<Verdict, Trouble> {
    let verdict = connector.probe(&connection).await?;
    match (&verdict.failure, verdict.credential) {
        (Some(failure), Known::Bad) => Err(Trouble::Failed(failure.clone())),
        _ => Ok(verdict),
    }
}

fn verdict(
    cx: &Cx,
    integration: &Integration,
    (answer, used): (Result<Verdict, Trouble>, Option<CredentialId>),
) -> Result<Probed> {
    match answer {
        Ok(verdict) => Ok(Probed { verdict, used }),
        Err(Trouble::Failed(failure)) => Ok(Probed { verdict: crate::provider::probe::of_failure(&[], failure), used }),
        Err(trouble) => {
            let manifest = super::create::provider(cx, &integration.provider)?;
            Err(trouble::refusal(&manifest, &trouble, "integration"))
        }
    }
}

/// Writes what a test found.
async fn note(cx: &Cx, id: IntegrationId, probed: &Probed, message: &str, began: Moment) -> Result<Integration> {
    let verdict = &probed.verdict;
    let passed = verdict.is_good();
    let class = verdict.failure.as_ref().map(|failure| failure.class.as_str().to_owned());
    cx.write(async |txn| {
        let found = held(txn, id).await?;
        let fact = IntegrationEvent::Tested {
            integration: id,
            passed,
            class: class.clone(),
            message: Some(message.to_owned()),
        };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "passed": passed, "message": message })))?;
        let status = match (found.status, passed, verdict.credential) {
            (Status::Inactive, ..) => Status::Inactive,
            (_, true, _) => Status::Active,
            (_, false, Known::Bad) => Status::NeedsReauth,
            _ => Status::Error,
        };
        let mut row = found.into_active_model();
        row.last_tested_at = Set(Some(began));
        if passed {
            row.last_success_at = Set(Some(began));
            row.error_class = Set(None);
            row.error_message = Set(None);
            if let Some(account) = &verdict.account {
                row.account = Set(Some(account.clone()));
            }
        } else {
            row.last_error_at = Set(Some(began));
            row.error_class = Set(class.clone());
            row.error_message = Set(Some(message.to_owned()));
        }
        row.updated_at = Set(txn.now());
        let noted = proof::note(txn, row.update(&**txn).await?, probed.used, verdict).await?;
        into_status(txn, noted, status, message).await
    })
    .await
}
