//! Health: what is said of an integration follows from what its provider says, and from nothing else.

mod faults;
mod nodes;
mod people;
mod scale;

use chrono::TimeDelta;
use portolan::{
    domain::{
        credential::given::Given,
        integration::create::{self, NewIntegration},
    },
    kernel::{id::IntegrationId, scope::Role},
    provider::{catalogue::Catalogue, manifest::auth::Auth},
    worker::prober::Prober,
};
use serde_json::{Value, json};

use crate::support::{
    TestHub,
    played::{Played, example},
};

const HEALTH: &str =
    "query($id: ID!) { integration(id: $id) { id name status errorMessage errorClass lastSuccessAt lastErrorAt
    health { verdict since reason axis errorClass latencyMs baselineMs checkedAt nextCheckAt everySeconds
        axes { credential reachability quota permission freshness } uptime { day week month }
        history(first: 100) { totalCount nodes { at source good errorClass message latencyMs traceId } }
        why { kind at text actor requestId traceId } } } }";

/// A hub with a prober that works when it is told to, and the providers it asks.
struct Ward {
    hub: TestHub,
    played: Played,
    prober: Prober,
    admin: String,
}

impl Ward {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    /// One with some settings changed.
    async fn with(more: &[(&str, &str)]) -> Self {
        let played = Played::start().await;
        let settings = played.settings();
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        settings.extend(more);
        let hub = TestHub::with(&settings).await;
        let prober = Prober::new(hub.app.hub().clone());
        let admin = hub.token(Role::Admin).await;
        Self { hub, played, prober, admin }
    }

    /// An integration of a provider that has what its fake takes for right.
    async fn connect(&self, provider: &str) -> IntegrationId {
        connect(&self.hub, provider, provider).await
    }

    /// Lets time pass until everything is due, and asks everybody once.
    async fn round(&mut self) -> usize {
        self.hub.clock.advance(TimeDelta::seconds(75));
        self.prober.settle().await.unwrap()
    }

    async fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.round().await;
        }
    }

    /// An integration with its health.
    async fn of(&self, id: IntegrationId) -> Value {
        self.hub.number_events().await;
        self.hub.ask(&self.admin, HEALTH, json!({ "id": id.to_string() })).await.data()["integration"].clone()
    }

    /// The verdict and the side.
    async fn verdict(&self, id: IntegrationId) -> (String, Value) {
        let health = self.of(id).await["health"].clone();
        (health["verdict"].as_str().unwrap().to_owned(), health["axis"].clone())
    }

    /// Every change of verdicts so far, as `FROM>TO`.
    async fn changes(&self) -> Vec<String> {
        self.hub.number_events().await;
        let query = "{ events(topics: [HEALTH], first: 100) { nodes { kind data } } }";
        let answer = self.hub.ask(&self.admin, query, Value::Null).await.data();
        let nodes = answer["events"]["nodes"].as_array().unwrap().clone();
        let changes = nodes.iter().filter(|node| node["kind"] == "health.changed");
        changes.map(|node| format!("{}>{}", text(&node["data"]["from"]), text(&node["data"]["to"]))).collect()
    }

    /// Runs a mutation whose input is this; gives its payload.
    async fn change(&self, name: &str, fields: &str, input: Value) -> Value {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!(
            "mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code path message }} }} }}"
        );
        self.hub.ask(&self.admin, &document, json!({ "input": input })).await.data()[name].clone()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// An integration of a provider that has what its fake takes for right, under a name.
pub async fn connect(hub: &TestHub, provider: &str, name: &str) -> IntegrationId {
    let manifest = Catalogue::embedded().get(provider).unwrap().clone();
    let auth = manifest.auth.iter().find(|auth| auth.token().is_none()).unwrap_or(&manifest.auth[0]);
    let values = auth.fields().iter().map(|field| field.name.as_str().to_owned());
    let values = values.map(|field| (field.clone(), example(provider, &field).into())).collect();
    let given = Given::Fields { method: auth_key(auth), values };
    let settings = manifest.settings.all().iter().filter(|setting| setting.required);
    let settings = settings.filter_map(|it| Some((it.name.as_str().to_owned(), it.example.clone()?))).collect();
    let new = NewIntegration {
        provider: provider.to_owned(),
        name: Some(name.to_owned()),
        settings,
        skip_test: true,
        import_catalogue: true,
        ..NewIntegration::default()
    };
    create::create(&hub.cx(), new, Some(given), None).await.unwrap().id
}

fn auth_key(auth: &Auth) -> String {
    auth.key().as_str().to_owned()
}
