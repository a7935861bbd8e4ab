//! How much memory a long run takes: no more than a short one. `TEST_LONG=1` reads a million records.

use std::{env, time::Instant};

use serde_json::{Value, json};

use super::acme::Acme;
use crate::support::{
    database::TestDatabase,
    process::{Server, token},
    spent::Spent,
};

/// The most memory that the program may have meanwhile, in MiB.
const MOST: u64 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_number_of_records() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let many = if long { 1_000_000 } else { 20_000 };
    let acme = Acme::start().await;
    acme.made_up(many);
    let settings = acme.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let database = TestDatabase::create().await;
    let server = Server::with(&database, &settings).await;
    let admin = token(&database, "admin");
    let before = Spent::by(server.id());
    let create = "mutation { createIntegration(input: { provider: \"acme\",
        credentials: { bearerToken: { token: \"right\" } } }) { integration { id } userErrors { message } } }";
    let id = server.ask(&admin, create, Value::Null).await.data()["createIntegration"]["integration"]["id"].clone();
    for (pass, there) in [("added", many), ("unchanged, one in a hundred gone", many - many / 100)] {
        acme.made_up(there);
        let (began, worked) = (Instant::now(), Spent::by(server.id()).worked);
        let counts = read(&server, &admin, &id).await;
        let gone = many - there;
        let new = if gone == 0 { many } else { 0 };
        assert_eq!(counts, json!({ "seen": there, "added": new, "unchanged": there - new, "deleted": gone }), "{pass}");
        let spent = Spent::by(server.id());
        println!(
            "{many} records ({pass}) in {:.0} s: {:.1} s of processor, {} MiB at most, {} MiB before",
            began.elapsed().as_secs_f64(),
            spent.worked - worked,
            spent.most,
            before.most,
        );
    }
    let after = Spent::by(server.id());
    assert!(after.most < MOST, "{after:?}, {before:?} before");
}

/// Reads everything, and says what became of it.
async fn read(server: &Server, admin: &str, id: &Value) -> Value {
    let now = "mutation($id: ID!) { syncNow(input: { integrationId: $id, stream: \"things\" }) { runs { id }
        userErrors { message } } }";
    let began = Instant::now();
    let run = server.ask(admin, now, json!({ "id": id })).await.data()["syncNow"]["runs"][0]["id"].clone();
    let status = "query($id: ID!) { node(id: $id) { ... on SyncRun { status error
        progress { seen added unchanged deleted } } } }";
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let run = server.ask(admin, status, json!({ "id": run })).await.data()["node"].clone();
        if run["status"] == "SUCCEEDED" {
            return run["progress"].clone();
        }
        assert!(run["status"] == "RUNNING" || run["status"] == "QUEUED", "{run}");
        assert!(began.elapsed().as_secs() < 60 * 60, "{run}");
    }
}
