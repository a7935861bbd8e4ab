//! Locks: after some attempts, whoever tries next waits, longer each time.
//!
//! Attempts are counted for the account, so that a password cannot be guessed from many places, and for
//! the address, so that many accounts cannot be tried from one. An account is counted by the address that
//! was typed, whether there is such an account or not, so a lock tells nothing. The wait doubles up to a
//! longest one; after a day without an attempt all is forgotten.

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    EntityTrait, IntoActiveModel, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    context::{Cx, Txn},
    entity::{
        first::First,
        sign_in_lock::{self as entity, Column},
    },
    kernel::error::{Error, Result},
};

/// What is counted, and how much of it is free.
pub(super) struct Lock {
    /// Begins the keys of its counts.
    name: &'static str,
    /// Attempts of an account that cost nothing.
    account: i32,
    /// Attempts from an address that cost nothing.
    address: i32,
    /// The first wait.
    first: TimeDelta,
    /// The longest wait.
    longest: TimeDelta,
}

/// Failures to sign in. Some cost nothing, since people mistype; a success forgets the account's.
pub(super) const SIGN_IN: Lock =
    Lock { name: "", account: 5, address: 20, first: TimeDelta::seconds(1), longest: TimeDelta::minutes(15) };

/// Requests for a new password, each of which somebody is told of.
pub(super) const RESET: Lock =
    Lock { name: "reset-", account: 2, address: 10, first: TimeDelta::minutes(1), longest: TimeDelta::hours(1) };

/// Attempts are remembered this long.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

impl Lock {
    /// Passes who need not wait.
    pub(super) async fn open(&self, cx: &Cx, email: &str) -> Result<()> {
        for (key, _) in self.keys(cx, email) {
            let lock = entity::by_key(&key).first(cx.db()).await?;
            must_wait(cx, lock.as_ref())?;
        }
        Ok(())
    }

    /// Counts a failure.
    pub(super) async fn failed(&self, cx: &Cx, email: &str) -> Result<()> {
        cx.write(async |txn| {
            entity::older_than(txn.now() - REMEMBERED).exec(&**txn).await?;
            for (key, free) in self.keys(cx, email) {
                self.count(txn, key, free).await?;
            }
            Ok(())
        })
        .await
    }

    /// Passes who need not wait, and counts the attempt in the same step: of many at once, no more pass.
    pub(super) async fn take(&self, cx: &Cx, email: &str) -> Result<()> {
        cx.write(async |txn| {
            entity::older_than(txn.now() - REMEMBERED).exec(&**txn).await?;
            for (key, free) in self.keys(cx, email) {
                let before = self.count(txn, key, free).await?;
                must_wait(cx, before.as_ref())?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets the attempts of an account.
    pub(super) async fn forget(&self, cx: &Cx, email: &str) -> Result<()> {
        let key = self.account(email);
        if entity::by_key(&key).first(cx.db()).await?.is_none() {
            return Ok(());
        }
        cx.write(async |txn| entity::forget(&key).exec(&**txn).await.map(drop).map_err(Into::into)).await
    }

    /// Counts one attempt; gives the lock as it was before, when it was held.
    async fn count(&self, txn: &Txn, key: String, free: i32) -> Result<Option<entity::Model>> {
        let now = txn.now();
        let first = entity::Model { key: key.clone(), failures: 1, failed_at: now, locked_until: None };
        let again = OnConflict::column(Column::Key)
            .value(Column::Failures, Expr::col((entity::Entity, Column::Failures)).add(1))
            .value(Column::FailedAt, now)
            .to_owned();
        entity::Entity::insert(first.into_active_model()).on_conflict(again).exec_without_returning(&**txn).await?;
        let Some(lock) = entity::by_key(&key).lock_exclusive().first(&**txn).await? else { return Ok(None) };
        let over = lock.failures - free;
        if over >= 0 {
            let wait = (self.first * (1 << over.clamp(0, 10))).min(self.longest);
            let mut row = lock.clone().into_active_model();
            row.locked_until = Set(Some(now + wait));
            row.update(&**txn).await?;
        }
        Ok(Some(lock))
    }

    /// What is counted, and how many attempts each forgives.
    fn keys(&self, cx: &Cx, email: &str) -> Vec<(String, i32)> {
        let address = cx.request().address.map(|address| (format!("{}address:{address}", self.name), self.address));
        [Some((self.account(email), self.account)), address].into_iter().flatten().collect()
    }

    fn account(&self, email: &str) -> String {
        format!("{}account:{email}", self.name)
    }
}

fn must_wait(cx: &Cx, lock: Option<&entity::Model>) -> Result<()> {
    let until = lock.and_then(|lock| lock.locked_until).filter(|until| *until > cx.now());
    match until {
        Some(until) => {
            let seconds = (until - cx.now()).num_milliseconds().cast_unsigned().div_ceil(1000);
            Err(Error::TooOften(seconds))
        }
        None => Ok(()),
    }
}
