//! Secrets stay where they belong.
//!
//! More than a hundred kinds of secrets, each a canary of its own, are put in through every door there is: rightly
//! (passwords, tokens, links, keys, credentials of integrations) and wrongly (in documents that do not parse, variables
//! of a wrong type, URLs, headers, bodies cut short, settings that cannot be used). Then everything that a hub
//! says, shows and keeps is searched for them, in every form that a text can take: all answers but the one that
//! hands a secret out for the first time, both streams of the process with logs at their most talkative, the
//! metrics, the output of commands, the data folder, the database row by row, as a dump, and as files with their
//! write-ahead log.
//!
//! Not searched: the key file itself, the environment of the process, its memory. A digest of a token is no
//! finding, nor is the hint that shows a few characters of it. What is free text by its nature (the name of a token,
//! the reason of a rotation, a request id) is kept as it is given.
//!
//! A canary is put into each of these places in each form, too, and every one of them is found.

mod canaries;
mod commands;
mod connections;
mod doors;
mod panics;
mod places;
mod provider;
mod scan;
mod wrong;

use std::{collections::BTreeSet, fs, io::Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::keyring::{HUB, data_key, secret},
    entity,
    kernel::{chance::SystemChance, scope::Role, secret::Secret, token},
    vault::{Place as Cell, Ring},
};
use uuid::Uuid;

use self::{
    canaries::Canaries,
    doors::{Doors, Taken},
    places::{Place, Places},
    provider::Provider,
    scan::Scanner,
};
use crate::support::{
    database::TestDatabase,
    played,
    process::{Server, run},
};

/// Puts a setting in place of the one of that name.
fn set(settings: &mut Vec<(String, String)>, name: &str, value: &str) {
    settings.retain(|(known, _)| known != name);
    settings.push((name.to_owned(), value.to_owned()));
}

/// Stores credentials as concerns of the hub do, and learns every key there is.
async fn fill_the_vault(database: &TestDatabase, mut settings: Vec<(String, String)>, canaries: &mut Canaries) {
    // Only the hub's own are settings to it.
    settings.retain(|(name, _)| name.starts_with("PORTOLAN_"));
    let config = Config::load(&Flags::default(), settings, database.folder()).unwrap();
    let app = App::open(&config, World::default()).await.unwrap();
    let hub = app.hub();
    let tenant = portolan::domain::tenant::named(hub, "default").await.unwrap().id;
    let cx = Cx::system(hub.clone(), "test", tenant);
    let put = async |owner: &str, value: &str| {
        let value = Secret::from(value.to_owned());
        cx.write(async |txn| secret::put(txn, tenant, owner, "credential", &value).await).await.unwrap();
    };
    put("int_kept", &canaries.make("a credential")).await;
    put("int_signs", &format!("\"{}\" & \\ % + é\n", canaries.make("a credential with signs"))).await;
    put("int_replaced", &canaries.make("a credential that was replaced")).await;
    put("int_replaced", &canaries.make("a credential in place of another")).await;
    put("int_gone", &canaries.make("a credential that was forgotten")).await;
    put("int_long", &canaries.make("a long credential").repeat(400)).await;
    cx.write(async |txn| secret::forget(txn, tenant, "int_gone").await).await.unwrap();
    learn_data_keys(&app, canaries, "before a rotation").await;
    data_key::rotate(&cx, None).await.unwrap();
    data_key::finish(&cx).await.unwrap();
    learn_data_keys(&app, canaries, "after it").await;
    for key in entity::signing_key::of_hub().all(hub.database.reader()).await.unwrap() {
        let private =
            secret::get(hub, hub.database.reader(), HUB, &key.id.to_string(), "private").await.unwrap().unwrap();
        let seed: Vec<_> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&private.expose()[at..at + 2], 16).unwrap()).collect();
        canaries.bytes("the private half of a signing key", &seed);
    }
    let succession = secret::get(hub, hub.database.reader(), HUB, "refresh succession", "key").await.unwrap().unwrap();
    canaries.bytes("what refresh tokens follow from", succession.expose().as_bytes());
    app.close().await;
}

async fn learn_data_keys(app: &App, canaries: &mut Canaries, when: &str) {
    for row in entity::data_key::of_hub().all(app.hub().database.reader()).await.unwrap() {
        let (tenant, row_id) = (row.tenant_id.uuid(), Uuid::from_u128(u128::try_from(row.version).unwrap()));
        let cell = Cell { tenant, table: "data_keys", column: "sealed", row: row_id };
        let master = app.hub().ring.get(u32::try_from(row.master_version).unwrap()).unwrap();
        let kind = if row.tenant_id == HUB { "the hub's data key" } else { "a tenant's data key" };
        canaries.bytes(&format!("{kind}, {when}"), &master.open(cell, &row.sealed).unwrap());
    }
}

fn learn_master_keys(canaries: &mut Canaries, keys: &str) {
    for key in keys.split_whitespace() {
        let (version, text) = key.split_once(':').unwrap();
        canaries.bytes(&format!("master key {version}"), &BASE64_STANDARD.decode(text).unwrap());
    }
}

