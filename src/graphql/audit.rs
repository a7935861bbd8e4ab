//! The audit log in the API.

use async_graphql::{Context, ID, InputObject, Json, Object};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{context::Ask, error::Result, guard::Needs, id, page::Connection};
use crate::{
    domain::audit::{self, AuditFilter},
    kernel::scope::Scope,
};

/// Who did what to what.
#[derive(Clone)]
pub struct AuditEntry(pub audit::AuditEntry);

/// Who did what to what, when and from where. Entries are never changed, and each is chained to the one
/// before it.
#[Object]
impl AuditEntry {
    /// The global id, beginning with `aud_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The place in your tenant's chain, from 1 without holes.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// When it was done.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Who did it: an id, or a part of the program.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// From which address, if from outside.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// In which request.
    async fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// What was done, such as `user.created`.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// The id of what it was done to.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What it touched, as it was before.
    async fn before(&self) -> Option<Json<Value>> {
        self.0.before.clone().map(Json)
    }

    /// What it touched, as it was afterwards.
    async fn after(&self) -> Option<Json<Value>> {
        self.0.after.clone().map(Json)
    }
}

/// Which entries to list; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct AuditFilterInput {
    /// Done by this id, or this part of the program.
    actor: Option<String>,
    /// Of this action, such as `user.created`.
    action: Option<String>,
    /// Done to this id.
    subject: Option<ID>,
    /// Not before this moment.
    since: Option<DateTime<Utc>>,
    /// Before this moment.
    until: Option<DateTime<Utc>>,
}

impl From<AuditFilterInput> for AuditFilter {
    fn from(input: AuditFilterInput) -> Self {
        Self {
            actor: input.actor,
            action: input.action,
            subject: input.subject.map(|id| id.to_string()),
            since: input.since,
            until: input.until,
        }
    }
}

/// Reading the audit log.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// The audit log of your tenant, oldest first; ask with `last` for the newest. Needs `AUDIT_READ`.
    #[graphql(guard = "Needs(Scope::AuditRead)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries; left out, all.")] filter: Option<AuditFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<AuditEntry>> {
        let filter = AuditFilter::from(filter.unwrap_or_default());
        let args = ctx.cx().page(after, before, first, last)?;
        let page = audit::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: crate::context::Cx| {
            let filter = filter.clone();
            Box::pin(async move { audit::count(&cx, &filter).await }) as futures_util::future::BoxFuture<'static, _>
        });
        Ok(Connection::new(page, AuditEntry, counter))
    }
}
