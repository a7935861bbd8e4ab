//! Whoever can write to the database edits, removes, moves and forges; a verification names the first entry
//! that does not fit.
//!
//! Edits are made for every column that the tables have, so that a column which comes later is tried too.
//! After each one everything is put back and fits again: what was found was found for its reason.
//!
//! One thing is *not* found, and shown here as well: that what came after the last signed place was cut off,
//! by somebody who mends the head.

use chrono::{DateTime, TimeDelta, Utc};
use ed25519_dalek::{Signer, SigningKey};
use portolan::{
    context::chain,
    domain::{audit, tenant::Tenant},
    entity::{audit_checkpoint, audit_entry, audit_head, signing_key},
    kernel::{
        id::{Id, TenantId},
        scope::Role,
    },
};
use sea_orm::{DatabaseConnection, EntityTrait, IntoActiveModel, Iterable, ModelTrait, QueryOrder, Value};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    TestHub,
    tamper::{edits, put_back, set},
};

/// A tenant with entries in front of a signed place and behind it, and another tenant.
struct Log {
    hub: TestHub,
    tenant: Tenant,
    other: Tenant,
}

/// The entry up to which the tenant's log is signed, and its last one.
const SIGNED: i64 = 10;
const LAST: i64 = 16;

/// All there is of the logs.
#[derive(Clone)]
struct Saved {
    entries: Vec<audit_entry::Model>,
    places: Vec<audit_checkpoint::Model>,
    heads: Vec<audit_head::Model>,
    keys: Vec<signing_key::Model>,
}

impl Saved {
    fn entry(&self, tenant: &Tenant, number: i64) -> &audit_entry::Model {
        self.entries.iter().find(|entry| entry.tenant_id == tenant.id && entry.number == number).unwrap()
    }

    fn place(&self, tenant: &Tenant) -> &audit_checkpoint::Model {
        self.places.iter().find(|place| place.tenant_id == tenant.id).unwrap()
    }
}

impl Log {
    async fn write() -> Self {
        let hub = TestHub::start().await;
        let (tenant, other) = (hub.another_tenant("acme").await, hub.another_tenant("other").await);
        let admin = hub.token_of(&tenant, Role::SuperAdmin).await;
        for at in 0..7 {
            if at == 4 {
                audit::sign(hub.app.hub()).await.unwrap();
                hub.clock.advance(TimeDelta::days(10));
            }
            let email = format!("user{at}@example.com");
            let create = "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } } }";
            let input = json!({ "email": email, "name": "Ann", "role": "VIEWER" });
            let made = hub.ask(&admin, create, json!({ "input": input })).await.data();
            assert!(made["createUser"]["user"].is_object(), "{made}");
            hub.user_of(&other, &format!("other{at}@example.com"), Role::Viewer).await;
        }
        let log = Self { hub, tenant, other };
        let saved = log.saved().await;
        assert_eq!(saved.entries.iter().rfind(|entry| entry.tenant_id == log.tenant.id).unwrap().number, LAST);
        assert_eq!(saved.place(&log.tenant).number, SIGNED);
        log.fits("nobody touched it").await;
        log
    }

    /// The same after what is old was removed: it begins behind the signed place.
    async fn pruned() -> Self {
        let log = Self::write().await;
        assert!(audit::prune(log.hub.app.hub(), TimeDelta::days(9)).await.unwrap() >= SIGNED.cast_unsigned());
        let found = audit::verify(log.hub.app.hub(), log.tenant.id).await.unwrap();
        assert_eq!((found.entries.cast_signed(), found.checkpoints, found.broken), (LAST - SIGNED, 1, None));
        log
    }

    fn db(&self) -> &DatabaseConnection {
        self.hub.app.hub().database.writer()
    }

    async fn broken(&self, tenant: TenantId) -> Option<i64> {
        audit::verify(self.hub.app.hub(), tenant).await.unwrap().broken.map(|(number, _)| number)
    }

    async fn fits(&self, when: &str) {
        for tenant in [&self.tenant, &self.other] {
            let found = audit::verify(self.hub.app.hub(), tenant.id).await.unwrap();
            assert_eq!((found.broken, found.checkpoints), (None, 1), "{when}");
        }
    }