/// What was found where it should not be.
fn leaks(scanner: &Scanner, canaries: &Canaries, taken: &[Taken], places: &[Place]) -> BTreeSet<String> {
    let taken = taken.iter().map(|taken| (format!("answer: {}", taken.what), &taken.bytes, &taken.handed[..]));
    let places = places.iter().map(|place| (place.name.clone(), &place.bytes, &[][..]));
    let mut leaks = BTreeSet::new();
    for (name, bytes, handed) in taken.chain(places) {
        for (secret, form) in scanner.find(bytes) {
            if !handed.contains(&secret) {
                leaks.insert(format!("{} is in {name}, {form}", canaries.all[secret].kind));
            }
        }
        // One that nobody has heard of is a secret, too.
        leaks.extend(
            tokens(bytes).filter(|token| canaries.known(token).is_none()).map(|_| format!("a token is in {name}")),
        );
    }
    leaks
}

/// Everything that is a token of ours by its form and its checksum.
fn tokens(bytes: &[u8]) -> impl Iterator<Item = &str> {
    const LENGTH: usize = 53;
    let kinds = token::Kind::ALL;
    bytes.windows(LENGTH).filter(|window| window.starts_with(b"pt")).filter_map(move |window| {
        let text = std::str::from_utf8(window).ok()?;
        kinds.iter().any(|kind| token::well_formed(*kind, text)).then_some(text)
    })
}

/// Takes note of tokens that the first start printed, and takes them out of where they were printed: once is their
/// due.
fn printed(canaries: &mut Canaries, said: &str, places: &mut [Place]) {
    for text in tokens(said.as_bytes()) {
        canaries.token("a link, printed at the first start", text);
        let log = places.iter_mut().filter(|place| place.name.ends_with("stderr.log"));
        for place in log {
            let at = place.bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
            place.bytes[at..at + text.len()].fill(b'-');
        }
    }
}

/// Tables without which hardly anything works.
const NEEDED: [&str; 5] = ["users", "refresh_tokens", "one_time_tokens", "api_tokens", "secrets"];

