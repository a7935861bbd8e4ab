//! Every stream that is worth something, read from the simulator.

use std::collections::BTreeMap;

use portolan::{
    domain::{
        credential::given::Given,
        integration::{
            Integration, call,
            create::{self, NewIntegration},
        },
        sync::{Status, run},
    },
    provider::{
        catalogue::Catalogue,
        connector::Trouble,
        manifest::{Manifest, auth::Auth, stream::Stream},
        paging::Position,
    },
};
use serde_json::Value;

use super::{kept, over};
use crate::support::{TestHub, played::Played};

const PROVIDERS: [&str; 8] =
    ["meta_ads", "pancake_pos", "shopify", "stripe", "pxc", "circuly", "firmhouse", "mailchimp"];

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_of_the_eight_providers_is_read_as_the_provider_has_it() {
    let played = Played::start().await;
    let settings = played.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    let mut streams = 0;
    for provider in PROVIDERS {
        let manifest = Catalogue::embedded().get(provider).unwrap().clone();
        let integration = connect(&hub, &manifest).await;
        for own in manifest.streams.all() {
            let what = format!("{provider} {}", own.key);
            let before = truth(&hub, &integration, own).await;
            let cx = hub.cx();
            // Of some only today is read unless somebody wants it all.
            let begun = if own.since.get().is_some_and(|since| since.today) {
                vec![run::backfill(&cx, integration.id, own.key.as_str(), false).await.unwrap()]
            } else {
                run::sync_now(&cx, integration.id, Some(own.key.as_str())).await.unwrap()
            };
            let run = over(&hub, &begun[0]).await;
            let after = truth(&hub, &integration, own).await;
            assert_eq!((run.status, &run.error), (Status::Succeeded, &None), "{what}");
            let records = kept(&hub, integration.id, own.key.as_str()).await;
            let known: BTreeMap<_, _> = records.iter().map(|(id, data, _)| (id.clone(), data.clone())).collect();
            assert_eq!(known.len(), records.len(), "{what}: each once");
            assert!(records.iter().all(|(_, _, gone)| !gone), "{what}");
            // Records are added while this runs.
            assert!(before.len() >= 23 && before.iter().all(|(id, data)| known.get(id) == Some(data)), "{what}");
            assert!(known.iter().all(|(id, data)| after.get(id) == Some(data)), "{what}");
            streams += 1;
        }
    }
    println!("{streams} streams of {} providers", PROVIDERS.len());
}

/// What a provider has, read without the hub's memory.
async fn truth(hub: &TestHub, of: &Integration, own: &Stream) -> BTreeMap<String, Value> {
    let (mut all, mut position, cx) = (BTreeMap::new(), Position::Start, hub.cx());
    loop {
        let at = &position;
        let asked =
            call::call(
                &cx,
                of,
                |connector, connection| async move { connector.page(&connection, own, at, None).await },
            );
        let page = match asked.await.unwrap() {
            Err(Trouble::Failed(failure)) if failure.class.retry() => {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                continue;
            }
            page => page.unwrap(),
        };
        all.extend(page.records.into_iter().map(|record| (record.id, record.data)));
        let Some(next) = page.next else { return all };
        position = next;
    }
}

/// The credential of the examples of a provider's file.
fn given(auth: &Auth) -> Given {
    let values = auth.fields().iter().map(|field| (field.name.0.clone(), field.example.clone().into()));
    Given::Fields { method: auth.key().0.clone(), values: values.collect() }
}

/// An integration of the examples of a provider's file.
async fn connect(hub: &TestHub, manifest: &Manifest) -> Integration {
    // Nobody has to agree with this one.
    let auth = manifest.auth.iter().find(|auth| !matches!(auth, Auth::AuthorizationCode(_))).unwrap();
    let settings = manifest.settings.all().iter().filter(|setting| setting.derive.is_none());
    let new = NewIntegration {
        provider: manifest.key.0.clone(),
        settings: settings.filter_map(|it| Some((it.name.0.clone(), it.example.clone()?))).collect(),
        skip_test: true,
        ..NewIntegration::default()
    };
    create::create(&hub.cx(), new, Some(given(auth)), None).await.unwrap_or_else(|error| panic!("{error:?}"))
}
