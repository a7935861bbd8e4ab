//! GraphQL over WebSockets: the `graphql-transport-ws` protocol on the path of the endpoint.
//!
//! ```text
//! handshake ─▶ conversation (one task a socket) ─▶ begin ─▶ answers, items
//!                     ▲ init, subscribe, ping               │
//! client ◀────────── line (written from anywhere) ◀─────────┘
//! ```
//!
//! **Who asks** is said by the `Authorization` header of the handshake, or by the payload of
//! `connection_init`: `{"authorization": "Bearer …", "x-portolan-tenant": "…"}`. The acknowledgement says until
//! when that holds. A `ping` with such a payload and a fresh credential of the same rights renews it in place;
//! its subscriptions go on as if nothing had been. At the end of the credential, or when it is revoked, the
//! socket is closed with 4403.
//!
//! **Close codes**: 4400 a message that is none, 4401 `subscribe` before the acknowledgement, 4403 a credential
//! that does not hold (any more), 4408 no `connection_init` in time, 4409 an id that is in use, 4429 a second
//! `connection_init` or too many sockets of one caller, 1001 the server stops, 1013 credentials cannot be
//! checked at present; 1002, 1003, 1007 and 1009 as the protocol underneath has them. A handshake without the
//! sub-protocol is closed with 4406. A client that neither said nor took anything for too long is hung up on
//! without a word.
//!
//! A silent socket costs its task, its place in the kernel and little else: nothing is buffered for it in
//! either direction. A client that does not read is not waited for: items that fit into a bounded queue wait
//! there, the rest stays in the log. Answers are kept for it, and beyond a bound nothing more is heard from it
//! until it has read some.

mod conversation;
mod frame;
mod line;
mod message;
mod operations;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use sha1::{Digest, Sha1};
use socket2::SockRef;

use self::{conversation::Conversation, frame::Decoder, line::Line};
use super::{Door, caller, frame::refusal, pulse::Wire};
use crate::{
    context::Cx,
    graphql::error::told,
    kernel::error::{Code, chain},
};

/// The sub-protocol that is spoken.
const PROTOCOL: &str = "graphql-transport-ws";

/// What a server adds to a client's key (RFC 6455).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the kernel holds for a client that does not read. Left to itself, it holds some megabytes, and nobody
/// sees for minutes whether they are taken.
const HELD: usize = 128 * 1024;

/// Whether a request asks for a WebSocket.
pub fn wanted(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE, "websocket")
}

/// Answers the handshake, and goes on with the socket.
pub async fn upgrade(door: Door, cx: Cx, mut request: Request) -> Response {
    let headers = request.headers();
    let Some(key) = key(&request) else {
        let message = "this is no handshake of a WebSocket, version 13, over HTTP/1.1";
        let mut response = refusal(&cx, Code::BadUserInput, message);
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    if !from_here(&door, headers) {
        return refusal(&cx, Code::Forbidden, "pages of this origin may not call; see http.allowed_origins");
    }
    let cx = match caller::identify(&cx, headers).await {
        Ok(cx) => cx,
        Err(error) => return refusal(&cx, error.code(), &told(&error)),
    };
    let spoken = names(headers, &header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    let upgraded = hyper::upgrade::on(&mut request);
    let tasks = cx.hub().tasks.clone();
    tasks.spawn(async move {
        let upgraded = match upgraded.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(error = chain(&error), "a socket went away in its handshake"),
        };
        // Every connection of this server is made of these; another could not be spoken to.
        let Ok(parts) = downcast::<TokioIo<Wire>>(upgraded) else { return };
        let (stream, seat) = parts.io.into_inner().into_parts();
        // A copy, since even what is empty keeps alive the buffer that it was cut from.
        let first = parts.read_buf.to_vec();
        drop(parts.read_buf);
        // Failing is harmless: the kernel holds more then.
        let _ = SockRef::from(&stream).set_send_buffer_size(HELD);
        let line = Line::new(stream, seat);
        if spoken {
            Conversation::new(door, cx, line).run(first).await;
        } else {
            line.close(4406, "the sub-protocol is graphql-transport-ws");
            conversation::last_word(&line, Some(Decoder::new(door.settings.live.max_message))).await;
        }
    });
    let mut accept = Sha1::new();
    accept.update(key.as_bytes());
    accept.update(MAGIC);
    let accept = BASE64_STANDARD.encode(accept.finalize());
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if spoken {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    response
}

/// The key of a handshake, if the request is a whole one.
fn key(request: &Request) -> Option<HeaderValue> {
    let headers = request.headers();
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let whole = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names(headers, &header::CONNECTION, "upgrade")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    whole.then(|| key.clone())
}

/// Whether a list in a header names a word.
fn names(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(word))
}

/// Browsers let every page open a socket anywhere and say where it comes from: only our own pages and those
/// the operator named may.
fn from_here(door: &Door, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, host)| host) == host && host.is_some();
    own || door.settings.allowed_origins.iter().any(|allowed| allowed == origin)
}
