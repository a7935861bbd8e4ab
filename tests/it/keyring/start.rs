//! A start with keys that do not fit stops at once, names the version, and leaves the database as it was.
//!
//! The real program, on a database that was used and left in good order. Untouched means: no byte of the `SQLite`
//! file differs and nothing lies beside it that was not there; on PostgreSQL no row was written, not even with
//! what it held before, and there is nothing that was not there.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use portolan::kernel::scope::Role;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::OTHER_KEY;
use crate::support::{
    database::{MASTER_KEY, TestDatabase, on_postgres},
    process::{Outcome, Server, run, token},
};

/// A refusal takes less than this, whatever is wrong.
const SOON: Duration = Duration::from_secs(2);

/// All bits zero, in the two ways to write it.
const ZERO: [&str; 2] = [
    "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "3:0000000000000000000000000000000000000000000000000000000000000000",
];

/// Starts the program with these keys; it is to end by itself.
fn start(database: &TestDatabase, keys: Option<&str>, arguments: &[&str]) -> (Outcome, Duration) {
    let mut settings = database.settings();
    settings.retain(|(name, _)| name != "PORTOLAN_MASTER_KEY");
    settings.extend(keys.map(|keys| ("PORTOLAN_MASTER_KEY".to_owned(), keys.to_owned())));
    settings.push(("PORTOLAN_LISTEN".to_owned(), "127.0.0.1:0".to_owned()));
    let begun = Instant::now();
    let outcome = run(database.folder(), &settings, arguments);
    (outcome, begun.elapsed())
}

