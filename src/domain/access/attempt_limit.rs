//! Limits of attempts to sign in and of requests for a new password.
//!
//! **What is counted.** Each attempt is counted by three keys: the account together with the address it comes from,
//! the account from anywhere, and the address for all accounts. The first limit is strict: one address gets few
//! guesses at one account. The other two are wide, because others share them: an address can be that of a whole
//! office, or of a proxy whose `X-Forwarded-For` is not trusted (`http.trusted_proxies`), and an account could otherwise
//! be locked by anybody who knows its email address. IPv6 addresses count by their /64 network.
//!
//! **How.** Each key has a bucket that drains at a constant rate, so every limit is forgotten by itself after a short
//! time. The attempt is taken *before* the password is hashed, in one transaction of one conditional statement for
//! each key: of any number of attempts at once, on any number of nodes, no more pass than the limit allows. A success
//! gives the attempt back and forgets the strict limit. A request that is canceled stays counted.
//!
//! An account is counted by the email address that was typed, whether there is such an account or not, so a limit
//! tells nothing.

use std::net::IpAddr;

use chrono::TimeDelta;
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::{
    context::{Cx, Hub},
    entity::attempt_limit as entity,
    kernel::error::{Error, Result},
};

/// How many attempts pass at once, and after how long another one does.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: i64,
    interval: TimeDelta,
}

/// The limits of one kind of attempt.
pub(super) struct AttemptLimit {
    /// Begins the keys of its buckets.
    name: &'static str,
    /// For one account from one address.
    account_and_address: Rate,
    /// For one account from anywhere.
    account: Rate,
    /// For one address and all accounts.
    address: Rate,
}

/// Attempts to sign in.
pub(super) const SIGN_IN: AttemptLimit = AttemptLimit {
    name: "sign-in",
    account_and_address: Rate { burst: 5, interval: TimeDelta::minutes(2) },
    account: Rate { burst: 100, interval: TimeDelta::minutes(10) },
    address: Rate { burst: 100, interval: TimeDelta::seconds(3) },
};

/// Requests for a new password, each of which is recorded.
pub(super) const RESET: AttemptLimit = AttemptLimit {
    name: "password-reset",
    account_and_address: Rate { burst: 2, interval: TimeDelta::minutes(10) },
    account: Rate { burst: 2, interval: TimeDelta::minutes(10) },
    address: Rate { burst: 20, interval: TimeDelta::minutes(1) },
};

/// An attempt that was counted.
#[must_use]
pub(super) struct Attempt(Vec<(String, Rate)>);

impl AttemptLimit {
    /// Counts an attempt, or refuses it and counts nothing.
    pub(super) async fn take(&self, cx: &Cx, email: &str) -> Result<Attempt> {
        let buckets = self.buckets(cx, email);
        // What is refused anyway costs no transaction.
        let full = entity::by_keys(buckets.iter().map(|(key, _)| key.as_str())).all(cx.db()).await?;
        for (key, rate) in &buckets {
            if let Some(bucket) = full.iter().find(|bucket| bucket.key == *key) {
                has_room(*rate, bucket.empty_at, millis(cx))?;
            }
        }
        cx.write(async |txn| {
            let now = millis(cx);
            for (key, rate) in &buckets {
                let interval = rate.interval.num_milliseconds();
                let first = entity::Model { key: key.clone(), empty_at: now + interval };
                let adding = entity::adding(now, interval, rate.latest(now));
                let added = entity::Entity::insert(first.into_active_model()).on_conflict(adding);
                if added.exec_without_returning(&**txn).await? == 0 {
                    let full = entity::by_keys([key.as_str()]).all(&**txn).await?;
                    let until = full.first().map_or(now, |bucket| bucket.empty_at);
                    has_room(*rate, until, now)?;
                    return Err(Error::TooOften(1));
                }
            }
            Ok(())
        })
        .await?;
        Ok(Attempt(buckets))
    }

    /// The buckets that an attempt goes into, the strictest first. All transactions keep this order.
    fn buckets(&self, cx: &Cx, email: &str) -> Vec<(String, Rate)> {
        let (name, from) = (self.name, cx.request().address.map(network));
        let mut buckets = vec![
            (format!("{name}/pair/{}/{email}", from.as_deref().unwrap_or("none")), self.account_and_address),
            (format!("{name}/account/{email}"), self.account),
        ];
        buckets.extend(from.map(|from| (format!("{name}/address/{from}"), self.address)));
        buckets
    }
}

impl Attempt {
    /// Gives the attempt back and forgets earlier ones of this account from this address.
    pub(super) async fn succeeded(self, cx: &Cx) -> Result<()> {
        self.give_back(cx, true).await
    }

    /// Gives the attempt back, because nothing was tried.
    pub(super) async fn not_made(self, cx: &Cx) -> Result<()> {
        self.give_back(cx, false).await
    }

    async fn give_back(self, cx: &Cx, forget: bool) -> Result<()> {
        cx.write(async |txn| {
            for (number, (key, rate)) in self.0.iter().enumerate() {
                if forget && number == 0 {
                    entity::emptying(key).exec(&**txn).await?;
                } else {
                    entity::removing(key, rate.interval.num_milliseconds()).exec(&**txn).await?;
                }
            }
            Ok(())
        })
        .await
    }
}

impl Rate {
    /// The latest time at which a bucket may become empty that still has room at `now`.
    fn latest(self, now: i64) -> i64 {
        now + (self.burst - 1) * self.interval.num_milliseconds()
    }
}

/// Forgets buckets that have long been empty.
pub async fn forget_old(hub: &Hub) -> Result<u64> {
    // Long enough that no attempt that runs now still has a claim on the row.
    let before = (hub.clock.now() - TimeDelta::hours(1)).timestamp_millis();
    Ok(entity::empty_since(before).exec(hub.database.writer()).await?.rows_affected)
}

/// Refuses when there is no room at `now`, and says when there will be.
fn has_room(rate: Rate, empty_at: i64, now: i64) -> Result<()> {
    let wait = empty_at - rate.latest(now);
    if wait <= 0 { Ok(()) } else { Err(Error::TooOften(wait.cast_unsigned().div_ceil(1000))) }
}

fn millis(cx: &Cx) -> i64 {
    cx.now().timestamp_millis()
}

/// The network that counts as one address.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        IpAddr::V4(address) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn a_full_bucket_says_when_there_is_room() {
        let rate = Rate { burst: 5, interval: TimeDelta::minutes(2) };
        assert!(has_room(rate, 4 * 120_000, 0).is_ok());
        let refused = has_room(rate, 5 * 120_000, 1).unwrap_err();
        assert!(matches!(refused, Error::TooOften(120)), "{refused:?}");
    }
}
