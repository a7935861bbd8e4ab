//! Webhooks sent out: Portolan beside the least a server can do, in turn, in one run.
//!
//! `cargo bench --bench webhooks_out [-- DESTINATIONS…]` prints, for each number of destinations: deliveries a second,
//! the median and the 99th percentile from the change to its arrival, and the CPU of the server (and of PostgreSQL) for
//! a delivery.
//!
//! * *bound*: rows in an outbox, many in a commit; 64 under way, signed; marks, many in a commit. Nothing else.
//! * *portolan*: events in the log, the router, and the sender, with heads, attempts and what is told of them.
//!
//! Both write down 3,000 changes in commits of 32, of a subject each, and send each to every destination; with many
//! destinations they are fewer, so that a round stays short. On SQLite in the temporary folder, and on the server of
//! `TEST_POSTGRES_URL` where that is set. Server and sink have a core each (`taskset`, where it is there). Each figure
//! is the median of the rounds. Nothing is asserted: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and prints")]
#![expect(clippy::cast_precision_loss, reason = "figures need no more than a float holds")]

mod bound;
#[path = "../cores/mod.rs"]
mod cores;
mod hub;
#[path = "../hubs/mod.rs"]
mod hubs;
mod server;
mod sink;
#[path = "../stores/mod.rs"]
mod stores;

use server::{Server, Target};
use sink::Sink;
use stores::Store;

/// Rounds that are counted; one before them warms up.
const ROUNDS: usize = 3;

/// Changes of a round, and most deliveries.
const CHANGES: usize = 3_000;
const DELIVERIES: usize = 12_000;

/// What was measured in a round.
#[derive(Clone, Copy, Debug)]
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
    database: f64,
}

impl Figures {
    fn median(all: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| {
            let mut values: Vec<f64> = all.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            rate: of(|it| it.rate),
            p50: of(|it| it.p50),
            p99: of(|it| it.p99),
            cpu: of(|it| it.cpu),
            database: of(|it| it.database),
        }
    }
}

/// One round against a fresh server.
async fn round(target: Target, store: &Store, destinations: usize) -> Figures {
    let changes = CHANGES.min(DELIVERIES / destinations);
    let wanted = changes * destinations;
    let sink = Sink::start().await;
    let mut server = Server::start(target, store, sink.address, destinations, changes).await;
    let (cpu, database) = (server.cpu(), server.database().await);
    server.go();
    let (seconds, mut took) = sink.came(wanted).await;
    let (cpu, database) = (server.cpu() - cpu, server.database().await - database);
    server.end().await;
    took.sort_by(f64::total_cmp);
    let count = wanted as f64;
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    Figures { rate: count / seconds, p50: at(50), p99: at(99), cpu: cpu / count, database: database / count }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(hub::MAKE_DESTINATION) => return hubs::block_on(hub::make_destination()),
        Some(hub::SERVE_TARGET) => return hubs::block_on(hub::serve_target(arguments[2].parse().unwrap())),
        Some(argument) => {
            if let Some(target) = Target::served(argument) {
                return server::serve(target, &arguments[2..]);
            }
        }
        None => {}
    }
    let given: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let counts = if given.is_empty() { vec![1, 100] } else { given };
    cores::take_own_core();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for store in Store::all() {
        for destinations in &counts {
            println!("\n{destinations} destinations, {}", store.name());
            println!(
                "{:<10} {:>13} {:>9} {:>9} {:>9} {:>11} {:>9}",
                "", "deliveries/s", "of bound", "p50 ms", "p99 ms", "server us", "db us"
            );
            let mut of_targets = vec![Vec::<Figures>::new(); Target::ALL.len()];
            for number in 0..=ROUNDS {
                for (target, figures) in Target::ALL.iter().zip(&mut of_targets) {
                    let measured = runtime.block_on(round(*target, &store, *destinations));
                    if number > 0 {
                        figures.push(measured);
                    }
                }
            }
            let bound = Figures::median(&of_targets[0]).rate;
            for (target, figures) in Target::ALL.iter().zip(&of_targets) {
                let figures = Figures::median(figures);
                println!(
                    "{:<10} {:>13.0} {:>9.2} {:>9.2} {:>9.2} {:>11.1} {:>9.1}",
                    target.name(),
                    figures.rate,
                    figures.rate / bound,
                    figures.p50,
                    figures.p99,
                    figures.cpu,
                    figures.database,
                );
            }
        }
    }
}
