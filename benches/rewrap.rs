//! What a rotation of the master key takes with ten thousand tenants. `cargo bench --bench rewrap` prints it beside
//! its goal, and beside a bound of the same run: the same rows written in as many batches by a plain UPDATE that
//! opens and seals nothing. On `SQLite`, and on PostgreSQL too if `TEST_POSTGRES_URL` names a server.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and prints")]

use std::{env, path::Path, time::Instant};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::{Cx, Hub},
    domain::keyring::{HUB, master},
    entity::data_key,
    kernel::{
        chance::SystemChance,
        clock::{Clock, SystemClock},
        id::Id,
    },
    vault::{DataKey, Ring},
};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait};
use uuid::Uuid;

/// Tenants, each with one data key.
const TENANTS: u128 = 10_000;
/// Seconds.
const GOAL: f64 = 30.0;
/// Keys that a rotation wraps in one transaction.
const BATCH: u128 = 200;
/// Rounds; the middle one counts.
const ROUNDS: u32 = 3;

async fn start(folder: &Path, url: Option<&str>, keys: &str) -> App {
    let mut settings = vec![("PORTOLAN_DATA_DIR".to_owned(), folder.display().to_string())];
    settings.extend(url.map(|url| ("PORTOLAN_DATABASE_URL".to_owned(), url.to_owned())));
    settings.push(("PORTOLAN_MASTER_KEY".to_owned(), keys.to_owned()));
    let config = Config::load(&Flags::default(), settings, folder).unwrap();
    App::start(&config, World::default()).await.unwrap().0
}

async fn fill(hub: &Hub) {
    let rows: Vec<_> = (1..=TENANTS)
        .map(|at| {
            let tenant = Uuid::from_u128(at << 64);
            let wrapped = DataKey::new(tenant, 1, &SystemChance).wrap(hub.ring.current(), &SystemChance);
            let row = data_key::Model {
                tenant_id: Id::new(tenant),
                version: 1,
                master_version: 1,
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

/// Writes every row once, a batch at a time, each batch durable before the next.
async fn bound(hub: &Hub) -> f64 {
    let began = Instant::now();
    let mut written = 0;
    for batch in 0..TENANTS / BATCH {
        let update = format!(
            "UPDATE data_keys SET seals = seals + 1 WHERE tenant_id IN \
             (SELECT tenant_id FROM data_keys ORDER BY tenant_id LIMIT {BATCH} OFFSET {})",
            batch * BATCH
        );
        written += hub.database.writer().execute_unprepared(&update).await.unwrap().rows_affected();
    }
    assert_eq!(u128::from(written), TENANTS);
    began.elapsed().as_secs_f64()
}

async fn rotation(app: &App) -> f64 {
    let cx = Cx::system(app.hub().clone(), "benchmark", HUB);
    let began = Instant::now();
    let rotated = master::rotate(&cx).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    assert_eq!((u128::from(rotated.wrapped), rotated.broken.len()), (TENANTS, 0));
    took
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn measure(name: &str, url: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let key = |version| Ring::generate(version, &SystemChance).expose().to_owned();
    let mut ring = key(1);
    let app = start(folder.path(), url, &ring).await;
    fill(app.hub()).await;
    app.close().await;
    let (mut bounds, mut rotations) = (Vec::new(), Vec::new());
    for version in 2..2 + ROUNDS {
        ring = format!("{ring} {}", key(version));
        let app = start(folder.path(), url, &ring).await;
        bounds.push(bound(app.hub()).await);
        rotations.push(rotation(&app).await);
        let old = data_key::wrapped_before(i32::try_from(version).unwrap());
        assert_eq!(old.count(app.hub().database.reader()).await.unwrap(), 0);
        app.close().await;
    }
    let (bound, took) = (median(bounds), median(rotations));
    println!(
        "{name}: {TENANTS} tenants' keys wrapped anew in {took:.2} s, {:.3} of the goal of {GOAL:.0} s; \
         the rows alone take {bound:.2} s, {:.1} times less",
        took / GOAL,
        took / bound
    );
}

#[tokio::main]
async fn main() {
    measure("SQLite", None).await;
    let Ok(server) = env::var("TEST_POSTGRES_URL") else {
        println!("left out: PostgreSQL (TEST_POSTGRES_URL is not set)");
        return;
    };
    let name = format!("bench_rewrap_{}", std::process::id());
    let admin = sea_orm::Database::connect(&server).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    measure("PostgreSQL", Some(&url)).await;
    admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}
