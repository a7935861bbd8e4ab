//! `portolan provider`: what is known of providers, and whether a file about one is right.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};

use super::{
    Failure, Outcome,
    speak::{print, say},
};
use crate::provider::{
    catalogue::Catalogue,
    manifest::{Manifest, schema},
};

/// List providers, check files about them.
#[derive(Args, Debug)]
pub(super) struct Provider {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the providers that the binary has.
    List,
    /// Check files, and name each thing that is wrong with its file and line.
    Lint {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of a provider's file, for editors.
    Schema,
}

impl Provider {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::List => list(),
            Command::Lint { files } => return lint(&files),
            Command::Schema => print(&schema::document()),
        }
        Ok(())
    }
}

fn list() {
    for provider in Catalogue::embedded().iter() {
        print(&format!("{:24} {:14} {}", provider.key, provider.category, provider.name));
    }
}

fn lint(files: &[PathBuf]) -> Outcome {
    let mut wrong = 0;
    for file in files {
        let name = file.display().to_string();
        match Manifest::parse(&name, &fs::read_to_string(file)?) {
            Ok(_) => {}
            Err(refused) => {
                wrong += refused.problems.len();
                print(&refused.to_string());
            }
        }
    }
    if wrong > 0 {
        say(&format!("{wrong} {} to mend", if wrong == 1 { "thing" } else { "things" }));
        return Err(Failure::Said);
    }
    Ok(())
}
