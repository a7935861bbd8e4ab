//! A WebSocket whose every byte a test can choose.
//!
//! Libraries refuse to send what these tests are about. What comes back is read by the protocol's rules, with
//! the assertion that the server keeps them.

use std::{io, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{Reply, process::LIMIT, wire::Wire};

/// The key and its answer that RFC 6455 has as an example.
pub const KEY: (&str, &str) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

/// The kinds of frames, as first bytes of whole ones.
pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Message(Value),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    /// The connection is closed.
    End,
}

/// One socket.
pub struct Socket(BufReader<TcpStream>);

/// The head of a good handshake, without the empty line at its end.
pub fn head() -> String {
    format!(
        "GET /graphql HTTP/1.1\r\nhost: portolan\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {}\r\nsec-websocket-protocol: graphql-transport-ws\r\n",
        KEY.0
    )
}

impl Socket {
    /// Sends any head, and gives the answer with what may be a socket from then on.
    pub async fn shake(address: SocketAddr, head: &str) -> (Reply, Self) {
        let mut wire = Wire::open(address).await.unwrap();
        wire.send(&format!("{head}\r\n")).await.unwrap();
        let reply = timeout(LIMIT, wire.reply()).await.expect("an answer came").unwrap();
        (reply, wire.into())
    }

    /// Opens one that has said nothing yet.
    pub async fn open(address: SocketAddr) -> Self {
        let (reply, socket) = Self::shake(address, &head()).await;
        assert_eq!(reply.status, 101, "{}", reply.text);
        assert_eq!(reply.header("sec-websocket-accept"), KEY.1);
        assert_eq!(reply.header("sec-websocket-protocol"), "graphql-transport-ws");
        socket
    }

    /// Opens one whose client's side of the network holds next to nothing.
    pub async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let mut wire = Wire::from(socket.connect(address).await.unwrap());
        wire.send(&format!("{}\r\n", head())).await.unwrap();
        assert_eq!(wire.reply().await.unwrap().status, 101);
        wire.into()
    }

    /// Opens one and signs in.
    pub async fn signed_in(address: SocketAddr, token: &str) -> Self {
        let mut socket = Self::open(address).await;
        socket.init(token).await;
        socket
    }

    /// Signs in, and gives what the acknowledgement carries.
    pub async fn init(&mut self, token: &str) -> Value {
        let payload = json!({ "authorization": format!("Bearer {token}") });
        self.say(&json!({ "type": "connection_init", "payload": payload })).await;
        let ack = self.message().await;
        assert_eq!(ack["type"], "connection_ack", "{ack}");
        ack["payload"].clone()
    }

    /// Asks for an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(&json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    /// Has no more of an operation.
    pub async fn complete(&mut self, id: &str) {
        self.say(&json!({ "type": "complete", "id": id })).await;
    }

    /// Sends a message.
    pub async fn say(&mut self, message: &Value) {
        self.text(&message.to_string()).await;
    }

    /// Sends a text.
    pub async fn text(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes()).await;
    }

    /// Sends a masked frame.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.bytes(&framed(first, payload)).await.unwrap();
    }

    /// Sends bytes as they are; an error if nobody takes them.
    pub async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes).await
    }

    /// What is said next.
    pub async fn heard(&mut self) -> Said {
        timeout(LIMIT, self.read()).await.expect("something came").unwrap_or(Said::End)
    }

    /// The next message; pings are answered.
    pub async fn message(&mut self) -> Value {
        loop {
            match self.heard().await {
                Said::Message(message) => return message,
                Said::Ping(payload) => self.frame(0x8a, &payload).await,
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The next message, with the assertion that it is an item of an operation. Gives the response.
    pub async fn next(&mut self, id: &str) -> Value {
        let message = self.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"].clone()
    }

    /// The next message, with the assertion that it ends an operation with errors. Gives their codes.
    pub async fn error(&mut self, id: &str) -> Vec<String> {
        let message = self.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
        let errors = message["payload"].as_array().unwrap_or_else(|| panic!("not a list: {message}"));
        assert!(!errors.is_empty());
        errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap().to_owned()).collect()
    }

    /// The next message, with the assertion that it ends an operation.
    pub async fn completed(&mut self, id: &str) {
        assert_eq!(self.message().await, json!({ "type": "complete", "id": id }));
    }

    /// Asserts that the socket works, and that nothing was said but is not read yet.
    pub async fn is_quiet(&mut self) {
        self.frame(PING, b"still there?").await;
        assert_eq!(self.heard().await, Said::Pong(b"still there?".to_vec()));
    }

    /// The close code and its reason, whatever is said before; and the connection ends.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.heard().await {
                Said::Close(code, reason) => {
                    // The other side may have ended already.
                    let _ = self.bytes(&framed(CLOSE, &code.to_be_bytes())).await;
                    assert_eq!(self.heard().await, Said::End, "nothing comes after the last word");
                    return (code, reason);
                }
                Said::End => panic!("it ended without a word"),
                _ => {}
            }
        }
    }

    async fn read(&mut self) -> io::Result<Said> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).await?;
        assert_eq!(head[0] & 0xf0, 0x80, "a server's frames are whole, without reserved bits");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => usize::from(self.0.read_u16().await?),
            127 => usize::try_from(self.0.read_u64().await?).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await?;
        Ok(match head[0] & 0x0f {
            1 => Said::Message(serde_json::from_slice(&payload).unwrap()),
            8 => {
                let reason = String::from_utf8(payload.split_off(2)).unwrap();
                assert!(reason.len() <= 123);
                Said::Close(u16::from_be_bytes([payload[0], payload[1]]), reason)
            }
            9 => Said::Ping(payload),
            10 => Said::Pong(payload),
            kind => panic!("a frame of kind {kind}"),
        })
    }
}

impl From<Wire> for Socket {
    fn from(wire: Wire) -> Self {
        Self(wire.into_inner())
    }
}

/// A masked frame.
pub fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => frame.push(0x80 | short),
        (_, Ok(medium)) => {
            frame.push(0xfe);
            frame.extend(medium.to_be_bytes());
        }
        _ => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
