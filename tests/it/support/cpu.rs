//! How long this thread computed, so that a busy machine does not fail a test about work.

use std::{fs, thread, time::Duration};

/// The time this thread has run since it began.
///
/// The kernel keeps it in nanoseconds and brings it up to date when the thread gives way. Where the kernel
/// does not tell (it can be built without), the answer is none.
pub fn thread_time() -> Option<Duration> {
    thread::yield_now();
    let figures = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(figures.split(' ').next()?.parse().ok()?))
}
