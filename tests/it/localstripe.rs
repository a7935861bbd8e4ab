//! The file of Stripe against `localstripe` (`PyPI`), an API of Stripe's shape that others wrote. Our simulator is made
//! of the same file as the connector, so both could be wrong together; this one knows nothing of us.
//!
//! It runs where `TEST_LOCALSTRIPE_URL` names one; `tests/all.sh` installs and starts it.

use std::{collections::BTreeSet, sync::Arc};

use portolan::{
    kernel::{chance::SystemChance, clock::SystemClock, secret::Secret},
    provider::{
        client::Client,
        connector::{Connection, Connector, Details, Trouble},
        manifest::{Manifest, answer::Class, paging::Paging, shape::OrNone},
        paging::Position,
        probe::Known,
    },
};
use serde_json::json;

/// Stripe's file at another address, in nothing else changed.
fn stripe(address: &str) -> Arc<Manifest> {
    let file = include_str!("../../src/provider/catalogue/stripe.toml");
    let moved = file.replace("base_url = \"https://api.stripe.com\"", "base_url = \"{base_url}\"").replace(
        "settings = \"none\"",
        &format!(
            "settings = [{{ name = \"base_url\", label = \"Address\", kind = \"url\", default = \"{address}\" }}]"
        ),
    );
    Arc::new(Manifest::parse("stripe.toml", &moved).unwrap())
}

fn connection(stripe: &Arc<Manifest>, key: &str) -> Connection {
    let credential = [("api_key".to_owned(), Secret::from(key.to_owned()))].into();
    Connection::new(Arc::clone(stripe), &Details { credential, ..Details::default() }).unwrap()
}

#[tokio::test]
async fn the_file_of_stripe_holds_against_an_api_that_others_wrote() {
    let Ok(address) = std::env::var("TEST_LOCALSTRIPE_URL") else {
        println!("left out: TEST_LOCALSTRIPE_URL names no localstripe");
        return;
    };
    let stripe = stripe(&address);
    let client = Client::new(vec!["127.0.0.1".parse().unwrap()]).unwrap();
    let connector = Connector::new(client, Arc::new(SystemClock), Arc::new(SystemChance));
    let right = connection(&stripe, "sk_test_ExampleExampleExample01");

    // The probe.
    let verdict = connector.probe(&right).await.unwrap();
    assert!(verdict.is_good(), "{verdict:?}");
    let wrong = connector.probe(&connection(&stripe, "pk_test_ExampleExampleExample01")).await.unwrap();
    assert_eq!((wrong.reach, wrong.credential), (Known::Good, Known::Bad), "{wrong:?}");
    assert_eq!(wrong.failure.unwrap().message.as_deref(), Some("Unauthorized"));

    // Pages, of three.
    let create = stripe.action("create_customer").unwrap();
    let mut made = BTreeSet::new();
    for number in 0..8 {
        let input = json!({"name": "Amal", "email": format!("amal{number}@example.com")});
        let customer = connector.act(&right, create, input, Some(&format!("key-{number}"))).await.unwrap();
        made.insert(customer["id"].as_str().unwrap().to_owned());
    }
    let mut stream = stripe.stream("customers").unwrap().clone();
    let Some(Paging::Cursor(mut paging)) = stripe.paging_of(&stream).cloned() else { panic!("a cursor") };
    paging.size.as_mut().unwrap().most = 3;
    stream.paging = Some(OrNone::Is(Paging::Cursor(paging)));
    let (mut position, mut found, mut pages) = (Position::Start, BTreeSet::new(), 0);
    loop {
        let page = connector.page(&right, &stream, &position, None).await.unwrap();
        assert!(page.records.len() <= 3 && page.unfit.is_empty());
        for record in page.records {
            assert!(record.updated_at.is_some() && record.data["created_at"].is_string(), "{record:?}");
            assert!(found.insert(record.id.clone()), "{} twice", record.id);
        }
        pages += 1;
        let Some(next) = page.next else { break };
        position = next;
    }
    assert!(made.is_subset(&found) && pages >= 3, "{made:?} of {found:?} in {pages} pages");

    // Errors.
    let read = stripe.action("get_payment_intent").unwrap();
    let outcome = connector.act(&right, read, json!({"id": "pi_of_nobody"}), None).await;
    let Err(Trouble::Failed(failure)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.class, failure.status), (Class::NotFound, Some(404)), "{failure:?}");
    assert!(failure.message.is_some() && failure.code.as_deref() == Some("invalid_request_error"), "{failure:?}");
    let refund = stripe.action("create_refund").unwrap();
    let outcome = connector.act(&right, refund, json!({"payment": "pi_of_nobody"}), None).await.unwrap_err();
    assert!(matches!(outcome.class(), Some(Class::NotFound | Class::Invalid)), "{outcome:?}");
}
