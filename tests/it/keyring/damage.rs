//! Nothing opens that was edited, moved or renamed in the database, column by column; and a verification names
//! what does not open, including what has lost its key.

use portolan::{
    domain::keyring::{HUB, master, secret},
    entity::{self, data_key, secret as stored},
    kernel::id::TenantId,
};
use sea_orm::{ColumnTrait, DatabaseConnection, ModelTrait, QueryFilter, Value};

use super::put;
use crate::support::{
    TestHub,
    tamper::{edits, put_back, set},
};

/// Two tenants with a secret each, and the first with one more.
struct Vault {
    hub: TestHub,
    other: TenantId,
    secrets: Vec<stored::Model>,
    keys: Vec<data_key::Model>,
}

impl Vault {
    async fn fill() -> Self {
        let hub = TestHub::start().await;
        let other = hub.another_tenant("other").await.id;
        put(&hub, hub.tenant.id, "int_1", "one").await;
        put(&hub, hub.tenant.id, "int_2", "two").await;
        put(&hub, other, "int_3", "three").await;
        let db = hub.app.hub().database.writer();
        let secrets = stored::of_hub().all(db).await.unwrap();
        let keys = data_key::of_hub().all(db).await.unwrap();
        let vault = Self { hub, other, secrets, keys };
        assert_eq!((vault.secrets.len(), vault.keys.len()), (3, 2));
        assert_eq!(vault.broken().await, Vec::<String>::new());
        vault
    }

    fn db(&self) -> &DatabaseConnection {
        self.hub.app.hub().database.writer()
    }

    fn own(&self) -> &stored::Model {
        self.secrets.iter().find(|row| row.owner == "int_1").unwrap()
    }

    fn key(&self, tenant: TenantId) -> &data_key::Model {
        self.keys.iter().find(|key| key.tenant_id == tenant).unwrap()
    }

    /// What does not open, as a hub sees it that has just started.
    async fn broken(&self) -> Vec<String> {
        for tenant in [self.hub.tenant.id, self.other, HUB] {
            self.hub.app.hub().data_keys.forget_all(tenant);
        }
        master::verify(self.hub.app.hub()).await.unwrap().broken
    }

    /// What somebody gets who asks for a secret: nothing, or a failure.
    async fn given(&self, tenant: TenantId, owner: &str, name: &str) -> bool {
        secret::get(self.hub.app.hub(), self.db(), tenant, owner, name).await.is_ok_and(|secret| secret.is_some())
    }

    async fn put_back(&self) {
        put_back::<stored::Entity>(self.db(), &self.secrets).await;
        put_back::<data_key::Entity>(self.db(), &self.keys).await;
        assert_eq!(self.broken().await, Vec::<String>::new(), "all was put back");
    }
}

/// Times are not bound: they are for people, and a rotation leaves them as they are.
fn told_by_people(column: &str) -> bool {
    ["CreatedAt", "UpdatedAt", "Seals"].contains(&column)
}

#[tokio::test]
async fn a_secret_opens_with_every_column_as_it_was_sealed_and_in_no_other_way() {
    let vault = Vault::fill().await;
    let (row, mut tried) = (vault.own(), 0);
    for (column, value) in edits::<stored::Entity>(row) {
        let what = format!("{column:?} = {value:?}");
        set::<stored::Entity>(vault.db(), row, column, value).await;
        let now = stored::of_hub().filter(stored::COLUMN.id.is_not_in(others(&vault))).one(vault.db()).await;
        let now = now.unwrap().unwrap();
        let given = vault.given(now.tenant_id, &now.owner, &now.name).await;
        let bound = !told_by_people(&format!("{column:?}"));
        assert_eq!((given, vault.broken().await.len()), (!bound, usize::from(bound)), "{what}");
        vault.put_back().await;
        tried += 1;
    }
    println!("{tried} edits of a secret tried");
}

/// The ids of the secrets that nobody touches.
fn others(vault: &Vault) -> Vec<portolan::kernel::id::SecretId> {
    vault.secrets.iter().filter(|row| row.owner != "int_1").map(|row| row.id).collect()
}

#[tokio::test]
async fn a_data_key_opens_with_every_column_as_it_was_wrapped_and_in_no_other_way() {
    let vault = Vault::fill().await;
    let (row, mut tried) = (vault.key(vault.hub.tenant.id), 0);
    for (column, value) in edits::<data_key::Entity>(row) {
        let what = format!("{column:?} = {value:?}");
        set::<data_key::Entity>(vault.db(), row, column, value).await;
        let bound = !told_by_people(&format!("{column:?}"));
        // The key, and the two secrets that were sealed under it.
        assert_eq!(vault.broken().await.len(), if bound { 3 } else { 0 }, "{what}");
        assert_eq!(vault.given(vault.hub.tenant.id, "int_1", "token").await, !bound, "{what}");
        assert!(vault.given(vault.other, "int_3", "token").await, "another tenant's are not touched by {what}");
        vault.put_back().await;
        tried += 1;
    }
    println!("{tried} edits of a data key tried");
}

