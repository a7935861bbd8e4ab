//! Who lets things happen: a plan of half a minute, over and over, and somebody who goes round and tests.
//!
//! Providers get into moods and out of them; people act through the domain like anybody else. What a provider refuses
//! is the play itself; only what the hub could not do at all is worth a line in the log.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Stage,
    cast::{self, Fate, Member},
    consent,
};
use crate::{
    domain::{
        credential::resolve::Sources,
        integration::{
            action, change,
            reconnect::{self, Takeover},
            test,
        },
        sync::run,
    },
    kernel::error::{Error, Result, chain},
    provider::simulator::Mood,
    provider::simulator::hook::How,
};

/// Between one thing and the next.
const BEAT: Duration = Duration::from_secs(1);

/// How many beats the plan has.
const BEATS: u64 = 30;

/// How many things may be under way at once: a slow provider holds up nobody else.
const AT_ONCE: usize = 8;

/// Something that happens to one of the cast.
#[derive(Clone, Copy)]
enum Cue {
    /// Its provider gets into a mood, and somebody asks how it is.
    Mood(Mood),
    /// Its provider forgets the tokens it gave; the next question buys another.
    Forget,
    /// Its provider is well again, and somebody connects it anew.
    Reconnect,
    /// Somebody switches it off or on.
    Switch(bool),
    /// Somebody tells it to do something.
    Act(&'static str, fn() -> Value),
    /// Its provider sends webhooks, as it should or not.
    Post(How, u32),
    /// Somebody asks how it is.
    Test,
    /// Somebody wants to have what changed there.
    Sync,
}

/// At which beat what happens to whom.
const PLAN: &[(u64, &str, Cue)] = &[
    (0, "stripe", Cue::Post(How::Right, 2)),
    (0, "sendgrid", Cue::Act("send_email", email)),
    (1, "stripe", Cue::Mood(Mood::Down)),
    (2, "fedex", Cue::Forget),
    (2, "shopify", Cue::Post(How::Right, 3)),
    (3, "shopify", Cue::Mood(Mood::Slow)),
    (4, "whatsapp", Cue::Mood(Mood::Revoked)),
    (4, "twilio", Cue::Post(How::Duplicated, 1)),
    (5, "volvo_dealer", Cue::Act("notify_status", status)),
    (6, "stripe", Cue::Mood(Mood::Well)),
    (6, "stripe", Cue::Post(How::WrongSecret, 1)),
    (7, "paypal", Cue::Mood(Mood::Throttling)),
    (8, "twilio", Cue::Switch(false)),
    (9, "shopify", Cue::Mood(Mood::Well)),
    (9, "facebook", Cue::Post(How::Right, 1)),
    (10, "facebook", Cue::Mood(Mood::Revoked)),
    (11, "firmhouse", Cue::Mood(Mood::Failing)),
    (12, "whatsapp", Cue::Reconnect),
    (12, "paypal", Cue::Post(How::Right, 1)),
    (13, "paypal", Cue::Mood(Mood::Well)),
    (14, "network_international", Cue::Forget),
    (14, "shopify", Cue::Post(How::Duplicated, 2)),
    (15, "twilio", Cue::Switch(true)),
    (16, "stripe", Cue::Act("create_payment_intent", payment)),
    (17, "firmhouse", Cue::Mood(Mood::Well)),
    (17, "stripe", Cue::Post(How::Reordered, 3)),
    (18, "pancake_pos", Cue::Mood(Mood::Garbled)),
    (19, "facebook", Cue::Reconnect),
    (20, "whatsapp", Cue::Act("send_text", message)),
    (20, "shopify", Cue::Post(How::WrongSecret, 2)),
    (21, "dhl_express", Cue::Mood(Mood::Throttling)),
    (22, "eneco", Cue::Act("notify_status", status)),
    (23, "pancake_pos", Cue::Mood(Mood::Well)),
    (23, "sendgrid", Cue::Post(How::Right, 1)),
    (24, "meta_ads", Cue::Mood(Mood::Revoked)),
    (25, "pxc", Cue::Forget),
    (26, "twilio", Cue::Act("send_sms", text)),
    (26, "stripe", Cue::Post(How::Late, 1)),
    (27, "dhl_express", Cue::Mood(Mood::Well)),
    (29, "meta_ads", Cue::Reconnect),
];

fn email() -> Value {
    json!({
        "to": "ann@example.com", "from": "orders@tea-house.example",
        "subject": "Your tea is on its way", "text": "It left the warehouse this morning.",
    })
}

fn status() -> Value {
    json!({ "order": "TH-1042", "status": "in_transit" })
}

fn payment() -> Value {
    json!({ "amount": 4_200, "currency": "aed", "description": "Three tins of jasmine tea" })
}

fn message() -> Value {
    json!({ "to": "+971500000000", "text": "Your parcel arrives today." })
}

fn text() -> Value {
    json!({ "to": "+971500000000", "from": "+15005550006", "text": "Your parcel arrives today." })
}

/// Directs until somebody stops it.
pub(super) async fn direct(stage: &Stage) {
    let mut clock = interval(BEAT);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let beats = stream::unfold((clock, 0), |(mut clock, beat)| async move {
        clock.tick().await;
        Some((beat, (clock, beat + 1)))
    });
    let cues = beats.flat_map(|beat| stream::iter(at(stage, beat)));
    cues.for_each_concurrent(AT_ONCE, |(member, cue)| async move {
        let outcome = perform(stage, member, cue).await;
        if let Err(error @ (Error::Internal(..) | Error::NotFound(_))) = outcome {
            tracing::error!(provider = member.part.provider, error = chain(&error), "the play does not go as planned");
        }
    })
    .await;
}

/// What happens at a beat: what is planned for it; besides, of those who work the next one is tested or read in turn.
fn at(stage: &Stage, beat: u64) -> Vec<(&Member, Cue)> {
    let planned = PLAN.iter().filter(|(when, ..)| *when == beat % BEATS);
    let mut cues: Vec<_> = planned
        .filter_map(|(_, who, cue)| Some((stage.cast.iter().find(|member| member.part.provider == *who)?, *cue)))
        .collect();
    let works: Vec<_> = stage.cast.iter().filter(|member| member.part.fate == Fate::Works).collect();
    let turn = usize::try_from(beat / 2).unwrap_or_default() % works.len().max(1);
    let cue = if beat.is_multiple_of(2) { Cue::Test } else { Cue::Sync };
    cues.extend(works.get(turn).map(|member| (*member, cue)));
    cues
}

async fn perform(stage: &Stage, member: &Member, cue: Cue) -> Result<()> {
    let (cx, id) = (&stage.cx, member.id);
    let behave = |mood, requests| stage.simulator.with(member.part.provider, |fake| fake.behave(mood, requests));
    match cue {
        Cue::Mood(mood) => {
            behave(mood, None);
            test::test(cx, id).await?;
        }
        Cue::Forget => {
            // From the first request on it is well again, and what it forgot stays forgotten.
            behave(Mood::Revoked, Some(0));
            test::test(cx, id).await?;
        }
        Cue::Reconnect => {
            behave(Mood::Well, None);
            match cast::given(cx, member.part)? {
                Some(given) => drop(reconnect::give(cx, id, given, Takeover::AtOnce, false).await?),
                None => consent::agree(cx, id).await?,
            }
        }
        Cue::Switch(on) => drop(change::enable(cx, id, on).await?),
        Cue::Act(name, input) => {
            let sources = Sources { integration: Some(id), ..Sources::default() };
            action::run(cx, sources, name, input(), None).await?;
        }
        Cue::Post(how, count) => {
            if let Some(to) = &member.hook {
                // How each was answered is seen in the hub.
                drop(stage.simulator.post(member.part.provider, to, how, count).await);
            }
        }
        Cue::Test => drop(test::test(cx, id).await?),
        // Who is switched off, or has nothing to read, says so.
        Cue::Sync => drop(run::sync_now(cx, id, None).await?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::catalogue::Catalogue;

    #[test]
    fn whoever_falls_ill_is_well_again_before_the_plan_begins_anew() {
        for (beat, who, cue) in PLAN {
            let part = cast::PARTS.iter().find(|part| part.provider == *who).unwrap();
            assert_eq!(part.fate, Fate::Works, "{who} is left alone");
            let mends = |later: &Cue| match cue {
                Cue::Mood(Mood::Well)
                | Cue::Forget
                | Cue::Reconnect
                | Cue::Act(..)
                | Cue::Post(..)
                | Cue::Test
                | Cue::Sync => true,
                Cue::Mood(_) => matches!(later, Cue::Mood(Mood::Well) | Cue::Reconnect),
                Cue::Switch(on) => *on || matches!(later, Cue::Switch(true)),
            };
            let alone = !matches!(cue, Cue::Mood(_) | Cue::Switch(_)) || mends(cue);
            let later = PLAN.iter().any(|(when, other, later)| when > beat && other == who && mends(later));
            assert!(*beat < BEATS && (alone || later), "{who} at {beat}");
        }
    }

    #[test]
    fn what_is_done_is_an_action_of_the_provider() {
        let catalogue = Catalogue::embedded();
        for (_, who, cue) in PLAN {
            if let Cue::Act(name, _) = cue {
                assert!(catalogue.get(who).unwrap().action(name).is_some(), "{who} has no {name}");
            }
        }
    }
}
