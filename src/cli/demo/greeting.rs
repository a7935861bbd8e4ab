//! What is said when all is ready: where to look, how to get in, and what to follow.

use std::{net::SocketAddr, path::Path};

use serde_json::json;
use url::form_urlencoded;

use super::Places;
use crate::{cli::speak::say, kernel::secret::Secret};

/// What to follow: each change of an integration, with its name and how it is now.
const FOLLOW: &str = "\
subscription Demo {
  integrationChanged {
    at
    kind
    integration { name status }
    data
    cursor
  }
}";

/// The same for their health alone: breaks, recoveries, and what is to blame.
const HEALTH: &str = "subscription Health { healthChanged { at integration { name } from to axis reason cursor } }";

/// What is read from the providers, as it comes.
const SYNCS: &str = "subscription Syncs { syncRunChanged { at integrationId stream kind \
                     progress { seen added updated estimatedRest } cursor } }";

/// What providers tell by webhooks.
const WEBHOOKS: &str = "subscription Webhooks { webhookEventReceived { at providerKey happening subject cursor } }";

/// What is told by webhooks, and whether it arrives.
const DELIVERIES: &str = "subscription Deliveries { deliveryChanged { at kind count cursor \
                          deliveries { kind destination { name } attemptCount lastStatus } } }";

/// How far the orders of partners are.
const PARTNERS: &str = "subscription Partners { partnerStatusChanged { at references from to partnerStatus byPartner \
                        cursor } }";

/// What the words are made of.
pub(super) struct Known<'a> {
    pub(super) places: Places,
    pub(super) integrations: usize,
    pub(super) tenant: &'a str,
    pub(super) sign_in: &'a Secret,
    pub(super) token: &'a Secret,
    pub(super) playground: bool,
    pub(super) folder: &'a Path,
    pub(super) kept: bool,
}

/// Says it.
pub(super) fn greet(known: &Known<'_>) {
    say(&words(known));
}

fn words(known: &Known<'_>) -> String {
    let Known { places: Places { hub: address, simulator, .. }, integrations, tenant, folder, .. } = known;
    let (sign_in, token) = (known.sign_in.expose(), known.token.expose());
    let version = env!("CARGO_PKG_VERSION");
    let playground = if known.playground {
        let document: String = form_urlencoded::byte_serialize(FOLLOW.as_bytes()).collect();
        format!(
            "Or in the playground: open this, sign in with the token, and run what is there:\n\n  \
             http://{address}/playground#document={document}\n\n\
             Or paste it yourself:\n\n{}",
            indented(FOLLOW)
        )
    } else {
        format!("The subscription:\n\n{}", indented(FOLLOW))
    };
    let end = if known.kept { "keeps" } else { "removes" };
    format!(
        "\nPortolan {version} listens on http://{address}\n\n\
         {integrations} integrations of the tenant \"{tenant}\" are up, and every provider is played on this machine.\n\
         They fail and recover by themselves, over and over. What a provider takes, to connect one yourself:\n\n  \
         curl http://{simulator}/_control/stripe\n\n\
         Sign in, once:  {sign_in}\n\
         API token:      {token}\n\n\
         Follow it in a terminal:\n\n  {}\n\n{playground}\n\n\
         Their health alone: {HEALTH}\n\n\
         What they read: {SYNCS}\n\n\
         What they tell by webhooks: {WEBHOOKS}\n\n\
         What is told by webhooks to two others, of which one is often out of order: {DELIVERIES}\n\n\
         What two partners say of their orders, and are told: {PARTNERS}\n\n\
         Ctrl-C stops it and {end} {}.\n",
        curl(*address, token),
        folder.display(),
    )
}

/// A line that a terminal takes as it is.
fn curl(address: SocketAddr, token: &str) -> String {
    let body = json!({ "query": FOLLOW.split_whitespace().collect::<Vec<_>>().join(" ") });
    format!(
        "curl -N http://{address}/graphql -H 'authorization: Bearer {token}' -H 'content-type: application/json' \
         -H 'accept: text/event-stream' -d '{body}'"
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
