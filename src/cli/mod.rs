//! The command line.
//!
//! Data goes to standard output, everything else to standard error, so that output can be piped. `--json`
//! prints data for programs. Exit codes: 0 it worked, 1 it failed, 2 it was called wrongly (which
//! includes settings that cannot be used).

mod audit;
mod completions;
mod config;
mod demo;
mod doctor;
mod errors;
mod jobs;
mod keys;
mod migrate;
mod provider;
mod schema;
mod serve;
mod speak;
mod tail;
mod token;
mod user;

use std::{ffi::OsString, net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    app::{App, Prepared, StartError, World, database_settings},
    config::{Config, Flags, Problems, environment},
    context::{Cx, database::Place},
    domain::{
        access,
        tenant::{self, Tenant},
    },
    kernel::error::{Error, chain},
};

/// A multi-tenant integration hub with a GraphQL API.
#[derive(Parser, Debug)]
#[command(name = "portolan", version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  portolan                                        serve on 127.0.0.1:8080 with SQLite in ./data
  portolan serve --listen 0.0.0.0:80              the same for everybody
  portolan demo                                   a hub in which everything moves, to look at
  portolan token create --tenant default --role admin
  portolan doctor                                 say what is wrong, and how to mend it

Every setting is a flag of `portolan serve`, a variable PORTOLAN_… and a key of portolan.toml;
`portolan config show` says which one counts.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the API (what happens without a command, too).
    Serve(serve::Serve),
    /// Run a hub in which everything moves, to look at; nothing is left of it.
    Demo(demo::Demo),
    /// Bring the database to the shape this version needs, or take changes back.
    Migrate(migrate::Migrate),
    /// Print the GraphQL schema.
    Schema(schema::Schema),
    /// Make, list and revoke API tokens.
    Token(token::Token),
    /// Let people in: create, list, and make links to sign in.
    User(user::User),
    /// Verify and export the audit log.
    Audit(audit::Audit),
    /// Make, rotate and check master keys.
    Keys(keys::Keys),
    /// List background work and let what failed begin anew.
    Jobs(jobs::Jobs),
    /// List and play providers, check files about them.
    Provider(provider::Provider),
    /// Follow the events of a running hub.
    Tail(tail::Tail),
    /// Show and document settings.
    Config(config::Settings),
    /// Check settings, database, clock and network, and say how to mend what is wrong.
    Doctor(doctor::Doctor),
    /// Print the page that documents the error codes.
    Errors(errors::Errors),
    /// Print a completion script for a shell.
    Completions(completions::Completions),
}

/// Why a command did not work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Settings(#[from] Problems),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Domain(#[from] Error),
    #[error("{0}")]
    Logging(#[from] crate::telemetry::LoggingError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0} is taken by another program: choose another port with --port, or 0 for any that is free")]
    Taken(SocketAddr),
    /// It was said already.
    #[error("")]
    Said,
}

type Outcome = Result<(), Failure>;

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let plain = error.to_string();
            match speak::discreet(&plain, &arguments) {
                // Whether the terminal took the message changes nothing about the outcome.
                said if said == plain => drop(error.print()),
                said => speak::say(&said),
            }
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    let outcome = match cli.command {
        None => serve::Serve::default().run(),
        Some(Command::Serve(command)) => command.run(),
        Some(Command::Demo(command)) => command.run(),
        Some(Command::Migrate(command)) => command.run(),
        Some(Command::Schema(command)) => command.run(),
        Some(Command::Token(command)) => command.run(),
        Some(Command::User(command)) => command.run(),
        Some(Command::Audit(command)) => command.run(),
        Some(Command::Keys(command)) => command.run(),
        Some(Command::Jobs(command)) => command.run(),
        Some(Command::Provider(command)) => command.run(),
        Some(Command::Tail(command)) => command.run(),
        Some(Command::Config(command)) => command.run(),
        Some(Command::Doctor(command)) => command.run(),
        Some(Command::Errors(command)) => command.run(),
        Some(Command::Completions(command)) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = if matches!(failure, Failure::Settings(_) | Failure::Usage(_)) { 2 } else { 1 };
            match &failure {
                Failure::Said => {}
                Failure::Domain(Error::Refused(issues)) => {
                    for issue in issues {
                        speak::say(&format!("error: {}: {}", issue.path.join("."), issue.message));
                    }
                }
                Failure::Usage(text) => speak::say(&format!("error: {}", speak::discreet(text, &arguments))),
                failure => speak::say(&format!("error: {}", chain(failure))),
            }
            ExitCode::from(code)
        }
    }
}

/// The settings in force.
fn load(flags: &Flags) -> Result<Config, Failure> {
    Ok(Config::load(flags, environment(), &std::env::current_dir()?)?)
}

/// Runs asynchronous work of a command to its end.
fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Runs a command on the database as it is: it must have been made, and have every migration.
fn with_app(flags: &Flags, work: impl AsyncFnOnce(&App) -> Outcome) -> Outcome {
    let config = load(flags)?;
    block_on(async {
        let app = App::open(&config, World::default()).await?;
        app.hub().database.ready().await?;
        let outcome = work(&app).await;
        app.close().await;
        outcome
    })
}

/// Runs a command that people need before they have ever served. The embedded database is made if it is not
/// there yet; one on a server is the business of whoever runs it.
fn with_made(flags: &Flags, work: impl AsyncFnOnce(&App) -> Outcome) -> Outcome {
    let config = load(flags)?;
    block_on(async {
        let app = match database_settings(&config).place {
            Place::File(_) => {
                let (app, prepared) = App::start(&config, World::default()).await?;
                first_start(&prepared);
                app
            }
            Place::Server(_) => App::open(&config, World::default()).await?,
        };
        app.hub()
            .database
            .ready()
            .await
            .map_err(|error| Failure::Usage(format!("{}; run `portolan migrate` first", chain(&error))))?;
        let outcome = work(&app).await;
        app.close().await;
        outcome
    })
}

/// The tenant that an argument names.
async fn named(app: &App, name: &str) -> Result<Tenant, Failure> {
    tenant::named(app.hub(), name).await.map_err(|error| match error {
        Error::NotFound(_) => Failure::Usage(format!("there is no tenant {name:?}")),
        error => error.into(),
    })
}

/// Who acts when the command line does something in a tenant.
fn acting(app: &App, tenant: &Tenant) -> Cx {
    Cx::system(app.hub().clone(), "command line", tenant.id)
}

/// Says what a first start made, and how to get in.
fn first_start(prepared: &Prepared) {
    if let Some(file) = &prepared.made_key {
        let file = file.display();
        speak::say(&format!("A master key was made in {file}. Keep a copy elsewhere: without it, secrets are lost."));
    }
    let (Some(tenant), Some(address)) = (&prepared.tenant, &prepared.sign_in) else { return };
    speak::say(&format!(
        "\nThis is the first start: the tenant \"{}\" and an administrator were made. Sign in, once, within a day:\n\n  \
         {}\n\nIf the link is lost, `{} user link {}` makes another.\n",
        tenant.slug,
        address.expose(),
        program(),
        access::ADMINISTRATOR,
    ));
}

/// How the program was called, so that what is shown can be pasted.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "portolan".to_owned())
}
