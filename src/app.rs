//! Puts the program together, and takes it apart again.
//!
//! This is the only place that builds things and owns tasks. Starting: connect, migrate, make the first
//! tenant on an empty database, build the endpoint, serve. Stopping: take no new requests, finish the
//! running ones within the drain time, wait for small work that outlives its request, give the
//! connections back.

mod folder_lock;
mod keys;
mod settings;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use quick_cache::sync::Cache;
use sea_orm::DbBackend;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    context::{
        ClockGuard, DataKeys, Database, EventSettings, Hub, InboxSettings, Lines, PasswordHashing, Refusals,
        SyncSettings, Turns, database, evidence::Collector, intake::Intake, issuer_keys::IssuerKeys,
    },
    domain::{
        access,
        job::{Count, State},
        keyring,
        tenant::Tenant,
    },
    event::{Feed, bus, sequencer},
    graphql::{
        self,
        endpoint::{Endpoint, TrustError},
    },
    http::{
        self, Door,
        seat::Notice,
        serve::{Drained, ServeLimits, serve},
    },
    kernel::{
        chance::{Chance, SystemChance},
        clock::{Clock, SystemClock},
        error::{Error, chain},
        page::PageBounds,
        secret::Secret,
    },
    provider::{
        catalogue::Catalogue,
        client::{CallError, Client},
        connector::Connector,
        verifier::Verifier,
    },
    telemetry::{Metrics, WebhookLabels},
    vault::Ring,
    worker::{self, runner},
};

pub use folder_lock::{FolderError, FolderLock};
pub use keys::{KeysError, check as check_keys};
use settings::{
    access_settings, door_settings, endpoint_settings, health_settings, narrow, outbound_settings, serve_limits, span,
};
pub use settings::{database_settings, limits};

/// Public halves of signing keys that are kept at hand.
const PUBLIC_KEYS: usize = 64;

/// Where time and randomness come from.
#[derive(Clone)]
pub struct World {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids and secrets come from.
    pub chance: Arc<dyn Chance>,
}

