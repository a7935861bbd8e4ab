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
mod resume;
mod stream;

use std::{
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{Request, Response, Variables, parser::types::OperationType};
use futures_util::FutureExt;

pub use answer::{Answer, Fault, Verdict};
pub use budget::Rate;
pub use documents::{Call, Trust, TrustError};
pub use stream::Outcome;

use self::{
    budget::Budget,
    documents::Documents,
    prepared::{DryRun, Preparation, Prepared},
    resume::Resume,
};
use super::{
    Schema, builder,
    document::{self, Limits, Refusal, Shape},
    error::{OURS, told},
    live::Groups,
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

/// One operation of a document, with its variables.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) prepared: Arc<Prepared>,
    pub(super) name: Option<String>,
    pub(super) variables: Variables,
}

impl Operation {
    pub(super) fn resume(&self) -> &Resume {
        self.prepared.resume(self.name.as_deref())
    }

    fn request(&self, cx: &Cx, loaders: &Loaders) -> Request {
        let request = Request::new("").variables(self.variables.clone()).data(cx.clone()).data(loaders.clone());
        let mut request = request.data(Arc::clone(&self.prepared));
        request.operation_name = self.name.clone().filter(|_| self.prepared.has_several());
        request
    }
}

/// A call that may run.
pub(super) struct Ready {
    kind: &'static str,
    ty: OperationType,
    pub(super) operation: Operation,
    cost: u64,
    rate: Option<Rate>,
}

/// A call that may not run.
struct Refused {
    kind: &'static str,
    answer: Box<Answer>,
}

/// Runs operations.
pub struct Endpoint {
    schema: Schema,
    shape: Arc<Shape>,
    settings: Settings,
    documents: Documents,
    budget: Budget,
    groups: Arc<Groups>,
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
        Ok(Self { schema, shape, settings, documents, budget, groups: Arc::default(), metrics })
    }

    /// Runs one operation.
    pub async fn run(&self, cx: &Cx, call: Call) -> Answer {
        let started = Instant::now();
        let (kind, answer) = self.answer(cx, call).await;
        self.note(started, kind, &answer);
        answer
    }

    /// Counts an operation and writes its line.
    fn note(&self, started: Instant, kind: &'static str, answer: &Answer) {
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
    }

    /// Makes a call ready to run: everything that can be said before it runs is said here.
    fn ready(&self, cx: &Cx, call: &mut Call) -> Result<Ready, Refused> {
        let refuse = |kind, fault: Fault| Refused { kind, answer: Answer::refused(cx, fault).into() };
        let unknown = |refusal| refuse("unknown", self.count(refusal).into());
        let prepared = self.documents.prepare(call).map_err(unknown)?;
        let (name, operation) =
            document::select(prepared.document(), call.operation_name.as_deref()).map_err(unknown)?;
        let kind = kind(operation.ty);
        let refuse = |fault: Fault| refuse(kind, fault);
        if self.shape.root(operation.ty).is_none() {
            return Err(refuse(Fault::new(Code::ValidationFailed, format!("this schema has no {kind}s"))));
        }
        if operation.ty == OperationType::Mutation && call.read_only {
            return Err(refuse(Fault::new(Code::MethodNotAllowed, "a mutation is sent by POST")));
        }
        if prepared.introspects() && !self.settings.introspection {
            return Err(refuse(Fault::new(
                Code::ValidationFailed,
                "introspection is off on this server; the schema is documented elsewhere",
            )));
        }
        let variables = Variables::from_json(std::mem::take(&mut call.variables).into());
        if let Err(issues) = document::coerce(operation, &variables, &self.shape, &self.settings.limits) {
            self.refused("variables");
            let faults = issues.into_iter().map(Fault::from).collect();
            return Err(Refused { kind, answer: Answer::refused_all(cx, faults).into() });
        }
        let cost = document::cost(prepared.document(), operation, &variables, &self.shape, &self.settings.limits);
        #[expect(clippy::cast_precision_loss, reason = "a histogram needs no more than a float holds")]
        self.metrics.cost.observe(cost.total as f64);
        cost.within(&self.settings.limits).map_err(|refusal| refuse(self.count(refusal).into()))?;
        // Asking what something costs is free.
        let due = if call.dry_run { 0 } else { cost.total };
        let rate = self.budget.spend(cx, due).map_err(|rate| {
            self.refused("rate");
            let message = format!("this tenant has spent its cost for now; try again in {} seconds", rate.reset);
            let refused = refuse(Fault::new(Code::RateLimited, message));
            Refused { answer: refused.answer.with_rate(Some(rate)).into(), ..refused }
        })?;
        let (ty, name) = (operation.ty, name.map(str::to_owned));
        let operation = Operation { prepared, name, variables };
        Ok(Ready { kind, ty, operation, cost: cost.total, rate })
    }

    async fn answer(&self, cx: &Cx, mut call: Call) -> (&'static str, Answer) {
        let ready = match self.ready(cx, &mut call) {
            Ok(ready) => ready,
            Err(Refused { kind, answer }) => return (kind, *answer),
        };
        if ready.ty == OperationType::Subscription {
            let message = "a subscription is a stream: ask with Accept: text/event-stream, or over a WebSocket";
            return (ready.kind, Answer::refused(cx, Fault::new(Code::NotAcceptable, message)));
        }
        (ready.kind, self.finish(cx, ready, &call).await)
    }

    /// Runs what is ready and not a subscription.
    async fn finish(&self, cx: &Cx, ready: Ready, call: &Call) -> Answer {
        let Ready { operation, cost, rate, .. } = ready;
        let answer = self.execute(cx, operation, call.dry_run).await;
        let report = call.report_cost.then_some((cost, self.settings.limits.cost));
        answer.with_rate(rate).with_cost(cost, report).sealed(cx, self.settings.response_bytes)
    }

    async fn execute(&self, cx: &Cx, operation: Operation, dry_run: bool) -> Answer {
        let loaders = Loaders::new(cx);
        let mut request = operation.request(cx, &loaders);
        if dry_run {
            request = request.data(DryRun);
        }
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
        self.formed(&operation, response, dry_run)
    }

    /// Gives what the engine answered the form that the specification asks for.
    fn formed(&self, operation: &Operation, mut response: Response, dry_run: bool) -> Answer {
        let prepared = &operation.prepared;
        if !prepared.is_valid() {
            return Answer::invalid(response, self.settings.limits.errors);
        }
        self.documents.keep(prepared);
        if let Some(plan) = prepared.plan(operation.name.as_deref()).filter(|_| !dry_run) {
            plan.form(&mut response.data, &response.errors);
        }
        Answer::ran(response, self.settings.limits.errors)
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
        Self { retry_after: error.retry_after(), ..Self::new(error.code(), told(&error)) }
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
