//! Doing a run: a page is asked for, then kept, and so on.

use std::{
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use serde_json::json;

use super::{
    Cause, Level, Status, SyncRun,
    absent::Seen,
    decide,
    log::{self, Line},
    look,
    page::{self, Next, unusable},
    run::{self, Held, RunSync},
    stream,
};
use crate::{
    context::{Cx, Ending},
    domain::{
        access::starter::Starter,
        integration::{Integration, call},
        job::queue,
    },
    entity::sync_run::SecondLook,
    event::sync::SyncEvent,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::SyncRunId,
        retry::Retry,
        scope::Scope,
        trace::Trace,
    },
    provider::{
        classify::Failure,
        connector::{Paged, Trouble},
        manifest::{answer::Class, paging::Paging, stream::Stream},
        paging::Position,
    },
};

/// How often a provider may fail without any progress before the run has failed.
const TRIES: i32 = 3;

/// How often a run may be taken up without any progress.
const BEGUN: i32 = 10;

/// How long a provider may ask for patience before the run has failed.
const PATIENCE: TimeDelta = TimeDelta::days(1);

/// How long to wait for a provider that asks for patience and does not say how much.
const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How long one works at a run before others may have a turn, and how many pages.
const SLICE: (Duration, u32) = (Duration::from_mins(1), 200);

/// How work on a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What becomes of the job is part of the last commit.
    Settled,
    /// The node is about to stop; the run goes on elsewhere.
    Interrupted,
}

/// Does a run, from where it is, until it is over, has to wait, or others may have a turn.
///
/// While a page is being kept, the next one is asked for; what comes of that counts only once the page is kept.
pub async fn work(cx: &Cx, id: SyncRunId, stopping: impl Fn() -> bool) -> Result<Ended> {
    let Some((integration, own, paging, mut current)) = take_up(cx, id).await? else { return Ok(Ended::Settled) };
    let paging = paging.as_ref();
    let (began, mut pages, mut ahead, mut seen) = (Instant::now(), 0, None, None);
    loop {
        pages += 1;
        let mut last = pages >= SLICE.1;
        let next = if current.absent_after.is_some() {
            let seen = match &mut seen {
                Some(seen) => seen,
                none => none.insert(Seen::of(cx, &current).await?),
            };
            if current.approved.is_some() {
                page::forget_absent(cx, id, seen).await?
            } else {
                decide::decide(cx, &current, paging, seen).await?
            }
        } else {
            // Another look has begun, whose records are still to be seen.
            seen = None;
            let asking = match ahead.take() {
                Some(asking) => asking,
                None => Ahead::asked(ask(cx, &integration, &own, Place::of(&current)?)),
            };
            let answer = match asking.answer().await {
                Ok(answer) => answer,
                Err(halt) if halt.refuses() && current.second_look == Some(SecondLook::Up) => Paged::empty(),
                Err(halt) if halt.refuses() && current.second_look.is_some() => {
                    Box::pin(decide::undecided(cx, id, "the provider refused a page")).await?;
                    return Ok(Ended::Settled);
                }
                Err(halt) => return halted(cx, id, halt).await.map(|()| Ended::Settled),
            };
            last |= began.elapsed() > SLICE.0;
            let mut keeping = pin!(page::keep(cx, id, &own, paging, &answer));
            if let Some(position) = look::onward(&current, paging, &answer)?.position.filter(|_| !last) {
                let place = Place { position, ..Place::of(&current)? };
                let mut asking = Ahead::asked(ask(cx, &integration, &own, place));
                let kept = asking.beside(keeping.as_mut()).await?;
                ahead = Some(asking);
                kept
            } else {
                keeping.await?
            }
        };
        let Next::More(run) = next else { return Ok(Ended::Settled) };
        current = *run;
        if stopping() {
            return Ok(Ended::Interrupted);
        }
        if last || began.elapsed() > SLICE.0 {
            return hand_over(cx, id).await.map(|()| Ended::Settled);
        }
    }
}

/// A page that was asked for, and maybe answered, before its turn.
enum Ahead<'a> {
    Asked(Pin<Box<dyn Future<Output = Result<Paged, Halt>> + Send + 'a>>),
    Answered(Box<Result<Paged, Halt>>),
}

