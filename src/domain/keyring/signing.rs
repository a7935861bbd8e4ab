//! Keys with which the hub signs: access tokens of people, and places in the audit chains.
//!
//! Ed25519. The public half is a row that stays; the private half is a secret of the hub. A key signs for
//! ninety days; its successor is made before and signs only after a while, so that every node knows it by
//! then. A key that signs no more is still good for checking what it signed.

use chrono::TimeDelta;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use zeroize::Zeroizing;

use super::{HUB, secret};
use crate::{
    context::{Cx, Hub, clock_guard::SLACK},
    entity::{first::First, signing_key as entity},
    kernel::{
        error::{Error, Result},
        id::SigningKeyId,
        secret::Secret,
    },
};

/// How long a key signs.
const LIFE: TimeDelta = TimeDelta::days(90);

/// How long every node has to hear of a new key.
const NOTICE: TimeDelta = TimeDelta::minutes(10);

/// The name under which the private half is kept.
const PRIVATE: &str = "private";

/// The key that signs now.
pub struct CurrentKey {
    /// Which.
    pub id: SigningKeyId,
    key: SigningKey,
}

impl CurrentKey {
    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The private half in PKCS #8, for libraries that take nothing else.
    #[must_use]
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        // An Ed25519 key in PKCS #8 is this header and the seed.
        const HEADER: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        Zeroizing::new([&HEADER[..], self.key.as_bytes()].concat())
    }
}

/// The key that signs now; the first one is made when it is first needed.
pub async fn current(hub: &std::sync::Arc<Hub>) -> Result<CurrentKey> {
    if let Some(key) = newest(hub).await? {
        return Ok(key);
    }
    make(hub, TimeDelta::zero()).await?;
    newest(hub).await?.ok_or_else(|| Error::Internal("there is no signing key", "it was made a moment ago".into()))
}

async fn newest(hub: &Hub) -> Result<Option<CurrentKey>> {
    let db = hub.database.reader();
    let signs = entity::of_hub().filter(entity::COLUMN.signs_from.lte(hub.clock.now()));
    let Some(row) = signs.order_by_desc(entity::Column::SignsFrom).first(db).await? else { return Ok(None) };
    let key = private(hub, row.id).await?;
    let key = key.ok_or_else(|| Error::Internal("a signing key is damaged", "its private half is gone".into()))?;
    Ok(Some(CurrentKey { id: row.id, key }))
}

/// The private half of a key.
async fn private(hub: &Hub, id: SigningKeyId) -> Result<Option<SigningKey>> {
    let text = secret::get(hub, hub.database.reader(), HUB, &id.to_string(), PRIVATE).await?;
    let seed = text.as_ref().and_then(|text| unhex(text.expose()));
    Ok(seed.map(|seed| SigningKey::from_bytes(&seed)))
}

/// Sets right when keys begin to sign that a clock made which was ahead. Says how many.
pub async fn recheck(hub: &Hub) -> Result<u64> {
    let now = hub.clock.now();
    let update = entity::signing_after(now + NOTICE + SLACK, now + NOTICE);
    Ok(update.exec(hub.database.writer()).await?.rows_affected)
}

/// Makes the next key when the present one has signed for long enough. Says how many were made.
pub async fn renew(hub: &std::sync::Arc<Hub>) -> Result<u64> {
    let newest = entity::of_hub().order_by_desc(entity::Column::SignsFrom).first(hub.database.reader()).await?;
    match newest {
        Some(row) if hub.clock.now() - row.signs_from >= LIFE => make(hub, NOTICE).await.map(|()| 1),
        _ => Ok(0),
    }
}

async fn make(hub: &std::sync::Arc<Hub>, notice: TimeDelta) -> Result<()> {
    let cx = Cx::system(hub.clone(), "signing keys", HUB);
    let mut seed = Zeroizing::new([0; 32]);
    hub.chance.fill(&mut *seed);
    let key = SigningKey::from_bytes(&seed);
    let text = Secret::from(seed.iter().fold(String::with_capacity(64), |text, byte| format!("{text}{byte:02x}")));
    cx.write(async |txn| {
        let now = txn.now();
        let row = entity::Model {
            id: txn.id(),
            algorithm: "EdDSA".to_owned(),
            public_key: key.verifying_key().to_bytes().to_vec(),
            created_at: now,
            signs_from: now + notice,
            retired_at: None,
        };
        secret::put(txn, HUB, &row.id.to_string(), PRIVATE, &text).await?;
        entity::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
        Ok(())
    })
    .await
}

/// The public half of a key, by its id. A row is believed only if its private half, which nobody seals without
/// the master key, belongs to it: who can write to the database alone makes no key of the hub.
pub async fn public(hub: &Hub, id: SigningKeyId) -> Result<Option<[u8; 32]>> {
    if let Some(known) = hub.public_keys.get(&id) {
        return Ok(Some(known));
    }
    let row = entity::of_hub().filter(entity::COLUMN.id.eq(id)).first(hub.database.reader()).await?;
    let Some(row) = row else { return Ok(None) };
    let own = private(hub, id).await?.map(|key| key.verifying_key().to_bytes());
    let key = own.filter(|own| own[..] == row.public_key);
    if let Some(key) = key {
        hub.public_keys.insert(id, key);
    }
    Ok(key)
}

/// Whether the signature of a message was made by the key.
#[must_use]
pub fn signed_by(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(public), Signature::from_slice(signature)) else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

fn unhex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0; 32]);
    let digits: Zeroizing<Vec<u32>> =
        Zeroizing::new(text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?);
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in seed.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] << 4 | pair[1]).ok()?;
    }
    Some(seed)
}
