//! One at a time for each key, within this process.
//!
//! Between processes the database decides; but a hundred callers of one process need not ask it a hundred
//! times. A key that nobody waits for takes no room.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// How many keys are kept before those that nobody holds are thrown away.
const MANY: usize = 1_024;

/// Turns by key.
#[derive(Debug)]
pub struct Turns<K>(Mutex<HashMap<K, Weak<Turn<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy> Turns<K> {
    /// Waits for the turn of a key; it ends when the guard is dropped.
    pub async fn take(&self, key: K) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= MANY {
                turns.retain(|_, turn| turn.strong_count() > 0);
            }
            let known = turns.get(&key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(Turn::new(()));
                turns.insert(key, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_is_one_at_a_time_and_another_does_not_wait() {
        let turns = Turns::default();
        let first = turns.take(1).await;
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), turns.take(1)).await.is_err());
        turns.take(2).await;
        drop(first);
        turns.take(1).await;
    }
}
