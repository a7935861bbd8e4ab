//! What `app` built once and every request shares.

use std::{fmt, sync::Arc};

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::{DataKeys, Database};
use crate::{
    kernel::{chance::Chance, clock::Clock, page::PageBounds},
    vault::Ring,
};

/// The shared means of the program.
pub struct Hub {
    /// The database.
    pub database: Database,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids and secrets come from.
    pub chance: Arc<dyn Chance>,
    /// The master keys.
    pub ring: Ring,
    /// Data keys that were unwrapped.
    pub data_keys: DataKeys,
    /// How large pages of lists may be.
    pub pages: PageBounds,
    /// Wakes the chores that would otherwise wait for their turn.
    pub chores: Notify,
    /// Small work that outlives its request; stopping waits for it.
    pub tasks: TaskTracker,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("database", &self.database).finish_non_exhaustive()
    }
}