/// What a server is told beside where its database is.
fn talkative(format: &str) -> Vec<(String, String)> {
    let talkative = [
        ("PORTOLAN_LOG_LEVEL", "trace,sea_orm_migration=trace"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("PORTOLAN_LOG_FORMAT", format),
        ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
        ("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"),
        // Some requests never end by themselves.
        ("PORTOLAN_HTTP_HEADER_TIMEOUT", "2s"),
        ("PORTOLAN_HTTP_BODY_TIMEOUT", "2s"),
        ("PORTOLAN_HTTP_IDLE_TIMEOUT", "2s"),
    ];
    talkative.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Where the master keys come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Two, from the environment: the second one is rotated to.
    Given,
    /// One, that is made in the data folder where there is one; else given.
    Made,
}

async fn no_secret_gets_out(format: &str, from: Keys) {
    let database = TestDatabase::create().await;
    let mut places = Places::of(&database).await;
    let mut canaries = Canaries::new();
    let mut settings = database.settings();
    settings.extend(talkative(format));
    if let Some(url) = places.login(&canaries.make("the password of the database")).await {
        set(&mut settings, "PORTOLAN_DATABASE_URL", &url);
    }
    if from == Keys::Given || database.url().is_some() {
        let keys = [1, 2].map(|version| Ring::generate(version, &SystemChance).expose().to_owned()).join(" ");
        learn_master_keys(&mut canaries, &keys);
        set(&mut settings, "PORTOLAN_MASTER_KEY", &keys);
    }
    let provider = Provider::start().await;
    settings.extend(played::settings(provider.server.address));
    let given: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut server = Server::with(&database, &given).await;
    if let Ok(keys) = fs::read_to_string(database.folder().join("master.key")) {
        learn_master_keys(&mut canaries, &keys);
    }
    let greeting = server.said();
    let create = ["token", "create", "--tenant", "default", "--role", Role::SuperAdmin.name()];
    let admin = run(database.folder(), &settings, &create);
    let text = admin.stdout.trim_end().to_owned();
    let known = canaries.token("an API token of the command line", &text);
    let mut doors = Doors::new(server.address, &text, canaries);
    let made = [admin.stdout, admin.stderr].concat().into_bytes();
    doors.taken.push(Taken { what: "portolan token create".to_owned(), bytes: made, handed: vec![known] });

    doors.rightly().await;
    doors.with_integrations(&provider).await;
    fill_the_vault(&database, settings.clone(), &mut doors.canaries).await;
    doors.wrongly().await;
    doors.by_http2().await;
    for table in NEEDED {
        places.execute(&format!("ALTER TABLE {table} RENAME TO gone_{table}"), vec![]).await;
    }
    doors.while_the_database_fails().await;
    doors.while_the_vault_fails().await;
    for table in NEEDED {
        places.execute(&format!("ALTER TABLE gone_{table} RENAME TO {table}"), vec![]).await;
    }
    commands::rightly(&mut doors.taken, &database, &settings);
    commands::refused(&mut doors.canaries, &mut doors.taken, &database);
    commands::wrongly(&mut doors.canaries, &mut doors.taken);
    let page = server.wire().await.get("/metrics").await.unwrap();
    let head = format!("{:?}", page.headers);
    doors.taken.push(Taken { what: "metrics".to_owned(), bytes: [head, page.text].concat().into(), handed: vec![] });
    let arguments = fs::read(format!("/proc/{}/cmdline", server.id())).unwrap_or_default();
    doors.taken.push(Taken { what: "arguments of the process".to_owned(), bytes: arguments, handed: vec![] });

    // While it runs, with the log of changes beside the file, and after it has ended in good order.
    let mut found = places.look().await;
    places.hold_the_log().await;
    let planted = Planted::put(&database, &places).await;
    let while_it_runs = places.look().await;
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    let after_it_ended = places.look().await;
    planted.is_found(&database, &places, &while_it_runs, &after_it_ended);
    found.extend(after_it_ended);
    places.logout().await;
    let (mut canaries, taken) = (doors.canaries, doors.taken);
    printed(&mut canaries, &greeting, &mut found);
    let scanner = canaries.scanner();
    let leaks = leaks(&scanner, &canaries, &taken, &found);
    report(&canaries, &taken, &found, &places.left_out);
    assert!(server.said().contains("TRACE"), "the server was talkative");
    assert!(server.said().contains("refused a statement"), "it met the failing database");
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(canaries.all.len() >= 120, "{}", canaries.all.len());
}

fn report(canaries: &Canaries, taken: &[Taken], found: &[Place], left_out: &[String]) {
    let bytes: usize =
        taken.iter().map(|taken| taken.bytes.len()).chain(found.iter().map(|place| place.bytes.len())).sum();
    println!(
        "{} secrets looked for in {} answers and {} places, {} kB",
        canaries.all.len(),
        taken.len(),
        found.len(),
        bytes / 1_000
    );
    for what in left_out {
        let _ = writeln!(std::io::stderr(), "left out of the search for secrets: {what}");
    }
}

/// A secret that is put into each place in each form, to be found by the same search.
struct Planted {
    canaries: Canaries,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Planted {
    async fn put(database: &TestDatabase, places: &Places<'_>) -> Self {
        let mut canaries = Canaries::new();
        let secret = canaries.make("a planted secret");
        let forms = scan::forms(&secret.as_bytes()[..scan::HEART]);
        places.execute("CREATE TABLE planted (form TEXT, value TEXT)", vec![]).await;
        for (form, bytes) in &forms {
            fs::write(database.folder().join(format!("planted {form}")), bytes).unwrap();
            // A database takes no zero in a text, so forms that have one are in a file only.
            if let Some(text) = String::from_utf8(bytes.clone()).ok().filter(|text| !text.contains('\0')) {
                places.execute("INSERT INTO planted VALUES ($1, $2)", vec![(*form).into(), text.into()]).await;
            }
        }
        Self { canaries, forms }
    }

    fn is_found(&self, database: &TestDatabase, places: &Places<'_>, running: &[Place], ended: &[Place]) {
        let scanner = self.canaries.scanner();
        let all: BTreeSet<&str> = self.forms.iter().map(|(form, _)| *form).collect();
        let seen = |places: &[Place], prefix: &str| -> BTreeSet<&str> {
            let of_prefix = places.iter().filter(|place| place.name.starts_with(prefix));
            of_prefix.flat_map(|place| scanner.find(&place.bytes)).map(|(_, form)| form).collect()
        };
        assert_eq!(seen(running, "data folder: planted"), all);
        // What was found in a row as text may have been escaped once more on its way; in files it is as it was put.
        let in_rows = |form: &&str| !form.starts_with("UTF-16") && !form.to_lowercase().contains("escapes");
        let in_files = |form: &&str| !form.starts_with("UTF-16");
        let rows: BTreeSet<&str> = all.iter().copied().filter(in_rows).collect();
        let files: BTreeSet<&str> = all.iter().copied().filter(in_files).collect();
        let mut expected = vec![(running, "table: ", &rows)];
        if database.url().is_none() {
            expected.extend([
                (running, "data folder: portolan.db-wal", &files),
                (ended, "data folder: portolan.db", &files),
            ]);
        } else {
            if !places.left_out.iter().any(|what| what.starts_with("pg_dump")) {
                expected.push((running, "pg_dump", &rows));
            }
            if places.reads_files() {
                expected.extend([(running, "PostgreSQL file: ", &files), (running, "write-ahead log: ", &files)]);
            }
        }
        for (places, name, forms) in expected {
            let missing: Vec<_> = forms.difference(&seen(places, name)).copied().collect();
            assert_eq!(missing, [""; 0], "not found in {name}");
        }
        for (form, bytes) in &self.forms {
            let bytes = [b"{\"a\":\"", &bytes[..], b"\"}"].concat();
            let answer = Taken { what: "planted".to_owned(), bytes, handed: vec![] };
            assert_eq!(leaks(&scanner, &self.canaries, &[answer], &[]).len(), 1, "{form}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_out_with_logs_for_programs() {
    no_secret_gets_out("json", Keys::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_out_with_logs_for_people() {
    no_secret_gets_out("pretty", Keys::Made).await;
}
