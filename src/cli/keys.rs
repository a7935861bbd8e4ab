//! `portolan keys`: master keys and what they guard.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failure, Outcome,
    speak::{print, print_json, say},
    with_app,
};
use crate::{
    config::Flags,
    context::Cx,
    domain::keyring::{HUB, erase, master},
    kernel::chance::SystemChance,
    vault::Ring,
};

/// Make, rotate and check master keys.
#[derive(Args, Debug)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print a new random key as VERSION:KEY, for `PORTOLAN_MASTER_KEY` or its file.
    Generate {
        /// The version it is to have: one more than the newest in use.
        #[arg(long, default_value_t = 1)]
        version: u32,
    },
    /// Wrap every data key under the newest master key of the ring. Can be cut off and run again, and
    /// goes on while the hub is in use.
    RotateMaster {
        #[command(flatten)]
        settings: Flags,
    },
    /// Show which master keys are at hand, and how many data keys each still wraps.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Flags,
    },
    /// Open every data key and every secret, and say what does not open.
    Verify {
        #[command(flatten)]
        settings: Flags,
    },
}

impl Keys {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::Generate { version } => {
                print(Ring::generate(version.max(1), &SystemChance).expose());
                Ok(())
            }
            Command::RotateMaster { settings } => with_app(&settings, async |app| {
                let rotated = master::rotate(&Cx::system(app.hub().clone(), "command line", HUB)).await?;
                let (wrapped, version) = (rotated.wrapped, app.hub().ring.current().version());
                say(&format!("{wrapped} data keys were wrapped under master key {version}"));
                for broken in &rotated.broken {
                    print(&format!("does not open: {broken}"));
                }
                erase::erase(app.hub()).await?;
                if rotated.broken.is_empty() {
                    say("nothing needs an older one");
                    Ok(())
                } else {
                    Err(Failure::Said)
                }
            }),
            Command::Status { json, settings } => with_app(&settings, async |app| {
                let status = master::status(app.hub()).await?;
                if json {
                    print_json(&status.iter().map(as_json).collect());
                } else {
                    status.iter().for_each(line);
                }
                Ok(())
            }),
            Command::Verify { settings } => with_app(&settings, async |app| {
                let verified = master::verify(app.hub()).await?;
                for broken in &verified.broken {
                    print(&format!("does not open: {broken}"));
                }
                let (keys, secrets, broken) = (verified.keys, verified.secrets, verified.broken.len());
                say(&format!("looked at {keys} data keys and {secrets} secrets; {broken} do not open"));
                if broken == 0 { Ok(()) } else { Err(Failure::Said) }
            }),
        }
    }
}

fn line(status: &master::Status) {
    let hand = if status.at_hand { "at hand" } else { "not at hand" };
    let current = if status.current { ", wraps new keys" } else { "" };
    let since = status.since.format("%Y-%m-%d");
    print(&format!(
        "master key {:<3} {hand}{current}, wraps {} data keys, since {since}",
        status.version, status.wraps
    ));
}

fn as_json(status: &master::Status) -> serde_json::Value {
    json!({
        "version": status.version, "atHand": status.at_hand, "current": status.current,
        "wraps": status.wraps, "since": status.since,
    })
}
