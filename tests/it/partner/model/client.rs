//! Who asks servers that are killed: until an answer comes, of whichever of them.

use std::{net::SocketAddr, time::Duration};

use portolan::{kernel::secret::Secret, provider::webhook::standard::Signer};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::now;
use crate::support::{
    Reply,
    process::LIMIT,
    wire::{Wire, head},
};

/// A client. What it sends may be sent again, however it is.
pub struct Client {
    nodes: Vec<SocketAddr>,
    token: String,
    pub chance: StdRng,
    wire: Option<Wire>,
    /// How often it got no answer to what it had sent.
    pub unanswered: usize,
}

impl Client {
    pub fn new(nodes: &[SocketAddr], token: &str, chance: StdRng) -> Self {
        Self { nodes: nodes.to_vec(), token: token.to_owned(), chance, wire: None, unanswered: 0 }
    }

    /// Needs no connection for now.
    pub fn hang_up(&mut self) {
        self.wire = None;
    }

    /// Sends it once; nothing if the outcome is unknown.
    async fn send(&mut self, request: &str) -> Option<Reply> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(self.nodes[self.chance.random_range(0..self.nodes.len())]).await.ok()?,
        };
        let answered = async {
            wire.send(request).await.ok()?;
            wire.reply().await.ok()
        };
        let Some(reply) = answered.await else {
            self.unanswered += 1;
            return None;
        };
        // Now and then by another node.
        if reply.header("connection") != "close" && self.chance.random_range(0..4) > 0 {
            self.wire = Some(wire);
        }
        Some(reply)
    }

    /// Sends it until it is answered. Says whether that took more than once.
    async fn insist(&mut self, request: &str) -> (Reply, bool) {
        let mut again = false;
        let answered = timeout(3 * LIMIT, async {
            loop {
                match self.send(request).await {
                    Some(reply) if !busy(&reply) => return reply,
                    _ => sleep(Duration::from_millis(5)).await,
                }
                again = true;
            }
        });
        let reply = answered.await.unwrap_or_else(|_| panic!("nobody answers: {request}"));
        (reply, again)
    }

    /// The data of an answer.
    pub async fn ask(&mut self, document: &str, variables: Value) -> (Value, bool) {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let (reply, again) = self.insist(&format!("{}\r\n{body}", head(&self.token, body.len()))).await;
        (reply.data(), again)
    }

    /// The first field of what is answered.
    pub async fn field(&mut self, document: &str, variables: Value) -> Value {
        let (data, _) = self.ask(document, variables).await;
        data.as_object().unwrap().values().next().unwrap().clone()
    }

    /// The payload of a mutation that nothing may be wrong with.
    pub async fn done(&mut self, name: &str, fields: &str, input: Value) -> Value {
        let (payload, _) = self.change(name, fields, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{name} {payload}");
        payload
    }

    /// The payload of a mutation.
    pub async fn change(&mut self, name: &str, fields: &str, input: Value) -> (Value, bool) {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!(
            "mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code path message }} }} }}"
        );
        let (data, again) = self.ask(&document, json!({ "input": input })).await;
        (data[name].clone(), again)
    }

    /// Sends a webhook as a partner signs it, until it is taken.
    pub async fn webhook(&mut self, path: &str, secret: &str, id: &str, body: &Value) {
        let (body, second) = (body.to_string(), now() / 1_000_000);
        let signer = Signer::new(&[Secret::from(secret.to_owned())], &[]).unwrap();
        let signature = signer.sign(id, second, body.as_bytes());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: portolan\r\ncontent-type: application/json\r\nwebhook-id: {id}\r\n\
             webhook-timestamp: {second}\r\nwebhook-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (reply, _) = self.insist(&request).await;
        assert!(reply.status.is_success(), "{} {}", reply.status, reply.text);
    }
}

/// Whether a server that is there says that it cannot answer now.
fn busy(reply: &Reply) -> bool {
    let later = ["SERVICE_UNAVAILABLE", "TIMEOUT"];
    reply.status.is_server_error()
        || (reply.header("content-type").contains("json")
            && reply.codes().iter().any(|code| later.contains(&code.as_str())))
}
