//! Providers: nobody's, and everybody's to see.

use portolan::kernel::cursor::Cursor;
use serde_json::json;

use super::super::case::{Case, Needs};

pub const CASES: &[Case] = &[
    Case::new(
        Needs::SignedIn,
        "query Provider($key: String!) {
           provider(key: $key) {
             id key name description category docsUrl perTenant capabilities unverified warnings { kind message version endsOn daysLeft instead }
             version { current known { id endsOn daysLeft } }
             warnings { kind version endsOn daysLeft instead message }
             environments { key label sandbox baseUrl }
             settings { name label help kind required defaultValue pattern choices example derived }
             authMethods {
               key label kind help scopes
               fields { name label help secret required pattern hintPrefixes }
             }
             appFields { name }
           }
         }",
        |_| json!({ "key": "shopify" }),
    ),
    Case::new(
        Needs::SignedIn,
        "query ProviderOffer($key: String!) {
           provider(key: $key) {
             streams { key name about schedule incremental deletions example }
             actions { key name description effect method input output idempotent }
             webhook {
               setup fields { name } verification handshake happenings attempts retriesForSeconds retryNote
               reconciledEverySeconds reconciledBecause
             }
             limits { shape scope most perSeconds environment only }
           }
         }",
        |_| json!({ "key": "stripe" }),
    ),
    Case::new(
        Needs::SignedIn,
        "query Providers($filter: ProviderFilterInput, $after: String, $before: String) {
           providers(first: 1, filter: $filter) {
             edges { cursor node { key } }
             nodes { key }
             pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
             totalCount
           }
           onwards: providers(first: 1, after: $after) { nodes { key } }
           backwards: providers(last: 1, before: $before) { nodes { key } }
         }",
        |_| {
            let at = Cursor::encode("providers", &"stripe").unwrap().0;
            json!({
                "filter": { "category": "PAYMENT", "search": "stripe", "capabilities": ["SYNC", "WEBHOOK"] },
                "after": at, "before": at,
            })
        },
    ),
];
