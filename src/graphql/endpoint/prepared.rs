//! Documents made ready once, and how the engine is given them.
//!
//! Validation by the engine depends on the document alone, as long as variables have the types they are
//! declared with and stand where those can (which [`coerce`](super::super::document::coerce()) and
//! [`usage`](super::super::document::usage()) see to): so its verdict is kept beside the document,
//! and a document that passed once is not walked again.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Name, Response, ServerError, ServerResult, ValidationResult, Value, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextValidation},
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition},
};

use super::{plan::Plan, resume::Resume};
use crate::graphql::document::{self, Limits, Measure, Refusal, Shape};

/// A document within its bounds.
pub(in crate::graphql) struct Prepared {
    text: Box<str>,
    document: ExecutableDocument,
    measure: Measure,
    plans: Vec<(Option<Name>, Plan, Resume)>,
    verdict: OnceLock<ValidationResult>,
}

impl Prepared {
    /// Scans, parses and measures a text, and looks at where its variables stand.
    pub(super) fn new(text: &str, limits: &Limits, shape: &Shape) -> Result<Self, Refusal> {
        document::scan(text, limits)?;
        let document = document::parse(text)?;
        let measure = document::measure(&document, limits)?;
        document::usage(&document, shape)?;
        let plan = |operation: &OperationDefinition| Plan::of(operation, &document, shape);
        let operations = document.operations.iter();
        let plans = operations
            .map(|(name, operation)| Ok((name.cloned(), plan(&operation.node), Resume::of(&operation.node, text)?)));
        let plans = plans.collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), document, measure, plans, verdict: OnceLock::new() })
    }

    pub(in crate::graphql) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn document(&self) -> &ExecutableDocument {
        &self.document
    }

    pub(super) fn introspects(&self) -> bool {
        self.measure.introspection_depth > 0
    }

    /// The form of an operation's answer.
    pub(super) fn plan(&self, operation: Option<&str>) -> Option<&Plan> {
        self.plans.iter().find(|(name, ..)| name.as_deref() == operation).map(|(_, plan, _)| plan)
    }

    /// Where an operation says from which event on it wants to be served.
    pub(in crate::graphql) fn resume(&self, operation: Option<&str>) -> &Resume {
        let found = self.plans.iter().find(|(name, ..)| name.as_deref() == operation);
        found.map_or(&Resume::Never, |(_, _, resume)| resume)
    }

    /// Whether the engine found it to fit the schema.
    pub(super) fn is_valid(&self) -> bool {
        self.verdict.get().is_some()
    }

    /// Whether an operation of it must be named to the engine.
    pub(super) fn has_several(&self) -> bool {
        matches!(self.document.operations, DocumentOperations::Multiple(_))
    }
}

/// Goes with a request that is validated and not run.
pub(super) struct DryRun;

/// Hands prepared documents to the engine.
pub(super) struct Preparation;

impl ExtensionFactory for Preparation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Preparation {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        match ctx.data_opt::<Arc<Prepared>>() {
            Some(prepared) => Ok(prepared.document.clone()),
            None => next.run(ctx, query, variables).await,
        }
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let Some(prepared) = ctx.data_opt::<Arc<Prepared>>() else { return next.run(ctx).await };
        if let Some(verdict) = prepared.verdict.get() {
            return Ok(*verdict);
        }
        let verdict = next.run(ctx).await?;
        // Somebody else may have validated the same document meanwhile, with the same outcome.
        let _ = prepared.verdict.set(verdict);
        Ok(verdict)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        match ctx.data_opt::<DryRun>() {
            Some(DryRun) => Response::new(Value::Null),
            None => next.run(ctx, operation_name).await,
        }
    }
}
