//! A partner that listens: what it was told, each thing once by its id, however often it came.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use super::{Partner, rules::change};
use crate::outbound::sink::{Came, Say, Sink};

#[derive(Default)]
struct Heard {
    /// What was said under each id.
    said: BTreeMap<String, String>,
    /// Of each order, by the partner's id of it, in the order in which it came first.
    orders: BTreeMap<String, Vec<String>>,
    /// Those that were refused once, to see them come again.
    refused: BTreeSet<String>,
    again: usize,
    wrong: Vec<String>,
}

/// What one partner hears.
pub struct Listener {
    name: String,
    heard: Arc<Mutex<Heard>>,
}

impl Listener {
    pub fn of(sink: &Sink, partner: &Partner) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (own, secret) = (Arc::clone(&heard), partner.secret.clone());
        sink.at(&partner.name, move |came| Say::Status(own.lock().unwrap().take(came, &secret)));
        Self { name: partner.name.clone(), heard }
    }

    /// How much it was told.
    pub fn told(&self) -> usize {
        self.heard.lock().unwrap().said.len()
    }

    /// How often something came once more.
    pub fn again(&self) -> usize {
        self.heard.lock().unwrap().again
    }

    /// Whether it was told of an order that it calls so.
    pub fn knows(&self, called: &str) -> bool {
        self.heard.lock().unwrap().orders.contains_key(called)
    }

    /// Whether it was told this of each order, and nothing else.
    pub fn was_told(&self, expected: &BTreeMap<String, Vec<String>>) {
        let heard = self.heard.lock().unwrap();
        assert!(heard.wrong.is_empty(), "{}: {:?}", self.name, heard.wrong);
        let orders: BTreeSet<_> = heard.orders.keys().chain(expected.keys()).collect();
        for order in orders {
            let (was, should) = (heard.orders.get(order), expected.get(order));
            assert_eq!(was, should, "{} {order}: what it was told, and what it had to be told", self.name);
        }
    }
}

impl Heard {
    /// The status of the answer.
    fn take(&mut self, came: &Came, secret: &str) -> u16 {
        let text = String::from_utf8_lossy(&came.body).into_owned();
        if came.signed_by(secret) != 1 {
            self.wrong.push(format!("not signed: {} {text}", came.id));
        }
        if came.id.bytes().map(u32::from).sum::<u32>() % 16 == 0 && self.refused.insert(came.id.clone()) {
            return 503;
        }
        if let Some(before) = self.said.insert(came.id.clone(), text.clone()) {
            self.again += 1;
            if before != text {
                self.wrong.push(format!("under one id: {before} and {text}"));
            }
            return 200;
        }
        let said = came.json();
        let field = |name: &str| said["data"][name].as_str().unwrap_or_default().to_owned();
        if (said["type"] == "order.created") != field("our_status_before").is_empty() {
            self.wrong.push(format!("neither new nor changed: {text}"));
        }
        let line = change(&field("our_status_before"), &field("our_status"), &field("status"), &field("reason"));
        self.orders.entry(field("id")).or_default().push(line);
        200
    }
}
