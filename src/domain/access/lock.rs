//! Locks on signing in: after some failures, whoever tries next waits, longer each time.
//!
//! Failures are counted for the account, so that a password cannot be guessed from many places, and for
//! the address, so that many accounts cannot be tried from one. A success forgets the account's count.
//! The wait doubles from a second to a quarter of an hour; after a day without failure all is forgotten.

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    EntityTrait, IntoActiveModel, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    context::{Cx, Txn},
    entity::sign_in_lock::{self as entity, Column},
    kernel::error::{Error, Result},
};

/// Failures that cost nothing: people mistype.
const FREE: (i32, i32) = (5, 20);

/// The longest wait.
const LONGEST: TimeDelta = TimeDelta::minutes(15);

/// Failures are remembered this long.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// Passes who need not wait.
pub(super) async fn open(cx: &Cx, email: &str) -> Result<()> {
    for (key, _) in keys(cx, email) {
        let lock = entity::by_key(&key).one(cx.db()).await?;
        if let Some(until) = lock.and_then(|lock| lock.locked_until).filter(|until| *until > cx.now()) {
            let seconds = (until - cx.now()).num_milliseconds().cast_unsigned().div_ceil(1000);
            return Err(Error::TooOften(seconds));
        }
    }
    Ok(())
}

/// Counts a failure.
pub(super) async fn failed(cx: &Cx, email: &str) -> Result<()> {
    cx.write(async |txn| {
        entity::older_than(txn.now() - REMEMBERED).exec(&**txn).await?;
        for (key, free) in keys(cx, email) {
            count(txn, key, free).await?;
        }
        Ok(())
    })
    .await
}

/// Forgets the failures of an account.
pub(super) async fn forget(cx: &Cx, email: &str) -> Result<()> {
    let key = account(email);
    if entity::by_key(&key).one(cx.db()).await?.is_none() {
        return Ok(());
    }
    cx.write(async |txn| entity::forget(&key).exec(&**txn).await.map(drop).map_err(Into::into)).await
}

async fn count(txn: &Txn, key: String, free: i32) -> Result<()> {
    let now = txn.now();
    let first = entity::Model { key: key.clone(), failures: 1, failed_at: now, locked_until: None };
    let again = OnConflict::column(Column::Key)
        .value(Column::Failures, Expr::col((entity::Entity, Column::Failures)).add(1))
        .value(Column::FailedAt, now)
        .to_owned();
    entity::Entity::insert(first.into_active_model()).on_conflict(again).exec_without_returning(&**txn).await?;
    let Some(lock) = entity::by_key(&key).lock_exclusive().one(&**txn).await? else { return Ok(()) };
    let over = lock.failures - free;
    if over >= 0 {
        let wait = TimeDelta::seconds(1 << over.clamp(0, 10)).min(LONGEST);
        let mut row = lock.into_active_model();
        row.locked_until = Set(Some(now + wait));
        row.update(&**txn).await?;
    }
    Ok(())
}

/// What is counted, and how many failures each forgives.
fn keys(cx: &Cx, email: &str) -> Vec<(String, i32)> {
    let address = cx.request().address.map(|address| (format!("address:{address}"), FREE.1));
    [Some((account(email), FREE.0)), address].into_iter().flatten().collect()
}

fn account(email: &str) -> String {
    format!("account:{email}")
}