/// Everything that is stored, as digests by name.
async fn stored(database: &TestDatabase) -> BTreeMap<String, String> {
    match database.url() {
        None => files(database),
        Some(url) => {
            let options = ConnectOptions::new(url).max_connections(1).to_owned();
            let db = sea_orm::Database::connect(options).await.unwrap();
            let stored = rows(&db).await;
            db.close().await.unwrap();
            stored
        }
    }
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn files(database: &TestDatabase) -> BTreeMap<String, String> {
    let files = fs::read_dir(database.folder()).unwrap().map(|entry| entry.unwrap());
    let kept = files.filter(|entry| entry.file_name() != "stderr.log");
    kept.map(|entry| (entry.file_name().into_string().unwrap(), digest(fs::read(entry.path()).unwrap()))).collect()
}

/// Each row with the transaction that wrote it, table by table; and all that has a name.
async fn rows(db: &DatabaseConnection) -> BTreeMap<String, String> {
    let list = async |sql: String| -> Vec<String> {
        let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        rows.into_iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    };
    let own = "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
               WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";
    let names = list(format!("SELECT relkind::text || ' ' || relname || ' ' || relfilenode {own} ORDER BY 1")).await;
    let mut stored = BTreeMap::from([("names".to_owned(), names.join("\n"))]);
    for table in list(format!("SELECT relname::text {own} AND relkind = 'r' ORDER BY 1")).await {
        let rows = list(format!("SELECT xmin::text || xmax::text || t::text FROM \"{table}\" t ORDER BY 1")).await;
        stored.insert(table, digest(rows.join("\n")));
    }
    stored
}

/// A start that is refused in time, in these words and without repeating a key, and that changes nothing.
async fn refused(database: &TestDatabase, keys: Option<&str>, words: &[&str]) -> Duration {
    let before = stored(database).await;
    let mut longest = Duration::ZERO;
    for arguments in
        [&["serve"][..], &["migrate"], &["keys", "rotate-master"], &["keys", "verify"], &["audit", "verify"]]
    {
        let (outcome, took) = start(database, keys, arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{arguments:?}: {outcome:?}");
        for word in words {
            assert!(outcome.stderr.contains(word), "{word:?} is not said: {outcome:?}");
        }
        for key in keys.unwrap_or_default().split([':', ' ']).filter(|key| key.len() > 4) {
            assert!(!outcome.stderr.contains(key), "a key is repeated: {outcome:?}");
        }
        assert!(took < SOON, "{arguments:?} took {took:?}");
        assert_eq!(stored(database).await, before, "{arguments:?} with {words:?}");
        longest = longest.max(took);
    }
    // The doctor says the same, where it is asked, and touches as little.
    let (doctor, _) = start(database, keys, &["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let bad = doctor.stdout.lines().find(|line| line.starts_with("BAD  keys")).unwrap_or_default();
    assert!(words.iter().all(|word| bad.contains(word)), "{doctor:?}");
    assert_eq!(stored(database).await, before, "the doctor, with {words:?}");
    longest
}

/// A database that a server used, with a data key, people and tokens in it.
async fn used() -> TestDatabase {
    let database = TestDatabase::create().await;
    let mut server = Server::with(&database, &[("PORTOLAN_MASTER_KEY", MASTER_KEY)]).await;
    let admin = token_under(&database);
    let rotate = "mutation { rotateTenantKey(input: {}) { tenantKey { version } } }";
    let rotated = server.ask(&admin, rotate, json!({})).await.data();
    assert_eq!(rotated["rotateTenantKey"]["tenantKey"]["version"], 2);
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    database
}

/// A token; the command line is given the same keys as the server.
fn token_under(database: &TestDatabase) -> String {
    if on_postgres() {
        return token(database, Role::Admin.name());
    }
    let create = ["token", "create", "--tenant", "default", "--role", "admin"];
    start(database, Some(MASTER_KEY), &create).0.stdout.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_fit_stop_the_start_at_once_and_touch_nothing() {
    let database = used().await;
    let mut longest = Duration::ZERO;
    let cases = [
        (Some(format!("1:{OTHER_KEY}")), vec!["master key 1 is not the one that was used before"]),
        (Some(format!("{MASTER_KEY} 2:{OTHER_KEY} 1:{OTHER_KEY}")), vec!["master key 1 is given twice"]),
        (Some(format!("2:{OTHER_KEY}")), vec!["master key 1 is not in the ring"]),
        (Some(format!("2:{OTHER_KEY} 3:{}", &MASTER_KEY[2..])), vec!["master key 1 is not in the ring"]),
        (Some("1:c2hvcnQ=".to_owned()), vec!["master key 1 has 5 bytes; it must have 32"]),
        (Some(format!("4:{}", "ab".repeat(31))), vec!["master key 4 has", "it must have 32"]),
        (Some(ZERO[0].to_owned()), vec!["master key 1 is no key", "alike"]),
        (Some(ZERO[1].to_owned()), vec!["master key 3 is no key", "alike"]),
        (Some(format!("{MASTER_KEY},2:not-a-key-at-all")), vec!["master key 2 is neither base64 nor hexadecimal"]),
        (Some(format!("{MASTER_KEY} {OTHER_KEY}")), vec!["begins with its version"]),
        (Some(" , ".to_owned()), vec!["there is no master key in it"]),
    ];
    for (keys, words) in &cases {
        longest = longest.max(refused(&database, keys.as_deref(), words).await);
    }
    let missing = if on_postgres() { "PORTOLAN_MASTER_KEY" } else { "master.key is missing" };
    longest = longest.max(refused(&database, None, &[missing]).await);
    println!("{} kinds of keys refused, the slowest start in {longest:?}", cases.len() + 1);

    // And with the right ones, everything is there.
    let (verified, _) = start(&database, Some(MASTER_KEY), &["keys", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stderr.contains("; 0 do not open"), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_used_leave_an_empty_database_empty() {
    let database = TestDatabase::create().await;
    let keys = [Some("1:c2hvcnQ="), Some(ZERO[0]), Some("%"), None];
    for keys in keys.into_iter().filter(|keys| keys.is_some() || on_postgres()) {
        let before = stored(&database).await;
        for arguments in [&["serve"][..], &["migrate"], &["doctor"]] {
            let (outcome, took) = start(&database, keys, arguments);
            assert_eq!(outcome.code, Some(1), "{outcome:?}");
            assert!(took < SOON, "{took:?}");
            assert_eq!(stored(&database).await, before, "{arguments:?}");
        }
    }
}
