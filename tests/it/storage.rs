//! What the connections promise: durability, walls, and patience that ends.

use std::time::Duration;

use portolan::{
    entity::{agent, api_token, event, record, webhook_delivery, webhook_event, webhook_item},
    kernel::{
        error::{Code, Error},
        id::{SyncStreamId, WebhookDeliveryId, WebhookDestinationId, WebhookEventId, WebhookSourceId},
        scope::Role,
    },
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryTrait, Statement,
};

use uuid::Uuid;

use crate::support::{TestHub, database::on_postgres};

async fn asked(db: &DatabaseConnection, sql: &str) -> String {
    let backend = db.get_database_backend();
    let row = db.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
    row.try_get_by_index::<String>(0).or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string())).unwrap()
}

#[tokio::test]
async fn a_commit_is_on_disk_and_keys_are_held_and_waiting_ends() {
    let hub = TestHub::start().await;
    let database = &hub.app.hub().database;
    let (reader, writer) = (database.reader(), database.writer());
    if database.backend() == DbBackend::Postgres {
        assert_eq!(asked(writer, "SHOW fsync").await, "on");
        assert_eq!(asked(writer, "SHOW synchronous_commit").await, "on");
        assert_eq!(asked(writer, "SHOW statement_timeout").await, "15s");
        assert_eq!(asked(writer, "SHOW lock_timeout").await, "3s");
        assert_eq!(asked(writer, "SHOW idle_in_transaction_session_timeout").await, "10s");
        return;
    }
    for db in [reader, writer] {
        assert_eq!(asked(db, "PRAGMA journal_mode").await, "wal");
        assert_eq!(asked(db, "PRAGMA synchronous").await, "2", "FULL");
        assert_eq!(asked(db, "PRAGMA foreign_keys").await, "1");
        assert_eq!(asked(db, "PRAGMA busy_timeout").await, "5000");
    }
    let refused = reader.execute_unprepared("DELETE FROM outbox").await;
    assert!(refused.is_err(), "a reader wrote");
}

/// How a statement would be carried out.
async fn plan(db: &DatabaseConnection, statement: Statement) -> String {
    // Explaining reads nothing, and a connection finds out only by reading that the schema is another.
    asked(db, "SELECT count(*) FROM tenants").await;
    let explained = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement };
    let rows = db.query_all_raw(explained).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
    steps.join("; ")
}

