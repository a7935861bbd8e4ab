//! `portolan tail`: the events of a running hub, in a terminal, as they happen.
//!
//! A client like any other: it follows the subscription `events` as an event stream, with a token and nothing
//! more. Each event is printed once and in order, across restarts of the hub and lost connections: it
//! goes on behind the last event that it printed, or behind the newest one there was when it began. What another
//! try may mend is tried again, with growing pauses; what it cannot mend (a credential that does not hold, a cursor
//! whose events are gone) is said, and ends it with 1. A hub that cannot be reached at the very start is a wrong
//! address more often than not, so that ends it too.
//!
//! Whoever reads its output sets the pace: what nobody takes stays in the hub's log.

mod line;
mod stream;

use std::{
    cell::Cell,
    fs, io,
    path::PathBuf,
    process,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::stream::{Ended, Hub};
use super::{
    Failure, Outcome, block_on,
    speak::{say, write_line},
};
use crate::{
    config::CLIENT_ENV,
    kernel::{
        chance::{Chance, SystemChance},
        secret::Secret,
    },
};

/// Where a hub is unless somebody says otherwise.
const HERE: &str = "http://127.0.0.1:8080";

/// The first pause before another try, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Follow the events of a running hub.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Tail {
    /// Only events about this; may be given several times. See `EventTopic` in the schema.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only events of this id; may be given several times.
    #[arg(long = "subject", value_name = "ID")]
    subjects: Vec<String>,
    /// What a partner sees, with a partner's token: every status of its orders that is kept, and then as they come.
    #[arg(long, conflicts_with_all = ["topics", "subjects"])]
    partner: bool,
    /// Begin behind this cursor; left out, with what happens from now on.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Print JSON Lines, each with the event's cursor.
    #[arg(long)]
    json: bool,
    #[arg(long, value_name = "URL", help = "Where the hub is [default: http://127.0.0.1:8080] [env: PORTOLAN_URL]")]
    url: Option<String>,
    #[arg(long, value_name = "FILE", help = "A file with the token; PORTOLAN_TOKEN holds the token itself")]
    token_file: Option<PathBuf>,
    /// The slug of another tenant to act in, for who runs the hub or belongs to several.
    #[arg(long, value_name = "SLUG")]
    tenant: Option<String>,
}

const AFTER_HELP: &str = "\
Example:
  PORTOLAN_TOKEN=$(portolan token create --tenant default --role viewer) portolan tail --topic access";

impl Tail {
    pub(super) fn run(self) -> Outcome {
        let url = self.url.clone().or_else(|| variable(CLIENT_ENV.url)).unwrap_or_else(|| HERE.to_owned());
        let token = self.token()?;
        let hub = Hub::new(&url, &token, self.tenant.as_deref(), self.partner)
            .map_err(|why| Failure::Usage(format!("this hub cannot be followed: {why}")))?;
        let topics: Vec<_> = self.topics.iter().map(|topic| topic.to_uppercase()).collect();
        let some = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
        let wanted = json!({ "topics": some(&topics), "subjects": some(&self.subjects) });
        block_on(async {
            let place = Arc::new(Mutex::new(self.after.clone()));
            watch_signals(Arc::clone(&place))?;
            follow(&hub, &wanted, &place, self.json).await
        })
    }

    fn token(&self) -> Result<Secret, Failure> {
        let text = match &self.token_file {
            Some(file) => fs::read_to_string(file)
                .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?,
            None => variable(CLIENT_ENV.token).ok_or_else(|| {
                Failure::Usage(format!("a token is needed: set {} or give --token-file", CLIENT_ENV.token))
            })?,
        };
        Ok(Secret::from(text.trim().to_owned()))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Behind which event to go on.
type Place = Arc<Mutex<Option<String>>>;

fn placed(place: &Place) -> Option<String> {
    place.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn put(place: &Place, cursor: Option<String>) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
}

/// Follows until there is a reason to end.
async fn follow(hub: &Hub, wanted: &Value, place: &Place, json: bool) -> Outcome {
    // The newest event that one may read can be older than retention; then nothing was missed since.
    let chosen_here = Cell::new(placed(place).is_none());
    let mut print = |event: &Value| -> io::Result<()> {
        write_line(&match (json, hub.is_partners()) {
            (true, _) => event.to_string(),
            (false, true) => line::told(event),
            (false, false) => line::of(event),
        })?;
        chosen_here.set(false);
        put(place, event["cursor"].as_str().map(str::to_owned));
        Ok(())
    };
    let (mut tries, mut connected) = (0, false);
    loop {
        let cursor = match placed(place) {
            Some(cursor) => Ok(cursor),
            None => hub.newest().await,
        };
        let ended = match cursor {
            Err(ended) => ended,
            Ok(cursor) => {
                put(place, Some(cursor.clone()));
                let began = || {
                    if !connected {
                        say(&format!("following {}; Ctrl-C ends", hub.address()));
                    } else if tries > 0 {
                        say("connected again");
                    }
                    (tries, connected) = (0, true);
                };
                hub.follow(wanted, &cursor, began, &mut print).await
            }
        };
        match ended {
            // Whoever read our output has seen enough.
            Ended::Unread => return Ok(()),
            Ended::Expired { oldest, .. } if chosen_here.get() => {
                put(place, Some(oldest));
            }
            Ended::Refused(why) | Ended::Expired { why, .. } => {
                say(&format!("error: {why}"));
                return Err(Failure::Said);
            }
            Ended::Lost(why) if !connected => {
                say(&format!("error: {} cannot be followed: {why}", hub.address()));
                return Err(Failure::Said);
            }
            Ended::Lost(why) => {
                if tries == 0 {
                    say(&format!("the connection was lost ({why}); trying again"));
                }
                tokio::time::sleep(pause(tries)).await;
                tries += 1;
            }
        }
    }
}

/// How long to wait after so many tries: twice as long each time, more or less, so that not all clients of a hub that
/// comes back come back in the same moment.
fn pause(tries: u32) -> Duration {
    let whole = PAUSES.0.saturating_mul(1 << tries.min(16)).min(PAUSES.1);
    let mut byte = [0];
    SystemChance.fill(&mut byte);
    whole.mul_f64(0.5 + f64::from(byte[0]) / 510.0)
}

/// Ends the program at a signal, even while nobody takes its output, and says where to go on.
fn watch_signals(place: Place) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    #[expect(clippy::disallowed_methods, reason = "this task ends the program, so nobody can own it")]
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        if let Some(cursor) = placed(&place) {
            say(&format!("to go on: --after {cursor}"));
        }
        process::exit(0);
    });
    Ok(())
}