impl<'a> Ahead<'a> {
    fn asked(question: impl Future<Output = Result<Paged, Halt>> + Send + 'a) -> Self {
        Self::Asked(Box::pin(question))
    }

    /// Goes on asking while something else is done, as long as that takes.
    async fn beside<T>(&mut self, mut other: Pin<&mut impl Future<Output = T>>) -> T {
        if let Self::Asked(question) = self {
            tokio::select! {
                done = other.as_mut() => return done,
                answer = question => *self = Self::Answered(Box::new(answer)),
            }
        }
        other.await
    }

    async fn answer(self) -> Result<Paged, Halt> {
        match self {
            Self::Asked(question) => question.await,
            Self::Answered(answer) => *answer,
        }
    }
}

/// Takes a run up, if it is there to be done.
async fn take_up(cx: &Cx, id: SyncRunId) -> Result<Option<(Integration, Stream, Option<Paging>, SyncRun)>> {
    // A run that somebody asked for is theirs until it ends.
    let starter = Starter::actor(&cx.actor(), cx.now());
    let barred = starter.barred(cx.hub(), cx.tenant()?, Scope::IntegrationRun).await?;
    cx.write(async |txn| {
        let Some(mut held) = Held::of(txn, id).await?.filter(|held| held.run.status.is_active()) else {
            txn.finish()?;
            return Ok(None);
        };
        let barred = barred.filter(|_| held.run.cause == Cause::Manual).map(str::to_owned);
        if let Some(reason) = unusable(&held).or(barred) {
            run::cancelled(txn, &mut held, &reason).await?;
            txn.finish()?;
            return Ok(None);
        }
        let manifest = call::manifest(cx, &held.integration);
        let own = manifest.as_ref().and_then(|manifest| {
            let own = stream::named(manifest, &held.run.stream).ok()?;
            Some((own, manifest.paging_of(own).cloned()))
        });
        let Some((own, paging)) = own else {
            run::failed(txn, &mut held, "invalid", "the provider's file has no such stream any more").await?;
            txn.finish()?;
            return Ok(None);
        };
        held.run.begun += 1;
        if held.run.begun > BEGUN {
            let reason = format!("it was taken up {BEGUN} times and came no further");
            run::failed(txn, &mut held, "down", &reason).await?;
            txn.finish()?;
            return Ok(None);
        }
        let first = held.run.status == Status::Queued;
        held.run.status = Status::Running;
        held.run.started_at = held.run.started_at.or(Some(txn.now()));
        let run = &mut held.run;
        let line = if first {
            let fields = json!({ "mode": run.mode.name(), "cause": run.cause.name(), "since": run.since });
            Line::new(Level::Info, "begin", format!("{} is read", own.name), fields)
        } else {
            let text = format!("it goes on after page {}", run.pages);
            Line::new(Level::Info, "resume", text, json!({ "pages": run.pages, "seen": run.seen }))
        };
        log::write(txn, run, vec![line]).await?;
        held.write(txn).await?;
        if first {
            txn.emit(&SyncEvent::RunStarted {
                integration: held.run.integration_id,
                stream: held.run.stream.clone(),
                run: id,
                counts: held.counts(),
            })?;
        }
        Ok(Some((held.integration, own.clone(), paging, held.run)))
    })
    .await
}

