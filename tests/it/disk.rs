//! The disk under the database fills up, or fails: whatever was acknowledged is durable, whatever was not stored is
//! refused by code, and when the disk works again the server does, without a restart.

mod embedded;
mod server;

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, process::Server, wire::Wire};

/// Clients here send more than their share.
const UNLIMITED: (&str, &str) = ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0");

/// What the clients know of the agents that they made.
#[derive(Default)]
struct Known {
    acknowledged: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Known {
    /// Makes an agent; says whether it was acknowledged. A refusal has the code and the status of an outage.
    async fn make(&mut self, server: &Server, token: &str, name: &str) -> bool {
        let reply = make(server, token, name).await;
        if reply.status == StatusCode::OK {
            let made = &reply.data()["createAgent"];
            assert_eq!(made["userErrors"], json!([]), "{made}");
            self.acknowledged.insert(name.to_owned());
            return true;
        }
        assert_outage(&reply);
        self.refused.insert(name.to_owned());
        false
    }

    /// Holds it against what is there: everything that was acknowledged, nothing twice, nothing unasked.
    async fn agrees(&self, server: &Server, token: &str) {
        let (mut there, mut after) = (BTreeSet::new(), Value::Null);
        loop {
            let query = "query($after: String) { agents(first: 100, after: $after) {
                nodes { name } pageInfo { hasNextPage endCursor } } }";
            let page = server.ask(token, query, json!({ "after": after })).await.data()["agents"].clone();
            for node in page["nodes"].as_array().unwrap() {
                let name = node["name"].as_str().unwrap().to_owned();
                assert!(there.insert(name.clone()), "{name} is there twice");
            }
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        let lost: Vec<_> = self.acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        // The outcome of a commit that failed is unknown, as that of a connection that broke.
        let unasked: Vec<_> = there.iter().filter(|name| !self.acknowledged.contains(*name)).collect();
        assert!(unasked.iter().all(|name| self.refused.contains(*name)), "nobody asked for these: {unasked:?}");
        println!("{} acknowledged, {} refused, {} there", self.acknowledged.len(), self.refused.len(), there.len());
    }
}

async fn make(server: &Server, token: &str, name: &str) -> Reply {
    let create = "mutation($name: String!) { createAgent(input: { name: $name, role: VIEWER }) {
        agent { id } userErrors { message } } }";
    server.ask(token, create, json!({ "name": name })).await
}

/// The answer of somebody who cannot store anything at present.
fn assert_outage(reply: &Reply) {
    assert_eq!(reply.codes(), ["SERVICE_UNAVAILABLE"], "{}", reply.text);
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text);
    assert!(!reply.header("retry-after").is_empty(), "no Retry-After: {}", reply.text);
}

/// What `/readyz` says, with its status.
async fn readiness(server: &Server) -> Option<(StatusCode, Value)> {
    let reply = Wire::open(server.address).await.ok()?.get("/readyz").await.ok()?;
    Some((reply.status, reply.json()))
}
