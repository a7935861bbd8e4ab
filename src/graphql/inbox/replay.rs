//! Having webhooks processed again.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{WebhookEvent, WebhookEventFilterInput};
use crate::{
    domain::inbox::replay::{self, Preview, Which},
    graphql::{
        attempt::attempt_of,
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
    },
    kernel::{error::Error, id::WebhookEventId, scope::Scope},
};

/// Which webhooks to process again: one of the two.
#[derive(InputObject)]
pub struct ReplayWebhookEventsInput {
    /// These.
    ids: Option<Vec<WebhookEventId>>,
    /// The first thousand that fit, oldest first; a hundred in a dry run.
    filter: Option<WebhookEventFilterInput>,
    /// Only say what would happen, and change nothing.
    #[graphql(default = false)]
    dry_run: bool,
}

/// What processing a webhook again would do.
#[derive(SimpleObject)]
pub struct WebhookReplayPreview {
    /// The webhook.
    webhook: WebhookEvent,
    /// Why it would not work.
    problem: Option<String>,
    /// What it would say, in our words; in the provider's where we have none.
    says: Vec<String>,
    /// The keys of the streams that would be read.
    streams: Vec<String>,
    /// Whether it would say something else than the last time.
    differs: bool,
}

impl From<Preview> for WebhookReplayPreview {
    fn from(of: Preview) -> Self {
        Self {
            webhook: WebhookEvent(of.webhook),
            problem: of.problem,
            says: of.says,
            streams: of.streams,
            differs: of.differs,
        }
    }
}

/// What came of having webhooks processed again.
#[derive(SimpleObject)]
pub struct ReplayWebhookEventsPayload {
    /// How many are processed again, or would be.
    count: Option<i32>,
    /// Whether there are more that fit: ask again `from` the moment in `lastArrivedAt`.
    has_more: Option<bool>,
    /// When the last of them came.
    last_arrived_at: Option<DateTime<Utc>>,
    /// What would happen; in a dry run.
    previews: Option<Vec<WebhookReplayPreview>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Having webhooks processed again.
#[derive(Default)]
pub struct ReplayMutation;

#[Object]
impl ReplayMutation {
    /// Has webhooks processed again that came before: those that were given up, or any others. What they say is told
    /// again in the log of events, marked as a replay, and records are read. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn replay_webhook_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which webhooks.")] input: ReplayWebhookEventsInput,
    ) -> Result<ReplayWebhookEventsPayload> {
        let (field, which) = match (input.ids, input.filter) {
            (Some(ids), None) => ("ids", Ok(Which::Ids(ids))),
            (None, Some(filter)) => ("filter", Ok(Which::Fitting(filter.into()))),
            _ => ("ids", Err(Error::invalid("ids", "give either ids or a filter"))),
        };
        let replayed = match which {
            Ok(which) => replay::replay(ctx.cx(), &which, input.dry_run).await,
            Err(error) => Err(error),
        };
        let (replayed, user_errors) = attempt_of(ctx, field, replayed)?;
        let Some(replayed) = replayed else {
            let (count, has_more, last_arrived_at, previews) = (None, None, None, None);
            return Ok(ReplayWebhookEventsPayload { count, has_more, last_arrived_at, previews, user_errors });
        };
        let previews = replayed.previews.into_iter().map(Into::into).collect();
        Ok(ReplayWebhookEventsPayload {
            count: i32::try_from(replayed.count).ok(),
            has_more: Some(replayed.more),
            last_arrived_at: replayed.last_at,
            previews: input.dry_run.then_some(previews),
            user_errors,
        })
    }
}
