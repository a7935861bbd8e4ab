//! A rotation that comes between the two reads of one who opens a secret: the secret is read, then sealed anew
//! and its key destroyed, then the key is looked for.
//!
//! A connection that does something after each read makes that happen every time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portolan::{
    context::Cx,
    domain::keyring::{data_key, secret},
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement, prelude::async_trait,
};

use super::put;
use crate::support::TestHub;

/// Rotates the tenant's key after a read, the first so many times.
struct Rotating {
    db: DatabaseConnection,
    cx: Cx,
    times: AtomicUsize,
}

#[async_trait::async_trait]
impl ConnectionTrait for Rotating {
    fn get_database_backend(&self) -> DbBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.db.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.db.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let found = self.db.query_one_raw(statement).await;
        let left = self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            data_key::rotate(&self.cx, None).await.unwrap();
            data_key::finish(&self.cx).await.unwrap();
            self.cx.hub().data_keys.forget_all(self.cx.tenant().unwrap());
        }
        found
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.db.query_all_raw(statement).await
    }
}

#[tokio::test]
async fn a_secret_is_read_whatever_rotates_between_two_reads() {
    let hub = TestHub::start().await;
    let tenant = hub.tenant.id;
    put(&hub, tenant, "int_1", "one").await;
    for times in 0..8 {
        hub.app.hub().data_keys.forget_all(tenant);
        let db = hub.app.hub().database.reader().clone();
        let db = Arc::new(Rotating { db, cx: hub.cx(), times: AtomicUsize::new(times) });
        let found = secret::get(hub.app.hub(), &*db, tenant, "int_1", "token").await;
        assert_eq!(found.unwrap().unwrap().expose(), "one", "{times} rotations in between");
    }
}