    async fn saved(&self) -> Saved {
        let (db, by_number) = (self.db(), audit_entry::Column::Number);
        let mut saved = Saved {
            entries: Vec::new(),
            places: Vec::new(),
            heads: audit_head::of_hub().all(db).await.unwrap(),
            keys: signing_key::of_hub().all(db).await.unwrap(),
        };
        for head in &saved.heads {
            let entries = audit_entry::of(head.tenant_id).order_by_asc(by_number).all(db).await.unwrap();
            saved.entries.extend(entries);
            saved.places.extend(audit_checkpoint::of(head.tenant_id).all(db).await.unwrap());
        }
        saved
    }

    /// Empties the tables and writes what was there.
    async fn put_back(&self, saved: &Saved) {
        put_back::<audit_entry::Entity>(self.db(), &saved.entries).await;
        put_back::<audit_checkpoint::Entity>(self.db(), &saved.places).await;
        put_back::<audit_head::Entity>(self.db(), &saved.heads).await;
        put_back::<signing_key::Entity>(self.db(), &saved.keys).await;
    }

    /// Tries every edit of every column of one row, and holds what is found against what it should be.
    async fn every_column<E>(&self, row: &E::Model, expected: impl Fn(E::Column, &Value) -> Option<i64>) -> usize
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel> + ModelTrait<Entity = E> + Clone,
    {
        let (saved, mut tried) = (self.saved().await, 0);
        for (column, value) in edits::<E>(row) {
            set::<E>(self.db(), row, column, value.clone()).await;
            let wanted = expected(column, &value);
            assert_eq!(self.broken(self.tenant.id).await, wanted, "{column:?} = {value:?}");
            self.put_back(&saved).await;
            tried += 1;
        }
        self.fits("all was put back").await;
        tried
    }

    /// Tries one thing, and holds what is found against what it should be.
    async fn tampered(&self, what: &str, expected: Option<i64>, tamper: impl AsyncFnOnce(&Saved)) {
        let saved = self.saved().await;
        tamper(&saved).await;
        assert_eq!(self.broken(self.tenant.id).await, expected, "{what}");
        self.put_back(&saved).await;
        self.fits(what).await;
    }

    async fn remove(&self, numbers: impl IntoIterator<Item = i64>) {
        let saved = self.saved().await;
        for number in numbers {
            saved.entry(&self.tenant, number).clone().delete(self.db()).await.unwrap();
        }
    }

    /// Writes the chain anew from an entry on, as if it had always been so, with the head.
    async fn rewrite(&self, from: i64, change: impl Fn(&mut audit_entry::Model)) {
        let saved = self.saved().await;
        let mut hash = match from {
            1 => chain::BEGINNING.to_vec(),
            _ => saved.entry(&self.tenant, from - 1).hash.clone(),
        };
        for number in from..=LAST {
            let mut entry = saved.entry(&self.tenant, number).clone();
            if number == from {
                change(&mut entry);
            }
            hash = chain::link(&hash, &entry).to_vec();
            entry.hash.clone_from(&hash);
            let original = saved.entry(&self.tenant, number);
            for column in audit_entry::Column::iter() {
                set::<audit_entry::Entity>(self.db(), original, column, entry.get(column)).await;
            }
        }
        self.head(LAST, &hash).await;
    }

    async fn head(&self, number: i64, hash: &[u8]) {
        let head = audit_head::of(self.tenant.id).one(self.db()).await.unwrap().unwrap();
        set::<audit_head::Entity>(self.db(), &head, audit_head::Column::Number, number.into()).await;
        set::<audit_head::Entity>(self.db(), &head, audit_head::Column::Hash, hash.to_vec().into()).await;
    }
}

#[tokio::test]
async fn any_edit_of_any_column_of_an_entry_is_found() {
    use audit_entry::Column;
    let log = Log::write().await;
    let saved = log.saved().await;
    let mut tried = 0;
    for number in [1, 5, SIGNED, SIGNED + 1, LAST] {
        let row = saved.entry(&log.tenant, number);
        tried += log
            .every_column::<audit_entry::Entity>(row, |column, value| match (column, value) {
                // It is missing where it was; what lies before all others is named first.
                (Column::Number, Value::BigInt(Some(to))) => Some(number.min(*to)),
                _ => Some(number),
            })
            .await;
    }
    println!("{tried} edits of entries found");
    assert!(tried >= 5 * 25, "{tried}");
}

