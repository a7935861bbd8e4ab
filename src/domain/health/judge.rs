//! From observations to a verdict: a machine without a clock, a database or a network.
//!
//! | observed | counts as | after so many in a row |
//! |---|---|---|
//! | no answer that can be used, or a refused credential | failure | DOWN |
//! | an answer, but throttled, out of quota, without permission, stale, slow | trouble | DEGRADED |
//! | an answer as it should be | success | HEALTHY |
//!
//! One success after nothing is known is enough, and a credential that the provider refused for good needs no second
//! look. A side is set by what tells about it and stays as it is otherwise: who is throttled has shown nothing about
//! the credential, so that no throttling, whatever its status, ever reads "connect anew".
//!
//! **Slow** is well above what this integration usually takes: the baseline moves an eighth towards each good probe,
//! and a sixty-fourth towards each slow one, so that a provider that has become slower for good is usual in the end.
//!
//! **Flapping.** A break is told at once. An improvement is told no sooner than the window after the one before it;
//! until then the integration stays as bad as it was. So there are at most one improvement and the breaks that follow
//! it in each window, however fast it flaps.

use chrono::TimeDelta;

use crate::{
    entity::{
        health::{Axis, Model as Health, Side, Verdict},
        health_check::Source,
    },
    kernel::clock::Moment,
    provider::{manifest::answer::Class, probe::Known},
};

/// Probes before which nothing is called slow.
const LEARNED: i32 = 10;

/// How many times the usual is slow, and how much more than it at least, in microseconds.
const SLOWER: i64 = 3;
const LEAST_SLOWER: i64 = 500_000;

/// When a verdict changes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Failures, or troubles, in a row.
    pub down_after: u32,
    /// Successes in a row.
    pub healthy_after: u32,
    /// Time between two improvements.
    pub window: TimeDelta,
}

/// Something that was seen of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When.
    pub at: Moment,
    /// How it came.
    pub source: Source,
    /// Whether the provider answers as it should.
    pub reach: Known,
    /// Whether the credential is right.
    pub credential: Known,
    /// Whether it may do what was asked.
    pub permission: Known,
    /// Whether there is allowance left.
    pub quota: Known,
    /// Whether what was read is of the age it should be.
    pub fresh: Known,
    /// Whether the provider refused the credential for good.
    pub for_good: bool,
    /// The class of the failure, if there was one.
    pub class: Option<Class>,
    /// What is wrong, in a sentence.
    pub message: Option<String>,
    /// How long the call took, in microseconds; only of probes.
    pub latency: Option<i64>,
    /// The id of the trace of the call.
    pub trace: Option<String>,
}

/// Another verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What it was.
    pub from: Verdict,
    /// What it is.
    pub to: Verdict,
}

/// How bad an observation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Success,
    Trouble(Axis),
    Failure(Axis),
}

/// Judges an observation: the state after it, whether it was good, and the change of the verdict, if there is one.
pub fn judge(health: &mut Health, seen: &Observation, rules: &Rules) -> (bool, Option<Turn>) {
    let slow = learn(health, seen);
    let weight = weigh(seen, slow);
    let sides = [
        (&mut health.credential, seen.credential),
        (&mut health.reachability, seen.reach),
        (&mut health.permission, seen.permission),
        (&mut health.quota, seen.quota),
        (&mut health.freshness, seen.fresh),
    ];
    for (side, known) in sides {
        match known {
            Known::Good => *side = Side::Good,
            Known::Bad => *side = Side::Bad,
            Known::Unknown => {}
        }
    }
    if slow {
        health.reachability = Side::Bad;
    }
    health.latency = seen.latency.or(health.latency);
    health.checked_at = Some(health.checked_at.map_or(seen.at, |before| before.max(seen.at)));
    count(health, weight);
    let good = weight == Weight::Success;
    let Some((to, axis)) = verdict(health, seen, weight, rules) else { return (good, None) };
    let from = health.verdict;
    // The reason is that of the observation which tipped the scales.
    let reason = if slow { Some(slowness(health, seen)) } else { seen.message.clone() };
    health.axis = axis;
    health.reason = axis.and(reason);
    health.class = axis.and(seen.class).map(|class| class.as_str().to_owned());
    if to == from {
        return (good, None);
    }
    if to.rank() < from.rank() {
        health.improved_at = Some(seen.at);
    }
    health.verdict = to;
    health.since = seen.at;
    (good, Some(Turn { from, to }))
}

