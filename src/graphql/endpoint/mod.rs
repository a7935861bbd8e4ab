//! How one operation runs, whatever brought it.
//!
//! ```text
//! call ─▶ documents ─▶ select ─▶ coerce ─▶ cost ─▶ budget ─▶ engine ─▶ answer
//!         text, id,    which     values    objects   tenant    resolvers  codes, request id,
//!         hash; cached operation                     per min             size
//! ```
//!
//! The transports (`POST`, `GET`, later sockets and streams) hand over a [`Call`] and get an [`Answer`]:
//! bytes and a [`Verdict`] from which they choose a status. Nothing here knows of HTTP, and nothing that
//! a client sends makes this fail: every fault is an answer with a code.
//!
//! The engine parses and validates nothing itself: a document is prepared once, kept, and handed to it by
//! an extension. What depends on variables (their types, the cost of pages) is checked for each call.

mod answer;
mod budget;
mod documents;
mod plan;
mod prepared;

use std::{
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{Request, Variables, parser::types::OperationType};
use futures_util::FutureExt;

pub use answer::{Answer, Fault, Verdict};
pub use budget::Rate;
pub use documents::{Call, Trust, TrustError};

use self::{
    budget::Budget,
    documents::Documents,
    prepared::{DryRun, Preparation, Prepared},
};
use super::{
    Schema, builder,
    document::{self, Limits, Refusal, Shape},
    error::{OURS, told},
    loader::{Loaders, drive},
};
use crate::{
    context::Cx,
    kernel::error::{Code, Error, Issue, Result},
    telemetry::{LimitLabels, Metrics, OperationLabels},
};

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds on documents.
    pub limits: Limits,
    /// Whether the schema can be asked for.
    pub introspection: bool,
    /// Whether messages suggest names of the schema.
    pub suggestions: bool,
    /// The longest an operation may take.
    pub timeout: Duration,
    /// The largest answer, in bytes.
    pub response_bytes: usize,
    /// Cost a tenant may spend in a minute; none means no bound.
    pub cost_per_minute: Option<u64>,
    /// How many documents are kept prepared.
    pub cached_documents: usize,
    /// How many documents are kept for clients that send a hash first.
    pub cached_hashes: usize,
    /// How trusted documents are used.
    pub trust: Trust,
}

/// Runs operations.
pub struct Endpoint {
    schema: Schema,
    shape: Arc<Shape>,
    settings: Settings,
    documents: Documents,
    budget: Budget,
    metrics: Arc<Metrics>,
}

impl Endpoint {
    /// Builds the schema and reads the trusted documents of the folder.
    pub fn new(settings: Settings, trusted: Option<&Path>, metrics: Arc<Metrics>) -> Result<Self, TrustError> {
        let schema = builder().extension(Preparation);
        let schema = if settings.suggestions { schema } else { schema.disable_suggestions() };
        // Bounds of our own stand before the engine's; this one must not be the narrower.
        let schema = schema.limit_recursive_depth(settings.limits.nesting.saturating_mul(2)).finish();
        let shape = Shape::from_sdl(&schema.sdl()).map_err(|error| TrustError::Schema(error.to_string()))?;
        let shape = Arc::new(shape);
        let documents = Documents::new(&settings, trusted, Arc::clone(&shape))?;
        let budget = Budget::new(settings.cost_per_minute);
        Ok(Self { schema, shape, settings, documents, budget, metrics })
    }

