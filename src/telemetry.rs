//! What operators see: logs and metrics.
//!
//! A log line can be read alone, and its values are fields too. One failure is logged once, at the
//! boundary that handles it, with its whole chain. Labels of metrics come from closed sets; no tenant,
//! user, id or free text is ever a label, so the number of series is bounded whatever clients send.

use std::{
    collections::{HashMap, HashSet},
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry as Subscriber,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::LogFormat;

/// What libraries say at their ordinary level is not for operators; a filter can ask for it again.
const QUIET: &str = "sea_orm_migration=warn";

/// Starts logging to standard error. Data goes to standard output, so the two can be told apart.
pub fn start_logging(level: &str, format: LogFormat) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{level}"))?;
    let pretty = match format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let base = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer: Box<dyn Layer<Subscriber> + Send + Sync> = if pretty {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        base.with_ansi(colours).with_target(false).boxed()
    } else {
        base.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    };
    Subscriber::default().with(layer.with_filter(filter)).try_init()?;
    Ok(())
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("log.level is not a filter such as \"info\" or \"info,portolan=debug\"")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody started it before.
    #[error("logging was started before")]
    Twice(#[from] TryInitError),
}

/// Labels of one label name.
macro_rules! label {
    ($(#[doc = $doc:literal] $type:ident { $($field:ident),+ })+) => { $(
        #[doc = $doc]
        #[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
        pub struct $type { $(
            #[doc = "A word of a closed set."]
            pub $field: &'static str,
        )+ }
    )+ };
}

label! {
    /// How a request ended.
    HttpLabels { method, route, status }
    /// How an operation ended.
    OperationLabels { r#type, outcome }
    /// Which code an error had.
    CodeLabels { code }
    /// Which limit refused a document.
    LimitLabels { limit }
    /// How a statement ended.
    StatementLabels { outcome }
    /// How a job of a kind ended.
    JobLabels { kind, outcome }
    /// How a webhook was taken, or an attempt to deliver one ended.
    WebhookLabels { outcome }
    /// In which state jobs of a kind are.
    JobStateLabels { kind, state }
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    /// Requests by route and status, in seconds.
    pub http_requests: Family<HttpLabels, Histogram>,
    /// Connections open at present.
    pub http_connections: Gauge,
    /// Connections that were turned away.
    pub http_connections_refused: Counter,
    /// Responses over HTTP/2 that were dropped because their client did not read them.
    pub http_responses_stalled: Counter,
    /// Operations by type and outcome, in seconds.
    pub operations: Family<OperationLabels, Histogram>,
    /// Errors in answers, by code.
    pub errors: Family<CodeLabels, Counter>,
    /// Documents refused before they ran, by limit.
    pub refused: Family<LimitLabels, Counter>,
    /// What operations cost.
    pub cost: Histogram,
    /// WebSockets open at present.
    pub sockets: Gauge,
    /// Runs of a subscription's selection: one for each event and group.
    pub subscription_executions: Counter,
    /// Items handed to subscribers.
    pub subscription_deliveries: Counter,
    /// SQL statements, in seconds.
    pub statements: Family<StatementLabels, Histogram>,
    /// Attempts at jobs, in seconds.
    pub job_attempts: Family<JobLabels, Histogram>,
    /// Jobs in the queue.
    pub jobs: Family<JobStateLabels, Gauge>,
    /// For how long the oldest job that could run has waited, in whole seconds.
    pub jobs_oldest: Gauge,
    /// Webhooks that came, by how they were taken.
    pub webhooks_in: Family<WebhookLabels, Counter>,
    /// Attempts to deliver webhooks, by how they ended, in seconds.
    pub webhook_attempts: Family<WebhookLabels, Histogram>,
    jobs_shown: Mutex<HashSet<JobStateLabels>>,
}

fn seconds() -> Histogram {
    Histogram::new([0.000_25, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Metrics {
    /// Fresh counters.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let new = Self {
            registry: Registry::default(),
            http_requests: Family::new_with_constructor(seconds),
            http_connections: Gauge::default(),
            http_connections_refused: Counter::default(),
            http_responses_stalled: Counter::default(),
            operations: Family::new_with_constructor(seconds),
            errors: Family::default(),
            refused: Family::default(),
            cost: Histogram::new([1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0]),
            sockets: Gauge::default(),
            subscription_executions: Counter::default(),
            subscription_deliveries: Counter::default(),
            statements: Family::new_with_constructor(seconds),
            job_attempts: Family::new_with_constructor(seconds),
            jobs: Family::default(),
            jobs_oldest: Gauge::default(),
            webhooks_in: Family::default(),
            webhook_attempts: Family::new_with_constructor(seconds),
            jobs_shown: Mutex::default(),
        };
        registry.register("build", "The program that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register_with_unit(
            "http_server_request_duration",
            "Requests by route and status",
            Unit::Seconds,
            new.http_requests.clone(),
        );
        registry.register("http_connections_open", "Connections open at present", new.http_connections.clone());
        registry.register(
            "http_connections_refused",
            "Connections turned away because too many were open",
            new.http_connections_refused.clone(),
        );
        registry.register(
            "http_responses_stalled",
            "Responses over HTTP/2 dropped because the client did not read them",
            new.http_responses_stalled.clone(),
        );
        registry.register_with_unit(
            "graphql_operation_duration",
            "Operations by type and outcome",
            Unit::Seconds,
            new.operations.clone(),
        );
        registry.register("graphql_errors", "Errors in answers, by code", new.errors.clone());
        registry.register("http_sockets_open", "WebSockets open at present", new.sockets.clone());
        registry.register(
            "graphql_subscription_executions",
            "Runs of a subscription's selection, one for each event and group",
            new.subscription_executions.clone(),
        );
        registry.register(
            "graphql_subscription_deliveries",
            "Items handed to subscribers",
            new.subscription_deliveries.clone(),
        );
        registry.register("graphql_refused", "Documents refused before they ran, by limit", new.refused.clone());
        registry.register("graphql_operation_cost", "What operations cost", new.cost.clone());
        registry.register_with_unit("db_statement_duration", "SQL statements", Unit::Seconds, new.statements.clone());
        registry.register_with_unit(
            "job_attempt_duration",
            "Attempts at jobs by kind and outcome",
            Unit::Seconds,
            new.job_attempts.clone(),
        );
        registry.register("jobs", "Jobs in the queue by kind and state, looked at now and then", new.jobs.clone());
        registry.register_with_unit(
            "jobs_oldest_wait",
            "For how long the oldest job that could run has waited",
            Unit::Seconds,
            new.jobs_oldest.clone(),
        );
        registry.register("webhook_in", "Webhooks that came, by how they were taken", new.webhooks_in.clone());
        registry.register_with_unit(
            "webhook_out_attempt_duration",
            "Attempts to deliver webhooks, by how they ended",
            Unit::Seconds,
            new.webhook_attempts.clone(),
        );
        Self { registry, ..new }
    }

    /// The page that a Prometheus server reads.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    /// Counts one SQL statement.
    pub fn statement(&self, took: Duration, failed: bool) {
        let outcome = if failed { "failed" } else { "ok" };
        self.statements.get_or_create(&StatementLabels { outcome }).observe(took.as_secs_f64());
    }

    /// Counts one attempt at a job.
    pub fn job_ended(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.job_attempts.get_or_create(&JobLabels { kind, outcome }).observe(took.as_secs_f64());
    }

    /// Shows how many jobs there are, by kind and state, and how long the oldest has waited.
    pub fn jobs_counted(&self, counts: impl Iterator<Item = (&'static str, &'static str, i64)>, oldest: Duration) {
        let mut counted: HashMap<_, i64> = HashMap::new();
        for (kind, state, count) in counts {
            *counted.entry(JobStateLabels { kind, state }).or_default() += count;
        }
        // What is not there any more is shown as none.
        let mut shown = self.jobs_shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(counted.keys().cloned());
        for labels in shown.iter() {
            self.jobs.get_or_create(labels).set(counted.get(labels).copied().unwrap_or_default());
        }
        self.jobs_oldest.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    /// Counts one error of an answer.
    pub fn error(&self, code: &'static str) {
        self.errors.get_or_create(&CodeLabels { code }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
