//! A replay: the operation of a group, run for one subscriber until it has caught up.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, StreamExt};

use super::{
    Item, Offer,
    group::Subscriber,
    source::{Begin, Source},
};
use crate::graphql::{
    endpoint::{Endpoint, Operation},
    loader::{Loaders, drive},
};

impl Endpoint {
    /// Serves a subscriber from the log, then hands it to its group.
    pub(super) async fn replay(self: Arc<Self>, subscriber: Arc<Subscriber>, operation: Operation, begin: Begin) {
        let mut begin = begin;
        while let Some(seen) = self.stage(&subscriber, &operation, begin).await {
            if subscriber.join(Some(seen)).await {
                return;
            }
            begin = Begin::After(seen);
        }
    }

    /// Reads all there is; says up to which number, unless the subscription has ended.
    async fn stage(&self, subscriber: &Subscriber, operation: &Operation, begin: Begin) -> Option<i64> {
        let cx = &subscriber.group.cx;
        let loaders = Loaders::new(cx);
        let source = Arc::new(Source::new(begin, loaders.clone()));
        let mut responses = self.stream(cx, operation, &loaders, &source);
        loop {
            let step = AssertUnwindSafe(drive(&loaders, responses.next())).catch_unwind();
            let Ok(response) = step.await else {
                tracing::error!("a resolver panicked in a subscription");
                subscriber.sink.fail(super::group::ours(cx));
                return None;
            };
            let Some(response) = response else { break };
            let body = self.body(cx, operation, response);
            if source.opened().at.is_none() || source.failed() {
                subscriber.sink.fail(body);
                return None;
            }
            let item = Arc::new(Item { number: source.current(), body });
            self.executed(1);
            loop {
                match subscriber.sink.offer(&item) {
                    _ if subscriber.is_gone() => return None,
                    Offer::Taken => break,
                    Offer::Full => subscriber.sink.room().await,
                    Offer::Gone => return None,
                }
            }
        }
        let caught_up = source.caught_up();
        if caught_up.is_none() {
            tracing::error!("a subscription ended before it had caught up");
            subscriber.sink.fail(super::group::ours(cx));
        }
        caught_up
    }
}
