//! What a provider offers: streams, actions, webhooks, and how much of it.

use std::time::Duration;

use async_graphql::{Json, SimpleObject};
use serde_json::Value;

use super::{
    connect::ProviderField,
    words::{
        ProviderDeletions, ProviderEffect, ProviderLimitScope, ProviderLimitShape, ProviderSchedule, ProviderSubject,
    },
};
use crate::domain::provider::{Action, Limit, LimitScope, Method, Stream, Webhook};

/// Something that can be read regularly.
#[derive(SimpleObject)]
pub struct ProviderStream {
    /// The name by which it is chosen.
    key: String,
    /// The name for people.
    name: String,
    /// What its records are about.
    about: ProviderSubject,
    /// How often it is read unless somebody chooses otherwise.
    schedule: ProviderSchedule,
    /// Whether only changes are asked for.
    incremental: bool,
    /// How it is known that a record is gone.
    deletions: ProviderDeletions,
    /// A record, as the provider sends it.
    example: Json<Value>,
}

impl ProviderStream {
    pub(super) fn of(stream: &Stream) -> Self {
        Self {
            key: stream.key.0.clone(),
            name: stream.name.clone(),
            about: stream.about.into(),
            schedule: stream.schedule.into(),
            incremental: stream.since.get().is_some(),
            deletions: stream.deletions.into(),
            example: Json(stream.example.0.clone()),
        }
    }
}

/// Something that can be done.
#[derive(SimpleObject)]
pub struct ProviderAction {
    /// The name by which it is called.
    key: String,
    /// The name for people.
    name: String,
    /// What it does, in one sentence.
    description: String,
    /// What it does to the world.
    effect: ProviderEffect,
    /// The method of its request, such as `POST`.
    method: String,
    /// JSON Schema of the input.
    input: Json<Value>,
    /// JSON Schema of the result.
    output: Json<Value>,
    /// Whether the provider makes a repetition harmless.
    idempotent: bool,
}

impl ProviderAction {
    pub(super) fn of(action: &Action) -> Self {
        Self {
            key: action.key.0.clone(),
            name: action.name.clone(),
            description: action.description.clone(),
            effect: action.effect.into(),
            method: Method::as_str(action.request.method).to_owned(),
            input: Json(action.input.0.clone()),
            output: Json(action.output.0.clone()),
            idempotent: action.idempotency.is_some() || action.request.method == Method::Get,
        }
    }
}

/// What a provider sends by itself.
#[derive(SimpleObject)]
pub struct ProviderWebhook {
    /// What a person has to do at the provider so that it sends.
    setup: String,
    /// Secrets that the person brings back from there.
    fields: Vec<ProviderField>,
    /// How it is known that the provider sent it, such as `hmac_body`.
    verification: String,
    /// Whether the provider asks before it sends.
    handshake: bool,
    /// What it can tell of, in our words, such as `payment.succeeded`.
    happenings: Vec<String>,
    /// How often the provider tries; null if that is not known.
    attempts: Option<i32>,
    /// For how many seconds the provider tries; null if that is not known.
    retries_for_seconds: Option<i32>,
    /// What else is known of its tries.
    retry_note: String,
    /// Every how many seconds we ask beside, for what webhooks may have missed; null if never.
    reconciled_every_seconds: Option<i32>,
    /// Why we ask beside.
    reconciled_because: Option<String>,
}

impl ProviderWebhook {
    pub(super) fn of(webhook: &Webhook) -> Self {
        let mut happenings: Vec<String> =
            webhook.routes.iter().filter_map(|route| route.is).map(|is| is.as_str().to_owned()).collect();
        happenings.sort();
        happenings.dedup();
        let reconcile = webhook.reconcile.get();
        Self {
            setup: webhook.setup.clone(),
            fields: webhook.fields.iter().flatten().map(ProviderField::of).collect(),
            verification: webhook.verify.word().to_owned(),
            handshake: webhook.handshake.get().is_some(),
            happenings,
            attempts: webhook.retry.attempts.and_then(|attempts| i32::try_from(attempts).ok()),
            retries_for_seconds: webhook.retry.over.map(seconds),
            retry_note: webhook.retry.note.clone(),
            reconciled_every_seconds: reconcile.map(|reconcile| seconds(reconcile.every)),
            reconciled_because: reconcile.map(|reconcile| reconcile.why.clone()),
        }
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

/// How much may be asked in which time.
#[derive(SimpleObject)]
pub struct ProviderLimit {
    /// How the limit works.
    shape: ProviderLimitShape,
    /// Who shares the allowance.
    scope: ProviderLimitScope,
    /// How many requests or points there are; null if only answers tell.
    most: Option<i32>,
    /// In how many seconds; null if the shape has no span.
    per_seconds: Option<i32>,
    /// The environment it is for; null for all.
    environment: Option<String>,
    /// The streams and actions it is for; empty for all.
    only: Vec<String>,
}

impl ProviderLimit {
    pub(super) fn of(limit: &Limit) -> Self {
        let (most, per) = match limit {
            Limit::Window(it) | Limit::Sliding(it) => (Some(it.requests), Some(it.per)),
            Limit::Bucket(it) => (Some(it.capacity), None),
            Limit::Points(it) => (Some(it.capacity), None),
            Limit::Concurrency(it) => (Some(it.most), None),
            Limit::Daily(it) => (Some(it.requests), Some(Duration::from_hours(24))),
            Limit::Adaptive(it) => (Some(it.most), Some(Duration::from_secs(1))),
            Limit::Usage(_) | Limit::Headers(_) => (None, None),
        };
        let reach = limit.reach();
        Self {
            shape: limit.into(),
            scope: reach.map_or(LimitScope::Integration, |reach| reach.scope).into(),
            most: most.and_then(|most| i32::try_from(most).ok()),
            per_seconds: per.map(seconds),
            environment: reach.and_then(|reach| reach.environment.as_ref()).map(|key| key.0.clone()),
            only: reach.into_iter().flat_map(|reach| reach.only.iter().flatten()).map(|key| key.0.clone()).collect(),
        }
    }
}
