//! Telling a partner by its own interface, instead of sending it a webhook.
//!
//! The partner's file says how: its action takes the partner's id of the order, the partner's word for the status, and
//! what else it asks for of what a webhook would say. The call is made by the partner's integration: with its
//! credential, as far as it may be used, within the time that a webhook has. It is sent once in each attempt, since
//! attempts have a schedule of their own; each brings the id of the event as the key of idempotency, so that a
//! partner that had it already does not have it twice.
//!
//! **What fails.** An answer that is no success is a `STATUS`, as with webhooks; without an answer it is `DOWN`, or
//! `TIMEOUT` if none came in time; `UNREADABLE` is an answer that has not what the file promises; `REFUSED` an address
//! where nothing may go. `UNMADE` is a call that could not be made at all: the credential is missing, the integration
//! may only be read, the arguments do not fit. That an order is gone for the partner (410) ends its delivery, and says
//! nothing of the partner's interface.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    WebhookDestination, WebhookMessage,
    send::{Heard, KEPT},
};
use crate::{
    context::{Cx, Hub, evidence::Witness},
    domain::integration::{self, action},
    kernel::{error::Error, trace::Trace},
    provider::{
        classify::Failure,
        connector::{Bounds, Called, Observer, Purpose, Trouble},
        manifest::answer::Class,
    },
};

/// What the partner calls the order, and its word for the status: without them nothing can be told.
const NEEDED: [&str; 2] = ["order", "status"];

/// What an action may ask for, and where a webhook would say it.
const FIELDS: [(&str, &str); 8] = [
    ("order", "id"),
    ("status", "status"),
    ("changed_at", "changed_at"),
    ("note", "reason"),
    ("our_order", "order"),
    ("our_number", "number"),
    ("our_status", "our_status"),
    ("references", "references"),
];

/// Hears with which status the action was answered, and passes on what is evidence of health.
struct Ear {
    status: AtomicU16,
    witness: Arc<Witness>,
}

impl Observer for Ear {
    fn called(&self, call: &Called<'_>) {
        if matches!(call.purpose, Purpose::Action(_)) {
            self.status.store(call.status.unwrap_or_default(), Ordering::Relaxed);
        }
        self.witness.called(call);
    }
}

/// What an action is given of what a webhook would say.
fn input(message: &WebhookMessage) -> Map<String, Value> {
    let said: Value = serde_json::from_str(&message.body).unwrap_or_default();
    let field = |(name, from): &(&str, &str)| ((*name).to_owned(), said["data"][*from].clone());
    FIELDS.iter().map(field).filter(|(_, value)| !value.is_null()).collect()
}

/// Calls the action of a partner, and hears what is answered.
pub(super) async fn call(
    hub: &Arc<Hub>,
    destination: &WebhookDestination,
    key: &str,
    message: &WebhookMessage,
    trace: Trace,
) -> Heard {
    let input = input(message);
    if let Some(name) = NEEDED.iter().find(|name| !input.get(**name).is_some_and(Value::is_string)) {
        let what = if *name == "order" { "id for this order" } else { "word for this status" };
        // What it says does not change any more.
        return Heard { last: true, ..Heard::failed("UNMADE", format!("the partner has no {what}")) };
    }
    let cx = Cx::system(Arc::clone(hub), "outbound", destination.tenant_id);
    let within = hub.outbound.timeout;
    let Some(id) = destination.partner_integration_id else {
        return Heard::failed("UNMADE", "it is no partner's".to_owned());
    };
    let ear = Arc::new(Ear { status: AtomicU16::new(0), witness: Witness::of(hub, destination.tenant_id, id) });
    let asked = timeout(within, async {
        let integration = integration::get(&cx, id).await?;
        let own = integration.timeout_ms.and_then(|timeout| u64::try_from(timeout).ok()).map(Duration::from_millis);
        let bounds = Bounds { within: own.unwrap_or(within).min(within), ..Bounds::default() };
        let connector = hub.connector.clone().within(bounds).sending_once().traced(trace);
        let connector = connector.observed_by(Arc::<Ear>::clone(&ear));
        let once = message.id.to_string();
        action::ask(&cx, connector, &integration, key, input, Some(&once)).await
    });
    let status = || Some(ear.status.load(Ordering::Relaxed)).filter(|status| *status > 0);
    match asked.await {
        Ok(Ok(Ok(result))) => Heard { status: status(), answer: kept(&result), ..Heard::default() },
        Ok(Ok(Err(trouble))) => failed(hub, &trouble),
        Ok(Err(error)) => Heard::failed("UNMADE", said(&error)),
        Err(_) => Heard::failed("TIMEOUT", format!("it took more than {} seconds", within.as_secs())),
    }
}

/// The beginning of what was answered.
fn kept(result: &Value) -> Bytes {
    if result.is_null() {
        return Bytes::new();
    }
    let mut text = result.to_string().into_bytes();
    text.truncate(KEPT);
    text.into()
}

/// Why nothing was asked, for people.
fn said(error: &Error) -> String {
    match error {
        Error::Refused(issues) => issues.iter().map(|issue| issue.message.as_str()).collect::<Vec<_>>().join("; "),
        Error::NotFound(_) => "the partner integration is gone".to_owned(),
        Error::Unavailable(what, _) => format!("{what} is not available now"),
        _ => "the call could not be made".to_owned(),
    }
}

/// What it means that the partner did not take it.
fn failed(hub: &Hub, trouble: &Trouble) -> Heard {
    match trouble {
        Trouble::Failed(failure) => {
            let retry_after = failure.until.filter(|_| failure.class.retry()).map(|until| until - hub.clock.now());
            let heard = Heard::failed(class(failure), trouble.to_string());
            Heard { status: failure.status, retry_after, last: failure.status == Some(super::settle::GONE), ..heard }
        }
        Trouble::Refused(_) => Heard::failed("REFUSED", trouble.to_string()),
        Trouble::Arguments(misfits) => {
            let all = misfits.iter().map(|misfit| format!("{} {}", misfit.path, misfit.message));
            Heard::failed("UNMADE", format!("{trouble}: {}", all.collect::<Vec<_>>().join("; ")))
        }
        Trouble::Unmade(_) | Trouble::NoSuchGrant => Heard::failed("UNMADE", trouble.to_string()),
    }
}

fn class(failure: &Failure) -> &'static str {
    let taken = failure.status.is_none_or(|status| (200..300).contains(&status));
    if failure.class == Class::Unreadable && taken {
        "UNREADABLE"
    } else if failure.status.is_some() {
        "STATUS"
    } else {
        "DOWN"
    }
}
