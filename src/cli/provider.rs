//! `portolan provider`: what is known of providers, and whether a file about one is right.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use tokio::net::TcpListener;
use url::Url;

use super::{
    Failure, Outcome, block_on,
    speak::{print, say},
};
use crate::{
    kernel::{clock::SystemClock, suggest::did_you_mean},
    provider::{
        catalogue::Catalogue,
        manifest::{Manifest, schema},
        simulator::serve::Simulator,
    },
};

/// List and play providers, check files about them.
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
    /// Play providers on the loopback, from their files.
    Simulate {
        /// Their keys; all if none is given.
        providers: Vec<String>,
        /// The port; any free one if it is 0.
        #[arg(long, default_value_t = 9900)]
        port: u16,
        /// A folder with further files about providers.
        #[arg(long)]
        providers_dir: Option<PathBuf>,
    },
}

impl Provider {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            Command::List => list(),
            Command::Lint { files } => return lint(&files),
            Command::Schema => print(&schema::document()),
            Command::Simulate { providers, port, providers_dir } => {
                return simulate(&providers, port, providers_dir.as_deref());
            }
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

fn simulate(keys: &[String], port: u16, folder: Option<&Path>) -> Outcome {
    let catalogue = folder.map_or_else(|| Ok(Catalogue::embedded()), |folder| Catalogue::load(folder).map(Arc::new))?;
    for refused in catalogue.refused() {
        say(&refused.to_string());
    }
    let unknown = keys.iter().find(|key| catalogue.get(key).is_none());
    if let Some(unknown) = unknown {
        let known: Vec<&str> = catalogue.iter().map(|manifest| manifest.key.as_str()).collect();
        let hint = did_you_mean(unknown, known.iter().copied());
        return Err(Failure::Usage(format!("there is no provider {unknown:?}{hint}; there is {}", known.join(", "))));
    }
    let chosen: Vec<_> =
        catalogue.iter().filter(|manifest| keys.is_empty() || keys.contains(&manifest.key.0)).cloned().collect();
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let origin = Url::parse(&format!("http://{}", listener.local_addr()?))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        for manifest in &chosen {
            let base = manifest.environments.first().map_or("", |environment| environment.base_url.0.as_str());
            let host = base.strip_prefix("https://").unwrap_or(base);
            print(&format!("{:24} {origin}{}/{host}", manifest.key, manifest.key));
        }
        if let Some(one) = chosen.first() {
            say(&format!("what each takes for a right credential: curl {origin}_control/{}", one.key));
        }
        Simulator::new(chosen, origin, Arc::new(SystemClock)).serve(listener).await?;
        Ok(())
    })
}
