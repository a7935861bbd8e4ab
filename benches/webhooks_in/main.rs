//! Webhooks taken in: Portolan beside the least a server can do, in turn, in one run.
//!
//! `cargo bench --bench webhooks_in [-- CONNECTIONS… TARGETS…]` prints, for each number of connections: webhooks a
//! second, the median and the 99th percentile of an answer, and the CPU of the server (and of PostgreSQL) for a webhook.
//!
//! * *single*: checks the signature, inserts, and answers when that one row is on the disk.
//! * *group*: the same, and whatever comes meanwhile shares the next commit. Nothing else: the bound.
//! * *taking*: Portolan's door and inbox, and nobody who processes what came.
//! * *portolan*: the hub as it is, which reads, attributes, tells and hints at the same time.
//!
//! On SQLite in the temporary folder, and on the server of `TEST_POSTGRES_URL` where that is set. Each webhook has
//! about 330 bytes, an id of its own, and a signature after standardwebhooks.com. Server and load have a core each
//! (`taskset`, where it is there). Each figure is the median of the rounds. Nothing is asserted: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and prints")]
#![expect(clippy::cast_precision_loss, reason = "figures need no more than a float holds")]

mod bounds;
#[path = "../cores/mod.rs"]
mod cores;
mod hub;
#[path = "../hubs/mod.rs"]
mod hubs;
mod load;
mod servers;
#[path = "../stores/mod.rs"]
mod stores;

use load::Figures;
use servers::Target;
use stores::Store;

/// Rounds that are counted; one before them warms up.
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(hub::MAKE_SOURCE) => return hubs::block_on(hub::make_source()),
        Some(hub::SERVE_TARGET) => return hubs::block_on(hub::serve_target(arguments[2].parse().unwrap())),
        Some(argument) => {
            if let Some(target) = Target::served(argument) {
                return servers::serve(target);
            }
        }
        None => {}
    }
    let given: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let counts = if given.is_empty() { vec![1, 64] } else { given };
    let mut targets = Target::ALL.to_vec();
    let named = |target: &Target| arguments.iter().any(|argument| argument == target.name());
    if targets.iter().any(named) {
        targets.retain(named);
    }
    cores::take_own_core();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for store in Store::all() {
        for connections in &counts {
            println!("\n{connections} connections, {}", store.name());
            println!(
                "{:<10} {:>11} {:>9} {:>9} {:>9} {:>11} {:>9}",
                "", "webhooks/s", "of group", "p50 ms", "p99 ms", "server us", "db us"
            );
            let mut of_targets = vec![Vec::<Figures>::new(); targets.len()];
            for round in 0..=ROUNDS {
                for (target, figures) in targets.iter().zip(&mut of_targets) {
                    let measured = runtime.block_on(load::run(*target, &store, *connections));
                    if round > 0 {
                        figures.push(measured);
                    }
                }
            }
            let place = targets.iter().position(|target| *target == Target::Group);
            let bound = place.map(|at| Figures::median(&of_targets[at]).rate);
            for (target, figures) in targets.iter().zip(&of_targets) {
                let figures = Figures::median(figures);
                println!(
                    "{:<10} {:>11.0} {:>9.2} {:>9.2} {:>9.2} {:>11.1} {:>9.1}",
                    target.name(),
                    figures.rate,
                    figures.rate / bound.unwrap_or(f64::NAN),
                    figures.p50,
                    figures.p99,
                    figures.cpu,
                    figures.database,
                );
            }
        }
    }
}