impl Default for World {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), chance: Arc::new(SystemChance) }
    }
}

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("the database cannot be used")]
    Database(#[from] Error),
    /// The master keys.
    #[error("the master keys cannot be used")]
    Keys(#[from] KeysError),
    /// The folder of trusted documents.
    #[error("the trusted documents cannot be used")]
    Trust(#[from] TrustError),
    /// Our side of TLS.
    #[error("other servers cannot be called")]
    Outgoing(#[from] CallError),
    /// The folder of providers.
    #[error("the folder of providers {} cannot be read", .0.display())]
    Providers(PathBuf, #[source] std::io::Error),
    /// The folder of the embedded database.
    #[error("the data folder cannot be used")]
    Folder(#[from] FolderError),
    /// The address to listen on.
    #[error("{0} cannot be listened on")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// The program, put together.
#[derive(Debug)]
pub struct App {
    hub: Arc<Hub>,
    door: Door,
    serve: ServeLimits,
    nats: Option<bus::nats::Settings>,
    /// How long a job belongs to a worker that says nothing.
    lease: Duration,
    metrics: Arc<Metrics>,
}

/// What the first start made.
#[derive(Debug)]
pub struct Prepared {
    /// How many migrations ran.
    pub migrations: usize,
    /// The first tenant, if it was made now.
    pub tenant: Option<Tenant>,
    /// Where its administrator signs in, once; made with it.
    pub sign_in: Option<Secret>,
    /// The file with a new master key, if one was made now.
    pub made_key: Option<PathBuf>,
}

impl App {
    /// Connects and builds; changes nothing in the database.
    pub async fn open(config: &Config, world: World) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let given = keys::given(config)?;
        let database = connect(config, &metrics).await?;
        let ring = keys::find(given, config, &database, &*world.chance).await?.ring;
        Self::build(config, world, metrics, database, ring)
    }

    /// Finds the keys, migrates, and makes the first tenant if there is none. With keys that do not fit,
    /// nothing is touched.
    pub async fn start(config: &Config, world: World) -> Result<(Self, Prepared), StartError> {
        let metrics = Arc::new(Metrics::new());
        let given = keys::given(config)?;
        let database = connect(config, &metrics).await?;
        let found = keys::find(given, config, &database, &*world.chance).await?;
        let migrations = database::migrate(&database_settings(config)).await?;
        let app = Self::build(config, world, metrics, database, found.ring)?;
        keyring::master::register(&app.hub).await?;
        let (tenant, sign_in) = access::bootstrap(&app.hub).await?.unzip();
        Ok((app, Prepared { migrations, tenant, sign_in, made_key: found.made }))
    }

    fn build(
        config: &Config,
        world: World,
        metrics: Arc<Metrics>,
        database: Database,
        ring: Ring,
    ) -> Result<Self, StartError> {
        let trusted = config.server.trusted_documents.as_deref();
        let endpoint = Endpoint::new(endpoint_settings(config), trusted, Arc::clone(&metrics))?;
        let client = Client::keeping(config.outgoing.allow.clone(), config.outgoing.idle_timeout)?;
        // SQLite has one writer; on a server one batch is gathered while another is made durable.
        let writers = if database.backend() == DbBackend::Sqlite { 1 } else { 2 };
        let verifier = Verifier::new(client.clone(), Arc::clone(&world.clock));
        let connector = Connector::new(client.clone(), Arc::clone(&world.clock), Arc::clone(&world.chance));
        let access = access_settings(config);
        let hub = Arc::new(Hub {
            database,
            clock_guard: ClockGuard::new(Arc::clone(&world.clock)),
            clock: world.clock,
            chance: world.chance,
            ring,
            data_keys: DataKeys::default(),
            data_key_life: span(config.keys.data_key_life),
            refusals: Refusals::default(),
            public_keys: Cache::new(PUBLIC_KEYS),
            issuer_keys: IssuerKeys::default(),
            hashing: PasswordHashing::new(access.password_memory_kib),
            access,
            client,
            connector,
            // What is left is for the database, so that a slow provider is told from a slow hub.
            patience: config.graphql.operation_timeout.mul_f64(0.8),
            simulator: config.outgoing.simulator.as_ref().and_then(|url| url.as_str().parse().ok()),
            purchases: Turns::default(),
            catalogue: catalogue(config)?,
            pages: PageBounds { default: narrow(config.graphql.page_default), max: narrow(config.graphql.page_max) },
            events: EventSettings { retention: span(config.events.retention), most: config.events.most },
            health: health_settings(config),
            evidence: Collector::default(),
            inbox: InboxSettings { max_body: config.inbox.max_body.bytes(), retention: span(config.inbox.retention) },
            intake: Intake::new(config.inbox.queue, config.inbox.queue_bytes.bytes(), writers),
            verifier,
            sync: SyncSettings {
                watchdog: span(config.sync.watchdog),
                retention: span(config.sync.retention),
                max_deletion_percent: config.sync.max_deletion_percent,
                min_held_deletions: config.sync.min_held_deletions,
            },
            outbound: outbound_settings(config),
            deliveries: Notify::new(),
            feed: Feed::default(),
            chores: Notify::new(),
            jobs: Notify::new(),
            lines: Lines::default(),
            tasks: TaskTracker::new(),
        });
        let door = Door {
            hub: Arc::clone(&hub),
            endpoint: Arc::new(endpoint),
            metrics: Arc::clone(&metrics),
            sdl: graphql::sdl().into(),
            settings: Arc::new(door_settings(config)),
            watch: Arc::default(),
            stopping: CancellationToken::new(),
        };
        let nats = config.server.nats_url.clone();
        let nats = nats.map(|url| bus::nats::Settings { url, prefix: config.server.nats_prefix.clone() });
        Ok(Self { hub, door, serve: serve_limits(config), nats, lease: config.jobs.lease, metrics })
    }

    /// The shared means, for commands.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Who counts what the worker says.
    #[must_use]
    pub fn observer(&self) -> runner::Observer {
        observed(&self.metrics)
    }

    /// All routes, for tests that need no socket.
    pub fn router(&self) -> axum::Router {
        http::router(self.door.clone())
    }

    /// Serves until `stop` is cancelled and what was running has ended.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> Drained {
        let metrics = Arc::clone(&self.metrics);
        let counter = Arc::new(move |notice| match notice {
            Notice::Opened => drop(metrics.http_connections.inc()),
            Notice::Closed => drop(metrics.http_connections.dec()),
            Notice::Crowded | Notice::AcceptFailed => drop(metrics.http_connections_refused.inc()),
            Notice::Stalled => drop(metrics.http_responses_stalled.inc()),
            Notice::Idle | Notice::Stuck => {}
        });
        let stopping = self.door.stopping.clone();
        let relay = stop.clone();
        self.hub.tasks.spawn(async move {
            relay.cancelled().await;
            stopping.cancel();
        });
        self.follow();
        let jobs = runner::Settings { lease: self.lease, grace: self.serve.drain * 4 / 5 };
        let metrics = Arc::clone(&self.metrics);
        let sent = Arc::new(move |outcome: &'static str, took: Duration| {
            metrics.webhook_attempts.get_or_create(&WebhookLabels { outcome }).observe(took.as_secs_f64());
        });
        worker::start(&self.hub, jobs, self.observer(), sent, &self.door.stopping);
        serve(listener, self.router(), self.serve.clone(), stop, counter).await
    }

    /// Starts what carries changes to their followers; it ends when the app is closed.
    pub fn follow(&self) {
        let (hub, stopping) = (&self.hub, &self.door.stopping);
        let feed = hub.feed.clone();
        let watch = Arc::clone(&self.door.watch);
        feed.observe(Box::new(move |entry| watch.hear(entry)));
        hub.tasks.spawn(Arc::clone(&self.door.watch).run(Arc::clone(hub), stopping.clone()));
        hub.tasks.spawn(feed.clone().follow(hub.database.reader().clone(), stopping.clone()));
        if hub.database.backend() != DbBackend::Sqlite {
            hub.tasks.spawn(sequencer::run(hub.database.writer().clone(), feed.clone(), stopping.clone()));
            match &self.nats {
                Some(nats) => {
                    let db = hub.database.reader().clone();
                    hub.tasks.spawn(bus::nats::join(nats.clone(), db, feed, stopping.clone()))
                }
                None => hub.tasks.spawn(bus::postgres::listen(hub.database.reader().clone(), feed, stopping.clone())),
            };
        }
    }

    /// Waits for what outlives its request, and gives the connections back.
    pub async fn close(self) {
        self.door.stopping.cancel();
        self.hub.tasks.close();
        let left = tokio::time::timeout(self.serve.drain, self.hub.tasks.wait()).await;
        if left.is_err() {
            tracing::warn!(tasks = self.hub.tasks.len(), "stopped with work left");
        }
        // What was counted and not written yet would be lost; what was noted as it happened comes before it.
        if let Err(error) = Refusals::flush(&self.hub, true).await {
            tracing::warn!(error = chain(&error), "refused attempts were not noted in the audit log");
        }
        self.hub.database.close().await;
    }
}

/// Counts what the worker says. A kind that this version does not know is counted as another.
fn observed(metrics: &Arc<Metrics>) -> runner::Observer {
    let metrics = Arc::clone(metrics);
    let kinds: Vec<_> = worker::kinds().iter().map(|kind| kind.name).collect();
    Arc::new(move |notice| match notice {
        runner::Notice::Ended { kind, how, took } => metrics.job_ended(kind, how, took),
        runner::Notice::Counted { counts, at } => {
            let of = |count: &Count| kinds.iter().copied().find(|kind| *kind == count.kind).unwrap_or("other");
            let waited = counts.iter().filter(|count| count.state == State::Waiting).filter_map(|count| count.oldest);
            let age = waited.min().map_or(TimeDelta::zero(), |oldest| at - oldest);
            let counts = counts.iter().map(|count| (of(count), count.state.name(), count.jobs));
            metrics.jobs_counted(counts, age.to_std().unwrap_or_default());
        }
    })
}

/// The providers of the binary and of the operator's folder. A file that is wrong is said in the log and left
/// out: one slip must not take down what works.
fn catalogue(config: &Config) -> Result<Arc<Catalogue>, StartError> {
    let Some(folder) = &config.server.providers_dir else { return Ok(Catalogue::embedded()) };
    let catalogue = Catalogue::load(folder).map_err(|error| StartError::Providers(folder.clone(), error))?;
    for refused in catalogue.refused() {
        tracing::warn!(file = %refused.file, "provider.refused: {refused}");
    }
    Ok(Arc::new(catalogue))
}

async fn connect(config: &Config, metrics: &Arc<Metrics>) -> Result<Database, StartError> {
    let counted = Arc::clone(metrics);
    let observer: database::Observer = Arc::new(move |took, failed| counted.statement(took, failed));
    Ok(Database::connect(&database_settings(config), observer).await?)
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
