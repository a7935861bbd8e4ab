//! `portolan doctor`: looks at everything a start needs and says how to mend what is wrong. It changes nothing but the
//! one row by which it sees that writes are stored, and which nobody reads; not even that if the master keys are those
//! of another database.

use std::{fs, path::Path, time::Duration};

use chrono::TimeDelta;
use clap::Args;
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    Failure, Outcome, block_on, load,
    speak::{print, print_json},
};
use crate::{
    app::{check_keys, database_settings},
    config::{Config, Environment, Flags},
    context::{Database, clock_guard::MOST, database::Place},
    domain::{
        event,
        job::{State, list},
    },
    kernel::{
        clock::{Clock, Moment, SystemClock},
        error::chain,
    },
};

/// A database's clock further from ours than this confuses leases and expiries.
const SKEW: TimeDelta = TimeDelta::seconds(2);

/// A job that could have begun so long ago is done by nobody.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// Check settings, database, clock and network, and say how to mend what is wrong.
#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Flags,
}

/// What was found at one place.
struct Finding {
    place: &'static str,
    good: bool,
    text: String,
    remedy: Option<&'static str>,
}

impl Finding {
    fn good(place: &'static str, text: impl Into<String>) -> Self {
        Self { place, good: true, text: text.into(), remedy: None }
    }

    fn bad(place: &'static str, text: impl Into<String>, remedy: &'static str) -> Self {
        Self { place, good: false, text: text.into(), remedy: Some(remedy) }
    }
}

impl Doctor {
    pub(super) fn run(self) -> Outcome {
        let config = load(&self.settings)?;
        block_on(async {
            let mut findings = vec![Finding::good("settings", "all of them can be used")];
            findings.push(folder(&config));
            findings.extend(database(&config).await);
            findings.push(network(&config).await);
            findings.push(proxies(&config));
            self.report(&findings);
            if findings.iter().all(|finding| finding.good) { Ok(()) } else { Err(Failure::Said) }
        })
    }

