//! How the resolver of a subscription gets its events: the recipe.
//!
//! A resolver says which events interest it and what item each becomes, and hands that to [`follow`]. Whether
//! the operation runs for a group or for one subscriber who is behind, where it begins and when it ends, is
//! decided here, by the [`Source`] that the execution was given.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::Context;
use futures_util::{
    Stream, StreamExt,
    future::{BoxFuture, FutureExt},
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use super::{LOG, ListChange};
use crate::{
    context::Cx,
    event::{Entry, Interest, Next, Reader},
    graphql::{context::Ask, error::Result, loader::Loaders},
    kernel::{
        self,
        cursor::Cursor,
        error::{Error, chain},
    },
};

/// How long to wait when the log cannot be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the events of one execution come from, and how far it is.
pub(in crate::graphql) struct Source {
    begin: Begin,
    loaders: Loaders,
    progress: Mutex<Progress>,
    opened: watch::Sender<Opened>,
}

/// Where an execution begins, and whether it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With what comes, for ever.
    Now,
    /// Where the operation's own cursor says, until there is no more.
    Cursor,
    /// After this number, until there is no more.
    After(i64),
}

/// Whether the resolver has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// Everything after this number will come.
    pub(super) at: Option<i64>,
    /// Whether who begins is given a snapshot first.
    pub(super) snapshots: bool,
}

#[derive(Default)]
struct Progress {
    current: i64,
    caught_up: Option<i64>,
    failed: bool,
}

impl Source {
    pub(super) fn new(begin: Begin, loaders: Loaders) -> Self {
        Self { begin, loaders, progress: Mutex::default(), opened: watch::Sender::new(Opened::default()) }
    }

    /// Whether the resolver has begun.
    pub(super) fn opened(&self) -> Opened {
        *self.opened.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Opened> {
        self.opened.subscribe()
    }

    /// The number of the event whose item is being made.
    pub(super) fn current(&self) -> i64 {
        self.progress().current
    }

    /// The number up to which everything was given, once that is so.
    pub(super) fn caught_up(&self) -> Option<i64> {
        self.progress().caught_up
    }

    /// Whether it ended because it cannot go on.
    pub(super) fn failed(&self) -> bool {
        self.progress().failed
    }

    fn reached(&self, number: i64) {
        self.progress().current = number;
        // What was read for the last event may have changed since.
        self.loaders.renew();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages of a list as it is when somebody begins to follow it, made for the number up to which they are
/// complete.
type Snapshot<T> = Box<dyn FnOnce(Cx, i64) -> BoxStream<'static, kernel::Result<T>> + Send>;

/// The items of a subscription: what each event that interests becomes, if anything.
pub async fn follow<T, F, O>(
    ctx: &Context<'_>,
    after: Option<String>,
    interest: Interest,
    item: F,
) -> Result<impl Stream<Item = Result<T>> + use<T, F, O>>
where
    T: Send + 'static,
    F: Fn(Cx, Entry) -> O + Send + 'static,
    O: Future<Output = kernel::Result<Option<T>>> + Send,
{
    open(ctx, after, interest, None, item).await
}

/// The same for a list: who begins without a cursor gets a snapshot first, page by page. `page` reads the rows
/// after one, and says whether there are more.
pub async fn follow_list<T, R, P, Q, F, O>(
    ctx: &Context<'_>,
    after: Option<String>,
    interest: Interest,
    page: P,
    item: F,
) -> Result<impl Stream<Item = Result<ListChange<T>>> + use<T, R, P, Q, F, O>>
where
    T: Send + 'static,
    R: Clone + Send + 'static,
    P: Fn(Cx, Option<R>) -> Q + Send + 'static,
    Q: Future<Output = kernel::Result<(Vec<T>, Option<R>)>> + Send + 'static,
    F: Fn(Cx, Entry) -> O + Send + 'static,
    O: Future<Output = kernel::Result<Option<ListChange<T>>>> + Send,
{
    let snapshot = move |cx: Cx, number| {
        let pages = stream::unfold(Some(None), move |after: Option<Option<R>>| {
            let read = after.map(|after| page(cx.clone(), after));
            async move {
                match read?.await {
                    Ok((rows, None)) => Some((Ok(ListChange::page(rows, true, number)), None)),
                    Ok((rows, last)) => Some((Ok(ListChange::page(rows, false, number)), Some(last))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        pages.boxed()
    };
    open(ctx, after, interest, Some(Box::new(snapshot)), item).await
}

async fn open<T, F, O>(
    ctx: &Context<'_>,
    after: Option<String>,
    interest: Interest,
    snapshot: Option<Snapshot<T>>,
    item: F,
) -> Result<impl Stream<Item = Result<T>> + use<T, F, O>>
where
    T: Send + 'static,
    F: Fn(Cx, Entry) -> O + Send + 'static,
    O: Future<Output = kernel::Result<Option<T>>> + Send,
{
    let source = Arc::clone(ctx.data_unchecked::<Arc<Source>>());
    let cx = ctx.cx().clone();
    let after = match source.begin {
        Begin::Now => None,
        Begin::After(number) => Some(number),
        Begin::Cursor => after.map(|after| Cursor(after).decode::<i64>(LOG, "after")).transpose()?,
    };
    let reader = cx.events(interest, after).await?;
    let snapshots = snapshot.is_some();
    let first = snapshot.filter(|_| after.is_none() && source.begin != Begin::Now);
    let first = first.map(|pages| pages(cx.clone(), reader.seen()));
    source.progress().current = reader.seen();
    source.opened.send_replace(Opened { at: Some(reader.seen()), snapshots });
    let first = stream::iter(first).flatten().map(|page| Ok(page?));
    let rest = stream::unfold(Some((reader, source, cx, item)), |state| async move {
        let (mut reader, source, cx, item) = state?;
        loop {
            match next(&mut reader, source.begin).await {
                Ok(Next::Entry(entry)) => {
                    source.reached(entry.number);
                    match item(cx.clone(), entry).await {
                        Ok(None) => {}
                        Ok(Some(made)) => return Some((Ok(made), Some((reader, source, cx, item)))),
                        Err(error) => return Some((Err(error.into()), Some((reader, source, cx, item)))),
                    }
                }
                Ok(Next::CaughtUp(number)) => {
                    source.progress().caught_up = Some(number);
                    return None;
                }
                Err(error @ (Error::Unavailable(..) | Error::Internal(..))) => {
                    tracing::warn!(error = chain(&error), "a subscription cannot read the log, will try again");
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => {
                    source.progress().failed = true;
                    return Some((Err(error.into()), None));
                }
            }
        }
    });
    Ok(first.chain(rest).boxed())
}

/// Waits for what comes, or reads what is there.
fn next(reader: &mut Reader, begin: Begin) -> BoxFuture<'_, kernel::Result<Next>> {
    match begin {
        Begin::Now => reader.next().map(|entry| entry.map(Next::Entry)).boxed(),
        Begin::Cursor | Begin::After(_) => reader.read().boxed(),
    }
}
