//! Every case by every caller, and every id replaced by a stranger's.
//!
//! Whatever is refused must leave no row behind in any table, but for one entry of the audit log where it was
//! reached for credentials, keys or roles, or with a credential that was good once. What works by the most powerful caller must
//! leave an audit entry and an event if it is a mutation. No answer may hold an id of the tenant that the
//! caller does not act in, unless the caller runs the hub.
//!
//! Failures are collected and told together, one line each: case, caller, expected, got.

use std::thread;

use chrono::TimeDelta;
use portolan::kernel::{
    error::Code,
    scope::{Role, Scope},
};
use serde_json::Value;
use tokio::runtime::Builder;

use super::{
    case::{Case, Needs},
    cases,
    principal::Principal,
    schema::Schema,
    verdict::Expected,
    walk::{Slot, Walk},
    world::World,
};
use crate::support::Reply;

/// Threads of a test.
const PARTS: usize = 3;

/// A run of one case by one caller in one hub.
struct Run<'a> {
    world: &'a mut World,
    walk: &'a Walk,
    case: &'a Case,
    failures: &'a mut Vec<String>,
}

impl Run<'_> {
    /// Asks, and judges the answer and what it left behind.
    async fn expect(&mut self, who: &Principal, how: &str, expected: Expected, variables: Value) -> Reply {
        // Made before the rows are counted: making a token leaves rows too.
        self.world.token(who).await;
        let before = self.world.rows().await;
        let reply = if self.walk.follows() {
            self.world.follow(who, self.case, variables, expected == Expected::Hidden).await
        } else {
            self.world.ask(who, self.case, variables).await
        };
        let after = self.world.rows().await;
        let mut changed: Vec<_> = after.keys().filter(|table| after[*table] != before[*table]).collect();
        // Attempts are counted before anybody knows what comes of them.
        changed.retain(|table| *table != "attempt_limits");
        let mut fail = |what: String| self.failures.push(format!("{} as {}{how}: {what}", self.walk.name, who.name));
        if let Err(got) = expected.judge(self.walk, &reply) {
            fail(got);
        }
        match expected {
            Expected::Success(_) if self.walk.mutates() && !self.case.quiet => {
                for table in ["audit_entries", "events"].iter().filter(|table| after[**table] <= before[**table]) {
                    fail(format!("expected a new row in {table}, got none"));
                }
            }
            Expected::Answer(_) | Expected::Success(_) if self.walk.mutates() => {}
            Expected::Refused(Code::Forbidden) if self.case.needs.is_noted() => {
                let noted = after["audit_entries"] - before["audit_entries"];
                if noted != 1 || changed != ["audit_entries"] {
                    fail(format!("expected one entry that notes the attempt, got {noted} and changes in {changed:?}"));
                }
            }
            Expected::TurnedAway(_) if who.was_good() && changed == ["audit_entries"] => {}
            _ if changed.is_empty() => {}
            _ => fail(format!("expected that nothing changes, got changes in {changed:?}")),
        }
        let runs_hub = who.scopes().is_some_and(|scopes| scopes.has(Scope::HubAdmin));
        let other = if who.elsewhere { &self.world.here } else { &self.world.there };
        if let Some(id) = other.shown_in(&reply.text).filter(|_| !runs_hub) {
            fail(format!("expected nothing of the other tenant, got its {id} in {}", reply.text));
        }
        reply
    }

    /// Puts a stranger's id, and one that nobody has, into a place where an id is sent.
    async fn expect_foreign(&mut self, who: &Principal, slot: &Slot) {
        let foreign = (self.case.variables)(&self.world.there);
        let foreign = foreign.pointer(&slot.pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        // Who runs the hub sees every tenant, so a tenant's id is never a stranger's to it.
        let everywhere = foreign.starts_with("ten_") && who.scopes().is_some_and(|scopes| scopes.has(Scope::HubAdmin));
        let unknown = nobodys(&foreign);
        let mut answers = Vec::new();
        for (kind, id) in [("a foreign", &foreign), ("an unknown", &unknown)] {
            if everywhere && *id == foreign {
                continue;
            }
            let mut variables = (self.case.variables)(&self.world.here);
            if let Some(place) = variables.pointer_mut(&slot.pointer) {
                *place = id.clone().into();
            }
            let how = format!(" with {kind} id at {}", slot.pointer);
            let expected = Expected::of_foreign(self.case, self.walk, Some(slot));
            let reply = self.expect(who, &how, expected, variables).await;
            answers.push(shape(&reply));
        }
        if answers.iter().any(|answer| *answer != answers[0]) {
            self.failures.push(format!("{}: foreign and unknown ids can be told apart: {answers:?}", self.walk.name));
        }
    }
}

