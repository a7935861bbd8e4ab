//! `portolan demo`: a hub in which everything moves, and nothing that has to be cleared away afterwards.
//!
//! **What is there.** A folder that is made for it and removed when it ends, the embedded database in it, a key of its
//! own, and the tenant of a first start. The simulator plays every provider on the loopback; the [`cast`] are
//! integrations made through the domain, as a person would make them, one for each provider. The [`director`] then lets
//! providers fail, slow down, throttle and forget, and recover, over and over, and [`partners`] send orders, so that whoever subscribes has something
//! to see within seconds. The hub is the one that `portolan serve` runs, put together by the same `app`.
//!
//! **What it does not touch.** No setting of the environment or of a file counts, so that a `PORTOLAN_DATABASE_URL` in
//! somebody's shell does not lead the play into their database. Nobody is asked over a network: all providers are
//! looked for at the simulator, webhooks go to the [`sink`], and of the addresses that are not public only the loopback may be called.
//!
//! **How it ends.** As a server does: the first signal drains, a second one ends it at once; closing its window is a
//! signal, too. Either way the folder is removed, unless it was asked to be kept. Only a process that is killed without
//! being asked leaves it.

mod cast;
mod consent;
mod director;
mod greeting;
mod partners;
mod sink;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Failure, Outcome, block_on, serve::watch_signals, speak::say};
use crate::{
    app::{App, FolderLock, Prepared, StartError, World},
    config::{Config, Flags, Problems},
    context::Cx,
    domain::access::{
        token::{self, NewApiToken},
        user::RoleName,
    },
    http::pages,
    kernel::{clock::SystemClock, error::Error, scope::Role, secret::Secret},
    provider::{catalogue::Catalogue, simulator::serve::Simulator},
    telemetry,
};
use cast::Member;
use sink::Sink;

/// Who acts, as it stands in events and in the audit log.
const ACTOR: &str = "demo";

/// Run a hub in which everything moves, to look at; nothing is left of it.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// The port on the loopback; any free one if it is 0.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Make it in this folder, which is empty or not there yet, and keep it afterwards.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self) -> Outcome {
        block_on(async {
            let listener = bind(self.port).await?;
            let address = listener.local_addr()?;
            let (played, taking) = (bind(0).await?, bind(0).await?);
            let origin = origin(played.local_addr()?)?;
            let folder = Folder::make(self.keep)?;
            // From here on somebody has to clear away.
            let stop = CancellationToken::new();
            let watched = watch_signals(stop.clone(), folder.last_act())?;
            let mut hangup = signal(SignalKind::hangup())?;
            let config = config(folder.path(), address, &origin)?;
            telemetry::start_logging(&config.log.level, config.log.format)?;
            let _lock = FolderLock::take(&config).map_err(StartError::from)?;
            let (app, prepared) = App::start(&config, World::default()).await?;
            let places = Places { hub: address, simulator: played.local_addr()?, sink: taking.local_addr()? };
            let simulator = Simulator::new(Catalogue::embedded().iter().cloned(), origin, Arc::new(SystemClock));
            let playing = simulator.clone().serve(played);
            let sink = Sink::default();
            let taking = sink.clone().serve(taking);
            let shown = async {
                let outcome = tokio::select! {
                    // In a box, as all that it awaits is too much for a stack.
                    outcome = Box::pin(show(&app, &prepared, (simulator, sink), places, &folder)) => outcome,
                    _ = hangup.recv() => Ok(()),
                    () = stop.cancelled() => Ok(()),
                };
                // A play that cannot go on ends the hub, too; so does closing the window.
                stop.cancel();
                outcome
            };
            let served = async {
                let (_, outcome) = tokio::join!(app.serve(listener, stop.clone()), shown);
                outcome
            };
            let outcome = tokio::select! {
                outcome = served => outcome,
                ended = playing => ended.map_err(Failure::from),
                ended = taking => ended.map_err(Failure::from),
            };
            app.close().await;
            watched.abort();
            folder.end()?;
            outcome
        })
    }
}

/// Where who listens.
#[derive(Clone, Copy)]
struct Places {
    hub: SocketAddr,
    simulator: SocketAddr,
    sink: SocketAddr,
}

