//! Following webhooks that go out.

use async_graphql::{Context, Enum, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};

use super::WebhookDelivery;
use crate::{
    domain::outbound::list,
    event::{Entry, Interest, outbound::Deliveries},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        live::{Item, follow},
    },
    kernel::{
        id::{WebhookDeliveryId, WebhookDestinationId},
        scope::Scope,
    },
};

/// What happened to deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum DeliveryChangeKind {
    /// They arrived.
    Delivered,
    /// They did not, and are tried again.
    Postponed,
    /// They did not, and are not tried any more.
    GivenUp,
    /// Somebody has them sent again.
    Requeued,
}

fn kind_of(kind: &str) -> Option<DeliveryChangeKind> {
    Some(match kind {
        "outbound.delivered" => DeliveryChangeKind::Delivered,
        "outbound.postponed" => DeliveryChangeKind::Postponed,
        "outbound.given_up" => DeliveryChangeKind::GivenUp,
        "outbound.requeued" => DeliveryChangeKind::Requeued,
        _ => return None,
    })
}

/// A change of deliveries.
pub struct DeliveryChange {
    entry: Entry,
    kind: DeliveryChangeKind,
    ids: Vec<WebhookDeliveryId>,
}

/// The same that happened to one or several deliveries at the same moment.
#[Object]
impl DeliveryChange {
    /// Where to go on after this change, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.entry.number)
    }

    /// The place in your tenant's log of changes.
    async fn number(&self) -> String {
        self.entry.number.to_string()
    }

    /// What happened.
    async fn kind(&self) -> DeliveryChangeKind {
        self.kind
    }

    /// To how many deliveries.
    async fn count(&self) -> i32 {
        i32::try_from(self.ids.len()).unwrap_or(i32::MAX)
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.entry.at
    }

    /// The deliveries as they are now, as far as they are kept.
    async fn deliveries(&self, ctx: &Context<'_>) -> Result<Vec<WebhookDelivery>> {
        Ok(list::by_ids(ctx.cx(), &self.ids).await?.into_iter().map(WebhookDelivery).collect())
    }
}

/// Following webhooks that go out.
#[derive(Default)]
pub struct OutboundSubscription;

#[Subscription]
impl OutboundSubscription {
    /// What becomes of your webhooks, once and in order: what happened after the cursor, and then as it happens. Needs
    /// `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn delivery_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those to this destination; left out, all.")] destination_id: Option<
            WebhookDestinationId,
        >,
        #[graphql(desc = "Go on after this cursor; left out, begin with what happens next.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<DeliveryChange>>> {
        follow(ctx, after, Interest::of_topics(["outbound"]), move |_, entry| {
            let change = kind_of(&entry.kind).and_then(|kind| {
                let all: Deliveries = serde_json::from_value(entry.data["deliveries"].clone()).ok()?;
                let meant = all.into_iter().filter(|(id, _)| destination_id.is_none_or(|wanted| wanted == *id));
                let ids: Vec<_> = meant.flat_map(|(_, ids)| ids).collect();
                (!ids.is_empty()).then_some(DeliveryChange { entry, kind, ids })
            });
            future::ready(Ok(change))
        })
        .await
    }
}