/// An id of the same kind that nobody has.
fn nobodys(id: &str) -> String {
    let (head, last) = id.split_at(id.len().saturating_sub(1));
    format!("{head}{}", if last == "0" { "1" } else { "0" })
}

/// An answer without what differs from request to request.
fn shape(reply: &Reply) -> Value {
    let mut body = reply.json();
    for error in body["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]["requestId"].take();
    }
    body
}

/// Runs `with` for each case, in one hub for all of them. Gives the failures.
async fn each(cases: &[Case], with: impl AsyncFn(&mut Run<'_>)) -> Vec<String> {
    let schema = Schema::read(&portolan::graphql::sdl());
    let (mut world, mut failures) = (Box::pin(World::new()).await, Vec::new());
    for case in cases {
        // Attempts are noted once in a while; each case begins a new one.
        world.hub.clock.advance(TimeDelta::minutes(2));
        let walk = Walk::of(&schema, case, &(case.variables)(&world.here)).unwrap_or_else(|wrong| panic!("{wrong}"));
        with(&mut Run { world: &mut world, walk: &walk, case, failures: &mut failures }).await;
    }
    failures
}

/// Every caller whom the guard must stop.
pub async fn refusals(cases: &[Case]) -> Vec<String> {
    each(cases, async |run| {
        for who in Principal::of_case(run.case).iter().filter(|who| !who.passes(run.case)) {
            let variables = (run.case.variables)(&run.world.here);
            run.expect(who, "", Expected::of(run.case, who), variables).await;
        }
    })
    .await
}

/// Every caller whom the guard must let through.
pub async fn admissions(cases: &[Case]) -> Vec<String> {
    each(cases, async |run| {
        for who in Principal::of_case(run.case).iter().filter(|who| who.passes(run.case)) {
            let mut own = if run.case.spends { Some(Box::pin(World::new()).await) } else { None };
            let world = own.as_mut().unwrap_or(run.world);
            let variables = (run.case.variables)(&world.here);
            let mut run = Run { world, walk: run.walk, case: run.case, failures: run.failures };
            run.expect(who, "", Expected::of(run.case, who), variables).await;
        }
    })
    .await
}

/// A stranger's id in each place where an id is sent, by those who would find an own one.
pub async fn foreign_ids(cases: &[Case]) -> Vec<String> {
    each(cases, async |run| {
        let whos = [Role::Admin, Role::SuperAdmin].map(|role| [Principal::role(role), Principal::person(role)]);
        for who in whos.into_iter().flatten() {
            if who.passes(run.case) {
                for slot in &run.walk.slots {
                    run.expect_foreign(&who, slot).await;
                }
            }
        }
    })
    .await
}

/// The other tenant's administrator with everything of this one.
pub async fn strangers(cases: &[Case]) -> Vec<String> {
    each(cases, async |run| {
        for who in Principal::strangers() {
            let spent = run.case.spends && who.passes(run.case);
            let mut own = if spent { Some(Box::pin(World::new()).await) } else { None };
            let world = own.as_mut().unwrap_or(run.world);
            let mut run = Run { world, walk: run.walk, case: run.case, failures: run.failures };
            let variables = (run.case.variables)(&run.world.here);
            // Where no credential is needed, it does not matter whose the caller's is.
            let foreign = who.passes(run.case) && run.case.needs != Needs::Anyone && !run.walk.slots.is_empty();
            let expected =
                if foreign { Expected::of_foreign(run.case, run.walk, None) } else { Expected::of(run.case, &who) };
            run.expect(&who, "", expected, variables).await;
        }
    })
    .await
}

/// Judges all cases, in several threads: who spends what it names needs a hub for each time.
#[track_caller]
fn assert_all_pass(judge: impl AsyncFn(&[Case]) -> Vec<String> + Sync) {
    let cases = cases::all();
    let parts: Vec<Vec<Case>> =
        (0..PARTS).map(|part| cases.iter().skip(part).step_by(PARTS).copied().collect()).collect();
    let failures: Vec<String> = thread::scope(|scope| {
        let judging = parts.iter().map(|part| {
            scope.spawn(|| {
                let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                runtime.block_on(judge(part))
            })
        });
        judging.collect::<Vec<_>>().into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn who_may_not_use_a_field_gets_nothing_and_changes_nothing() {
    assert_all_pass(refusals);
}

#[test]
fn who_has_the_scope_of_a_field_may_use_it() {
    assert_all_pass(admissions);
}

#[test]
fn another_tenants_id_is_not_found_and_nothing_changes() {
    assert_all_pass(foreign_ids);
}

#[test]
fn another_tenants_administrator_reaches_nothing_of_this_one() {
    assert_all_pass(strangers);
}
