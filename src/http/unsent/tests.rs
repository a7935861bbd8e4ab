//! What waits, counted.

use axum::response::IntoResponse;

use super::*;
use crate::http::pulse::{Patience, Pulse};

const KIB: usize = 1024;
const LONG: Duration = Duration::from_hours(1);

fn server() -> Arc<Unsent> {
    let limits =
        UnsentLimits { write: LONG, stream: LONG, per_connection: 100 * KIB, per_address: 200 * KIB, total: 400 * KIB };
    Unsent::new(limits, Arc::new(|_| ()))
}

fn request(connection: &Arc<Responses>) -> Arc<Pending> {
    let pulse = Pulse::new(Patience { head: LONG, idle: LONG, write: LONG });
    Pending::new(connection, pulse.begin(true))
}

/// Holds responses of that size until there is no room; says for how many there was.
fn filled(connection: &Arc<Responses>, kib: usize, held: &mut Vec<Arc<Pending>>) -> usize {
    (0..1_000)
        .take_while(|_| {
            let pending = request(connection);
            let fits = pending.hold(&"x".repeat(kib * KIB - OVERHEAD).into_response());
            held.push(pending);
            fits
        })
        .count()
}

#[test]
fn twice_the_bound_waits_for_a_connection_and_for_an_address() {
    let unsent = server();
    let address = Some("192.0.2.1".parse().unwrap());
    let mut held = Vec::new();
    let (first, second) = (unsent.connection(address), unsent.connection(address));
    assert_eq!(filled(&first, 50, &mut held), 4);
    assert!(!request(&first).admitted() && request(&second).admitted());
    assert_eq!(filled(&second, 50, &mut held), 4);
    assert!(!request(&unsent.connection(address)).admitted());
    // Others are served: of another address, and behind a proxy.
    for other in [Some("192.0.2.2".parse().unwrap()), None] {
        let connection = unsent.connection(other);
        assert!(request(&connection).admitted(), "{other:?}");
        assert!(request(&connection).hold(&"x".into_response()), "{other:?}");
    }
    drop(held);
    assert!(request(&first).admitted());
    assert_eq!(unsent.bytes.load(Relaxed), 0);
}

#[test]
fn over_the_bound_of_the_server_only_those_are_served_for_whom_nothing_waits() {
    let unsent = server();
    let mut held = Vec::new();
    let proxied: Vec<_> = (0..5).map(|_| unsent.connection(None)).collect();
    let fitted: usize = proxied.iter().map(|connection| filled(connection, 100, &mut held)).sum();
    assert_eq!(fitted, 8);
    assert!(!request(&proxied[0]).admitted());
    held.truncate(9);
    let other = unsent.connection(None);
    assert!(request(&other).admitted());
    let waiting = request(&other);
    assert!(waiting.hold(&"x".into_response()));
    assert!(!request(&other).admitted());
    drop(held);
    assert!(request(&other).admitted());
}

#[test]
fn a_response_that_is_larger_than_any_bound_waits_alone() {
    let unsent = server();
    let connection = unsent.connection(Some("192.0.2.1".parse().unwrap()));
    let mut held = Vec::new();
    assert_eq!(filled(&connection, 700, &mut held), 1);
}

#[test]
fn shared_bodies_count_what_a_response_costs_besides() {
    let mut response = "x".repeat(100 * KIB).into_response();
    assert_eq!(cost(&response), 100 * KIB + OVERHEAD);
    response.extensions_mut().insert(Shared);
    assert_eq!(cost(&response), OVERHEAD);
    assert_eq!(cost(&().into_response()), 0);
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let unsent = server();
    let connection = unsent.connection(Some("192.0.2.1".parse().unwrap()));
    let pending = request(&connection);
    assert!(pending.hold(&"x".into_response()));
    drop((pending, connection));
    assert!(locked(&unsent.addresses).is_empty() && locked(&unsent.connections).is_empty());
}
