//! Memory in which passwords are hashed.
//!
//! Argon2 needs a large block of memory for each hash (19 MiB by default). Allocating it for every hash is not an
//! option: the allocator keeps freed blocks of that size and alignment, so that memory grew by one block for each
//! sign-in and was never given back. Hashes therefore run in [`AT_ONCE`] buffers, each allocated when it is first
//! needed, wiped after each use and kept for the life of the process.
//!
//! **Bounds.** At most [`AT_ONCE`] hashes run at once and at most [`WAITING`] wait for a buffer; a further one is
//! refused at once with `SERVICE_UNAVAILABLE` and costs no hash. A buffer stays taken until its hash has ended, also
//! when the request that asked for it was canceled meanwhile; a request that is canceled while it waits leaves the
//! queue.
//!
//! **Other parameters.** A stored hash may need more memory than the settings say. Its buffer is grown for it. It is
//! kept grown up to [`KEPT_KIB`]; a larger one is given back to the operating system after that one hash, which the
//! allocator does for blocks of that size.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::Block;
use tokio::sync::{Semaphore, TryAcquireError};
use zeroize::Zeroize;

use crate::kernel::error::{Error, Result, Source};

/// Hashes that run at once.
const AT_ONCE: usize = 2;

/// Hashes that wait for a buffer. With two at once and 20 to 40 ms each, the last one waits about a second.
const WAITING: usize = 64;

/// The largest buffer that is kept although the settings ask for less, in KiB. Larger blocks are mapped by the
/// allocator one by one and unmapped when they are freed.
const KEPT_KIB: usize = 32 * 1024;

/// The buffers for password hashes and the queue in front of them.
pub struct PasswordHashing {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    free: Mutex<Vec<Vec<Block>>>,
    kept: usize,
}

impl PasswordHashing {
    /// Buffers for hashes that usually need that much memory.
    #[must_use]
    pub fn new(memory_kib: u32) -> Arc<Self> {
        let usual = usize::try_from(memory_kib).unwrap_or(usize::MAX);
        Arc::new(Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(WAITING),
            free: Mutex::default(),
            kept: usual.max(KEPT_KIB),
        })
    }

    /// Runs a hash on a thread of its own in a buffer of that many blocks.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        blocks: usize,
        hash: impl FnOnce(&mut [Block]) -> T + Send + 'static,
    ) -> Result<T> {
        let failed = |error: Source| Error::Internal("a password could not be hashed", error);
        let turn = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(turn) => turn,
            Err(TryAcquireError::Closed) => return Err(failed("the queue is closed".into())),
            Err(TryAcquireError::NoPermits) => {
                let full = |_| Error::Unavailable("password hashing", "too many passwords wait to be hashed".into());
                let _place = self.waiting.try_acquire().map_err(full)?;
                Arc::clone(&self.running).acquire_owned().await.map_err(|error| failed(error.into()))?
            }
        };
        let buffers = Arc::clone(self);
        let work = move || {
            // Held until the hash has ended, whoever waits for it.
            let _turn = turn;
            let mut buffer = buffers.take(blocks)?;
            let made = buffer.get_mut(..blocks).map(hash);
            buffers.give_back(buffer);
            made.ok_or_else(|| Source::from("the buffer is too small"))
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| failed(error.into()))?.map_err(failed)
    }

    fn take(&self, blocks: usize) -> Result<Vec<Block>, Source> {
        let mut buffer = self.free().pop().unwrap_or_default();
        let missing = blocks.saturating_sub(buffer.len());
        buffer.try_reserve_exact(missing)?;
        buffer.resize(buffer.len() + missing, Block::new());
        Ok(buffer)
    }

    fn give_back(&self, mut buffer: Vec<Block>) {
        buffer.iter_mut().for_each(Zeroize::zeroize);
        if buffer.len() <= self.kept {
            self.free().push(buffer);
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PasswordHashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHashing").field("running", &self.running.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, sync::mpsc, task::Poll};

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::kernel::error::Code;

    fn sizes(hashing: &PasswordHashing) -> Vec<usize> {
        hashing.free().iter().map(Vec::len).collect()
    }

    #[tokio::test]
    async fn buffers_are_reused_and_wiped() {
        let hashing = PasswordHashing::new(8);
        for _ in 0..50 {
            hashing.run(8, |memory| memory.iter_mut().for_each(|block| block.as_mut().fill(7))).await.unwrap();
        }
        assert_eq!(sizes(&hashing), [8]);
        assert!(hashing.free().iter().flatten().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }

    #[tokio::test]
    async fn a_larger_hash_has_its_memory_and_a_very_large_one_is_not_kept() {
        let hashing = PasswordHashing::new(8);
        assert_eq!(hashing.run(64, |memory| memory.len()).await.unwrap(), 64);
        assert_eq!(hashing.run(8, |memory| memory.len()).await.unwrap(), 8);
        assert_eq!(sizes(&hashing), [64]);
        assert_eq!(hashing.run(KEPT_KIB + 1, |memory| memory.len()).await.unwrap(), KEPT_KIB + 1);
        assert_eq!(sizes(&hashing), [0; 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_queue_is_bounded_and_a_canceled_request_leaves_it() {
        let hashing = PasswordHashing::new(8);
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let tasks = TaskTracker::new();
        let mut running: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (hashing, gate) = (Arc::clone(&hashing), Arc::clone(&gate));
                tasks.spawn(async move { hashing.run(8, move |_| gate.lock().unwrap().recv()).await.map(drop) })
            })
            .collect();
        while hashing.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(hashing.run(8, |_| ()))).collect();
        for one in &mut waiting {
            let polled = std::future::poll_fn(|ctx| Poll::Ready(one.as_mut().poll(ctx).is_pending())).await;
            assert!(polled, "it waits");
        }
        assert_eq!(hashing.run(8, |_| ()).await.unwrap_err().code(), Code::ServiceUnavailable);
        // Canceled while they wait: their places are free again. Canceled while they run: their buffers are not.
        waiting.clear();
        running.iter().for_each(tokio::task::JoinHandle::abort);
        running.clear();
        assert_eq!(hashing.waiting.available_permits(), WAITING);
        assert_eq!(hashing.running.available_permits(), 0);
        (0..AT_ONCE).for_each(|_| go.send(()).unwrap());
        hashing.run(8, |_| ()).await.unwrap();
    }
}
