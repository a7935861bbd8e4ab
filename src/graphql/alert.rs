//! Alerts in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future::BoxFuture};

use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    id,
    live::{Item, follow},
    page::Connection,
};
use crate::{
    context::Cx,
    domain::alert::{self, AlertFilter},
    event::{Entry, Interest},
    kernel::scope::Scope,
};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "alert::Kind")]
pub enum AlertKind {
    /// A provider refuses the credential of an integration for good: connect it anew.
    NeedsReauth,
    /// An integration is degraded or down; its health says why.
    Unhealthy,
    /// Records are not read any more, since runs failed one after the other: mend what is wrong and resume.
    SyncStopped,
    /// A pass over a stream would mark unusually many records as deleted: confirm the deletions, or check the provider.
    DeletionsHeld,
    /// Webhooks do not arrive at a destination: mend it before it is disabled.
    Undelivered,
    /// A destination of webhooks was disabled because nothing arrived there: mend it, enable it and recover it.
    DestinationDisabled,
    /// Webhooks that came to a source were given up: mend the cause and have them processed again.
    WebhooksGivenUp,
    /// A status has no meaning between us and a partner: map it, or say that it is ignored.
    UnmappedStatus,
    /// A partner says a status that may not follow that of the order: move the order, or tell the partner.
    ForbiddenStatus,
    /// A partner spoke for a day of orders that nobody knows: make them, or tell the partner.
    UnknownOrder,
    /// A stored filter or schedule can no longer be read, so what depends on it is stopped: set it again.
    UnreadableSetting,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "alert::Severity")]
pub enum AlertSeverity {
    /// Good to know.
    Info,
    /// Something does not work as it should.
    Warning,
    /// Something does not work.
    Critical,
}

/// Something that should be looked at.
#[derive(Clone)]
pub struct Alert(pub alert::Alert);

/// Something that should be looked at, until it is over. Of a kind, one is open for a subject.
#[Object]
impl Alert {
    /// The global id, beginning with `alr_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// What it is.
    async fn kind(&self) -> AlertKind {
        self.0.kind.into()
    }

    /// How bad it is.
    async fn severity(&self) -> AlertSeverity {
        self.0.severity.into()
    }

    /// The id of what it is about.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What happened and what helps, for people.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// Since when.
    async fn since(&self) -> DateTime<Utc> {
        self.0.raised_at
    }

    /// When it was over; null while it is not.
    async fn resolved_at(&self) -> Option<DateTime<Utc>> {
        self.0.resolved_at
    }
}

/// Which alerts to list; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct AlertFilterInput {
    /// Not over yet, or over.
    open: Option<bool>,
    /// Of these kinds.
    kinds: Option<Vec<AlertKind>>,
    /// As bad as one of these.
    severities: Option<Vec<AlertSeverity>>,
    /// About this id.
    subject: Option<ID>,
}

impl From<AlertFilterInput> for AlertFilter {
    fn from(input: AlertFilterInput) -> Self {
        Self {
            open: input.open,
            kinds: input.kinds.map(|kinds| kinds.into_iter().map(Into::into).collect()),
            severities: input.severities.map(|severities| severities.into_iter().map(Into::into).collect()),
            subject: input.subject.map(|subject| subject.to_string()),
        }
    }
}

/// Reading alerts.
#[derive(Default)]
pub struct AlertQuery;

#[Object]
impl AlertQuery {
    /// What should be looked at in your tenant, and what should have been, newest first. Needs `ALERT_READ`.
    #[graphql(guard = "Needs(Scope::AlertRead)")]
    async fn alerts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which alerts; left out, all.")] filter: Option<AlertFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Alert>> {
        let filter = AlertFilter::from(filter.unwrap_or_default());
        let args = ctx.cx().page(after, before, first, last)?;
        let page = alert::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { alert::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, Alert, counter))
    }
}

/// An alert that began or ended.
pub struct AlertChange(Entry);

/// An alert that began or ended.
#[Object]
impl AlertChange {
    /// Where to go on after this, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// Whether it is over; if not, it began.
    async fn resolved(&self) -> bool {
        self.0.kind == "alert.resolved"
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The alert as it is now; null if it was removed since.
    async fn alert(&self, ctx: &Context<'_>) -> Result<Option<Alert>> {
        let Some(id) = alert::concerned(&self.0) else { return Ok(None) };
        Ok(alert::by_ids(ctx.cx(), &[id]).await?.pop().map(Alert))
    }
}

/// Following alerts.
#[derive(Default)]
pub struct AlertSubscription;

#[Subscription]
impl AlertSubscription {
    /// Every alert of your tenant as it begins and as it ends, once and in order: those after the cursor, then each as
    /// it happens. Needs `ALERT_READ`.
    #[graphql(guard = "Needs(Scope::AlertRead)")]
    async fn alert_raised(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only alerts as bad as one of these; left out, all.")] severities: Option<Vec<AlertSeverity>>,
        #[graphql(desc = "Begin after this cursor; left out, with what happens from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<AlertChange>>> {
        let wanted: Option<Vec<_>> =
            severities.map(|all| all.into_iter().map(|each| alert::Severity::from(each).name()).collect());
        follow(ctx, after, Interest::of_topics(["alert"]), move |_, entry: Entry| {
            let severity = entry.data["severity"].as_str().unwrap_or_default();
            let named = wanted.as_ref().is_none_or(|wanted| wanted.contains(&severity));
            std::future::ready(Ok(named.then_some(AlertChange(entry))))
        })
        .await
    }
}