    /// Runs one operation.
    pub async fn run(&self, cx: &Cx, call: Call) -> Answer {
        let started = Instant::now();
        let (kind, answer) = self.answer(cx, call).await;
        let outcome = answer.verdict.outcome();
        self.metrics
            .operations
            .get_or_create(&OperationLabels { r#type: kind, outcome })
            .observe(started.elapsed().as_secs_f64());
        for code in &answer.codes {
            self.metrics.error(code.name());
        }
        tracing::info!(
            operation.kind = kind,
            outcome,
            cost = answer.cost,
            duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            codes = ?answer.codes,
            "{kind} {outcome}"
        );
        answer
    }

    async fn answer(&self, cx: &Cx, call: Call) -> (&'static str, Answer) {
        let refuse = |fault: Fault| Answer::refused(cx, fault);
        let prepared = match self.documents.prepare(&call) {
            Ok(prepared) => prepared,
            Err(refusal) => return ("unknown", refuse(self.count(refusal).into())),
        };
        let (name, operation) = match document::select(prepared.document(), call.operation_name.as_deref()) {
            Ok(selected) => selected,
            Err(refusal) => return ("unknown", refuse(self.count(refusal).into())),
        };
        let kind = kind(operation.ty);
        if self.shape.root(operation.ty).is_none() {
            return (kind, refuse(Fault::new(Code::ValidationFailed, format!("this schema has no {kind}s"))));
        }
        if operation.ty == OperationType::Mutation && call.read_only {
            let fault = Fault::new(Code::MethodNotAllowed, "a mutation is sent by POST");
            return (kind, refuse(fault));
        }
        if prepared.introspects() && !self.settings.introspection {
            return (
                kind,
                refuse(Fault::new(
                    Code::ValidationFailed,
                    "introspection is off on this server; the schema is documented elsewhere",
                )),
            );
        }
        let variables = Variables::from_json(call.variables.into());
        if let Err(issues) = document::coerce(operation, &variables, &self.shape, &self.settings.limits) {
            self.refused("variables");
            return (kind, Answer::refused_all(cx, issues.into_iter().map(Fault::from).collect()));
        }
        let cost = document::cost(prepared.document(), operation, &variables, &self.shape, &self.settings.limits);
        #[expect(clippy::cast_precision_loss, reason = "a histogram needs no more than a float holds")]
        self.metrics.cost.observe(cost.total as f64);
        if let Err(refusal) = cost.within(&self.settings.limits) {
            return (kind, refuse(self.count(refusal).into()));
        }
        // Asking what something costs is free.
        let due = if call.dry_run { 0 } else { cost.total };
        let rate = match self.budget.spend(cx, due) {
            Ok(rate) => rate,
            Err(rate) => {
                self.refused("rate");
                let fault = Fault::new(
                    Code::RateLimited,
                    format!("this tenant has spent its cost for now; try again in {} seconds", rate.reset),
                );
                return (kind, refuse(fault).with_rate(Some(rate)));
            }
        };
        let answer = self.execute(cx, prepared.clone(), name.map(str::to_owned), variables, call.dry_run).await;
        let report = call.report_cost.then_some((cost.total, self.settings.limits.cost));
        (kind, answer.with_rate(rate).with_cost(cost.total, report).sealed(cx, self.settings.response_bytes))
    }

    async fn execute(
        &self,
        cx: &Cx,
        prepared: Arc<Prepared>,
        operation: Option<String>,
        variables: Variables,
        dry_run: bool,
    ) -> Answer {
        let loaders = Loaders::new(cx);
        let mut request =
            Request::new("").variables(variables).data(cx.clone()).data(loaders.clone()).data(Arc::clone(&prepared));
        if dry_run {
            request = request.data(DryRun);
        }
        request.operation_name = operation.clone().filter(|_| prepared.has_several());
        let run = tokio::time::timeout(self.settings.timeout, drive(&loaders, self.schema.execute(request)));
        let response = match AssertUnwindSafe(run).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                let fault =
                    Fault::new(Code::Timeout, format!("the operation took longer than {:?}", self.settings.timeout));
                return Answer::refused(cx, fault);
            }
            Err(_) => {
                tracing::error!(code = Code::Internal.name(), "a resolver panicked");
                return Answer::refused(cx, Fault::new(Code::Internal, OURS));
            }
        };
        if prepared.is_valid() {
            self.documents.keep(&prepared);
            let mut response = response;
            if let Some(plan) = prepared.plan(operation.as_deref()).filter(|_| !dry_run) {
                plan.form(&mut response.data, &response.errors);
            }
            Answer::ran(response, self.settings.limits.errors)
        } else {
            Answer::invalid(response, self.settings.limits.errors)
        }
    }

    fn count(&self, refusal: Refusal) -> Refusal {
        self.refused(refusal.limit);
        refusal
    }

    fn refused(&self, limit: &'static str) {
        self.metrics.refused.get_or_create(&LimitLabels { limit }).inc();
    }
}

impl From<Issue> for Fault {
    fn from(issue: Issue) -> Self {
        let mut fault = Self::new(issue.code, issue.message);
        fault.argument = (!issue.path.is_empty()).then(|| issue.path.join("."));
        fault
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let mut fault = Self::new(refusal.code, refusal.message);
        fault.position = refusal.position;
        fault
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(error.code(), told(&error))
    }
}

const fn kind(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("settings", &self.settings).finish_non_exhaustive()
    }
}
