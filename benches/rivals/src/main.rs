//! Two servers to be measured beside.
//!
//! `rivals bound` hands every published text to every socket: no schema, no log, nothing but axum's WebSocket.
//! `rivals plain` is a subscription of async-graphql behind async-graphql-axum. Both listen on a free port,
//! print it, take `POST /publish?topics=T,T` and speak `graphql-transport-ws` as far as a load needs it.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use async_graphql::{Context, EmptyMutation, ID, Object, Result, Schema, SimpleObject, Subscription};
use async_graphql_axum::GraphQLSubscription;
use axum::{
    Router,
    extract::{
        Query as Params, State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::{any, post},
};
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// As fast as a server of this kind gets.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Topics<T> = Arc<Mutex<HashMap<String, broadcast::Sender<T>>>>;

fn topic<T: Clone>(topics: &Topics<T>, name: &str) -> broadcast::Sender<T> {
    topics.lock().unwrap().entry(name.to_owned()).or_insert_with(|| broadcast::channel(64).0).clone()
}

/// What a subscription gives: as much as an event of the hub.
#[derive(Clone, SimpleObject)]
struct Event {
    number: String,
    cursor: String,
    kind: &'static str,
    subject: String,
    actor: &'static str,
    at: &'static str,
    data: Arc<str>,
}

fn event(number: u64, subject: &str) -> Event {
    Event {
        number: number.to_string(),
        cursor: format!("WzEsImV2ZW50cyIs{number:08}"),
        kind: "user.updated",
        subject: subject.to_owned(),
        actor: "tok_01m7yf564neb0a8r8pdwzwz703",
        at: "2026-11-21T07:11:58.648754Z",
        data: format!(
            "{{\"user\":\"{subject}\",\"changes\":{{\"name\":{{\"from\":\"{number}\",\"to\":\"{}\"}}}}}}",
            number + 1
        )
        .into(),
    }
}

struct Query;

#[Object]
impl Query {
    async fn alive(&self) -> bool {
        true
    }
}

struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn events(&self, ctx: &Context<'_>, subjects: Option<Vec<ID>>) -> Result<impl Stream<Item = Event>> {
        let name = subjects.and_then(|mut subjects| subjects.pop()).map(|id| id.to_string()).unwrap_or_default();
        let events = topic(ctx.data::<Topics<Event>>()?, &name).subscribe();
        Ok(BroadcastStream::new(events).filter_map(|event| async { event.ok() }))
    }
}

async fn publish<T: Clone>(topics: &Topics<T>, params: HashMap<String, String>, make: impl Fn(u64, &str) -> T) {
    let names = params.get("topics").map(String::as_str).unwrap_or_default();
    let number = params.get("number").and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    for (name, number) in names.split(',').zip(number..) {
        let _ = topic(topics, name).send(make(number, name));
    }
}

async fn talk(mut socket: WebSocket, topics: Topics<Utf8Bytes>) {
    let mut events: Option<broadcast::Receiver<Utf8Bytes>> = None;
    loop {
        tokio::select! {
            message = socket.recv() => {
                let Some(Ok(Message::Text(text))) = message else { return };
                let message: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                match message["type"].as_str() {
                    Some("connection_init") => {
                        let _ = socket.send(Message::text(r#"{"type":"connection_ack"}"#)).await;
                    }
                    Some("subscribe") => {
                        let name = message["payload"]["variables"]["subjects"][0].as_str().unwrap_or_default();
                        events = Some(topic(&topics, name).subscribe());
                    }
                    _ => {}
                }
            }
            event = async { events.as_mut().unwrap().recv().await }, if events.is_some() => {
                if let Ok(event) = event && socket.send(Message::Text(event)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn text(number: u64, subject: &str) -> Utf8Bytes {
    let Event { number, cursor, kind, subject, actor, at, data } = event(number, subject);
    let event = serde_json::json!({ "number": number, "cursor": cursor, "kind": kind, "subject": subject, "actor": actor, "at": at, "data": &*data });
    serde_json::json!({ "id": "1", "type": "next", "payload": { "data": { "events": event } } }).to_string().into()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bound = std::env::args().nth(1).as_deref() == Some("bound");
    let router = if bound {
        let upgrade = |State(topics): State<Topics<Utf8Bytes>>, upgrade: WebSocketUpgrade| async move {
            let upgraded: Response = upgrade
                .protocols(["graphql-transport-ws"])
                // Left at their defaults, every socket takes 128 KiB to begin with.
                .read_buffer_size(1024)
                .write_buffer_size(0)
                .on_upgrade(|socket| talk(socket, topics));
            Ok::<_, Infallible>(upgraded)
        };
        let tell = |State(topics): State<Topics<Utf8Bytes>>, Params(params): Params<HashMap<String, String>>| async move {
            publish(&topics, params, text).await;
        };
        Router::new().route("/graphql", any(upgrade)).route("/publish", post(tell)).with_state(Topics::default())
    } else {
        let topics = Topics::<Event>::default();
        let schema = Schema::build(Query, EmptyMutation, Subscriptions).data(Arc::clone(&topics)).finish();
        let tell = |State(topics): State<Topics<Event>>, Params(params): Params<HashMap<String, String>>| async move {
            publish(&topics, params, event).await;
        };
        Router::new()
            .route_service("/graphql", GraphQLSubscription::new(schema))
            .route("/publish", post(tell))
            .with_state(topics)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    use axum::serve::ListenerExt;
    axum::serve(listener.tap_io(|socket| drop(socket.set_nodelay(true))), router).await.unwrap();
}