/// Why a page was not read.
enum Halt {
    /// The provider failed.
    Provider(Box<Failure>),
    /// It cannot be asked like this.
    Ours { class: &'static str, reason: String },
    /// Something of ours is away.
    Away(Error),
}

impl Halt {
    /// Whether the provider refuses the page itself, as some do behind the end of a list.
    fn refuses(&self) -> bool {
        matches!(self, Self::Provider(failure) if matches!(failure.class, Class::NotFound | Class::Invalid))
    }
}

/// Which page of a run.
struct Place {
    position: Position,
    since: Option<Moment>,
    trace: Option<Trace>,
}

impl Place {
    /// The page at which a run is.
    fn of(run: &SyncRun) -> Result<Self> {
        Ok(Self { position: look::position(run)?, since: run.since, trace: Trace::parse(&run.trace) })
    }
}

/// Asks for a page.
async fn ask(cx: &Cx, integration: &Integration, own: &Stream, place: Place) -> Result<Paged, Halt> {
    let Place { position, since, trace } = &place;
    let answer = call::call(cx, integration, |connector, connection| async move {
        let connector = match trace {
            Some(trace) => connector.traced(*trace),
            None => connector,
        };
        connector.page(&connection, own, position, *since).await
    })
    .await;
    match answer {
        Ok(Ok(paged)) => Ok(paged),
        Ok(Err(Trouble::Failed(failure))) => Err(Halt::Provider(Box::new(failure))),
        Ok(Err(trouble)) => Err(Halt::Ours { class: "invalid", reason: trouble.to_string() }),
        // There is no credential that could be used.
        Err(error @ Error::Refused(_)) => Err(Halt::Ours { class: "auth", reason: queue::reason_of(&error) }),
        Err(error) => Err(Halt::Away(error)),
    }
}

/// Notes why a page was not read, and what follows: another try later, or the end of the run.
async fn halted(cx: &Cx, id: SyncRunId, halt: Halt) -> Result<()> {
    let failure = match halt {
        Halt::Away(error) => return Err(error),
        Halt::Ours { class, reason } => return settle(cx, id, class, &reason, None).await,
        Halt::Provider(failure) => failure,
    };
    let now = cx.now();
    let said = failure.message.clone().unwrap_or_else(|| format!("it failed ({})", failure.class));
    let reason = match failure.status {
        Some(status) => format!("the provider answered {status}: {said}"),
        None => said,
    };
    let wait = match failure.class {
        Class::Throttled | Class::Quota => {
            let until = failure.until.unwrap_or(now + PAUSE).max(now + TimeDelta::seconds(1));
            Some(Wait::Asked(until - now))
        }
        Class::Down | Class::Unreadable => Some(Wait::Failed(failure.until.map(|until| until - now))),
        _ => None,
    };
    settle(cx, id, failure.class.as_str(), &reason, wait).await
}

/// Why to wait.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// The provider asked for it.
    Asked(TimeDelta),
    /// It failed; perhaps it said for how long.
    Failed(Option<TimeDelta>),
}

async fn settle(cx: &Cx, id: SyncRunId, class: &str, reason: &str, wait: Option<Wait>) -> Result<()> {
    cx.write(async |txn| {
        let Some(mut held) = Held::of(txn, id).await?.filter(|held| held.run.status.is_active()) else {
            return txn.finish();
        };
        let run = &mut held.run;
        let pause = match wait {
            Some(Wait::Asked(pause)) if txn.now() - run.progressed_at < PATIENCE => {
                run.begun = 0;
                Some(pause)
            }
            Some(Wait::Failed(said)) => {
                run.tries += 1;
                let usual = Retry::USUAL.wait(run.tries, &*cx.hub().chance);
                (run.tries < TRIES).then(|| said.unwrap_or(usual).max(usual))
            }
            _ => None,
        };
        let Some(pause) = pause else {
            run::failed(txn, &mut held, class, reason).await?;
            return txn.finish();
        };
        let at = txn.now() + pause;
        let fields = json!({ "class": class, "tries": run.tries, "at": at, "page": run.pages + 1 });
        let text = format!("page {} was not read, it will be asked for again: {reason}", run.pages + 1);
        log::write(txn, run, vec![Line::new(Level::Warn, "wait", text, fields)]).await?;
        held.write(txn).await?;
        txn.end(Ending::Later { at, reason: Some(reason.to_owned()) })
    })
    .await
}

/// Lets others have a turn: the run goes to the end of the line.
async fn hand_over(cx: &Cx, id: SyncRunId) -> Result<()> {
    cx.write(async |txn| {
        if let Some(held) = Held::of(txn, id).await?.filter(|held| held.run.status.is_active()) {
            txn.enqueue(RunSync::job(&held.run)?)?;
        }
        txn.finish()
    })
    .await
}