    fn report(&self, findings: &[Finding]) {
        if self.json {
            print_json(&findings.iter().map(as_json).collect());
            return;
        }
        for finding in findings {
            let mark = if finding.good { "ok  " } else { "BAD " };
            print(&format!("{mark} {:<9} {}", finding.place, finding.text));
            if let Some(remedy) = finding.remedy {
                print(&format!("               {remedy}"));
            }
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({ "check": finding.place, "ok": finding.good, "text": finding.text, "remedy": finding.remedy })
}

/// The data folder can be written, or made.
fn folder(config: &Config) -> Finding {
    let folder = &config.server.data_dir;
    let existing = folder.ancestors().find(|folder| folder.exists() || folder.as_os_str().is_empty());
    let place = existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = place.join(format!(".portolan-doctor-{}", std::process::id()));
    match fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => Finding::good("data", format!("{} can be written", folder.display())),
        Err(error) => Finding::bad(
            "data",
            format!("{} cannot be written: {error}", place.display()),
            "Give the user that runs portolan the right to write there, or set data_dir elsewhere.",
        ),
    }
}

async fn database(config: &Config) -> Vec<Finding> {
    let settings = database_settings(config);
    if let Place::File(path) = &settings.place
        && !path.exists()
    {
        let made = Finding::good("database", format!("{} will be made at the first start", path.display()));
        return vec![made, keys(config, None).await];
    }
    let database = match Database::connect(&settings, std::sync::Arc::new(|_: Duration, _| ())).await {
        Ok(database) => database,
        Err(error) => {
            let remedy = "Check database.url, that the server runs, and that it lets this user in.";
            return vec![Finding::bad("database", chain(&error), remedy), keys(config, None).await];
        }
    };
    let schema = match database.ready().await {
        Ok(()) => Finding::good("database", format!("{:?}, every migration made", database.backend())),
        Err(error) => {
            Finding::bad("database", chain(&error), "Run `portolan migrate`, or start the server, which does it.")
        }
    };
    let (keys, clock) = (keys(config, Some(&database)).await, clock(&database).await);
    let mut findings = vec![schema, keys, clock];
    // A database that has not every table yet has no jobs either.
    if findings[0].good {
        let is_ours = findings[1].good;
        if is_ours {
            findings.push(storage(&database).await);
        }
        findings.push(jobs(&database).await);
    }
    database.close().await;
    findings
}

/// The master keys can be read, and are those of the database.
async fn keys(config: &Config, database: Option<&Database>) -> Finding {
    match check_keys(config, database).await {
        Ok(()) => Finding::good("keys", "the master keys can be used"),
        Err(error) => Finding::bad(
            "keys",
            chain(&error),
            "Give every master key that `portolan keys status` shows in use, as it was; a lost one cannot be made again.",
        ),
    }
}

/// Writes are stored.
async fn storage(database: &Database) -> Finding {
    match database.writable().await {
        Ok(()) => Finding::good("storage", "writes are stored"),
        Err(error) => Finding::bad(
            "storage",
            chain(&error),
            "Free space on the disk of the database, and see that it may be written: it is not a standby, its files belong to this user.",
        ),
    }
}

/// What waits in the background, and what failed there.
async fn jobs(database: &Database) -> Finding {
    let counts = match list::counted(database).await {
        Ok(counts) => counts,
        Err(error) => return Finding::bad("jobs", chain(&error), "Check the connection to the database."),
    };
    let of = |state: State| counts.iter().filter(move |count| count.state == state);
    let sum = |state: State| of(state).map(|count| count.jobs).sum::<i64>();
    let now = SystemClock.now();
    let oldest = of(State::Waiting).filter_map(|count| count.oldest).min();
    let late = oldest.map_or(TimeDelta::zero(), |at| now - at);
    let waiting = format!("{} wait, {} run, {} are dead", sum(State::Waiting), sum(State::Running), sum(State::Dead));
    let dead: Vec<_> = of(State::Dead).map(|count| format!("{} of {}", count.jobs, count.kind)).collect();
    if !dead.is_empty() {
        let remedy = "See why with `portolan jobs list --state dead`; `portolan jobs retry` lets them begin anew.";
        return Finding::bad("jobs", format!("{waiting}: {}", dead.join(", ")), remedy);
    }
    if late > LATE {
        let text = format!("{waiting}; the oldest could have begun {} minutes ago", late.num_minutes());
        return Finding::bad(
            "jobs",
            text,
            "Start a server: they do the jobs. If one runs, its log says what is in the way.",
        );
    }
    Finding::good("jobs", waiting)
}

/// Our clock and the database's agree.
async fn clock(database: &Database) -> Finding {
    let ours = SystemClock.now();
    if database.backend() != DbBackend::Postgres {
        return clock_and_log(database, ours).await;
    }
    match database.time().await.ok().flatten() {
        Some(theirs) if (theirs - ours).abs() < SKEW => Finding::good("clock", "agrees with the database's"),
        Some(theirs) if (theirs - ours).abs() > MOST => Finding::bad(
            "clock",
            format!(
                "differs from the database's by {} ms; a server with this clock is not ready and does nothing because \
                 of the time",
                (theirs - ours).num_milliseconds()
            ),
            "Let both machines follow the same time servers.",
        ),
        Some(theirs) => Finding::bad(
            "clock",
            format!("differs from the database's by {} ms", (theirs - ours).num_milliseconds()),
            "Let both machines follow the same time servers.",
        ),
        None => Finding::bad("clock", "the database did not tell its time", "Check the connection to the database."),
    }
}

/// Callers are told apart by address, also behind a proxy.
fn proxies(config: &Config) -> Finding {
    let server = &config.server;
    let https = server.public_url.as_ref().is_some_and(|url| url.as_str().starts_with("https:"));
    let production = server.env == Environment::Production;
    match config.http.trusted_proxies.len() {
        0 if https || production => Finding::bad(
            "proxies",
            format!(
                "trusted_proxies looks unset: {}, so a proxy stands in front, and all callers seem to have its address",
                if https { "public_url is https" } else { "the environment is production" },
            ),
            "Set trusted_proxies to the addresses of the proxies; otherwise everybody shares one limit of sign-ins.",
        ),
        0 => Finding::good("proxies", "none is trusted; addresses of callers are those of their connections"),
        count => Finding::good("proxies", format!("X-Forwarded-For is believed from {count}")),
    }
}

/// Without a server's clock: the newest event is not of the future.
async fn clock_and_log(database: &Database, ours: Moment) -> Finding {
    // A database that has not every table yet has no events either.
    match event::newest_at(database).await {
        Ok(Some(newest)) if newest - ours > MOST => Finding::bad(
            "clock",
            format!("is {} s behind the newest event ({newest})", (newest - ours).num_seconds()),
            "Set the clock of this machine. If it is right, it was wrong when that event was written.",
        ),
        _ => Finding::good("clock", format!("{} UTC", ours.format("%Y-%m-%d %H:%M:%S"))),
    }
}

/// The address can be listened on.
async fn network(config: &Config) -> Finding {
    let address = config.server.listen;
    match TcpListener::bind(address).await {
        Ok(_) => Finding::good("network", format!("{address} can be listened on")),
        Err(error) => Finding::bad(
            "network",
            format!("{address} cannot be listened on: {error}"),
            "Another program (or portolan itself) has the port, or the address is not this machine's; set listen.",
        ),
    }
}