/// Makes the cast, says how to look at it, and directs it until somebody stops that.
async fn show(
    app: &App,
    prepared: &Prepared,
    (simulator, sink): (Simulator, Sink),
    places: Places,
    folder: &Folder,
) -> Outcome {
    let (Some(tenant), Some(sign_in)) = (&prepared.tenant, &prepared.sign_in) else {
        return Err(Failure::Usage("there is a tenant in this folder already; choose an empty one".to_owned()));
    };
    let cx = Cx::system(Arc::clone(app.hub()), ACTOR, tenant.id);
    let token = api_token(&cx).await?;
    sink.connect(&cx, places.sink).await?;
    let partners = partners::make(&cx, &sink, places.sink).await?;
    let stage = Stage { cast: cast::make(&cx, &simulator).await?, cx, simulator };
    greeting::greet(&greeting::Known {
        places,
        integrations: stage.cast.len(),
        tenant: &tenant.slug,
        sign_in,
        token: &token,
        playground: pages::embedded(),
        folder: folder.path(),
        kept: folder.is_kept(),
    });
    tokio::join!(director::direct(&stage), partners::exchange(&stage.cx, &partners));
    Ok(())
}

/// A token with which everything can be tried.
async fn api_token(cx: &Cx) -> Result<Secret, Error> {
    let new = NewApiToken {
        name: ACTOR.to_owned(),
        role: RoleName(Role::Admin),
        scopes: None,
        expires_at: None,
        agent: None,
        partner: None,
    };
    let (_, secret) = token::create(cx, new, None).await?;
    secret.ok_or(Error::NotFound("token"))
}

/// What the director has to do with.
struct Stage {
    cx: Cx,
    simulator: Simulator,
    cast: Vec<Member>,
}

async fn bind(port: u16) -> Result<TcpListener, Failure> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(wanted).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::Taken(wanted),
        _ => StartError::Listen(wanted, error).into(),
    })
}

fn origin(address: SocketAddr) -> Result<Url, Failure> {
    Url::parse(&format!("http://{address}")).map_err(|error| Failure::Io(io::Error::other(error)))
}

/// The settings of the play, and no others.
fn config(folder: &Path, address: SocketAddr, simulator: &Url) -> Result<Config, Problems> {
    let settings = [
        ("LISTEN", address.to_string()),
        ("DATA_DIR", folder.display().to_string()),
        ("ENV", "development".to_owned()),
        ("OUTGOING_ALLOW", "127.0.0.0/8".to_owned()),
        ("OUTGOING_SIMULATOR", simulator.to_string()),
        // Failures are part of the play; the terminal is for what to look at.
        ("LOG_LEVEL", "error".to_owned()),
        // Verdicts follow at once, where in service they wait for the next failure and the next success.
        ("HEALTH_INTERVAL", "15s".to_owned()),
        ("HEALTH_DOWN_AFTER", "1".to_owned()),
        ("HEALTH_HEALTHY_AFTER", "1".to_owned()),
        ("HEALTH_WINDOW", "1s".to_owned()),
        // Nobody waits for a demo to end.
        ("HTTP_DRAIN_TIMEOUT", "5s".to_owned()),
    ];
    let settings = settings.map(|(name, value)| (format!("PORTOLAN_{name}"), value));
    Config::load(&Flags::default(), settings, folder)
}

/// Where the hub of the play keeps what it has.
enum Folder {
    /// Until it ends.
    Ours(TempDir),
    /// Where somebody wants it.
    Theirs(PathBuf),
}

impl Folder {
    fn make(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(folder) = keep else {
            return Ok(Self::Ours(tempfile::Builder::new().prefix("portolan-demo-").tempdir()?));
        };
        fs::create_dir_all(&folder)?;
        if fs::read_dir(&folder)?.next().is_some() {
            let shown = folder.display();
            return Err(Failure::Usage(format!("{shown} is not empty; name a folder that is, or a new one")));
        }
        Ok(Self::Theirs(folder.canonicalize()?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Ours(folder) => folder.path(),
            Self::Theirs(folder) => folder,
        }
    }

    const fn is_kept(&self) -> bool {
        matches!(self, Self::Theirs(_))
    }

    /// What is done when somebody cannot wait.
    fn last_act(&self) -> impl FnOnce() + Send + 'static {
        let ours = (!self.is_kept()).then(|| self.path().to_owned());
        move || {
            // Nobody is left to tell if it cannot be removed.
            let _ = ours.map(fs::remove_dir_all);
        }
    }

    fn end(self) -> Outcome {
        match self {
            Self::Ours(folder) => folder.close()?,
            Self::Theirs(folder) => say(&format!("kept in {}", folder.display())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_play_stays_on_the_loopback() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), address, &"http://127.0.0.1:9900".parse().unwrap()).unwrap();
        let opened: Vec<_> = config.outgoing.allow.iter().map(ToString::to_string).collect();
        assert_eq!(opened, ["127.0.0.0/8"]);
        assert!(config.outgoing.simulator.is_some(), "no provider is asked for real");
        assert!(config.server.listen.ip().is_loopback());
        assert!(config.database.url.is_none());
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Folder::make(Some(folder.path().join("new"))).is_ok());
        assert!(matches!(Folder::make(Some(folder.path().to_owned())), Err(Failure::Usage(_))), "it has one in it now");
    }
}
