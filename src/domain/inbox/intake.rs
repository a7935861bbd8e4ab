//! Making webhooks durable, many in one commit.
//!
//! A commit has to reach the disk before a provider may hear that we have its webhook, and the disk takes about as
//! long for one row as for two hundred. So who comes while a commit is under way waits for the next one, which takes
//! all of them: the busier it is, the less each costs, and nobody waits for longer than two commits.
//!
//! There is no task that waits for work. Whoever puts a webhook into the queue and finds the writer's place free starts
//! a writer, which goes on until the queue is empty. It is a task of its own: a provider that hangs up takes nobody
//! along. On a server two write, so that one batch is gathered while another is made durable; SQLite has one writer
//! anyway.
//!
//! A batch is one statement. Its rows are in the order of their keys, so that two writers with the
//! same webhooks wait for each other and never both. What comes twice within a batch is put together before. If a batch
//! fails, each is tried alone, so that one bad webhook costs no other; what fails alone fails its sender, who comes
//! again.
//!
//! The jobs that look at what came are enqueued afterwards, and not more often than some twenty times a second: that
//! something waits is said by the rows, and a chore looks at them, too. So a process that dies between the two loses
//! nothing but a moment.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use sea_orm::ConnectionTrait;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{WebhookEvent, process::ProcessInbox};
use crate::{
    context::{
        Cx, Hub, NewJob,
        intake::{Arrival, Full, Taken},
    },
    domain::keyring::HUB,
    entity::webhook_event as entity,
    kernel::{
        error::{Error, Result, chain},
        id::{TenantId, WebhookSourceId},
    },
};

/// Webhooks of one commit.
const BATCH: usize = 256;

/// Between two times of telling that there is something to do.
const PAUSE: Duration = Duration::from_millis(50);

/// Makes a webhook durable. When this says so, it is.
pub async fn keep(hub: &Arc<Hub>, row: WebhookEvent) -> Result<Taken> {
    let (answer, answered) = oneshot::channel();
    hub.intake.push(Arrival { row, answer }).map_err(|Full| Error::TooOften(1))?;
    start(hub);
    let unheard = |_| Error::Internal("a webhook was not written", "its writer is gone".into());
    answered.await.map_err(unheard)?
}

/// Sees to it that somebody writes.
fn start(hub: &Arc<Hub>) {
    let Some(place) = hub.intake.writer() else { return };
    let own = Arc::clone(hub);
    hub.tasks.spawn(async move {
        loop {
            let arrivals = own.intake.take(BATCH);
            if arrivals.is_empty() {
                break;
            }
            write(&own, arrivals).await;
        }
        drop(place);
        // Who came between the last look and giving up the place found it taken.
        if !own.intake.is_empty() {
            start(&own);
        }
    });
}

/// What has one key of one source.
struct Same {
    row: WebhookEvent,
    answers: Vec<oneshot::Sender<Result<Taken>>>,
}

async fn write(hub: &Arc<Hub>, arrivals: Vec<Arrival>) {
    let mut batch: BTreeMap<(WebhookSourceId, String), Same> = BTreeMap::new();
    for Arrival { row, answer } in arrivals {
        match batch.entry((row.source_id, row.dedupe_key.clone())) {
            Entry::Vacant(place) => drop(place.insert(Same { row, answers: vec![answer] })),
            Entry::Occupied(mut known) => {
                known.get_mut().row.repeats += 1;
                known.get_mut().answers.push(answer);
            }
        }
    }
    let batch: Vec<Same> = batch.into_values().collect();
    match insert(hub, batch.iter().map(|same| same.row.clone()).collect()).await {
        Ok(kept) => {
            for same in batch {
                answer(hub, same, &kept);
            }
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), webhooks = batch.len(), "webhooks are written one by one");
            for same in batch {
                match insert(hub, vec![same.row.clone()]).await {
                    Ok(kept) => answer(hub, same, &kept),
                    Err(error) => refuse(same, &error),
                }
            }
        }
    }
    tell(hub);
}

/// Writes rows in one commit. The ids of those that are kept now or were before come back.
async fn insert(hub: &Arc<Hub>, rows: Vec<WebhookEvent>) -> Result<Vec<Uuid>> {
    let cx = Cx::system(Arc::clone(hub), "inbox", HUB);
    cx.write(async |txn| {
        let statement = entity::take_in(txn.get_database_backend(), rows);
        let kept = txn.query_all_raw(statement).await?;
        kept.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    })
    .await
}

/// Tells everybody who waits for a row; the first of them brought it, if it is new.
fn answer(hub: &Hub, same: Same, kept: &[Uuid]) {
    let new = kept.contains(&same.row.id.uuid());
    if new {
        hub.intake.touch(same.row.source_id, same.row.tenant_id);
    }
    for (at, answer) in same.answers.into_iter().enumerate() {
        let taken = if new && at == 0 { Taken::New } else { Taken::Repeated };
        // Who hung up meanwhile will come again.
        let _ = answer.send(Ok(taken));
    }
}

fn refuse(same: Same, error: &Error) {
    tracing::error!(error = chain(error), source = %same.row.source_id, "a webhook could not be written");
    for answer in same.answers {
        let _ = answer.send(Err(Error::Unavailable("the inbox", error.to_string().into())));
    }
}

/// Sees to it that somebody tells that there is something to do.
fn tell(hub: &Arc<Hub>) {
    let Some(place) = hub.intake.teller() else { return };
    let own = Arc::clone(hub);
    hub.tasks.spawn(async move {
        loop {
            let touched = own.intake.touched();
            if touched.is_empty() {
                break;
            }
            if let Err(error) = enqueue(&own, touched).await {
                // The rows say so, too; a chore will look.
                tracing::warn!(error = chain(&error), "webhooks that came wait until they are looked for");
            }
            tokio::time::sleep(PAUSE).await;
        }
        drop(place);
        // As above.
        if own.intake.has_touched() {
            tell(&own);
        }
    });
}

/// Enqueues the work for sources with something new.
pub(super) async fn enqueue(
    hub: &Arc<Hub>,
    sources: impl IntoIterator<Item = (WebhookSourceId, TenantId)>,
) -> Result<()> {
    let sources: Vec<_> = sources.into_iter().collect();
    let cx = Cx::system(Arc::clone(hub), "inbox", HUB);
    cx.write(async |txn| {
        for (source, tenant) in &sources {
            let work = NewJob::of(&ProcessInbox { source: *source })?.unique(source.to_string());
            txn.enqueue_in(*tenant, work);
        }
        Ok(())
    })
    .await
}

/// Looks for webhooks that wait although nobody was told, and tells.
pub async fn sweep(hub: Arc<Hub>) -> Result<u64> {
    let waiting = entity::waiting(hub.clock.now()).all(hub.database.reader()).await?;
    if !waiting.is_empty() {
        enqueue(&hub, waiting.into_iter().map(|found| (found.source_id, found.tenant_id))).await?;
    }
    // What is only told once more was not done.
    Ok(0)
}