#[tokio::test]
async fn any_edit_of_a_signed_place_or_of_the_head_is_found() {
    let log = Log::write().await;
    let saved = log.saved().await;
    let place = saved.place(&log.tenant);
    let places = log
        .every_column::<audit_checkpoint::Entity>(place, |column, value| match (column, value) {
            // A place that lies beyond the end says that something is missing.
            (audit_checkpoint::Column::Number, Value::BigInt(Some(to))) if *to > LAST => Some(LAST + 1),
            (audit_checkpoint::Column::Number, Value::BigInt(Some(to))) => Some(*to),
            // Gone from here; how much is signed is told, see below.
            (audit_checkpoint::Column::TenantId, _) => None,
            _ => Some(SIGNED),
        })
        .await;
    let head = saved.heads.iter().find(|head| head.tenant_id == log.tenant.id).unwrap();
    let heads = log
        .every_column::<audit_head::Entity>(head, |column, value| match (column, value) {
            (audit_head::Column::TenantId, _) => Some(1),
            (audit_head::Column::Number, Value::BigInt(Some(to))) => Some(LAST.min(*to) + 1),
            _ => Some(LAST),
        })
        .await;
    println!("{places} edits of a signed place and {heads} of a head found");
}

#[tokio::test]
async fn any_removal_is_found_and_the_first_that_is_missing_named() {
    let log = Log::write().await;
    for number in 1..=LAST {
        log.tampered("one is removed", Some(number), async |_| log.remove([number]).await).await;
    }
    for first in [1, 4, SIGNED, SIGNED + 1] {
        log.tampered("a stretch is removed", Some(first), async |_| log.remove(first..first + 3).await).await;
        log.tampered("the tail is cut off", Some(first), async |_| log.remove(first..=LAST).await).await;
        log.tampered("the beginning is cut off", Some(1), async |_| log.remove(1..=first).await).await;
    }
    log.tampered("all of it is gone", Some(1), async |_| {
        log.remove(1..=LAST).await;
        wiped_of(&log, true).await;
    })
    .await;
}

/// Removes the head of the tenant, and its signed places too.
async fn wiped_of(log: &Log, places: bool) {
    if places {
        log.saved().await.place(&log.tenant).clone().delete(log.db()).await.unwrap();
    }
    audit_head::of(log.tenant.id).one(log.db()).await.unwrap().unwrap().delete(log.db()).await.unwrap();
}

