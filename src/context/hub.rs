//! What `app` built once and every request shares.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use chrono::TimeDelta;
use quick_cache::sync::Cache;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use url::Url;

use super::{
    ClockGuard, DataKeys, Database, Lines, PasswordHashing, Refusals, Turns, evidence::Collector, intake::Intake,
    issuer_keys::IssuerKeys,
};
use crate::{
    event::Feed,
    kernel::{
        chance::Chance,
        clock::Clock,
        id::{CredentialId, SigningKeyId},
        page::PageBounds,
    },
    provider::{catalogue::Catalogue, client::Client, connector::Connector, verifier::Verifier},
    vault::Ring,
};

/// What was chosen about signing in.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// Who issues tokens, as they say it.
    pub issuer: String,
    /// Under which address clients reach the hub, for links.
    pub base_url: String,
    /// How long an access token is good.
    pub access_life: TimeDelta,
    /// How long a session lasts.
    pub refresh_life: TimeDelta,
    /// How long audit entries are kept.
    pub audit_retention: TimeDelta,
    /// Memory of a password hash.
    pub password_memory_kib: u32,
    /// Passes over that memory.
    pub password_passes: u32,
    /// Lanes of a password hash.
    pub password_lanes: u32,
}

/// How much of the event log is kept.
#[derive(Clone, Copy, Debug)]
pub struct EventSettings {
    /// How long.
    pub retention: TimeDelta,
    /// How many of all tenants together.
    pub most: u64,
}

/// How integrations are looked after.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// Time between two probes of an integration.
    pub interval: TimeDelta,
    /// The same for integrations of single providers.
    pub intervals: BTreeMap<String, TimeDelta>,
    /// How long a probe may take.
    pub timeout: Duration,
    /// Probes that are under way at once.
    pub at_once: usize,
    /// Failures in a row after which an integration is down.
    pub down_after: u32,
    /// Successes in a row after which it is healthy again.
    pub healthy_after: u32,
    /// Time between two improvements.
    pub window: TimeDelta,
    /// How long each check is kept.
    pub retention: TimeDelta,
}

/// How records are read.
#[derive(Clone, Copy, Debug)]
pub struct SyncSettings {
    /// How long a run may show no progress before it is looked after.
    pub watchdog: TimeDelta,
    /// How long ended runs and what they wrote stay.
    pub retention: TimeDelta,
    /// Percent of a stream's records that a pass deletes without confirmation.
    pub max_deletion_percent: u32,
    /// Smallest number of deletions that is held back.
    pub min_held_deletions: u32,
}

/// How webhooks are taken.
#[derive(Clone, Copy, Debug)]
pub struct InboxSettings {
    /// The largest body.
    pub max_body: usize,
    /// How long they are kept, and so for how long one that comes again is known.
    pub retention: TimeDelta,
}

/// How webhooks are sent.
#[derive(Clone, Debug)]
pub struct OutboundSettings {
    /// How long after each failed attempt the next one is; after the last of them there is none.
    pub schedule: Vec<TimeDelta>,
    /// How long a destination may take to answer.
    pub timeout: Duration,
    /// Attempts that are under way at once on a node.
    pub at_once: usize,
    /// After how long without success a destination is disabled.
    pub disable_after: TimeDelta,
    /// How long messages, deliveries and attempts are kept.
    pub retention: TimeDelta,
}

/// The shared means of the program.
pub struct Hub {
    /// The database.
    pub database: Database,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether that can be relied on.
    pub clock_guard: ClockGuard,
    /// Where ids and secrets come from.
    pub chance: Arc<dyn Chance>,
    /// The master keys.
    pub ring: Ring,
    /// Data keys that were unwrapped.
    pub data_keys: DataKeys,
    /// How long a data key seals until the next one takes its place.
    pub data_key_life: TimeDelta,
    /// Public halves of signing keys that were read.
    pub public_keys: Cache<SigningKeyId, [u8; 32]>,
    /// Keys of outside issuers that were fetched.
    pub issuer_keys: IssuerKeys,
    /// What was chosen about signing in.
    pub access: AccessSettings,
    /// Calls other servers.
    pub client: Client,
    /// Asks providers.
    pub connector: Connector,
    /// How long somebody who waits for the answer of an operation waits for a provider.
    pub patience: Duration,
    /// Where the providers are played, if they are not asked for real.
    pub simulator: Option<Url>,
    /// Who buys a token waits for others of this process that do.
    pub purchases: Turns<CredentialId>,
    /// What is known of providers.
    pub catalogue: Arc<Catalogue>,
    /// Memory in which passwords are hashed.
    pub hashing: Arc<PasswordHashing>,
    /// Attempts that were refused lately.
    pub refusals: Refusals,
    /// How large pages of lists may be.
    pub pages: PageBounds,
    /// How much of the event log is kept.
    pub events: EventSettings,
    /// How integrations are looked after.
    pub health: HealthSettings,
    /// What calls to providers show besides.
    pub evidence: Collector,
    /// How records are read.
    pub sync: SyncSettings,
    /// How webhooks are taken.
    pub inbox: InboxSettings,
    /// Webhooks on their way into the database.
    pub intake: Intake,
    /// Checks webhooks.
    pub verifier: Verifier,
    /// How webhooks are sent.
    pub outbound: OutboundSettings,
    /// Wakes whoever sends webhooks: there are new ones.
    pub deliveries: Notify,
    /// New events, for who follows them.
    pub feed: Feed,
    /// Wakes the chores that would otherwise wait for their turn.
    pub chores: Notify,
    /// Wakes whoever does jobs: there is a new one.
    pub jobs: Notify,
    /// How far the lines of jobs have come.
    pub lines: Lines,
    /// Small work that outlives its request; stopping waits for it.
    pub tasks: TaskTracker,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("database", &self.database).finish_non_exhaustive()
    }
}
