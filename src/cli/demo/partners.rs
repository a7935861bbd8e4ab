//! Two partners who send orders and say how far they are, an unknown word now and then; and somebody of the tenant who
//! moves orders, of which they are told.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::sink::Sink;
use crate::{
    context::Cx,
    domain::{
        order::{
            change,
            content::{Customer, NewContent, NewLine},
        },
        partner::{
            Via,
            create::{self, NewPartnerIntegration},
            intake::{self, PartnerOrder},
            organization::{self, NewOrganization},
            update::{self, Heard},
        },
    },
    kernel::{
        error::{Error, Result, chain},
        id::IntegrationId,
        secret::Secret,
    },
    provider::{manifest::auth::Auth, webhook::standard},
};

/// Between one thing and the next.
const BEAT: Duration = Duration::from_millis(1_500);

/// Beats after which a partner has a new order.
const ORDER: u64 = 6;

/// A partner: name, type, what its integration is called, its provider, where it is told, what it calls its orders.
struct Part {
    name: &'static str,
    kind: &'static str,
    integration: &'static str,
    provider: &'static str,
    path: &'static str,
    prefix: &'static str,
    /// What it orders, and for how much.
    goods: (&'static str, &'static str),
}

const PARTS: [Part; 2] = [
    Part {
        name: "Volvo dealer Van Mossel",
        kind: "partner_dealer",
        integration: "volvo_dealer_orders",
        provider: "volvo_dealer",
        path: "volvo",
        prefix: "VLV-2026",
        goods: ("Charging point for an EX30", "899.00"),
    },
    Part {
        name: "Eneco",
        kind: "partner_energy",
        integration: "eneco_orders",
        provider: "eneco",
        path: "eneco",
        prefix: "ENE-2026",
        goods: ("Charging point with a tariff", "749.50"),
    },
];

/// What partners say of an order, one after the other; one of the words means nothing to us.
const WORDS: [&str; 4] = ["CONFIRMED", "WAITING_FOR_PARTS", "IN_PROGRESS", "DELIVERED"];

/// A partner in the play.
pub(super) struct Partner {
    part: &'static Part,
    id: IntegrationId,
}

/// Makes them.
pub(super) async fn make(cx: &Cx, sink: &Sink, told_at: SocketAddr) -> Result<Vec<Partner>> {
    let mut partners = Vec::new();
    for part in &PARTS {
        let new = NewOrganization { name: part.name.to_owned(), kind: part.kind.to_owned(), contacts: Vec::new() };
        let organization = organization::create(cx, new, None).await?.id;
        let manifest = cx.hub().catalogue.get(part.provider).ok_or(Error::NotFound("provider"))?;
        let example = |name: &str| {
            let setting = manifest.settings.all().iter().find(|setting| setting.name.as_str() == name)?;
            setting.example.clone()
        };
        let fields = manifest.auth.first().map_or(&[][..], Auth::fields);
        let mut credentials: serde_json::Map<_, _> =
            fields.iter().map(|field| (field.name.0.clone(), field.example.clone().into())).collect();
        if let Some(url) = example("token_url") {
            credentials.insert("token_endpoint".to_owned(), url.into());
        }
        let is_client = credentials.contains_key("client_id");
        let secret = standard::new_secret(&*cx.hub().chance);
        sink.knows(part.path, secret.clone());
        let new = NewPartnerIntegration {
            organization,
            provider: Some(part.provider.to_owned()),
            name: part.integration.to_owned(),
            api_base_url: example("base_url"),
            api_version: None,
            authentication_type: if is_client { "oauth2" } else { "api_key" }.to_owned(),
            api_credentials: Some(credentials),
            webhook_url: Some(format!("http://{told_at}/{}", part.path)),
            webhook_secret: Some(Secret::from(secret.expose().to_owned())),
            webhook_events: vec!["*".to_owned()],
            status_mapping: Some(json!({
                "tea_house_to_partner": {
                    "new": "RECEIVED", "approved": "CONFIRMED", "in_progress": "IN_PROGRESS", "completed": "DELIVERED",
                    "cancelled": "CANCELLED",
                },
                "partner_to_tea_house": {
                    "RECEIVED": "new", "CONFIRMED": "approved", "IN_PROGRESS": "in_progress", "DELIVERED": "completed",
                    "CANCELLED": "cancelled",
                },
            })),
            is_active: true,
            // What the simulator has as orders is not what these have.
            sync_enabled: false,
            sync_frequency: "real_time".to_owned(),
            test: true,
        };
        let made = create::create(cx, new, None).await?;
        partners.push(Partner { part, id: made.own.beside.id });
    }
    Ok(partners)
}

/// Lets them send, and somebody answer, until that is stopped.
pub(super) async fn exchange(cx: &Cx, partners: &[Partner]) {
    let mut clock = interval(BEAT);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beat = 0;
    loop {
        clock.tick().await;
        for partner in partners {
            if let Err(error @ (Error::Internal(..) | Error::NotFound(_))) = happens(cx, partner, beat).await {
                tracing::error!(partner = partner.part.name, error = chain(&error), "the play does not go as planned");
            }
        }
        beat += 1;
    }
}

/// What happens with a partner at a beat: an order, or a word about the last one; every third order we move.
async fn happens(cx: &Cx, partner: &Partner, beat: u64) -> Result<()> {
    let (number, step) = (beat / ORDER, beat % ORDER);
    let called = format!("{}-{:06}", partner.part.prefix, number + 1);
    let Some(word) = step.checked_sub(1).and_then(|at| WORDS.get(usize::try_from(at).ok()?)) else {
        return if step == 0 { order(cx, partner, called).await } else { Ok(()) };
    };
    if number % 3 == 2 {
        let to = match *word {
            "CONFIRMED" => "approved",
            "IN_PROGRESS" => "cancelled",
            _ => return Ok(()),
        };
        let known = crate::domain::order::reference::order(cx, "partner_order_id", &called, Some(partner.id)).await?;
        let Some(known) = known else { return Ok(()) };
        return change::change_status(cx, known.id, to, Some("the customer called")).await.map(drop);
    }
    let heard = Heard {
        integration: partner.id,
        partner_order_id: called,
        status: (*word).to_owned(),
        at: Some(cx.now()),
        note: None,
        event: None,
        via: Via::Api,
    };
    update::process(cx, &heard).await.map(drop)
}

async fn order(cx: &Cx, partner: &Partner, called: String) -> Result<()> {
    let (description, price) = partner.part.goods;
    let line = NewLine {
        description: description.to_owned(),
        quantity: 1,
        unit_price: Some(price.to_owned()),
        ..NewLine::default()
    };
    let new = PartnerOrder {
        integration: partner.id,
        called,
        content: NewContent {
            customer: Customer { name: "A customer".to_owned(), ..Customer::default() },
            lines: vec![line],
            currency: Some("EUR".to_owned()),
            ..NewContent::default()
        },
        references: json!({ "partner_system": partner.part.integration }).as_object().cloned().unwrap_or_default(),
        placed_at: None,
        status: Some("RECEIVED".to_owned()),
    };
    intake::take(cx, &new).await.map(drop)
}