#[tokio::test]
async fn any_change_of_order_is_found() {
    use audit_entry::{Column, Entity};
    let log = Log::write().await;
    for (one, two) in [(1, 2), (3, 8), (SIGNED, SIGNED + 1), (5, LAST)] {
        // They trade places with everything they have, and then with everything but their hashes.
        log.tampered("two entries trade places", Some(one), async |saved| {
            let (first, second) = (saved.entry(&log.tenant, one), saved.entry(&log.tenant, two));
            set::<Entity>(log.db(), first, Column::Number, 1_000_i64.into()).await;
            set::<Entity>(log.db(), second, Column::Number, one.into()).await;
            set::<Entity>(log.db(), first, Column::Number, two.into()).await;
        })
        .await;
        log.tampered("two entries trade what they say", Some(one), async |saved| {
            let (first, second) = (saved.entry(&log.tenant, one), saved.entry(&log.tenant, two));
            let fixed =
                |column: &Column| matches!(column, Column::Id | Column::TenantId | Column::Number | Column::Hash);
            for column in Column::iter().filter(|column| !fixed(column)) {
                set::<Entity>(log.db(), first, column, second.get(column)).await;
                set::<Entity>(log.db(), second, column, first.get(column)).await;
            }
        })
        .await;
    }
    for number in [1, 7, SIGNED, LAST - 1] {
        // Both tenants have an entry of that number, and each gets the other's.
        let saved = log.saved().await;
        let (own, foreign) = (saved.entry(&log.tenant, number), saved.entry(&log.other, number));
        set::<Entity>(log.db(), own, Column::TenantId, Uuid::from_u128(7).into()).await;
        set::<Entity>(log.db(), foreign, Column::TenantId, log.tenant.id.uuid().into()).await;
        set::<Entity>(log.db(), own, Column::TenantId, log.other.id.uuid().into()).await;
        assert_eq!(log.broken(log.tenant.id).await, Some(number), "rows swapped between tenants");
        assert_eq!(log.broken(log.other.id).await, Some(number), "rows swapped between tenants");
        log.put_back(&saved).await;
        log.fits("they were swapped back").await;
    }
    log.tampered("an entry is put in behind the head", Some(LAST + 1), async |saved| {
        let mut more = saved.entry(&log.tenant, LAST).clone();
        (more.id, more.number) = (Id::new(Uuid::from_u128(7)), LAST + 1);
        more.hash = chain::link(&more.hash, &more).to_vec();
        Entity::insert(more.into_active_model()).exec_without_returning(log.db()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rewritten_chain_is_not_what_was_signed() {
    let log = Log::write().await;
    let edited = |entry: &mut audit_entry::Model| "somebody else".clone_into(&mut entry.actor);
    for from in [1, 5, SIGNED] {
        log.tampered("rewritten in front of the signed place", Some(SIGNED), async |_| log.rewrite(from, edited).await)
            .await;
    }
    log.tampered("cut back to before the signed place, with the head", Some(SIGNED), async |saved| {
        log.remove(SIGNED..=LAST).await;
        log.head(SIGNED - 1, &saved.entry(&log.tenant, SIGNED - 1).hash).await;
    })
    .await;
    // With the place out of the way it fits, and how much of it nobody signed is told.
    let saved = log.saved().await;
    log.rewrite(5, edited).await;
    saved.place(&log.tenant).clone().delete(log.db()).await.unwrap();
    let found = audit::verify(log.hub.app.hub(), log.tenant.id).await.unwrap();
    assert_eq!((found.broken, found.checkpoints, found.unsigned), (None, 0, LAST.cast_unsigned()));
    log.put_back(&saved).await;
    // What came after the last signed place is not vouched for yet.
    log.remove([LAST]).await;
    log.head(LAST - 1, &saved.entry(&log.tenant, LAST - 1).hash).await;
    let found = audit::verify(log.hub.app.hub(), log.tenant.id).await.unwrap();
    assert_eq!((found.broken, found.unsigned.cast_signed()), (None, LAST - 1 - SIGNED));
}

/// Rewrites the chain, and signs the place as the hub does, with a key of the forger's own. Gives its public half.
async fn forge(log: &Log, id: Uuid) -> Vec<u8> {
    use audit_checkpoint::{Column, Entity};
    log.rewrite(5, |entry| "somebody else".clone_into(&mut entry.actor)).await;
    let saved = log.saved().await;
    let (place, hash) = (saved.place(&log.tenant), &saved.entry(&log.tenant, SIGNED).hash);
    let mut message = b"portolan audit checkpoint 2".to_vec();
    message.extend(place.tenant_id.uuid().as_bytes());
    message.extend(place.number.to_be_bytes());
    message.extend(place.at.timestamp_micros().to_be_bytes());
    message.extend(i64::MIN.to_be_bytes());
    message.extend(hash);
    let key = SigningKey::from_bytes(&[9; 32]);
    set::<Entity>(log.db(), place, Column::Hash, hash.clone().into()).await;
    set::<Entity>(log.db(), place, Column::Signature, key.sign(&message).to_bytes().to_vec().into()).await;
    set::<Entity>(log.db(), place, Column::KeyId, id.into()).await;
    key.verifying_key().to_bytes().to_vec()
}

#[tokio::test]
async fn a_forged_signature_is_found_whoever_made_it() {
    use audit_checkpoint::{Column, Entity};
    let mut log = Log::write().await;
    log.tampered("under a key that is not known", Some(SIGNED), async |_| drop(forge(&log, Uuid::from_u128(7)).await))
        .await;
    log.tampered("under a key that was added", Some(SIGNED), async |saved| {
        let public_key = forge(&log, Uuid::from_u128(7)).await;
        let added = signing_key::Model { id: Id::new(Uuid::from_u128(7)), public_key, ..saved.keys[0].clone() };
        signing_key::Entity::insert(added.into_active_model()).exec_without_returning(log.db()).await.unwrap();
    })
    .await;
    // A hub that has not met the key yet: one that has does not look at the row again.
    log.hub = log.hub.restart(&[]).await;
    log.tampered("under a key whose public half was exchanged", Some(SIGNED), async |saved| {
        let key = &saved.keys[0];
        let public = forge(&log, key.id.uuid()).await;
        set::<signing_key::Entity>(log.db(), key, signing_key::Column::PublicKey, public.into()).await;
    })
    .await;
    log.tampered("with the signature of another tenant's place", Some(SIGNED), async |saved| {
        let (own, foreign) = (saved.place(&log.tenant), saved.place(&log.other));
        set::<Entity>(log.db(), own, Column::Signature, foreign.signature.clone().into()).await;
    })
    .await;
    log.tampered("with another tenant's place", Some(saved_place(&log).await), async |saved| {
        let (own, foreign) = (saved.place(&log.tenant), saved.place(&log.other));
        own.clone().delete(log.db()).await.unwrap();
        set::<Entity>(log.db(), foreign, Column::TenantId, log.tenant.id.uuid().into()).await;
        let again = Entity::insert(foreign.clone().into_active_model());
        again.exec_without_returning(log.db()).await.unwrap();
    })
    .await;
}

/// Where the other tenant's signed place is.
async fn saved_place(log: &Log) -> i64 {
    log.saved().await.place(&log.other).number
}

#[tokio::test]
async fn what_pruning_left_is_verified_from_its_beginning() {
    use audit_entry::Column;
    let log = Log::pruned().await;
    let saved = log.saved().await;
    let mut tried = 0;
    for number in [SIGNED + 1, LAST] {
        let row = saved.entry(&log.tenant, number);
        tried += log
            .every_column::<audit_entry::Entity>(row, |column, value| match (column, value) {
                (Column::Number, Value::BigInt(Some(to))) => Some(number.min(*to)),
                _ => Some(number),
            })
            .await;
        log.tampered("one is removed", Some(number), async |_| log.remove([number]).await).await;
    }
    tried += log
        .every_column::<audit_checkpoint::Entity>(saved.place(&log.tenant), |column, value| match (column, value) {
            (audit_checkpoint::Column::Number, Value::BigInt(Some(to))) => Some(*to),
            // Without the beginning, all before the rest is missing.
            (audit_checkpoint::Column::TenantId, _)
            | (audit_checkpoint::Column::PrunedAt, Value::ChronoDateTimeUtc(None)) => Some(1),
            _ => Some(SIGNED),
        })
        .await;
    println!("{tried} edits after pruning found");
    log.tampered("the beginning is gone", Some(1), async |saved| {
        saved.place(&log.tenant).clone().delete(log.db()).await.unwrap();
    })
    .await;
    log.tampered("more was removed than pruning did", Some(SIGNED + 1), async |_| log.remove(SIGNED + 1..LAST).await)
        .await;
}

#[tokio::test]
async fn only_the_hub_prunes() {
    use audit_checkpoint::{Column, Entity};
    let log = Log::write().await;
    // What pruning does, done by somebody else: all up to the signed place is removed.
    log.tampered("cut off at the signed place", Some(1), async |_| log.remove(1..=SIGNED).await).await;
    log.tampered("cut off, and the place marked", Some(SIGNED), async |saved| {
        log.remove(1..=SIGNED).await;
        let now = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        set::<Entity>(log.db(), saved.place(&log.tenant), Column::PrunedAt, now.into()).await;
    })
    .await;
    // A place that seems older than it is: nothing is removed for its sake.
    let saved = log.saved().await;
    let (place, old) = (saved.place(&log.tenant), DateTime::<Utc>::from_timestamp(1_000_000_000, 0).unwrap());
    set::<Entity>(log.db(), place, Column::At, old.into()).await;
    audit::prune(log.hub.app.hub(), TimeDelta::days(1_000)).await.unwrap();
    assert_eq!(log.saved().await.entries.len(), saved.entries.len());
    assert_eq!(log.broken(log.tenant.id).await, Some(SIGNED));
    log.put_back(&saved).await;
    // Nor is an entry that is not the one which was signed, so that what was done to it can be looked at.
    log.rewrite(5, |entry| "somebody else".clone_into(&mut entry.actor)).await;
    audit::prune(log.hub.app.hub(), TimeDelta::days(9)).await.unwrap();
    assert_eq!(log.broken(log.tenant.id).await, Some(SIGNED));
    log.put_back(&saved).await;
    // Everything old, to the last entry: an empty log that fits.
    audit::sign(log.hub.app.hub()).await.unwrap();
    log.hub.clock.advance(TimeDelta::days(10));
    audit::prune(log.hub.app.hub(), TimeDelta::days(9)).await.unwrap();
    let found = audit::verify(log.hub.app.hub(), log.tenant.id).await.unwrap();
    assert_eq!((found.entries, found.checkpoints, found.broken), (0, 1, None));
    log.hub.user_of(&log.tenant, "late@example.com", Role::Viewer).await;
    let found = audit::verify(log.hub.app.hub(), log.tenant.id).await.unwrap();
    assert_eq!((found.entries, found.broken), (2, None));
}
