//! Work for tests: each chore leaves an event behind, in its tenant, with its number.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use portolan::{
    context::{Hub, Work},
    entity::event,
    event::Fact,
    kernel::{
        error::{Error, Result},
        id::TenantId,
        retry::Retry,
    },
    worker::handler::{Handler, Kind, Outcome, Setback, Task},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::support::process::until;

/// How a chore goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum How {
    /// It leaves its event and is done, in one commit.
    Finish,
    /// It is done without having written anything.
    Return,
    /// So many commits, and then it is done.
    Pieces(u32),
    /// It finishes, and then says that it failed.
    FinishAndFail,
    /// It says so as often, and then finishes.
    Stumble(i32),
    /// It says that trying again is no use.
    GiveUp,
    /// It asks to be tried again after so many seconds, once.
    Throttled(i64),
    /// It panics in the middle of its transaction, the first time.
    Panic,
    /// It never ends, the first time.
    Hang,
    /// It waits until the gate is opened, and then finishes.
    Wait(String),
    /// The same, and it writes a piece first.
    PieceAndWait(String),
    /// It ends when the node stops.
    UntilStopped,
    /// It enqueues itself again, and finishes.
    Again,
}

/// Work with some hands.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chore {
    pub n: u32,
    pub how: How,
}

impl Work for Chore {
    const KIND: &'static str = "test.chore";
    const ATTEMPTS: i32 = 3;
}

impl Handler for Chore {
    const SLOTS: usize = 4;
    const LIMIT: Duration = Duration::from_secs(20);
    const RETRY: Retry = Retry { first: TimeDelta::seconds(10), longest: TimeDelta::seconds(60) };

    async fn run(self, task: Task) -> Outcome {
        self.act(&task).await
    }
}

/// The same with one hand, so that they are done one after the other.
#[derive(Debug, Serialize, Deserialize)]
pub struct Single(pub Chore);

impl Work for Single {
    const KIND: &'static str = "test.single";
}

impl Handler for Single {
    const SLOTS: usize = 1;

    async fn run(self, task: Task) -> Outcome {
        self.0.act(&task).await
    }
}

/// The same with no time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hasty(pub Chore);

impl Work for Hasty {
    const KIND: &'static str = "test.hasty";
}

impl Handler for Hasty {
    const LIMIT: Duration = Duration::from_millis(50);

    async fn run(self, task: Task) -> Outcome {
        self.0.act(&task).await
    }
}

/// Leaves an event with the tick for which it was enqueued.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ticked {}

impl Work for Ticked {
    const KIND: &'static str = "test.ticked";
}

impl Handler for Ticked {
    async fn run(self, task: Task) -> Outcome {
        let tick = task.tick.map(|tick| tick.timestamp_micros());
        leave(&task, serde_json::json!({ "n": tick }), true).await?;
        Ok(())
    }
}

pub fn kinds() -> Vec<Kind> {
    vec![Kind::of::<Chore>(), Kind::of::<Single>(), Kind::of::<Hasty>(), Kind::of::<Ticked>()]
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Done(Value);

impl Fact for Done {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        "test.done"
    }

    fn subject(&self) -> String {
        "a chore".to_owned()
    }
}

async fn leave(task: &Task, what: Value, finish: bool) -> Result<()> {
    task.cx
        .write(async |txn| {
            txn.emit(&Done(what.clone()))?;
            if finish { txn.finish() } else { Ok(()) }
        })
        .await
}

impl Chore {
    async fn piece(&self, task: &Task) -> Result<()> {
        leave(task, serde_json::json!({ "n": self.n }), false).await
    }

    async fn finish(&self, task: &Task) -> Result<()> {
        leave(task, serde_json::json!({ "n": self.n }), true).await
    }

    async fn act(self, task: &Task) -> Outcome {
        match &self.how {
            How::Return => return Ok(()),
            How::Pieces(count) => {
                for _ in 0..*count {
                    self.piece(task).await?;
                }
                return Ok(());
            }
            How::FinishAndFail => {
                self.finish(task).await?;
                return Err(Setback::retry("afterwards"));
            }
            How::Stumble(times) if task.attempt <= *times => {
                return Err(Error::Unavailable("the other side", format!("attempt {}", task.attempt).into()).into());
            }
            How::GiveUp => return Err(Setback::fail("there is no such parcel")),
            How::Throttled(seconds) if task.attempt == 1 => {
                return Err(Setback::retry_after("too many requests", TimeDelta::seconds(*seconds)));
            }
            How::Panic if task.attempt == 1 => {
                task.cx
                    .write(async |txn| {
                        txn.emit(&Done(serde_json::json!({ "n": self.n })))?;
                        txn.finish()?;
                        panic!("in the middle")
                    })
                    .await?;
            }
            How::Hang if task.attempt == 1 => std::future::pending::<()>().await,
            How::PieceAndWait(gate) => {
                self.piece(task).await?;
                pass(gate).await;
            }
            How::Wait(gate) => pass(gate).await,
            How::UntilStopped => {
                task.stopping.cancelled().await;
                return Err(Setback::Interrupted);
            }
            How::Again => {
                let next = Self { n: self.n + 1, how: How::Finish };
                let next = portolan::context::NewJob::of(&next)?.unique("again").after(TimeDelta::hours(1));
                task.cx
                    .write(async |txn| {
                        txn.emit(&Done(serde_json::json!({ "n": self.n })))?;
                        txn.enqueue(next.clone())?;
                        txn.finish()
                    })
                    .await?;
                return Ok(());
            }
            _ => {}
        }
        self.finish(task).await?;
        Ok(())
    }
}

/// The numbers that chores left behind in a tenant, in order.
pub async fn done(hub: &Hub, tenant: TenantId) -> Vec<Value> {
    events(hub, tenant).await.into_iter().map(|event| event.data["n"].clone()).collect()
}

/// What chores left behind in a tenant, in order.
pub async fn events(hub: &Hub, tenant: TenantId) -> Vec<event::Model> {
    let mut all = event::beyond(0).all(hub.database.reader()).await.unwrap();
    all.retain(|event| event.kind == "test.done" && event.tenant_id == tenant);
    all
}

/// A gate at which chores wait: who arrived, and who may pass.
struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

fn gate(name: &str) -> Arc<Gate> {
    static GATES: LazyLock<Mutex<HashMap<String, Arc<Gate>>>> = LazyLock::new(Mutex::default);
    let new = || Arc::new(Gate { arrived: Semaphore::new(0), open: Semaphore::new(0) });
    Arc::clone(GATES.lock().unwrap().entry(name.to_owned()).or_insert_with(new))
}

async fn pass(name: &str) {
    let gate = gate(name);
    gate.arrived.add_permits(1);
    gate.open.acquire().await.unwrap().forget();
}

/// Waits until somebody more has arrived at a gate.
pub async fn arrived(name: &str) {
    let gate = gate(name);
    until("somebody arrives at the gate", async || gate.arrived.try_acquire().ok().map(SemaphorePermit::forget)).await;
}

/// How many wait at a gate of whom nobody has heard yet.
pub fn waiting_at(name: &str) -> usize {
    gate(name).arrived.available_permits()
}

/// Lets everybody pass, from now on.
pub fn open_gate(name: &str) {
    gate(name).open.add_permits(1_000);
}
