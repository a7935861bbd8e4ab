//! Keys of outside issuers that were fetched, one slot for each issuer.
//!
//! A slot has two halves. What is known is read by every request and never waited for. Who wants to ask the
//! issuer holds the other half, so that one asks and the rest wait for what comes of it; there it is also
//! noted when somebody last asked.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use jsonwebtoken::DecodingKey;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use crate::{
    entity::issuer::Algorithm,
    kernel::{clock::Moment, id::IssuerId},
};

/// Slots that are kept; those least in use go first.
const SLOTS: usize = 1000;

/// From where keys come and for what: when this changes, keys of before are worth nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the issuer.
    pub iss: String,
    /// Where its keys are, if it was said.
    pub jwks_url: Option<String>,
    /// With what it signs.
    pub algorithm: Algorithm,
}

/// The keys that an issuer published.
pub struct KeySet {
    /// From where.
    pub origin: Origin,
    /// When.
    pub fetched_at: Moment,
    /// By id; only those that can be used.
    pub keys: HashMap<String, DecodingKey>,
}

/// When somebody last asked, and where.
pub type Asked = Option<(Origin, Moment)>;

/// What is known of one issuer.
#[derive(Default)]
pub struct Slot {
    known: RwLock<Option<Arc<KeySet>>>,
    /// Held by who asks.
    pub asked: Arc<Mutex<Asked>>,
}

impl Slot {
    /// The keys that came from there, however old.
    pub fn known(&self, origin: &Origin) -> Option<Arc<KeySet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|keys| keys.origin == *origin)
    }

    /// Keeps keys in the place of earlier ones.
    pub fn keep(&self, keys: KeySet) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
    }
}

/// The slots of all issuers in use.
pub struct IssuerKeys(Cache<IssuerId, Arc<Slot>>);

impl Default for IssuerKeys {
    fn default() -> Self {
        Self(Cache::new(SLOTS))
    }
}

impl IssuerKeys {
    /// The slot of an issuer.
    pub fn slot(&self, issuer: IssuerId) -> Arc<Slot> {
        let made = self.0.get_or_insert_with(&issuer, || Ok::<_, std::convert::Infallible>(Arc::default()));
        made.unwrap_or_default()
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("issuers", &self.0.len()).finish()
    }
}