#[tokio::test]
async fn nothing_opens_in_the_place_of_something_else() {
    use stored::Column;
    let vault = Vault::fill().await;
    let foreign = vault.secrets.iter().find(|row| row.tenant_id == vault.other).unwrap();
    let neighbour = vault.secrets.iter().find(|row| row.owner == "int_2").unwrap();
    for from in [neighbour, foreign] {
        set::<stored::Entity>(vault.db(), vault.own(), Column::Sealed, from.sealed.clone().into()).await;
        assert_eq!(vault.broken().await.len(), 1, "another row's ciphertext");
        vault.put_back().await;
    }
    // Two secrets of a tenant trade their owners: each would be used for the other.
    set::<stored::Entity>(vault.db(), vault.own(), Column::Owner, "int_0".into()).await;
    set::<stored::Entity>(vault.db(), neighbour, Column::Owner, "int_1".into()).await;
    set::<stored::Entity>(vault.db(), vault.own(), Column::Owner, "int_2".into()).await;
    assert_eq!(vault.broken().await.len(), 2);
    assert!(!vault.given(vault.hub.tenant.id, "int_1", "token").await);
    vault.put_back().await;
    // Two tenants trade their keys.
    let (own, others) = (vault.key(vault.hub.tenant.id), vault.key(vault.other));
    for (of, from) in [(own, others), (others, own)] {
        set::<data_key::Entity>(vault.db(), of, data_key::Column::Sealed, from.sealed.clone().into()).await;
        set::<data_key::Entity>(vault.db(), of, data_key::Column::CheckValue, from.check_value.clone().into()).await;
    }
    assert_eq!(vault.broken().await.len(), 2 + 3, "both keys, and every secret");
    vault.put_back().await;
}

#[tokio::test]
async fn what_has_lost_its_key_is_named() {
    let vault = Vault::fill().await;
    vault.key(vault.hub.tenant.id).clone().delete(vault.db()).await.unwrap();
    let broken = vault.broken().await;
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken.iter().all(|text| text.contains(&vault.hub.tenant.id.to_string())), "{broken:?}");
    vault.put_back().await;
}

#[tokio::test]
async fn a_damaged_secret_or_key_stops_no_rotation_and_keeps_the_key_it_needs() {
    let vault = Vault::fill().await;
    let (row, tenant) = (vault.own(), vault.hub.tenant.id);
    set::<stored::Entity>(vault.db(), row, stored::Column::Sealed, Value::from(row.sealed[..30].to_vec())).await;
    portolan::domain::keyring::data_key::rotate(&vault.hub.cx(), None).await.unwrap();
    let finished = portolan::domain::keyring::data_key::finish(&vault.hub.cx()).await.unwrap();
    assert_eq!(finished, 1, "the other one");
    let keys = data_key::of(tenant).all(vault.db()).await.unwrap();
    assert_eq!(keys.len(), 2, "the damaged one may be mended from a copy, and is sealed under the old key");
    assert_eq!(vault.broken().await.len(), 1);
    // Mended, it is sealed anew by the next round.
    set::<stored::Entity>(vault.db(), row, stored::Column::Sealed, Value::from(row.sealed.clone())).await;
    assert_eq!(portolan::domain::keyring::data_key::finish(&vault.hub.cx()).await.unwrap(), 1);
    assert_eq!(data_key::of(tenant).all(vault.db()).await.unwrap().len(), 1);
    assert!(vault.broken().await.is_empty());
}

#[tokio::test]
async fn a_removed_note_of_a_master_key_lets_no_other_key_in() {
    let hub = TestHub::with(&[("PORTOLAN_MASTER_KEY", crate::support::database::MASTER_KEY)]).await;
    put(&hub, hub.tenant.id, "int_1", "one").await;
    let db = hub.app.hub().database.writer();
    entity::master_key::of_hub().one(db).await.unwrap().unwrap().delete(db).await.unwrap();
    let wrong = super::refused(&hub.database, Some(super::OTHER_KEY)).await;
    assert!(wrong.contains("master key 1 is not the one that was used before"), "{wrong}");
    let lacking = super::refused(&hub.database, Some(&format!("2:{}", super::OTHER_KEY))).await;
    assert!(lacking.contains("master key 1 is not in the ring"), "{lacking}");
    let hub = hub.restart(&[("PORTOLAN_MASTER_KEY", crate::support::database::MASTER_KEY)]).await;
    assert_eq!(super::read(&hub, hub.tenant.id, "int_1").await.as_deref(), Some("one"));
}
