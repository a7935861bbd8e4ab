//! Operations over transports that can hold more than one answer.

use std::{sync::Arc, time::Instant};

use async_graphql::{Response, parser::types::OperationType};
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::{Answer, Call, Endpoint, Fault, Operation, Refused};
use crate::{
    context::Cx,
    graphql::{
        live::{LOG, Sink, Source, Subscription},
        loader::Loaders,
    },
    kernel::cursor::Cursor,
};

/// What a call led to.
pub enum Outcome {
    /// One answer, and no more.
    Answered(Box<Answer>),
    /// Items go to the sink until this is dropped.
    Streaming(Subscription),
    /// A response with errors instead of a stream.
    Failed(Bytes),
}

impl Endpoint {
    /// Runs an operation; a subscription goes on serving the sink. `resume` is a cursor that the transport
    /// brings and that counts before the operation's own.
    pub async fn begin(
        self: &Arc<Self>,
        cx: &Cx,
        mut call: Call,
        resume: Option<String>,
        sink: impl FnOnce() -> Arc<dyn Sink>,
    ) -> Outcome {
        let started = Instant::now();
        let ready = match self.ready(cx, &mut call) {
            Ok(ready) => ready,
            Err(Refused { kind, answer }) => {
                self.note(started, kind, &answer);
                return Outcome::Answered(answer);
            }
        };
        let kind = ready.kind;
        if ready.ty != OperationType::Subscription || call.dry_run {
            let answer = self.finish(cx, ready, &call).await;
            self.note(started, kind, &answer);
            return Outcome::Answered(Box::new(answer));
        }
        let from = match resume.map(|cursor| Cursor(cursor).decode::<i64>(LOG, "after")).transpose() {
            Ok(from) => from,
            Err(error) => {
                let answer = Answer::refused(cx, Fault::from(error));
                self.note(started, kind, &answer);
                return Outcome::Answered(Box::new(answer));
            }
        };
        let groups = &self.groups;
        match groups.subscribe(self, cx, ready.operation, from, sink()).await {
            Ok(subscription) => {
                tracing::info!(operation.kind = kind, cost = ready.cost, "{kind} begun");
                Outcome::Streaming(subscription)
            }
            Err(body) => {
                tracing::info!(operation.kind = kind, cost = ready.cost, "{kind} refused");
                Outcome::Failed(body)
            }
        }
    }

    /// The engine's answers to a subscription.
    pub(in crate::graphql) fn stream(
        &self,
        cx: &Cx,
        operation: &Operation,
        loaders: &Loaders,
        source: &Arc<Source>,
    ) -> BoxStream<'static, Response> {
        self.schema.execute_stream(operation.request(cx, loaders).data(Arc::clone(source)))
    }

    /// Keeps the document of a subscription that the schema accepted.
    pub(in crate::graphql) fn opened(&self, operation: &Operation) {
        if operation.prepared.is_valid() {
            self.documents.keep(&operation.prepared);
        }
    }

    /// An answer of the engine as JSON.
    pub(in crate::graphql) fn body(&self, cx: &Cx, operation: &Operation, response: Response) -> Bytes {
        let answer = self.formed(operation, response, false).sealed(cx, self.settings.response_bytes);
        for code in &answer.codes {
            self.metrics.error(code.name());
        }
        answer.body
    }

    /// Counts an execution of a subscription, for so many.
    pub(in crate::graphql) fn executed(&self, served: usize) {
        self.metrics.subscription_executions.inc();
        self.metrics.subscription_deliveries.inc_by(served as u64);
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answered(_) => "Answered",
            Self::Streaming(_) => "Streaming",
            Self::Failed(_) => "Failed",
        })
    }
}
