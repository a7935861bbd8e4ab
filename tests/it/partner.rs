//! Partners: orders in, statuses both ways, each partner its own.

mod deep;
mod exchange;
mod interface;
mod mapping;
mod model;
mod orders;
mod random;
mod rounds;
mod seed;
mod sight;
mod sync;
pub mod walk;
mod webhooks;

use std::sync::Arc;

use chrono::TimeDelta;
use portolan::{
    domain::{
        job::queue,
        outbound::route::{self, Reached},
        partner::{follow, update},
    },
    kernel::{
        id::{IntegrationId, PartnerOrganizationId},
        scope::Role,
    },
    worker::outbound::Sender,
};
use serde_json::{Value, json};

use crate::{outbound::sink::Sink, support::TestHub};

/// The secret with which everything here is signed.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A tenant with partners, and a place where these are told.
struct Partners {
    hub: Arc<TestHub>,
    sink: Sink,
    admin: String,
}

impl Partners {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same, with some settings changed.
    async fn with(more: &[(&str, &str)]) -> Self {
        let sink = Sink::start().await;
        let mut settings = vec![("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8")];
        settings.extend(more);
        let hub = Arc::new(TestHub::with(&settings).await);
        let admin = hub.token(Role::Admin).await;
        Self { hub, sink, admin }
    }

    /// What a field of the API answers to the administrator.
    async fn ask(&self, document: &str, variables: Value) -> Value {
        let data = self.hub.ask(&self.admin, document, variables).await.data();
        data.as_object().unwrap().values().next().unwrap().clone()
    }

    /// The payload of a mutation with an input.
    async fn change(&self, name: &str, fields: &str, input: Value) -> Value {
        self.change_as(&self.admin, name, fields, input).await
    }

    async fn change_as(&self, token: &str, name: &str, fields: &str, input: Value) -> Value {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!(
            "mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code path message }} }} }}"
        );
        self.hub.ask(token, &document, json!({ "input": input })).await.data()[name].clone()
    }

    /// The same, where nothing is refused.
    async fn done(&self, name: &str, fields: &str, input: Value) -> Value {
        let payload = self.change(name, fields, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        payload
    }

    /// A partner, reached at a path of the sink.
    async fn partner(&self, name: &str) -> (PartnerOrganizationId, IntegrationId) {
        let organization = self.hub.partner_of(&self.hub.tenant, name).await;
        let input = json!({
            "partnerOrganizationId": organization, "integrationName": name, "apiBaseUrl": "https://api.partner.example",
            "authenticationType": "API_KEY", "apiCredentials": { "api_key": "example-partner-key" },
            "webhookUrl": format!("http://{}/{name}", self.sink.address), "webhookSecret": SECRET,
            "webhookEvents": ["*"], "statusMapping": mapping(),
        });
        let made = self.done("createPartnerIntegration", "partnerIntegration { id }", input).await;
        let id = made["partnerIntegration"]["id"].as_str().unwrap().parse().unwrap();
        // What happens later goes there.
        self.later(TimeDelta::seconds(1));
        (organization, id)
    }

    /// An order from a partner.
    async fn order(&self, partner: IntegrationId, called: &str) -> String {
        let fields = "order { id } created";
        let made = self.done("createOrderFromPartner", fields, from_partner(partner, called)).await;
        made["order"]["id"].as_str().unwrap().to_owned()
    }

    /// What comes of what a partner says so many minutes after the beginning.
    async fn says(&self, partner: IntegrationId, called: &str, status: &str, minute: i64) -> Value {
        let at = crate::support::hub::beginning() - TimeDelta::hours(2) + TimeDelta::minutes(minute);
        let input = json!({ "partnerIntegrationId": partner, "partnerOrderId": called, "status": status, "at": at });
        let fields = "update { id state reason meant repeats order { id status } }";
        self.done("processPartnerStatusUpdate", fields, input).await["update"].clone()
    }

    async fn status(&self, order: &str) -> Value {
        self.ask("query($id: ID!) { order(id: $id) { status } }", json!({ "id": order })).await["status"].clone()
    }

    async fn moves(&self, order: &str, status: &str) {
        self.done("changeOrderStatus", "order { status }", json!({ "id": order, "status": status })).await;
    }

    /// Takes what happened to partners, and what partners said to orders.
    async fn follow(&self) {
        let mut reached = follow::Reached::default();
        loop {
            self.hub.number_events().await;
            if follow::follow(&Arc::clone(self.hub.app.hub()), &mut reached).await.unwrap() == 0 {
                return;
            }
        }
    }

    /// The same, and sends what is to be sent. Says how many attempts were made.
    async fn work(&self) -> usize {
        self.follow().await;
        self.hub.number_events().await;
        let mut reached = Reached::default();
        while route::route(self.hub.app.hub(), &mut reached).await.unwrap().events > 0 {}
        Sender::new(Arc::clone(self.hub.app.hub())).settle().await.unwrap()
    }

    /// Does the jobs that look again at what had no meaning.
    async fn reapply(&self) {
        let hub = self.hub.app.hub();
        for job in queue::take(hub, "partner.reapply", 10, "nobody", TimeDelta::hours(1)).await.unwrap() {
            let id = job.payload["integration"].as_str().unwrap().parse().unwrap();
            update::reapply(&queue::acting(hub, &job, "test"), id).await.unwrap();
        }
    }

    /// The kinds of alerts that are open.
    async fn alerts(&self) -> Vec<String> {
        let open = self.ask("{ alerts(filter: { open: true }) { nodes { kind } } }", Value::Null).await;
        open["nodes"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    }

    fn later(&self, by: TimeDelta) {
        self.hub.clock.advance(by);
    }
}

/// What the words of partners mean here: those of the seed.
fn mapping() -> Value {
    json!({
        "chargecars_to_partner": {
            "new": "RECEIVED", "approved": "CONFIRMED", "in_progress": "IN_PROGRESS", "completed": "DELIVERED",
        },
        "partner_to_chargecars": {
            "RECEIVED": "new", "CONFIRMED": "approved", "IN_PROGRESS": "in_progress", "DELIVERED": "completed",
        },
    })
}

/// An order as a partner sends it.
fn from_partner(partner: IntegrationId, called: &str) -> Value {
    json!({
        "partnerIntegrationId": partner, "partnerOrderId": called,
        "customer": { "name": "Ann", "email": "ann@example.com" },
        "lines": [{ "kind": "VEHICLE", "description": "EX30", "vin": "YV1", "unitPrice": "45000.10" }],
        "currency": "EUR",
        "addresses": [{ "kind": "INSTALLATION", "street": "Some street 1", "city": "Utrecht", "countryCode": "NL" }],
    })
}

/// The paths and codes of what was refused.
fn refusals(payload: &Value) -> Vec<(String, String)> {
    let errors = payload["userErrors"].as_array().unwrap();
    let of = |error: &Value| {
        let path: Vec<_> = error["path"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        (path.join("."), error["code"].as_str().unwrap().to_owned())
    };
    errors.iter().map(of).collect()
}
