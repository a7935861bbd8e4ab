//! `portolan audit`: the audit log, verified and exported.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, Outcome, speak::print, with_app};
use crate::{
    app::App,
    config::Flags,
    domain::{
        audit::{self, AuditEntry},
        tenant::{self, Tenant},
    },
    kernel::error::Error,
};

/// Verify and export the audit log.
#[derive(Args, Debug)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Walk the chains and name the first entry of each that does not fit.
    Verify {
        /// Only this tenant, by slug or id.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        settings: Flags,
    },
    /// Print the entries of a tenant as JSON Lines, oldest first.
    Export {
        /// The tenant, by slug or id.
        #[arg(long)]
        tenant: String,
        /// Only entries after this number, to go on where an export ended.
        #[arg(long, default_value_t = 0)]
        after: i64,
        #[command(flatten)]
        settings: Flags,
    },
}

impl Audit {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::Verify { tenant, settings } => with_app(&settings, async |app| {
                let mut sound = true;
                for tenant in chosen(app, tenant.as_deref()).await? {
                    sound &= verified(app, &tenant).await?;
                }
                if sound { Ok(()) } else { Err(Failure::Said) }
            }),
            Command::Export { tenant, mut after, settings } => with_app(&settings, async |app| {
                let tenant = ever_named(app, &tenant).await?;
                loop {
                    let batch = audit::after(app.hub(), tenant.id, after).await?;
                    let Some(last) = batch.last() else { return Ok(()) };
                    after = last.number;
                    for entry in &batch {
                        print(&as_json(entry).to_string());
                    }
                }
            }),
        }
    }
}

async fn verified(app: &App, tenant: &Tenant) -> Result<bool, Failure> {
    let found = audit::verify(app.hub(), tenant.id).await?;
    let (slug, entries, places, unsigned) = (&tenant.slug, found.entries, found.checkpoints, found.unsigned);
    print(&match found.broken {
        None => format!("{slug}: {entries} entries fit, {places} signed places, {unsigned} entries not signed yet"),
        Some((number, why)) => format!("{slug}: entry {number} does not fit: {why}"),
    });
    Ok(found.broken.is_none())
}

async fn chosen(app: &App, tenant: Option<&str>) -> Result<Vec<Tenant>, Failure> {
    match tenant {
        Some(name) => Ok(vec![ever_named(app, name).await?]),
        None => Ok(tenant::all(app.hub()).await?),
    }
}

/// The tenant that an argument names, deleted or not: its log may still be here.
async fn ever_named(app: &App, name: &str) -> Result<Tenant, Failure> {
    tenant::ever_named(app.hub(), name).await.map_err(|error| match error {
        Error::NotFound(_) => Failure::Usage(format!("there is no tenant {name:?}")),
        error => error.into(),
    })
}

fn as_json(entry: &AuditEntry) -> serde_json::Value {
    let hash = entry.hash.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    json!({
        "number": entry.number, "id": entry.id, "at": entry.at, "actorKind": entry.actor_kind, "actor": entry.actor,
        "address": entry.address, "requestId": entry.request_id, "action": entry.action, "subject": entry.subject,
        "before": entry.before, "after": entry.after, "hash": hash,
    })
}
