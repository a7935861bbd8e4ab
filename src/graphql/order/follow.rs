//! Following orders: the list as it is, and every change of it.

use async_graphql::{Context, Subscription};
use futures_util::Stream;

use super::{Order, OrderFilterInput};
use crate::{
    domain::order::list::{self, OrderFilter},
    event::{Entry, Interest},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        id,
        live::{ListChange, follow_list},
    },
    kernel::scope::Scope,
};

/// Following orders.
#[derive(Default)]
pub struct OrderSubscription;

#[Subscription]
impl OrderSubscription {
    /// Orders, and every change of the list. A partner follows its own. Needs `ORDER_READ`.
    #[graphql(guard = "Needs(Scope::OrderRead)")]
    async fn orders_live(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which orders; left out, all.")] filter: Option<OrderFilterInput>,
        #[graphql(desc = "Go on after this cursor; left out, begin with a snapshot.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ListChange<Order>>>> {
        let filter = OrderFilter::from(filter.unwrap_or_default());
        list::check(ctx.cx(), &filter).await?;
        let of_page = filter.clone();
        let page = move |cx, after| {
            let filter = of_page.clone();
            async move {
                let (rows, more) = list::page(&cx, &filter, after).await?;
                let last = rows.last().map(|row| row.id).filter(|_| more);
                Ok((rows.into_iter().map(Order).collect(), last))
            }
        };
        let change = move |cx, entry: Entry| {
            let filter = filter.clone();
            async move {
                let Some(id) = list::concerned(&cx, &entry) else { return Ok(None) };
                let row = list::one(&cx, &filter, id).await?.map(Order);
                Ok(Some(ListChange::row(row, id::out(id), entry.number)))
            }
        };
        follow_list(ctx, after, Interest::of_topics(["order"]), page, change).await
    }
}
