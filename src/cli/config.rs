//! `portolan config`: settings in force, and what there is to set.

use clap::{Args, Subcommand};

use super::{
    Outcome, load,
    speak::{print, print_json},
};
use crate::config::{self, Flags};

/// Show and document settings.
#[derive(Args, Debug)]
pub(super) struct Settings {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show every setting, its value (secrets are not shown) and where the value comes from.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Flags,
    },
    /// Print the page that documents the settings.
    Reference,
    /// Print the JSON Schema of the settings file.
    Schema,
}

impl Settings {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::Show { json, settings } => {
                let shown = load(&settings)?.shown();
                if json { print_json(&config::json(&shown)) } else { print(&config::table(&shown)) }
            }
            Command::Reference => print(&config::reference()),
            Command::Schema => print_json(&config::json_schema()),
        }
        Ok(())
    }
}
