//! Notifications of PostgreSQL.

use std::time::Duration;

use sea_orm::{DatabaseConnection, sqlx::postgres::PgListener};
use tokio_util::sync::CancellationToken;

use crate::event::{Feed, sequencer::CHANNEL};

/// How long to wait after the connection broke.
const AGAIN: Duration = Duration::from_secs(1);

/// Listens until stopped. Takes one connection of the pool for itself.
pub async fn listen(db: DatabaseConnection, feed: Feed, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        loop {
            if let Err(error) = hear(&db, &feed).await {
                tracing::warn!(%error, "notifications of new events are interrupted; the log is looked at meanwhile");
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
    .await;
}

async fn hear(db: &DatabaseConnection, feed: &Feed) -> Result<(), sea_orm::sqlx::Error> {
    let mut listener = PgListener::connect_with(db.get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    // Whatever was said before is in the log.
    feed.hint();
    loop {
        match listener.try_recv().await? {
            Some(notification) => match notification.payload().parse() {
                Ok(position) => feed.hint_at(position),
                Err(_) => feed.hint(),
            },
            // The connection broke; it is made anew, and what was missed is in the log.
            None => feed.hint(),
        }
    }
}