/// That statements which name the tenant besides ids go by the ids.
async fn goes_by_ids(hub: &TestHub) {
    let database = &hub.app.hub().database;
    let backend = database.backend();
    let (tenant, stream) = (hub.tenant.id, SyncStreamId::new(Uuid::nil()));
    let webhooks = [WebhookEventId::new(Uuid::nil()); 64];
    let now = hub.cx().now();
    let gone = record::Gone { tenant, stream, ids: &["1", "2"], number: 1, now };
    let (nowhere, delivery) = (WebhookDestinationId::new(Uuid::nil()), WebhookDeliveryId::new(Uuid::nil()));
    let ending = webhook_delivery::Ending {
        id: delivery,
        fence: 1,
        status: webhook_delivery::Status::Delivered,
        next_at: now,
        last_status: Some(200),
        last_error: None,
        last_latency: 1,
    };
    let statements = [
        record::known(backend, tenant, stream, &["1", "2"]),
        record::mark_gone(backend, gone),
        webhook_delivery::take(backend, &[(nowhere, 8), (nowhere, 4)], now, now),
        webhook_delivery::settle(backend, &[ending.clone(), ending], now),
        webhook_delivery::promote(backend, &[delivery, delivery]),
        webhook_delivery::hasten(nowhere, now).build(backend),
        webhook_delivery::hasten_lines(nowhere, ["ord_a".to_owned(), "ord_b".to_owned()], now).build(backend),
        webhook_item::first_told(tenant, &webhooks).build(backend),
        webhook_event::due(tenant, WebhookSourceId::new(Uuid::nil()), hub.cx().now(), 64).build(backend),
    ];
    for statement in statements {
        // One that was open before the tables were there, and one that opened later.
        for db in [database.writer(), database.reader()] {
            let sql = statement.sql.clone();
            let plan = plan(db, statement.clone()).await;
            assert!(!plan.contains("(tenant_id=?)") && !plan.contains("SCAN records"), "{sql}: {plan}");
            assert!(!plan.contains("SCAN webhook") && !plan.contains("(stream_id=?)"), "{sql}: {plan}");
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_by_its_id_is_not_looked_for_among_all_that_the_tenant_has() {
    let hub = TestHub::start().await;
    if hub.app.hub().database.backend() == DbBackend::Postgres {
        return;
    }
    goes_by_ids(&hub).await;
    // Killed between the migrations and what is said of the tables: the next start says it. What was counted stays.
    let writer = hub.app.hub().database.writer();
    writer.execute_unprepared("DELETE FROM sqlite_stat1 WHERE tbl <> 'agents'").await.unwrap();
    writer.execute_unprepared("UPDATE sqlite_stat1 SET stat = '7 7 1' WHERE idx = 'agents_of_tenant'").await.unwrap();
    let hub = hub.restart(&[]).await;
    goes_by_ids(&hub).await;
    let counted = "SELECT stat FROM sqlite_stat1 WHERE idx = 'agents_of_tenant'";
    assert_eq!(asked(hub.app.hub().database.writer(), counted).await, "7 7 1");
}

#[tokio::test]
async fn a_row_cannot_point_at_a_tenant_that_is_not_there() {
    let hub = TestHub::start().await;
    let db = hub.app.hub().database.writer();
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => "UPDATE memberships SET tenant_id = '00000000-0000-0000-0000-000000000001'",
        _ => "UPDATE memberships SET tenant_id = x'00000000000000000000000000000001'",
    };
    let refused = db.execute_unprepared(sql).await.unwrap_err();
    assert_eq!(Error::from(refused).code(), Code::Conflict);
}

#[tokio::test]
async fn a_row_cannot_point_at_a_row_of_another_tenant() {
    let hub = TestHub::start().await;
    let other = hub.another_tenant("other").await;
    hub.token(Role::Viewer).await;
    let (db, now) = (hub.app.hub().database.writer(), hub.cx().now());
    let agent_of = |tenant| agent::Model {
        id: hub.cx().id(),
        tenant_id: tenant,
        name: "agent".to_owned(),
        description: None,
        role: Role::Viewer,
        scopes: None,
        created_by: "test".to_owned(),
        created_at: now,
        updated_at: now,
        disabled_at: None,
    };
    let token = api_token::of(hub.tenant.id).one(db).await.unwrap().unwrap();
    for (tenant, fits) in [(hub.tenant.id, true), (other.id, false)] {
        let agent = agent_of(tenant);
        agent::Entity::insert(agent.clone().into_active_model()).exec_without_returning(db).await.unwrap();
        let mut row = token.clone().into_active_model();
        row.agent_id = Set(Some(agent.id));
        assert_eq!(row.update(db).await.is_ok(), fits);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_wait_for_their_turn_and_none_fails() {
    let hub = TestHub::start().await;
    let writers = (0..40).map(|at| {
        let email = format!("user{at}@example.com");
        let hub = &hub;
        async move { hub.user_of(&hub.tenant, &email, Role::Viewer).await }
    });
    futures_util::future::join_all(writers).await;
    hub.number_events().await;
    let logged = event::of(hub.tenant.id).count(hub.app.hub().database.reader()).await.unwrap();
    // The tenant, its administrator with a membership and a link, and forty people with theirs.
    assert_eq!(logged, 4 + 2 * 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_somebody_forgot_is_ended_by_the_server() {
    if !on_postgres() {
        return;
    }
    let hub = TestHub::with(&[("PORTOLAN_DATABASE_IDLE_TRANSACTION_TIMEOUT", "200ms")]).await;
    let forgotten = hub
        .cx()
        .write(async |txn| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            txn.execute_unprepared("SELECT 1").await?;
            Ok(())
        })
        .await;
    assert!(forgotten.is_err());
    hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
}
