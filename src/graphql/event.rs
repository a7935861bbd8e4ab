//! The event log in the API: every change as it was recorded.

use async_graphql::{Context, Enum, ID, Json, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};
use serde_json::Value;

use super::{
    context::Ask,
    error::Result,
    guard::SignedIn,
    id,
    live::{Item, follow},
    page::Connection,
};
use crate::{
    domain::event::{self, EventFilter},
    event::Entry,
};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "EventTopic")]
pub enum Topic {
    /// The tenant and its settings. Needs `TENANT_READ`.
    Tenant,
    /// Users, memberships, sessions and API tokens. Needs `ACCESS_READ`.
    Access,
    /// The keys that guard secrets. Needs `TENANT_READ`.
    Keyring,
    /// Background work that failed for good, or was let begin anew. Needs `JOB_READ`.
    Job,
    /// What should be looked at. Needs `ALERT_READ`.
    Alert,
    /// Connections to providers and their credentials. Needs `INTEGRATION_READ`.
    Integration,
    /// Whether connections to providers work. Needs `INTEGRATION_READ`.
    Health,
    /// Runs that read records, and what they write down. Needs `INTEGRATION_READ`.
    Sync,
    /// Webhooks that came, and where they come. Needs `INTEGRATION_READ`.
    Inbox,
    /// Webhooks that went out, and where they go. Needs `INTEGRATION_READ`.
    Outbound,
}

impl Topic {
    /// The name under which facts are recorded.
    const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Access => "access",
            Self::Keyring => "keyring",
            Self::Job => "job",
            Self::Alert => "alert",
            Self::Integration => "integration",
            Self::Health => "health",
            Self::Sync => "sync",
            Self::Inbox => "inbox",
            Self::Outbound => "outbound",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        let most = [Self::Tenant, Self::Access, Self::Keyring, Self::Job, Self::Alert, Self::Integration];
        most.into_iter()
            .chain([Self::Health, Self::Sync, Self::Inbox, Self::Outbound])
            .find(|topic| topic.name() == name)
    }
}

/// A change that was recorded.
#[derive(Clone)]
pub struct Event(pub Entry);

/// A change that was recorded: what happened to what, when, and through whom. Events of a tenant are numbered
/// from 1 without holes, in the order in which they can be seen, causes before effects.
#[Object]
impl Event {
    /// The global id, beginning with `evt_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.event_id)
    }

    /// Where to go on after this event, in `after` of any subscription or of the query `events`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// The place in your tenant's log; the next event has the next number.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// What it is about.
    async fn topic(&self) -> Option<Topic> {
        Topic::of(&self.0.topic)
    }

    /// What happened, such as `user.created`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The id of what it happened to.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The facts of the change; never a secret.
    async fn data(&self) -> Json<Value> {
        Json(self.0.data.clone())
    }

    /// Who did it: an id, or a part of the program.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// In which request.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// When it happened.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
}

fn filter(topics: Option<Vec<Topic>>, subjects: Option<Vec<ID>>) -> EventFilter {
    EventFilter {
        topics: topics.map(|topics| topics.into_iter().map(Topic::name).collect()),
        subjects: subjects.map(|subjects| subjects.into_iter().map(|id| id.to_string()).collect()),
    }
}

/// Reading the event log.
#[derive(Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// The event log of your tenant, oldest first; ask with `last` for the newest. The cursors are those of the
    /// subscriptions. Needs any valid credential; you see the topics that your scopes let you read.
    #[graphql(guard = "SignedIn")]
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of the field")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these topics; left out, all that you may read.")] topics: Option<Vec<Topic>>,
        #[graphql(desc = "Only events about these ids.")] subjects: Option<Vec<ID>>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Event>> {
        let filter = filter(topics, subjects);
        let args = ctx.cx().page(after, before, first, last)?;
        let page = event::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: crate::context::Cx| {
            let filter = filter.clone();
            Box::pin(async move { event::count(&cx, &filter).await }) as future::BoxFuture<'static, _>
        });
        Ok(Connection::new(page, Event, counter))
    }
}

/// Following the event log.
#[derive(Default)]
pub struct EventSubscription;

#[Subscription]
impl EventSubscription {
    /// Every change of your tenant, once and in order: those after the cursor, then each as it happens. Needs any
    /// valid credential; you see the topics that your scopes let you read.
    #[graphql(guard = "SignedIn")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these topics; left out, all that you may read.")] topics: Option<Vec<Topic>>,
        #[graphql(desc = "Only events about these ids.")] subjects: Option<Vec<ID>>,
        #[graphql(desc = "Begin after this cursor; left out, with what happens from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Event>>> {
        let interest = event::interest(ctx.cx(), &filter(topics, subjects))?;
        follow(ctx, after, interest, |_, entry| future::ready(Ok(Some(Event(entry))))).await
    }
}
