//! What is left of things that were cut off, put right.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Status, held, into_status};
use crate::{
    context::{Cx, Hub},
    entity::{authorization, connect_link, integration},
    kernel::error::Result,
};

/// After so long a test is not running any more.
const LONGEST_TEST: TimeDelta = TimeDelta::minutes(5);

/// How long links and states that ended are remembered, so that who comes late is told the truth.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// Tests that were cut off have failed. Says how many.
pub async fn tests(hub: Arc<Hub>) -> Result<u64> {
    let before = hub.clock.now() - LONGEST_TEST;
    let rows = integration::tested_since_before(before);
    let mut mended = 0;
    for row in sea_orm::QuerySelect::limit(rows, 1_000).all(hub.database.reader()).await? {
        let cx = Cx::system(Arc::clone(&hub), "cut off tests", row.tenant_id);
        cx.write(async |txn| {
            let found = held(txn, row.id).await?;
            if found.status == Status::Testing && found.updated_at < before {
                into_status(txn, found, Status::Error, "the test was cut off").await?;
            }
            Ok(())
        })
        .await?;
        mended += 1;
    }
    Ok(mended)
}

/// Forgets links and states that ended a while ago. Says how many.
pub async fn forget_ended(hub: Arc<Hub>) -> Result<u64> {
    let before = hub.clock.now() - REMEMBERED;
    let cx = Cx::system(hub, "ended links", crate::domain::keyring::HUB);
    cx.write(async |txn| {
        let links = connect_link::ended_before(before).exec(&**txn).await?.rows_affected;
        Ok(links + authorization::ended_before(before).exec(&**txn).await?.rows_affected)
    })
    .await
}
