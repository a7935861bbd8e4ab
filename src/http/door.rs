//! What every route has at hand.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::params::ParamLimits;
use crate::{context::Hub, graphql::endpoint::Endpoint, telemetry::Metrics};

/// How the status of an answer is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As deployed clients expect it.
    Compat,
    /// As the draft of 2026 says.
    Draft2026,
}

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest body.
    pub max_body: usize,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// Proxies whose word about the caller's address counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// Sites whose pages may call.
    pub allowed_origins: Vec<String>,
    /// How statuses are chosen.
    pub profile: Profile,
    /// Bounds on parameters.
    pub params: ParamLimits,
    /// Whether callers reach us over TLS, so that they may be told to insist on it.
    pub tls: bool,
}

/// What every route has at hand.
#[derive(Clone, Debug)]
pub struct Door {
    /// The shared means.
    pub hub: Arc<Hub>,
    /// Runs operations.
    pub endpoint: Arc<Endpoint>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The schema as text.
    pub sdl: Arc<str>,
    /// Choices.
    pub settings: Arc<Settings>,
    /// Cancelled when the server stops taking requests.
    pub stopping: CancellationToken,
}
