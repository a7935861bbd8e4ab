//! What happens to one order, one thing after the other: each is done, and written into the ledger.

use chrono::{DateTime, SecondsFormat, Utc};
use rand::{RngExt, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

use super::{
    Partner,
    client::Client,
    now,
    rules::{Fate, Ledger, STATUSES, Saying, follows},
};

const SECOND: i64 = 1_000_000;

/// Who drives an order.
pub struct Drive {
    pub client: Client,
    pub partner: Partner,
    /// The partner's id of it; those of other partners may be the same.
    pub called: String,
    pub order: String,
    pub ledger: Ledger,
    /// What is on its way in disorder.
    coming: Vec<Saying>,
    moves: usize,
    /// How many updates were sent, those that came again with them.
    pub sent: usize,
}

/// A moment as the API has it.
fn moment(micros: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub fn micros(text: &Value) -> i64 {
    text.as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp_micros()
}

impl Drive {
    pub fn new(client: Client, partner: &Partner, number: usize) -> Self {
        Self {
            client,
            called: format!("A-{number}"),
            order: String::new(),
            ledger: Ledger::new(partner.words.clone()),
            partner: partner.clone(),
            coming: Vec::new(),
            moves: 0,
            sent: 0,
        }
    }

    fn chance(&mut self) -> &mut StdRng {
        &mut self.client.chance
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.chance().random_range(0..many) == 0
    }

    fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.chance().random_range(0..of.len())].clone()) }
    }

    /// Lets so much happen to it.
    pub async fn run(&mut self, steps: usize) {
        self.plan();
        if self.one_in(3) {
            // It is spoken of before anybody knows it.
            for _ in 0..2 {
                let saying = self.saying();
                self.hears(&saying).await;
            }
        }
        self.is_made().await;
        for _ in 0..steps {
            self.step().await;
        }
        while let Some(saying) = self.coming.pop() {
            self.hears(&saying).await;
        }
        self.client.hang_up();
    }

    /// A way that the order goes at the partner, of which we hear in disorder, now and then before its time.
    fn plan(&mut self) {
        if self.one_in(2) {
            return;
        }
        let words = self.partner.words.clone();
        let (mut at, mut status) = (now() - 2 * SECOND, "new");
        while let Some(next) = self.next(status) {
            at += self.chance().random_range(SECOND / 20..SECOND);
            if let Some(word) = self.any(&words.for_status(next)).cloned() {
                self.coming.push((at, word));
            }
            status = next;
        }
        let mut coming = std::mem::take(&mut self.coming);
        coming.shuffle(self.chance());
        self.coming = coming;
    }

    /// What may follow a status; mostly the way goes on.
    fn next(&mut self, from: &str) -> Option<&'static str> {
        let ways: Vec<_> = STATUSES.into_iter().filter(|to| follows(from, to)).collect();
        let ahead: Vec<_> = ways.iter().copied().filter(|to| *to != "cancelled").collect();
        if self.one_in(12) { self.any(&ways) } else { self.any(&ahead) }
    }

    fn saying(&mut self) -> Saying {
        let words = self.partner.words.clone();
        let status = match self.next(self.ledger.status) {
            Some(next) if !self.one_in(3) => next,
            _ => self.any(&STATUSES).unwrap(),
        };
        let word = match self.chance().random_range(0..16) {
            0 => words.unknown.clone(),
            1 => self.any(&words.ignored()).unwrap().clone(),
            _ => self.any(&words.for_status(status)).unwrap().clone(),
        };
        let now = now();
        let at = match self.chance().random_range(0..12) {
            0..=5 => now,
            6..=8 => now - self.chance().random_range(0..SECOND),
            9 => now - self.chance().random_range(0..3_600 * SECOND),
            10 => now + self.chance().random_range(0..3 * SECOND),
            // At the very moment of something else.
            _ => self.any(&self.ledger.heard.keys().cloned().collect::<Vec<_>>()).map_or(now, |(at, _)| at),
        };
        (at, word)
    }

    async fn step(&mut self) {
        match self.chance().random_range(0..20) {
            0..=5 => {
                let to = match self.next(self.ledger.status) {
                    Some(next) if !self.one_in(5) => next,
                    _ => self.any(&STATUSES).unwrap(),
                };
                self.moves(to).await;
            }
            6..=8 => {
                let heard: Vec<_> = self.ledger.heard.keys().cloned().collect();
                if let Some(saying) = self.any(&heard) {
                    self.hears(&saying).await;
                }
            }
            9..=13 if !self.coming.is_empty() => {
                let saying = self.coming.pop().unwrap();
                self.hears(&saying).await;
            }
            _ => {
                let saying = self.saying();
                self.hears(&saying).await;
            }
        }
    }

    async fn is_made(&mut self) {
        let (id, customer) = (self.partner.id.clone(), json!({ "name": format!("Ann of {}", self.called) }));
        let by_us = self.one_in(4);
        let placed_at = (!by_us && self.one_in(2)).then(|| now() - 5 * SECOND);
        let made = if by_us {
            let key = format!("{} of {}", self.called, self.partner.name);
            let references = json!([{ "kind": "partner_order_id", "value": self.called }]);
            let input = json!({ "customer": customer, "partnerIntegrationId": id, "references": references,
                "idempotencyKey": key });
            self.client.done("createOrder", "order { id }", input).await
        } else {
            let mut input = json!({ "partnerIntegrationId": id, "partnerOrderId": self.called, "customer": customer });
            if let Some(at) = placed_at {
                input["placedAt"] = json!(moment(at));
            }
            self.client.done("createOrderFromPartner", "order { id }", input).await
        };
        made["order"]["id"].as_str().unwrap().clone_into(&mut self.order);
        self.ledger.made(placed_at, by_us);
        if by_us {
            self.is_seen(Fate::Waiting).await;
        }
    }

    /// We move it.
    async fn moves(&mut self, to: &'static str) {
        self.moves += 1;
        let (may, same, reason) = (self.ledger.may(to), self.ledger.status == to, format!("move {}", self.moves));
        let input = json!({ "id": self.order, "status": to, "reason": reason });
        let (payload, again) = self.client.change("changeOrderStatus", "order { status }", input).await;
        if !again {
            assert_eq!(payload["userErrors"] == json!([]), may || same, "{self} to {to}: {payload}");
        }
        // Whoever got no answer the first time learns from the history what came of it.
        let ask = "query($id: ID!) { order(id: $id) { history { reason happenedAt } } }";
        let order = self.client.field(ask, json!({ "id": self.order })).await;
        let lines: Vec<_> =
            order["history"].as_array().unwrap().iter().filter(|line| line["reason"] == reason).collect();
        assert_eq!(lines.len(), usize::from(may), "{self} to {to}, {again}: {lines:?}, {payload}");
        if let Some(line) = lines.first()
            && self.ledger.moved(to, micros(&line["happenedAt"]), &reason)
        {
            self.is_seen(Fate::Forbidden).await;
        }
    }

    /// The partner says something.
    async fn hears(&mut self, saying: &Saying) {
        self.sent += 1;
        let new = !self.ledger.heard.contains_key(saying);
        let fate = self.ledger.hears(saying);
        let (at, word) = saying;
        if fate != Fate::Waiting && self.one_in(12) {
            let time = self.chance().random_range(0..2);
            // Two words may be said of one moment; under one id the second would be the first come again.
            let id = format!("msg_{}_{at}_{word}_{time}", self.called);
            let data = json!({ "id": self.called, "status": word, "changed_at": moment(*at) });
            let body = json!({ "type": "order.status_changed", "timestamp": moment(*at), "data": data });
            let (path, secret) = (self.partner.hook.clone(), self.partner.secret.clone());
            self.client.webhook(&path, &secret, &id, &body).await;
            if new {
                self.arrives(saying).await;
            }
            return;
        }
        let input = json!({ "partnerIntegrationId": self.partner.id, "partnerOrderId": self.called, "status": word,
            "at": moment(*at) });
        let payload = self.client.done("processPartnerStatusUpdate", "update { state reason }", input).await;
        if new {
            assert_eq!(payload["update"]["state"], fate.name(), "{self} hears {word} for {}: {payload}", moment(*at));
        }
    }
}

impl std::fmt::Display for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.partner.name, self.called, self.order)
    }
}
