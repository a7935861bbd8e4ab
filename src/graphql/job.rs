//! Background work in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    attempt::attempt,
    context::Ask,
    error::{Result, UserError},
    guard::Needs,
    id,
    page::Connection,
};
use crate::{
    domain::job::{
        self, State,
        list::{self, JobFilter},
    },
    kernel::{id::JobId, scope::Scope},
};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum JobState {
    /// It waits for its time, its turn, or for the end of a pause after a failure.
    Waiting,
    /// A node does it.
    Running,
    /// It was given up.
    Dead,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Running => Self::Running,
            State::Dead => Self::Dead,
        }
    }
}

impl From<JobState> for State {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Waiting => Self::Waiting,
            JobState::Running => Self::Running,
            JobState::Dead => Self::Dead,
        }
    }
}

/// Something to be done in the background.
#[derive(Clone)]
pub struct Job(pub job::Job);

/// Something to be done in the background, until it is done: then it goes. What failed for good is kept.
#[Object]
impl Job {
    /// The global id, beginning with `job_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// What is done, such as `audit.prune`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// What it is for; of one kind, at most one job with a key waits or runs.
    async fn key(&self) -> Option<&str> {
        self.0.unique_key.as_deref()
    }

    /// Where it is in its life.
    async fn state(&self) -> JobState {
        self.0.state.into()
    }

    /// Of its kind, those with more are taken first.
    async fn priority(&self) -> i32 {
        self.0.priority.into()
    }

    /// Not before this moment it is taken.
    async fn run_at(&self) -> DateTime<Utc> {
        self.0.run_at
    }

    /// How often it was tried, this time included if it runs.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// How often it is tried before it is dead.
    async fn max_attempts(&self) -> i32 {
        self.0.max_attempts
    }

    /// What went wrong the last time.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// Until when the node that does it has it, if it says nothing more.
    async fn leased_until(&self) -> Option<DateTime<Utc>> {
        self.0.leased_until
    }

    /// Who caused it: an id, or a part of the program.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// In which request.
    async fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// When it was enqueued.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When something of it changed last.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// Which jobs to list; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct JobFilterInput {
    /// In this state.
    state: Option<JobState>,
    /// Of this kind, such as `audit.prune`.
    kind: Option<String>,
}

impl From<JobFilterInput> for JobFilter {
    fn from(input: JobFilterInput) -> Self {
        Self { state: input.state.map(Into::into), kind: input.kind }
    }
}

/// Reading the queue.
#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// What your tenant has to do in the background, oldest first: what waits, runs, or failed. Needs `JOB_READ`.
    #[graphql(guard = "Needs(Scope::JobRead)")]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which jobs; left out, all.")] filter: Option<JobFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Job>> {
        let filter = JobFilter::from(filter.unwrap_or_default());
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: crate::context::Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count(&cx, &filter).await }) as futures_util::future::BoxFuture<'static, _>
        });
        Ok(Connection::new(page, Job, counter))
    }
}

/// Which job to let begin anew.
#[derive(InputObject)]
pub struct RetryJobInput {
    /// Which.
    id: JobId,
}

/// What came of letting a job begin anew.
#[derive(SimpleObject)]
pub struct RetryJobPayload {
    /// The job, which waits again, unless refused.
    job: Option<Job>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Changing the queue.
#[derive(Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Lets a dead job of your tenant begin anew, with all its attempts. Needs `JOB_WRITE`.
    #[graphql(guard = "Needs(Scope::JobWrite)")]
    async fn retry_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which job.")] input: RetryJobInput,
    ) -> Result<RetryJobPayload> {
        let (job, user_errors) = attempt(ctx, list::retry(ctx.cx(), input.id).await)?;
        Ok(RetryJobPayload { job: job.map(Job), user_errors })
    }
}
