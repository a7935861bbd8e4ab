//! A data key seals at most 2^28 times, whoever seals and however many at once, and for ninety days.

use chrono::TimeDelta;
use portolan::{
    context::Cx,
    domain::keyring::{self, HUB, data_key},
    entity::{data_key as stored, secret},
    kernel::id::TenantId,
    vault::MOST_SEALS,
};
use sea_orm::{PaginatorTrait, QueryFilter, QueryOrder};

use super::put;
use crate::support::{TestHub, records::Records, tamper::set};

/// As if the tenant's newest key had sealed so often.
async fn worn(hub: &TestHub, tenant: TenantId, seals: i64) {
    let db = hub.app.hub().database.writer();
    let key = stored::of(tenant).order_by_desc(stored::Column::Version).one(db).await.unwrap().unwrap();
    set::<stored::Entity>(db, &key, stored::Column::Seals, seals.into()).await;
}

async fn keys(hub: &TestHub) -> Vec<(i32, i64)> {
    let db = hub.app.hub().database.reader();
    let keys = stored::of(hub.tenant.id).order_by_asc(stored::Column::Version).all(db).await.unwrap();
    keys.into_iter().map(|key| (key.version, key.seals)).collect()
}

async fn sealed_under(hub: &TestHub, version: i32) -> u64 {
    let of_version = secret::of(hub.tenant.id).filter(secret::COLUMN.key_version.eq(version));
    of_version.count(hub.app.hub().database.reader()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_before_it_has_sealed_too_often_however_many_seal_at_once() {
    let hub = TestHub::start().await;
    let tenant = hub.tenant.id;
    put(&hub, tenant, "int_first", "one").await;
    worn(&hub, tenant, MOST_SEALS - 5).await;
    let before = Records::of(&hub).await;
    let owners: Vec<_> = (0..20).map(|at| format!("int_{at}")).collect();
    futures_util::future::join_all(owners.iter().map(|owner| put(&hub, tenant, owner, "value"))).await;

    assert_eq!(keys(&hub).await, [(1, MOST_SEALS), (2, 15)], "not one seal too many, and none lost");
    assert_eq!((sealed_under(&hub, 1).await, sealed_under(&hub, 2).await), (6, 15));
    let new = Records::of(&hub).await.since(&before);
    assert_eq!((new.events, new.audit), (vec!["key.rotated".to_owned()], vec!["key.rotated".to_owned()]));

    // What the old key sealed is sealed anew, as after a rotation that somebody asked for.
    assert_eq!(data_key::unfinished(hub.app.hub()).await.unwrap(), [tenant]);
    assert_eq!(data_key::finish(&hub.cx()).await.unwrap(), 6);
    assert_eq!(keys(&hub).await, [(2, 21)]);
    for owner in &owners {
        assert_eq!(super::read(&hub, tenant, owner).await.as_deref(), Some("value"));
    }
}

#[tokio::test]
async fn sealing_anew_counts_as_sealing() {
    let hub = TestHub::start().await;
    let tenant = hub.tenant.id;
    for at in 0..150 {
        put(&hub, tenant, &format!("int_{at}"), "value").await;
    }
    data_key::rotate(&hub.cx(), None).await.unwrap();
    worn(&hub, tenant, MOST_SEALS - 120).await;
    assert!(data_key::finish(&hub.cx()).await.unwrap() >= 150);
    let left = keys(&hub).await;
    assert!(left.iter().all(|(_, seals)| *seals <= MOST_SEALS), "{left:?}");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].0, 3, "the second had no room for a batch more: {left:?}");
    assert_eq!(sealed_under(&hub, 3).await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_asked_for_at_once_make_a_key_each() {
    let hub = TestHub::start().await;
    put(&hub, hub.tenant.id, "int_1", "one").await;
    let (one, two) = (hub.cx(), hub.cx());
    let (one, two) = tokio::join!(data_key::rotate(&one, None), data_key::rotate(&two, None));
    let mut versions = [one.unwrap().version, two.unwrap().version];
    versions.sort_unstable();
    assert_eq!(versions, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_when_it_has_lived_for_ninety_days_once_however_many_look() {
    let hub = TestHub::start().await;
    let (tenant, shared) = (hub.tenant.id, hub.app.hub());
    put(&hub, tenant, "int_1", "one").await;
    put(&hub, HUB, "hub", "its own").await;
    hub.clock.advance(TimeDelta::days(90) - TimeDelta::seconds(1));
    let young = hub.another_tenant("young").await;
    put(&hub, young.id, "int_1", "theirs").await;
    assert_eq!(data_key::renew(shared).await.unwrap(), 0, "not before");
    hub.clock.advance(TimeDelta::seconds(1));

    let before = Records::of(&hub).await;
    let (one, two) = tokio::join!(data_key::renew(shared), data_key::renew(shared));
    assert_eq!(one.unwrap() + two.unwrap(), 2, "the tenant's and the hub's own");
    let new = Records::of(&hub).await.since(&before);
    assert_eq!((&new.events, &new.audit), (&vec!["key.rotated".to_owned()], &vec!["key.rotated".to_owned()]));
    assert!(new.everything().contains("it has lived for long enough"));
    assert_eq!(data_key::renew(shared).await.unwrap(), 0, "its successor is young");

    // What the old one sealed is sealed anew, as after a rotation that somebody asked for.
    assert_eq!(data_key::unfinished(shared).await.unwrap().len(), 2);
    for tenant in [tenant, HUB] {
        data_key::finish(&Cx::system(shared.clone(), "test", tenant)).await.unwrap();
    }
    assert_eq!(keys(&hub).await, [(2, 1)]);
    assert_eq!(super::read(&hub, tenant, "int_1").await.as_deref(), Some("one"));
    assert_eq!(super::read(&hub, HUB, "hub").await.as_deref(), Some("its own"));
    hub.clock.advance(TimeDelta::days(90));
    assert_eq!(data_key::renew(shared).await.unwrap(), 3);
}

#[tokio::test]
async fn how_long_a_key_lives_can_be_chosen_and_a_deleted_tenant_gets_no_new_one() {
    let hub = TestHub::with(&[("PORTOLAN_KEYS_DATA_KEY_LIFE", "7d")]).await;
    let acme = hub.another_tenant("acme").await;
    put(&hub, acme.id, "int_1", "one").await;
    hub.clock.advance(TimeDelta::days(7));
    hub.cx().write(async |txn| keyring::shred(txn, acme.id).await).await.unwrap();
    assert_eq!(data_key::renew(hub.app.hub()).await.unwrap(), 0);
    put(&hub, hub.tenant.id, "int_1", "one").await;
    hub.clock.advance(TimeDelta::days(7));
    assert_eq!(data_key::renew(hub.app.hub()).await.unwrap(), 1);
}
