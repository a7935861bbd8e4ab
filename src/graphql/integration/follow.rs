//! Following integrations: every change, and the list as it is.

use async_graphql::{Context, Json, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};
use serde_json::Value;

use super::{Integration, IntegrationFilterInput};
use crate::{
    domain::integration::{
        self,
        list::{self, IntegrationFilter},
    },
    event::{Entry, Interest},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        id,
        live::{Item, ListChange, follow, follow_list},
    },
    kernel::{id::IntegrationId, scope::Scope},
};

/// A change of an integration.
pub struct IntegrationChange(Entry);

/// A change of an integration: what happened, when and through whom.
#[Object]
impl IntegrationChange {
    /// Where to go on after this change, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// The place in your tenant's log of changes.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// What happened, such as `integration.status_changed`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The facts: what changed, from what to what, why.
    async fn data(&self) -> Json<Value> {
        Json(self.0.data.clone())
    }

    /// Through whom: an id, or a part of the program.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The integration as it is now; null if it is gone.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        let Some(id) = list::concerned(&self.0) else { return Ok(None) };
        Ok(integration::by_ids(ctx.cx(), &[id]).await?.pop().map(Integration))
    }
}

/// Following integrations.
#[derive(Default)]
pub struct IntegrationSubscription;

#[Subscription]
impl IntegrationSubscription {
    /// Every change of your integrations, once and in order: those after the cursor, then each as it happens. Needs
    /// `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn integration_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this integration; left out, all.")] integration_id: Option<IntegrationId>,
        #[graphql(desc = "Begin after this cursor; left out, with what happens from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<IntegrationChange>>> {
        let mut interest = Interest::of_topics(["integration"]);
        if let Some(id) = integration_id {
            interest = interest.about([id.to_string()]);
        }
        follow(ctx, after, interest, |_, entry| future::ready(Ok(Some(IntegrationChange(entry))))).await
    }

    /// The integrations of your tenant, and every change of the list. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn integrations_live(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integrations; left out, all.")] filter: Option<IntegrationFilterInput>,
        #[graphql(desc = "Go on after this cursor; left out, begin with a snapshot.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ListChange<Integration>>>> {
        let filter = IntegrationFilter::from(filter.unwrap_or_default());
        let of_page = filter.clone();
        let page = move |cx, after| {
            let filter = of_page.clone();
            async move {
                let (rows, more) = list::page(&cx, &filter, after).await?;
                let last = rows.last().map(|row| row.id).filter(|_| more);
                Ok((rows.into_iter().map(Integration).collect(), last))
            }
        };
        let change = move |cx, entry: Entry| {
            let filter = filter.clone();
            async move {
                let Some(id) = list::concerned(&entry) else { return Ok(None) };
                let row = list::one(&cx, &filter, id).await?.map(Integration);
                Ok(Some(ListChange::row(row, id::out(id), entry.number)))
            }
        };
        follow_list(ctx, after, Interest::of_topics(["integration"]), page, change).await
    }
}
