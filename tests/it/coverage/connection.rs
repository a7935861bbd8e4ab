//! The connections that either tenant of the world has.

use std::collections::BTreeMap;

use portolan::{
    domain::{
        credential::{app, given::Given},
        health::schedule,
        integration::{
            action,
            create::{self, NewIntegration},
            link,
        },
        tenant::Tenant,
    },
    kernel::id::IntegrationId,
};

use crate::support::{TestHub, played::example};

/// An integration that works, one for which somebody has to agree, and a link to each.
pub async fn all(hub: &TestHub, tenant: &Tenant) -> BTreeMap<&'static str, String> {
    let cx = hub.cx_of(tenant);
    let key = Given::ApiKey { key: example("stripe", "api_key").into(), prefix: None };
    let works = create::create(&cx, of("stripe"), Some(key), None).await.unwrap().id;
    // Something is known of its health, and something happened to it.
    schedule::check_now(&cx, works).await.unwrap();
    let fields = ["client_id", "client_secret", "verify_token"];
    let fields = fields.map(|field| (field.to_owned(), example("meta_ads", field).into()));
    let app = app::put(&cx, "meta_ads", false, &fields).await.unwrap().id;
    let login = NewIntegration { auth_method: Some("login".to_owned()), ..of("meta_ads") };
    let login = create::create(&cx, login, None, None).await.unwrap().id;
    let token_of = async |id: IntegrationId| {
        let url = link::create(&cx, id).await.unwrap().url.expose().to_owned();
        url.rsplit_once('/').unwrap().1.to_owned()
    };
    BTreeMap::from([
        ("integration", works.to_string()),
        ("integrationAction", action::of_integrations(&cx, &[works]).await.unwrap()[0].id.to_string()),
        ("providerApp", app.to_string()),
        ("login", login.to_string()),
        ("connectLink", token_of(works).await),
        ("loginLink", token_of(login).await),
    ])
}

/// An integration of a provider, under the provider's name.
fn of(provider: &str) -> NewIntegration {
    NewIntegration {
        provider: provider.to_owned(),
        name: Some(provider.to_owned()),
        import_catalogue: true,
        ..NewIntegration::default()
    }
}
