//! How nodes tell each other that there is more to do than they have hands for.
//!
//! Only a hint: whoever misses it looks once a second anyway. It is said after the commit and not in it, because
//! PostgreSQL lets transactions that notify commit one after the other.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DbBackend, sqlx::postgres::PgListener};
use tokio_util::sync::CancellationToken;

use crate::{context::Hub, kernel::error::Result};

/// On which channel it is said.
const CHANNEL: &str = "portolan_jobs";

/// How long to wait after the connection broke.
const AGAIN: Duration = Duration::from_secs(5);

/// Says that others may find something to do.
pub async fn tell(hub: &Hub) -> Result<()> {
    if hub.database.backend() == DbBackend::Postgres {
        hub.database.writer().execute_unprepared(&format!("SELECT pg_notify('{CHANNEL}', '')")).await?;
    }
    Ok(())
}

/// Listens until stopped; wakes whoever does jobs here. With SQLite nobody else says anything.
pub async fn listen(hub: Arc<Hub>, stop: CancellationToken) {
    if hub.database.backend() != DbBackend::Postgres {
        return;
    }
    stop.run_until_cancelled(async {
        loop {
            if let Err(error) = hear(&hub).await {
                tracing::debug!(%error, "hints of other nodes are interrupted; jobs are looked for meanwhile");
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
    .await;
}

async fn hear(hub: &Hub) -> Result<(), sea_orm::sqlx::Error> {
    let mut listener = PgListener::connect_with(hub.database.reader().get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    loop {
        listener.try_recv().await?;
        hub.jobs.notify_one();
    }
}