/// Nothing is known any more, because nobody looks.
pub fn forget(health: &mut Health, now: Moment) -> Option<Turn> {
    let from = std::mem::replace(&mut health.verdict, Verdict::Unknown);
    for side in [
        &mut health.credential,
        &mut health.reachability,
        &mut health.permission,
        &mut health.quota,
        &mut health.freshness,
    ] {
        *side = Side::Unknown;
    }
    (health.axis, health.reason, health.class) = (None, None, None);
    (health.failures, health.troubles, health.successes) = (0, 0, 0);
    if from == Verdict::Unknown {
        return None;
    }
    health.since = now;
    Some(Turn { from, to: Verdict::Unknown })
}

/// Moves the baseline; says whether the observation is slow.
fn learn(health: &mut Health, seen: &Observation) -> bool {
    let answered = seen.class.is_none() && seen.reach == Known::Good;
    let Some(latency) = seen.latency.filter(|_| answered) else { return false };
    let Some(usual) = health.baseline else {
        (health.baseline, health.samples) = (Some(latency), 1);
        return false;
    };
    let slow = health.samples >= LEARNED && latency > (usual * SLOWER).max(usual + LEAST_SLOWER);
    health.baseline = Some(usual + (latency - usual) / if slow { 64 } else { 8 });
    health.samples = health.samples.saturating_add(1);
    slow
}

fn weigh(seen: &Observation, slow: bool) -> Weight {
    if seen.credential == Known::Bad {
        Weight::Failure(Axis::Credential)
    } else if seen.reach == Known::Bad {
        Weight::Failure(Axis::Reachability)
    } else if seen.quota == Known::Bad {
        Weight::Trouble(Axis::Quota)
    } else if seen.permission == Known::Bad {
        Weight::Trouble(Axis::Permission)
    } else if slow {
        Weight::Trouble(Axis::Reachability)
    } else if seen.fresh == Known::Bad {
        Weight::Trouble(Axis::Freshness)
    } else {
        Weight::Success
    }
}

fn count(health: &mut Health, weight: Weight) {
    (health.failures, health.troubles, health.successes) = match weight {
        Weight::Success => (0, 0, health.successes.saturating_add(1)),
        // The provider answers, so it is not down.
        Weight::Trouble(_) => (0, health.troubles.saturating_add(1), 0),
        Weight::Failure(_) => (health.failures.saturating_add(1), health.troubles.saturating_add(1), 0),
    };
}

/// The verdict that follows, and its side; nothing if everything stays as it is.
fn verdict(health: &Health, seen: &Observation, weight: Weight, rules: &Rules) -> Option<(Verdict, Option<Axis>)> {
    let reached = |count: i32, needed: u32| u32::try_from(count).is_ok_and(|count| count >= needed);
    let now = health.verdict;
    let (to, axis) = match weight {
        Weight::Success => {
            let enough = now == Verdict::Unknown || reached(health.successes, rules.healthy_after);
            (enough.then_some(Verdict::Healthy)?, None)
        }
        Weight::Failure(axis) if seen.for_good || reached(health.failures, rules.down_after) => {
            (Verdict::Down, Some(axis))
        }
        // Who is throttled has not shown that the credential is right again.
        Weight::Trouble(_) if now == Verdict::Down && health.credential == Side::Bad => return None,
        // What is down gets no worse by failing.
        Weight::Failure(_) if now == Verdict::Down => return None,
        Weight::Trouble(axis) | Weight::Failure(axis) if reached(health.troubles, rules.down_after) => {
            (Verdict::Degraded, Some(axis))
        }
        Weight::Trouble(_) | Weight::Failure(_) => return None,
    };
    let improves = now != Verdict::Unknown && to.rank() < now.rank();
    let too_soon = health.improved_at.is_some_and(|before| seen.at < before + rules.window);
    (!(improves && too_soon)).then_some((to, axis))
}

fn slowness(health: &Health, seen: &Observation) -> String {
    let ms = |micros: Option<i64>| micros.unwrap_or_default() / 1_000;
    format!("it takes {} ms, and usually {} ms", ms(seen.latency), ms(health.baseline))
}

#[cfg(test)]
mod tests;
