//! A second server on the same database, in this process: it seals and opens secrets of the tenant while the
//! first one rotates its key, and looks at the database from the side.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::{Cx, Hub},
    domain::{
        keyring::{master, secret},
        tenant::{self, Tenant},
    },
    entity::{data_key, secret as stored},
    kernel::{
        chance::SystemChance,
        clock::{Clock, SystemClock},
        error::chain,
        id::Id,
        secret::Secret,
    },
    vault::DataKey,
};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};
use tokio::{
    sync::{RwLock, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use uuid::Uuid;

use crate::support::database::TestDatabase;

/// How many seal and open, and how often each does: two hundred times a second.
const SEALERS: usize = 8;
const PACE: Duration = Duration::from_millis(40);

/// Secrets that each of them writes over and over.
const EACH: usize = 10;

/// The node, with the keys it has at present.
pub struct Node {
    /// Read by whoever seals or opens, for as long as that takes.
    app: Arc<RwLock<Arc<App>>>,
    tenant: Tenant,
    filled: Mutex<BTreeMap<String, String>>,
}

/// What became of seals and opens.
#[derive(Debug, Default)]
pub struct Told {
    pub done: usize,
    pub failed: Vec<String>,
    pub seconds: f64,
    /// What was sealed last, by owner.
    values: BTreeMap<String, String>,
}

impl Told {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }
}

async fn open(database: &TestDatabase, keys: &str) -> Arc<App> {
    let settings = super::all_settings(database, keys);
    let config = Config::load(&Flags::default(), settings, database.folder()).unwrap();
    Arc::new(App::start(&config, World::default()).await.unwrap().0)
}

async fn put(hub: &Arc<Hub>, tenant: &Tenant, owner: &str, value: &str) -> portolan::kernel::Result<()> {
    let value = Secret::from(value.to_owned());
    let cx = Cx::system(Arc::clone(hub), "test", tenant.id);
    cx.write(async |txn| secret::put(txn, tenant.id, owner, "token", &value).await).await
}

async fn get(hub: &Hub, tenant: &Tenant, owner: &str) -> portolan::kernel::Result<Option<String>> {
    let found = secret::get(hub, hub.database.reader(), tenant.id, owner, "token").await?;
    Ok(found.map(|secret| secret.expose().to_owned()))
}

impl Node {
    pub async fn open(database: &TestDatabase, keys: &str) -> Self {
        let app = open(database, keys).await;
        let tenant = tenant::named(app.hub(), "default").await.unwrap();
        let app = Arc::new(RwLock::new(app));
        Self { app, tenant, filled: Mutex::default() }
    }

    /// Goes on with other keys, as a server does that is stopped and started: what it was about is done before.
    pub async fn reopen(&self, database: &TestDatabase, keys: &str) {
        let app = open(database, keys).await;
        *self.app.write().await = app;
    }

    async fn hub(&self) -> Arc<Hub> {
        Arc::clone(self.app.read().await.hub())
    }

    /// Secrets of the tenant, and a data key for so many others.
    pub async fn fill(&self, secrets: usize, keys: u128) {
        let hub = self.hub().await;
        for at in 0..secrets {
            let (owner, value) = (format!("int_{at}"), format!("value {at}"));
            put(&hub, &self.tenant, &owner, &value).await.unwrap();
            self.filled.lock().unwrap().insert(owner, value);
        }
        let rows: Vec<_> = (0..keys)
            .map(|at| {
                let tenant = Uuid::from_u128(1_000_000 + at);
                let wrapped = DataKey::new(tenant, 1, &SystemChance).wrap(hub.ring.current(), &SystemChance);
                let row = data_key::Model {
                    tenant_id: Id::new(tenant),
                    version: 1,
                    master_version: i32::try_from(wrapped.master).unwrap(),
                    check_value: wrapped.check.to_vec(),
                    sealed: wrapped.sealed,
                    seals: 1,
                    created_at: SystemClock.now(),
                };
                row.into_active_model()
            })
            .collect();
        for part in rows.chunks(1_000) {
            let insert = data_key::Entity::insert_many(part.iter().cloned());
            insert.exec_without_returning(hub.database.writer()).await.unwrap();
        }
    }

    /// Begins to seal and open, until told that it is over.
    pub fn begin(&self) -> (watch::Sender<bool>, JoinSet<Told>) {
        let over = watch::Sender::new(false);
        let mut sealers = JoinSet::new();
        for number in 0..SEALERS {
            sealers.spawn(seal_and_open(number, Arc::clone(&self.app), self.tenant.clone(), over.subscribe()));
        }
        (over, sealers)
    }

    /// Ends it, and says what became of it.
    pub async fn end(over: &watch::Sender<bool>, sealers: &mut JoinSet<Told>) -> Told {
        over.send_replace(true);
        let mut told = Told::default();
        while let Some(sealer) = sealers.join_next().await {
            let sealer = sealer.unwrap();
            told.done += sealer.done;
            told.failed.extend(sealer.failed);
            told.values.extend(sealer.values);
        }
        told
    }

    /// How many secrets of the tenant are sealed under a version or a later one, and how many under older ones.
    pub async fn sealed_around(&self, version: i64) -> (u64, u64) {
        let (hub, of) = (self.hub().await, stored::of(self.tenant.id));
        let db = hub.database.reader();
        let new = of.clone().filter(stored::COLUMN.key_version.gte(version)).count(db).await.unwrap();
        (new, of.filter(stored::COLUMN.key_version.lt(version)).count(db).await.unwrap())
    }

    /// How many data keys the old master key wraps.
    pub async fn wrapped_under_old(&self) -> u64 {
        data_key::wrapped_before(2).count(self.hub().await.database.reader()).await.unwrap()
    }

    /// Every secret is what was sealed last, by a server that has not opened any before.
    pub async fn everything_opens(&self, told: &Told) {
        let hub = self.hub().await;
        hub.data_keys.forget_all(self.tenant.id);
        let mut values = self.filled.lock().unwrap().clone();
        values.extend(told.values.clone());
        for (owner, value) in &values {
            assert_eq!(get(&hub, &self.tenant, owner).await.unwrap().as_ref(), Some(value), "{owner}");
        }
        let verified = master::verify(&hub).await.unwrap();
        assert_eq!(verified.broken, Vec::<String>::new());
        assert!(verified.secrets > values.len() as u64, "these and the hub's own");
    }

    /// The proof that nothing needs an older key of the tenant any more. Says which one is the newest.
    pub async fn only_the_newest_is_left(&self) -> i64 {
        let hub = self.hub().await;
        let keys = data_key::of(self.tenant.id).all(hub.database.reader()).await.unwrap();
        let versions: Vec<_> = keys.iter().map(|key| key.version).collect();
        let [newest] = versions[..] else { panic!("{versions:?}") };
        assert_eq!(self.sealed_around(newest.into()).await.1, 0);
        newest.into()
    }
}

async fn seal_and_open(number: usize, app: Arc<RwLock<Arc<App>>>, tenant: Tenant, over: watch::Receiver<bool>) -> Told {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut told = Told::default();
    for turn in 0.. {
        pace.tick().await;
        if *over.borrow() {
            break;
        }
        let node = app.read().await;
        let hub = node.hub();
        let owner = format!("live_{number}_{}", turn / 2 % EACH);
        let done = if turn % 2 == 0 {
            let value = format!("value {turn} of {owner}");
            let done = put(hub, &tenant, &owner, &value).await;
            match &done {
                Ok(()) => drop(told.values.insert(owner, value)),
                // Whether it was sealed is unknown: nothing is expected of it until it is sealed again.
                Err(_) => drop(told.values.remove(&owner)),
            }
            done
        } else {
            let expected = told.values.get(&owner);
            get(hub, &tenant, &owner).await.map(|found| assert!(expected.is_none() || found.as_ref() == expected))
        };
        match done {
            Ok(()) => told.done += 1,
            Err(error) => told.failed.push(chain(&error)),
        }
    }
    told
}
