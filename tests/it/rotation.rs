//! Keys rotate while the hub is in use and killed: no request fails but those under way at a kill, everything
//! opens afterwards, and the old keys are gone.
//!
//! A real server answers clients that sign in, refresh and look, each of which opens secrets of the hub; beside
//! it a second server on the same database, which is this process, seals and opens secrets of a tenant, since
//! nothing in the API does so yet. Meanwhile the tenant's key is rotated again and again, and each time the
//! server is killed (SIGKILL) while it seals anew; then both servers are given a second master key, one after
//! the other, and `portolan keys rotate-master` is killed while it wraps anew, until one of its runs is let
//! through; at last only the new master key is left.
//!
//! A request whose connection breaks at a kill has an unknown outcome and is sent again, as clients do. Any other
//! answer than success, and any connection that breaks without a kill, is a failure.
//!
//! `TEST_LONG=1` runs the long form, with ten kills of each kind.

mod load;
mod node;

use std::{
    env,
    time::{Duration, Instant},
};

use portolan::kernel::scope::Role;
use serde_json::json;
use tokio::time::sleep;

use self::{
    load::{Load, Told},
    node::Node,
};
use crate::support::{
    database::{MASTER_KEY, TestDatabase, on_postgres},
    process::{LIMIT, Outcome, Server, command, run},
};

/// The master key that comes after the tests' own.
const NEXT_KEY: &str = "2:YW5vdGhlciBrZXkgb2YgdGhpcnR5LXR3byBieXRlcy4=";

/// How much of everything.
struct Size {
    /// Kills of the server, and as many of the command.
    kills: usize,
    /// Secrets of the tenant, besides those that are written all the time.
    secrets: usize,
    /// Tenants with a data key.
    keys: u128,
    /// Requests between two kills, at least.
    between: usize,
}

impl Size {
    fn chosen() -> Self {
        if env::var_os("TEST_LONG").is_some_and(|value| value == "1") {
            Self { kills: 10, secrets: 2_000, keys: 10_000, between: 500 }
        } else {
            Self { kills: 2, secrets: 400, keys: 2_000, between: 60 }
        }
    }
}

/// The hub under load.
struct Stand {
    database: TestDatabase,
    server: Server,
    node: Node,
    load: Load,
    admin: String,
    keys: String,
    /// Requests between two kills, at least.
    between: usize,
}

impl Stand {
    async fn build(size: &Size) -> Self {
        let (database, keys) = (TestDatabase::create().await, MASTER_KEY.to_owned());
        let server = Server::with(&database, &settings(&keys)).await;
        let made = run(
            database.folder(),
            &all_settings(&database, &keys),
            &["token", "create", "--tenant", "default", "--role", Role::SuperAdmin.name()],
        );
        let admin = made.stdout.trim_end().to_owned();
        let node = Node::open(&database, &keys).await;
        node.fill(size.secrets, size.keys).await;
        let load = Load::start(server.address, &admin, &node).await;
        Self { database, server, node, load, admin, keys, between: size.between }
    }

