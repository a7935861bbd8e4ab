//! Randomness, and what is made of it: ids and secrets.
//!
//! Secrets need the operating system's generator; tests want the same ids each time. Both are a
//! [`Chance`], chosen where the program is put together.

use std::sync::Mutex;

use rand::{Rng, SeedableRng, TryRng, rngs::StdRng, rngs::SysRng};
use uuid::{Builder, Uuid};

use super::{clock::Moment, id::Id};

/// A source of random bytes.
pub trait Chance: Send + Sync + 'static {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);

    /// A UUIDv7 for that moment.
    fn uuid(&self, now: Moment) -> Uuid {
        let mut tail = [0; 10];
        self.fill(&mut tail);
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

impl dyn Chance {
    /// A new id of any kind.
    pub fn id<K>(&self, now: Moment) -> Id<K> {
        Id::new(self.uuid(now))
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "without randomness no id and no secret may be made; going on would be worse than stopping"
        )]
        SysRng.try_fill_bytes(bytes).expect("the operating system gives no random bytes");
    }
}

/// The same bytes for the same seed, for tests.
#[derive(Debug)]
pub struct SeededChance(Mutex<StdRng>);

impl SeededChance {
    /// A generator that begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Chance for SeededChance {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rng = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rng.fill_bytes(bytes);
    }
}
