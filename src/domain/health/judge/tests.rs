//! The machine alone: sequences of observations, and what is said of them.

use chrono::DateTime;
use uuid::Uuid;

use super::*;
use crate::{
    domain::health::beginning,
    kernel::id::{IntegrationId, TenantId},
    provider::{classify::Failure, probe},
};

const RULES: Rules = Rules { down_after: 3, healthy_after: 2, window: TimeDelta::minutes(10) };

fn at(second: i64) -> Moment {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn unknown() -> Health {
    beginning(IntegrationId::new(Uuid::nil()), TenantId::new(Uuid::nil()), true, at(0))
}

/// What a probe sees that takes so many milliseconds.
fn took(second: i64, ms: i64) -> Observation {
    Observation {
        at: at(second),
        source: Source::Probe,
        reach: Known::Good,
        credential: Known::Good,
        permission: Known::Good,
        quota: Known::Good,
        fresh: Known::Unknown,
        for_good: false,
        class: None,
        message: None,
        latency: Some(ms * 1_000),
        trace: None,
    }
}

fn good(second: i64) -> Observation {
    took(second, 100)
}

/// What a probe sees that fails in this way.
fn bad(second: i64, class: Class) -> Observation {
    let failure = Failure { class, status: Some(403), message: None, code: None, request_id: None, until: None };
    let verdict = probe::of_failure(&[], failure);
    Observation {
        reach: verdict.reach,
        credential: verdict.credential,
        permission: verdict.permission,
        quota: verdict.quota,
        class: Some(class),
        message: Some(format!("it fails: {class}")),
        ..good(second)
    }
}

/// A healthy one, looked at once a minute since an hour.
fn healthy() -> Health {
    let mut health = unknown();
    for minute in 0..60 {
        judge(&mut health, &good(minute * 60 - 3_600), &RULES);
    }
    assert_eq!(health.verdict, Verdict::Healthy);
    health
}

fn turns(health: &mut Health, seen: impl IntoIterator<Item = Observation>) -> Vec<(Verdict, i64)> {
    let mut turns = Vec::new();
    for each in seen {
        if let (_, Some(turn)) = judge(health, &each, &RULES) {
            turns.push((turn.to, (each.at - at(0)).num_seconds()));
        }
    }
    turns
}

#[test]
fn one_success_is_enough_when_nothing_is_known_and_two_after_a_break() {
    let mut health = unknown();
    assert_eq!(turns(&mut health, [good(0)]), [(Verdict::Healthy, 0)]);
    assert_eq!(turns(&mut health, (1..4).map(|n| bad(n, Class::Down))), [(Verdict::Down, 3)]);
    assert_eq!(turns(&mut health, [good(4)]), []);
    assert_eq!(turns(&mut health, [good(5)]), [(Verdict::Healthy, 5)]);
    assert_eq!((health.axis, health.reason, health.class), (None, None, None));
}

#[test]
fn every_class_of_failure_has_its_verdict_and_its_side_after_three_and_not_before() {
    let expected = [
        (Class::Auth, Verdict::Down, Axis::Credential),
        (Class::Down, Verdict::Down, Axis::Reachability),
        (Class::Unreadable, Verdict::Down, Axis::Reachability),
        (Class::Throttled, Verdict::Degraded, Axis::Quota),
        (Class::Quota, Verdict::Degraded, Axis::Quota),
        (Class::Permission, Verdict::Degraded, Axis::Permission),
    ];
    for (class, verdict, axis) in expected {
        let mut health = healthy();
        assert_eq!(turns(&mut health, (1..3).map(|n| bad(n, class))), [], "{class}");
        assert_eq!(turns(&mut health, [bad(3, class)]), [(verdict, 3)], "{class}");
        assert_eq!(health.axis, Some(axis), "{class}");
        assert_eq!(health.class.as_deref(), Some(class.as_str()));
        assert_eq!(health.credential == Side::Bad, class == Class::Auth, "{class}");
    }
}

#[test]
fn what_is_interrupted_by_a_success_begins_anew() {
    let mut health = healthy();
    let seen = [bad(1, Class::Down), bad(2, Class::Down), good(3), bad(4, Class::Down), bad(5, Class::Down), good(6)];
    assert_eq!(turns(&mut health, seen), []);
}

#[test]
fn failures_mixed_with_troubles_degrade() {
    let mut health = healthy();
    let seen = [bad(1, Class::Down), bad(2, Class::Throttled), bad(3, Class::Down)];
    assert_eq!(turns(&mut health, seen), [(Verdict::Degraded, 3)]);
    assert_eq!(turns(&mut health, [bad(4, Class::Down), bad(5, Class::Down)]), [(Verdict::Down, 5)]);
}

#[test]
fn a_credential_that_is_refused_for_good_needs_no_second_look() {
    let mut health = healthy();
    let seen = Observation { for_good: true, ..bad(1, Class::Auth) };
    assert_eq!(turns(&mut health, [seen]), [(Verdict::Down, 1)]);
    // Being throttled then says nothing better.
    assert_eq!(turns(&mut health, (2..20).map(|n| bad(n, Class::Throttled))), []);
    assert_eq!(health.axis, Some(Axis::Credential));
    assert_eq!(turns(&mut health, [good(20), good(21)]), [(Verdict::Healthy, 21)]);
}

#[test]
fn what_was_down_and_answers_again_but_not_as_it_should_is_degraded() {
    let mut health = healthy();
    turns(&mut health, (1..4).map(|n| bad(n, Class::Down)));
    assert_eq!(turns(&mut health, (4..7).map(|n| bad(n, Class::Throttled))), [(Verdict::Degraded, 4)]);
    assert_eq!(health.axis, Some(Axis::Quota));
}

#[test]
fn slow_is_measured_against_the_usual_and_a_lasting_change_becomes_usual() {
    let mut health = healthy();
    // Three times as slow, but not by half a second.
    assert_eq!(turns(&mut health, (1..9).map(|n| took(n, 350))), []);
    let mut health = healthy();
    assert_eq!(turns(&mut health, (1..4).map(|n| took(n, 2_000))), [(Verdict::Degraded, 3)]);
    assert_eq!(health.axis, Some(Axis::Reachability));
    assert!(health.reason.as_ref().unwrap().contains("2000 ms"), "{:?}", health.reason);
    let turns = turns(&mut health, (4..200).map(|minute| took(minute * 60, 2_000)));
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!(turns[0].0, Verdict::Healthy);
}

#[test]
fn nothing_is_slow_before_the_usual_is_known() {
    let mut health = unknown();
    assert_eq!(turns(&mut health, (0..5).flat_map(|n| [took(2 * n, 50), took(2 * n + 1, 4_000)])).len(), 1);
    assert_eq!(health.verdict, Verdict::Healthy);
}

#[test]
fn flapping_gives_one_break_and_one_recovery_in_each_window() {
    let mut health = healthy();
    // Two hours of four failures and three successes, ten seconds apart.
    let seen = (0..720_i64).map(|n| if n % 7 < 4 { bad(n * 10, Class::Down) } else { good(n * 10) });
    let turns = turns(&mut health, seen);
    let windows = 7_200 / 600;
    for verdict in [Verdict::Down, Verdict::Healthy] {
        let moments: Vec<_> = turns.iter().filter(|turn| turn.0 == verdict).map(|turn| turn.1).collect();
        assert!(moments.len() <= windows + 1 && moments.len() >= windows - 2, "{verdict:?} at {moments:?}");
    }
    let recoveries: Vec<_> = turns.iter().filter(|turn| turn.0 == Verdict::Healthy).collect();
    assert!(recoveries.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 600), "{recoveries:?}");
}

#[test]
fn what_nobody_looks_at_is_not_known() {
    let mut health = healthy();
    assert_eq!(forget(&mut health, at(1)), Some(Turn { from: Verdict::Healthy, to: Verdict::Unknown }));
    assert_eq!(forget(&mut health, at(2)), None);
    assert_eq!((health.credential, health.since), (Side::Unknown, at(1)));
    assert_eq!(turns(&mut health, [good(3)]), [(Verdict::Healthy, 3)]);
}