    /// Rotates the tenant's key, as its administrator, until a rotation is met half-way; then kills the server.
    async fn kill_while_it_seals_anew(&mut self) {
        let rotate = "mutation { rotateTenantKey(input: {}) { tenantKey { version } userErrors { message } } }";
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < LIMIT, "no rotation was ever met half-way");
            let rotated = self.server.ask(&self.admin, rotate, json!({})).await.data();
            let version = rotated["rotateTenantKey"]["tenantKey"]["version"].as_i64().unwrap();
            // Either some are sealed anew and some not, or the rotation was too quick for us.
            let half_way = loop {
                let (new, old) = self.node.sealed_around(version).await;
                match (new, old) {
                    (_, 0) => break false,
                    (0, _) => assert!(begun.elapsed() < LIMIT, "nothing is sealed anew: {}", self.server.said()),
                    (_, _) => break true,
                }
            };
            if half_way {
                self.kill_and_restart().await;
                return;
            }
        }
    }

    async fn kill_and_restart(&mut self) {
        self.load.down();
        self.server.kill9();
        self.server.again().await;
        self.load.up(self.server.address);
        self.load.goes_on(self.between).await;
    }

    /// Both servers are given these keys, one after the other.
    async fn give(&mut self, keys: String) {
        self.server.set("PORTOLAN_MASTER_KEY", &keys);
        self.kill_and_restart().await;
        self.node.reopen(&self.database, &keys).await;
        self.keys = keys;
    }

    /// Rotates the master key, and kills the command half-way. Says whether it was met there.
    async fn kill_while_it_wraps_anew(&mut self) -> bool {
        let before = self.node.wrapped_under_old().await;
        let settings = all_settings(&self.database, &self.keys);
        let mut rotating = command(self.database.folder(), &settings, &["keys", "rotate-master"]).spawn().unwrap();
        loop {
            let left = self.node.wrapped_under_old().await;
            let ended = rotating.try_wait().unwrap().is_some();
            if ended || left < before {
                rotating.kill().unwrap();
                rotating.wait().unwrap();
                return !ended && left > 0;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn command(&self, arguments: &[&str]) -> Outcome {
        run(self.database.folder(), &all_settings(&self.database, &self.keys), arguments)
    }
}

/// What the server is told; the clients' limits and the cost of a password are not what is tried here.
fn settings(keys: &str) -> [(&'static str, &str); 12] {
    [
        ("PORTOLAN_MASTER_KEY", keys),
        ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
        ("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"),
        ("PORTOLAN_ACCESS_PASSWORD_PASSES", "1"),
        // A machine that is busy with other things makes requests slow, and that is no failure of a rotation.
        ("PORTOLAN_DATABASE_ACQUIRE_TIMEOUT", "60s"),
        ("PORTOLAN_DATABASE_CONNECT_TIMEOUT", "60s"),
        ("PORTOLAN_DATABASE_BUSY_TIMEOUT", "60s"),
        ("PORTOLAN_DATABASE_LOCK_TIMEOUT", "60s"),
        ("PORTOLAN_DATABASE_STATEMENT_TIMEOUT", "70s"),
        ("PORTOLAN_GRAPHQL_OPERATION_TIMEOUT", "80s"),
        ("PORTOLAN_HTTP_REQUEST_TIMEOUT", "90s"),
        ("PORTOLAN_LOG_LEVEL", "warn"),
    ]
}

fn all_settings(database: &TestDatabase, keys: &str) -> Vec<(String, String)> {
    let mut all = database.settings();
    for (name, value) in settings(keys) {
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value.to_owned()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_and_kills_and_nothing_fails_but_what_a_kill_met() {
    let (size, begun) = (Size::chosen(), Instant::now());
    let mut stand = Stand::build(&size).await;
    for _ in 0..size.kills {
        stand.kill_while_it_seals_anew().await;
    }
    let both = format!("{MASTER_KEY} {NEXT_KEY}");
    stand.give(both).await;
    let mut met = 0;
    while met < size.kills && stand.kill_while_it_wraps_anew().await {
        met += 1;
    }
    assert!(met > 0, "no rotation of the master key was ever met half-way");
    // Resumed where the last one was killed, while a tenant's key rotates too.
    stand.kill_while_it_seals_anew().await;
    let rotated = stand.command(&["keys", "rotate-master"]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    stand.give(NEXT_KEY.to_owned()).await;
    let (told, sealed) = stand.load.stop().await;
    report(&size, met, &told, &sealed, begun.elapsed());

    stand.node.everything_opens(&sealed).await;
    let newest = stand.node.only_the_newest_is_left().await;
    assert!(newest > i64::try_from(size.kills).unwrap());
    assert_eq!(stand.node.wrapped_under_old().await, 0);
    let verified = stand.command(&["keys", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let status = stand.command(&["keys", "status"]);
    assert!(status.stdout.contains("not at hand, wraps 0 data keys"), "{status:?}");
    assert!(
        status.stdout.contains(&format!("at hand, wraps new keys, wraps {} data keys", size.keys + 2)),
        "{status:?}"
    );
    assert_eq!((told.failed, sealed.failed), (vec![], vec![]));
}

fn report(size: &Size, met: usize, told: &Told, sealed: &node::Told, took: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "keys on {}: {} requests ({:.0} a second) and {} seals and opens beside them ({:.0} a second), {} kills of the \
         server and {met} of the command, {} requests under way at a kill, {} failed; {seconds:.1} s",
        if on_postgres() { "PostgreSQL" } else { "SQLite" },
        told.done,
        told.rate(),
        sealed.done,
        sealed.rate(),
        size.kills + 3,
        told.unknown,
        told.failed.len() + sealed.failed.len(),
    );
}
