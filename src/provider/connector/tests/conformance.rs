//! Every provider of the catalogue, by every auth method, against the fake that is made of its file.

use super::stage::{Stage, catalogue};

#[tokio::test]
async fn right_credentials_are_accepted_and_give_what_the_file_promises() {
    let stage = Stage::all().await;
    for provider in catalogue() {
        for method in &provider.auth {
            let what = format!("{} by {}", provider.key, method.key());
            let details = stage.details(&provider, method);
            assert_eq!(details.misfits(&provider), [], "{what}");
            let connection = stage.connect(&provider, method).await;
            let verdict = stage.connector.probe(&connection).await.unwrap();
            assert!(verdict.is_good(), "{what}: {verdict:?}");
            let accounts = stage.connector.discover(&connection).await.unwrap();
            assert_eq!(accounts.is_empty(), provider.discovery.get().is_none(), "{what}");
            for account in accounts {
                assert!(!account.name.is_empty() && !account.set.is_empty(), "{what}: {account:?}");
            }
            stage.rest();
        }
    }
}
