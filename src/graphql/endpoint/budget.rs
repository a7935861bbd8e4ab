//! How much a tenant may ask for in a minute.
//!
//! Each tenant has a bucket of cost that fills steadily and holds one minute's worth; callers without a
//! tenant share one by address. Buckets live in this node: with several nodes a tenant may spend as many
//! times as much, which bounds each node's load, and that is what they are for.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use crate::{
    context::Cx,
    kernel::{clock::Moment, id::TenantId},
};

/// Beyond this many buckets the full ones are forgotten; a full bucket and none are the same.
const MANY: usize = 10_000;

/// What is left to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Cost for a minute.
    pub limit: u64,
    /// Cost left now.
    pub remaining: u64,
    /// Seconds until what was asked for, or a full bucket, is there.
    pub reset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Payer {
    Tenant(TenantId),
    Address(Option<IpAddr>),
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Cost left, in thousandths: small shares of a second would otherwise be rounded away.
    left: u64,
    at: Moment,
}

pub(super) struct Budget {
    per_minute: Option<u64>,
    buckets: Mutex<HashMap<Payer, Bucket>>,
}

impl Budget {
    pub(super) fn new(per_minute: Option<u64>) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    /// Takes the cost out of the caller's bucket; none when there are no buckets.
    pub(super) fn spend(&self, cx: &Cx, cost: u64) -> Result<Option<Rate>, Rate> {
        let Some(limit) = self.per_minute else { return Ok(None) };
        let payer = cx.tenant().map_or(Payer::Address(cx.request().address), Payer::Tenant);
        let now = cx.now();
        let full = limit.saturating_mul(1000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > MANY {
            buckets.retain(|_, bucket| refilled(*bucket, now, limit, full) < full);
        }
        let bucket = buckets.entry(payer).or_insert(Bucket { left: full, at: now });
        let left = refilled(*bucket, now, limit, full);
        let wanted = cost.saturating_mul(1000);
        let taken = left.checked_sub(wanted);
        *bucket = Bucket { left: taken.unwrap_or(left), at: now };
        let missing = if taken.is_some() { full - bucket.left } else { wanted - left };
        // A minute has 60,000 thousandths of a second, and `limit` thousandths of cost come in each.
        let reset = missing.saturating_mul(60).div_ceil(full.max(1));
        let rate = Rate { limit, remaining: bucket.left / 1000, reset };
        if taken.is_some() { Ok(Some(rate)) } else { Err(rate) }
    }
}

fn refilled(bucket: Bucket, now: Moment, limit: u64, full: u64) -> u64 {
    let millis = u64::try_from((now - bucket.at).num_milliseconds()).unwrap_or(0);
    bucket.left.saturating_add(millis.saturating_mul(limit) / 60).min(full)
}
