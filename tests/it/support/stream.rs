//! Server-sent events, read as a client reads them: line by line, with nothing lost.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::{Reply, process::LIMIT};

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub id: Option<String>,
    pub kind: String,
    pub data: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {:?}", self.data))
    }

    /// The codes of the errors it carries.
    pub fn codes(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("none").to_owned()).collect()
    }
}

/// What comes on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Event(Event),
    /// A sign of life.
    Comment,
    /// How long to wait before coming back.
    Retry(u64),
    /// The stream is over.
    End,
}

/// An answer whose body is read as it comes.
pub struct Stream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Body,
    text: String,
    ended: bool,
}

impl Stream {
    pub fn new(status: StatusCode, headers: HeaderMap, body: Body) -> Self {
        Self { status, headers, body, text: String::new(), ended: false }
    }

    /// A header as text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether nothing more comes, though nobody read.
    pub fn is_over(&self) -> bool {
        hyper::body::Body::is_end_stream(&self.body)
    }

    /// What comes next.
    pub async fn heard(&mut self) -> Heard {
        self.heard_within(LIMIT).await.expect("something came")
    }

    /// What comes within some time; none if nothing does.
    pub async fn heard_within(&mut self, span: Duration) -> Option<Heard> {
        timeout(span, async {
            loop {
                if let Some((block, rest)) = self.text.split_once("\n\n") {
                    let (block, rest) = (block.to_owned(), rest.to_owned());
                    self.text = rest;
                    return read(&block);
                }
                if self.ended {
                    assert_eq!(self.text, "", "the stream ended in the middle of an event");
                    return Heard::End;
                }
                self.more().await;
            }
        })
        .await
        .ok()
    }

    /// The next event, whatever signs of life come before.
    pub async fn event(&mut self) -> Event {
        loop {
            match self.heard().await {
                Heard::Event(event) => return event,
                Heard::Comment | Heard::Retry(_) => {}
                Heard::End => panic!("the stream ended"),
            }
        }
    }

    /// The next item, with the assertion that it is one.
    #[track_caller]
    pub fn item(event: &Event) -> Value {
        assert_eq!(event.kind, "next", "{event:?}");
        let json = event.json();
        assert_eq!(json.get("errors"), None, "{json}");
        json["data"].clone()
    }

    /// Asserts that nothing comes but `complete`, and then the end.
    pub async fn completed(&mut self) {
        let last = self.event().await;
        assert_eq!((last.kind.as_str(), last.data.as_str(), last.id), ("complete", "", None));
        assert_eq!(self.heard().await, Heard::End);
    }

    /// The whole body as an answer, for what is no stream.
    pub async fn reply(mut self) -> Reply {
        timeout(LIMIT, async {
            while !self.ended {
                self.more().await;
            }
        })
        .await
        .expect("the answer ended");
        Reply { status: self.status, headers: self.headers, text: self.text }
    }

    async fn more(&mut self) {
        match self.body.frame().await {
            Some(Ok(frame)) => self.text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap(),
            Some(Err(_)) | None => self.ended = true,
        }
    }
}

fn read(block: &str) -> Heard {
    let mut event = Event::default();
    let mut retry = None;
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "" => {}
            "id" => event.id = Some(value),
            "event" => event.kind = value,
            "data" => event.data = value,
            "retry" => retry = Some(value.parse().unwrap()),
            _ => panic!("a line of no known kind: {line:?}"),
        }
    }
    match retry {
        Some(retry) => Heard::Retry(retry),
        None if event == Event::default() => Heard::Comment,
        None => Heard::Event(event),
    }
}
