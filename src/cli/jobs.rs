//! `portolan jobs`: background work that waits, runs or failed.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure, Outcome, named,
    speak::{print, print_json, say},
    with_app,
};
use crate::{
    app::App,
    config::Flags,
    context::Cx,
    domain::job::{
        Job, State,
        list::{self, JobFilter},
    },
    kernel::{error::Error, id::JobId},
};

/// List background work and let what failed begin anew.
#[derive(Args, Debug)]
pub(super) struct Jobs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List jobs, oldest first; the hub's own too.
    List {
        /// Only those in this state: waiting, running or dead.
        #[arg(long)]
        state: Option<String>,
        /// Only those of this kind.
        #[arg(long)]
        kind: Option<String>,
        /// Only those of this tenant, by slug or id.
        #[arg(long)]
        tenant: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        most: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Flags,
    },
    /// Let dead jobs begin anew: those named, or all of a kind.
    Retry {
        /// Their ids.
        #[arg(required_unless_present = "kind")]
        ids: Vec<String>,
        /// All dead jobs of this kind.
        #[arg(long, conflicts_with = "ids")]
        kind: Option<String>,
        #[command(flatten)]
        settings: Flags,
    },
}

impl Jobs {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::List { state, kind, tenant, most, json, settings } => {
                let state = state.map(|text| State::from_str(&text)).transpose();
                let state = state.map_err(|error| Failure::Usage(error.to_string()))?;
                with_app(&settings, async |app| {
                    let tenant = match &tenant {
                        Some(name) => Some(named(app, name).await?.id),
                        None => None,
                    };
                    let found = list::of_anybody(app.hub(), tenant, &JobFilter { state, kind }, most).await?;
                    if json {
                        print_json(&found.iter().map(as_json).collect());
                    } else {
                        found.iter().for_each(line);
                    }
                    Ok(())
                })
            }
            Command::Retry { ids, kind, settings } => with_app(&settings, async |app| {
                let chosen = match kind {
                    Some(_) => {
                        let filter = JobFilter { state: Some(State::Dead), kind };
                        list::of_anybody(app.hub(), None, &filter, u64::from(u32::MAX)).await?
                    }
                    None => those(app, &ids).await?,
                };
                for job in &chosen {
                    list::retry(&Cx::system(app.hub().clone(), "command line", job.tenant_id), job.id).await?;
                }
                say(&format!("{} jobs begin anew", chosen.len()));
                Ok(())
            }),
        }
    }
}

async fn those(app: &App, ids: &[String]) -> Result<Vec<Job>, Failure> {
    let mut found = Vec::new();
    for text in ids {
        let id: JobId = text.parse().map_err(|_| Failure::Usage(format!("{text:?} is not the id of a job")))?;
        found.push(list::any(app.hub(), id).await.map_err(|error| match error {
            Error::NotFound(_) => Failure::Usage(format!("there is no job {text:?}")),
            error => error.into(),
        })?);
    }
    Ok(found)
}

fn line(job: &Job) {
    let (id, kind, state, at) = (job.id, &job.kind, job.state.name(), job.run_at.format("%Y-%m-%d %H:%M:%S"));
    let error = job.last_error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
    print(&format!("{id}  {state:<8} {kind:<24} {at}  {}/{}{error}", job.attempts, job.max_attempts));
}

fn as_json(job: &Job) -> Value {
    json!({
        "id": job.id, "tenant": job.tenant_id, "kind": job.kind, "key": job.unique_key, "state": job.state.name(),
        "priority": job.priority, "runAt": job.run_at, "attempts": job.attempts, "maxAttempts": job.max_attempts,
        "leasedUntil": job.leased_until, "lastError": job.last_error, "actor": job.actor,
        "requestId": job.request_id, "createdAt": job.created_at, "updatedAt": job.updated_at,
    })
}
