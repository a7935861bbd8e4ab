//! What every route has at hand.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{params::ParamLimits, watch::Watch};
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
    /// Bounds on sockets and streams.
    pub live: LiveLimits,
    /// Whether callers reach us over TLS, so that they may be told to insist on it.
    pub tls: bool,
    /// Whether the playground is served.
    pub playground: bool,
}

/// What a socket or a stream may cost, and how long it may take over what.
#[derive(Clone, Debug)]
pub struct LiveLimits {
    /// For `connection_init` to come.
    pub init_timeout: Duration,
    /// Between pings, and between signs of life on a stream.
    pub ping: Duration,
    /// For a client to say or take anything at all.
    pub patience: Duration,
    /// The largest message of a client.
    pub max_message: usize,
    /// Operations that run at once on one socket.
    pub operations_per_socket: usize,
    /// Sockets and streams of one caller.
    pub sockets_per_caller: usize,
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
    /// The schema as text, shared by all who are sent it.
    pub sdl: Bytes,
    /// Choices.
    pub settings: Arc<Settings>,
    /// Whose streams are open.
    pub watch: Arc<Watch>,
    /// Cancelled when the server stops taking requests.
    pub stopping: CancellationToken,
}
