//! Who may be connected: a cap on connections in all, and on those from one address.
//!
//! A [`Seat`] is taken for each connection and lives as long as its socket does, through an upgrade too, so
//! that a web socket counts for as long as it is open. The total is a semaphore: the accepting loop waits
//! for a free seat *before* it accepts, without spinning, and the kernel queues whoever comes meanwhile.
//! The cap per address is a count: a caller over it is turned away at once, because waiting for a seat of
//! its own would hold up everybody else.
//!
//! One household is one address: of IPv6 the first 64 bits count, since that much is what one customer is
//! given. Trusted proxies stand for many callers and are never capped.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What happens to connections, for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A socket was accepted; its `Closed` follows.
    Opened,
    /// A socket was closed, after an upgrade too.
    Closed,
    /// One was refused: too many from its address.
    Crowded,
    /// One was closed: it was idle for too long.
    Idle,
    /// One was closed: its header did not end, or it did not take its answer.
    Stuck,
    /// A response was dropped and its stream reset: the client took nothing of it for too long.
    Stalled,
    /// None could be accepted; the loop waits and tries again.
    AcceptFailed,
}

/// Whoever counts.
pub type Counter = Arc<dyn Fn(Notice) + Send + Sync>;

/// The seats of one server.
pub struct Seats {
    total: u32,
    free: Arc<Semaphore>,
    per_address: usize,
    uncapped: Vec<IpAddr>,
    taken: Mutex<HashMap<IpAddr, usize>>,
    counter: Counter,
}

/// A connection's right to be open; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    /// The address it counts for, unless that one is not capped.
    counted: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    /// So many seats in all and per address, the latter not for those `uncapped`.
    pub fn new(total: u32, per_address: usize, uncapped: Vec<IpAddr>, counter: Counter) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(usize::try_from(total).unwrap_or(Semaphore::MAX_PERMITS)));
        Arc::new(Self { total, free, per_address, uncapped, taken: Mutex::default(), counter })
    }

    /// Waits until a seat is free, and holds it.
    pub async fn vacancy(&self) -> Option<OwnedSemaphorePermit> {
        // Fails only once the semaphore is closed, which never happens.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Gives the seat to a caller, unless too many from its address sit already.
    pub fn take(self: &Arc<Self>, permit: OwnedSemaphorePermit, caller: IpAddr) -> Option<Seat> {
        let caller = caller.to_canonical();
        let mut counted = None;
        if !self.uncapped.iter().any(|address| address.to_canonical() == caller) {
            let address = household(caller);
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.entry(address).or_default();
            if *count >= self.per_address {
                drop(taken);
                (self.counter)(Notice::Crowded);
                return None;
            }
            *count += 1;
            counted = Some(address);
        }
        (self.counter)(Notice::Opened);
        Some(Seat { seats: Arc::clone(self), counted, _permit: permit })
    }

    /// How many seats are taken.
    pub fn occupied(&self) -> usize {
        usize::try_from(self.total).map_or(0, |total| total.saturating_sub(self.free.available_permits()))
    }

    /// Waits until nobody sits any more.
    pub async fn all_left(&self) {
        let _all = self.free.acquire_many(self.total).await;
    }
}

impl Seat {
    /// The address it counts for, unless that one is not capped.
    pub fn address(&self) -> Option<IpAddr> {
        self.counted
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        (self.seats.counter)(Notice::Closed);
        let Some(address) = self.counted else { return };
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&address);
            }
        }
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seats").field("total", &self.total).field("occupied", &self.occupied()).finish_non_exhaustive()
    }
}

/// What counts as one address.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(per_address: usize) -> Arc<Seats> {
        Seats::new(10, per_address, Vec::new(), Arc::new(|_| ()))
    }

    fn sit(seats: &Arc<Seats>, caller: &str) -> Option<Seat> {
        let permit = Arc::clone(&seats.free).try_acquire_owned().unwrap();
        seats.take(permit, caller.parse().unwrap())
    }

    #[test]
    fn a_seat_given_back_can_be_taken_again() {
        let seats = room(2);
        let (first, _second) = (sit(&seats, "192.0.2.1").unwrap(), sit(&seats, "::ffff:192.0.2.1").unwrap());
        assert!(sit(&seats, "192.0.2.1").is_none());
        assert_eq!(seats.occupied(), 2);
        drop(first);
        assert!(sit(&seats, "192.0.2.1").is_some());
    }

    #[test]
    fn addresses_are_counted_apart_and_forgotten() {
        let seats = room(1);
        drop((sit(&seats, "192.0.2.1").unwrap(), sit(&seats, "192.0.2.2").unwrap()));
        assert!(seats.taken.lock().unwrap().is_empty());
        assert_eq!(seats.occupied(), 0);
    }

    #[test]
    fn every_socket_opened_is_closed_in_the_count() {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notices);
        let seats = Seats::new(10, 1, Vec::new(), Arc::new(move |notice| heard.lock().unwrap().push(notice)));
        let seat = sit(&seats, "192.0.2.1");
        assert!(sit(&seats, "192.0.2.1").is_none());
        drop(seat);
        assert_eq!(*notices.lock().unwrap(), [Notice::Opened, Notice::Crowded, Notice::Closed]);
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let seats = room(1);
        let _first = sit(&seats, "2001:db8::1").unwrap();
        assert!(sit(&seats, "2001:db8::2:3:4:5").is_none());
        assert!(sit(&seats, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn a_trusted_proxy_is_not_capped() {
        let seats = Seats::new(10, 1, vec!["10.0.0.1".parse().unwrap()], Arc::new(|_| ()));
        let proxied: Vec<_> = (0..5).map(|_| sit(&seats, "::ffff:10.0.0.1").unwrap()).collect();
        assert_eq!(seats.occupied(), proxied.len());
    }
}
