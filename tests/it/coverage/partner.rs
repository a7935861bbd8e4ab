//! The partner that either tenant of the world has: an order from it, what it said, what its words mean.

use std::{collections::BTreeMap, sync::Arc};

use portolan::{
    domain::{
        order::content::{Address, AddressKind, Customer, LineKind, NewContent, NewLine},
        outbound::destination,
        partner::{
            Via,
            create::{self, NewPartnerIntegration},
            follow::{self, Reached},
            intake::{self, PartnerOrder},
            mapping::version,
            update::{self, Heard},
        },
        tenant::Tenant,
    },
    kernel::id::{IntegrationId, PartnerOrganizationId},
};
use serde_json::{Value, json};

use crate::support::{TestHub, played::Played};

/// What the partner's words mean.
pub fn mapping() -> Value {
    json!({
        "us_to_partner": {
            "new": "RECEIVED", "approved": "CONFIRMED", "in_progress": "IN_PROGRESS", "completed": "DELIVERED",
        },
        "partner_to_us": {
            "RECEIVED": "new", "CONFIRMED": "approved", "IN_PROGRESS": "in_progress", "DELIVERED": "completed",
        },
        "ignored": { "ours": ["cancelled"] },
    })
}

/// A partner integration to be.
fn new(partner: PartnerOrganizationId, played: &Played) -> NewPartnerIntegration {
    let credentials = json!({ "api_key": "example-partner-key" });
    NewPartnerIntegration {
        organization: partner,
        provider: None,
        name: "somebody_api".to_owned(),
        api_base_url: Some("https://api.partner.example".to_owned()),
        api_version: Some("v1".to_owned()),
        authentication_type: "api_key".to_owned(),
        api_credentials: credentials.as_object().cloned(),
        webhook_url: Some(format!("http://{}/nobody", played.address)),
        webhook_secret: None,
        webhook_events: vec!["*".to_owned()],
        status_mapping: Some(mapping()),
        is_active: true,
        sync_enabled: true,
        sync_frequency: "real_time".to_owned(),
        test: false,
    }
}

/// An order as the partner sends it.
fn order(integration: IntegrationId) -> PartnerOrder {
    let line = NewLine {
        kind: LineKind::Vehicle,
        description: "A car".to_owned(),
        sku: Some("EX30".to_owned()),
        vin: Some("YV1".to_owned()),
        quantity: 1,
        unit_price: Some("45000.00".to_owned()),
    };
    let address = Address {
        kind: AddressKind::Installation,
        street: "Some street 1".to_owned(),
        postal_code: Some("1234 AB".to_owned()),
        city: "Utrecht".to_owned(),
        region: None,
        country_code: "NL".to_owned(),
    };
    let content = NewContent {
        customer: Customer { name: "Ann".to_owned(), ..Customer::default() },
        lines: vec![line],
        currency: Some("EUR".to_owned()),
        addresses: vec![address],
        notes: None,
    };
    let references = json!({ "purchase_order_number": "PO-1" });
    PartnerOrder {
        integration,
        called: "KNOWN-1".to_owned(),
        content,
        references: references.as_object().cloned().unwrap(),
        placed_at: None,
        status: None,
    }
}

/// All of it, by short names.
pub async fn all(hub: &TestHub, played: &Played, tenant: &Tenant) -> BTreeMap<&'static str, String> {
    let (cx, partner) = (hub.cx_of(tenant), hub.partner_of(tenant, "Somebody").await);
    let made = create::create(&cx, new(partner, played), None).await.unwrap();
    let id = made.own.beside.id;
    destination::test(&cx, made.own.beside.destination_id.unwrap()).await.unwrap();
    let taken = intake::take(&cx, &order(id)).await.unwrap();
    let heard = Heard {
        integration: id,
        partner_order_id: "KNOWN-1".to_owned(),
        status: "RECEIVED".to_owned(),
        at: None,
        note: None,
        event: None,
        via: Via::Api,
    };
    let update = update::process(&cx, &heard).await.unwrap();
    hub.number_events().await;
    let mut reached = Reached::default();
    while follow::follow(&Arc::clone(hub.app.hub()), &mut reached).await.unwrap() > 0 {}
    let draft = version::draft(&cx, id, &mapping()).await.unwrap();
    let simulated = version::draft(&cx, id, &mapping()).await.unwrap().id;
    version::validate(&cx, simulated).await.unwrap();
    version::simulate(&cx, simulated, 10).await.unwrap();
    let spare = version::draft(&cx, id, &mapping()).await.unwrap();
    BTreeMap::from([
        ("partnerOrganization", partner.to_string()),
        ("partnerIntegration", id.to_string()),
        ("order", taken.order.id.to_string()),
        ("partnerUpdate", update.id.to_string()),
        ("statusMapping", draft.id.to_string()),
        ("simulatedMapping", simulated.to_string()),
        ("spareMapping", spare.id.to_string()),
    ])
}
