//! Subscriptions under load: Portolan beside a bare broadcast of the same bytes (the bound) and beside the
//! framework used as its book shows (plain), in turn, in one run.
//!
//! `cargo bench --bench subscriptions [-- SOCKETS… TARGETS…]` prints, for each number of sockets: deliveries a second,
//! publish to receive at the median and the 99th percentile, the server's CPU for a delivery, its memory for a
//! subscription, and how long all sockets took to subscribe. Ratios are to the bound of the same round.
//!
//! Portolan commits every event to its database (SQLite on the disk of the temporary folder) before it is published;
//! the others keep nothing. It runs as it is, in a process of its own, beside a door through which that
//! process is told to write events: what is measured is log, feed and delivery, not how a mutation is parsed. Where
//! everybody has a topic, 32 events come with a publish, as a batch of a sync does; elsewhere one.
//!
//! The server has one core and the load the other (`taskset`, where it is there). Each figure is the median of
//! the rounds. Nothing is asserted: machines differ. What is reached against the goals is for the reader.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and prints")]
#![expect(clippy::cast_precision_loss, reason = "figures need no more than a float holds")]

#[path = "../cores/mod.rs"]
mod cores;
mod hub;
#[path = "../hubs/mod.rs"]
mod hubs;
mod load;
mod servers;

use load::{Figures, Work};
use servers::Target;

/// Rounds that are counted; one before them warms up.
const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(hub::SERVE) => return hub::serve(),
        Some(hub::SERVE_TARGET) => return hub::serve_target(arguments),
        Some(hub::MAKE_TOKEN) => return hub::make_token(),
        _ => {}
    }
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let counts = if given.is_empty() { vec![100, 1_000, 10_000] } else { given };
    servers::raise_limits();
    cores::take_own_core();
    let mut works: Vec<_> = counts.iter().map(|sockets| Work::one_topic(*sockets)).collect();
    works.push(Work::documents(*counts.last().unwrap(), 20));
    works.push(Work::own_topics(2_000.min(*counts.last().unwrap())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for work in works {
        println!("\n{}", work.title());
        println!(
            "{:<10} {:>12} {:>7} {:>9} {:>9} {:>9} {:>10} {:>11}",
            "", "deliver/s", "ratio", "p50 ms", "p99 ms", "CPU us", "KiB/sub", "subscribe s"
        );
        let mut targets = vec![Target::Bound, Target::Portolan, Target::Plain];
        let named = |target: &Target| std::env::args().any(|argument| argument == target.name());
        if targets.iter().any(named) {
            targets.retain(named);
        }
        let mut of_targets = [const { Vec::<Figures>::new() }; 3];
        for round in 0..=ROUNDS {
            for (target, figures) in targets.iter().zip(&mut of_targets) {
                let measured = runtime.block_on(load::run(*target, &work));
                if round > 0 {
                    figures.push(measured);
                }
            }
        }
        let bound = Figures::median(&of_targets[0]);
        for (target, figures) in targets.iter().zip(&of_targets) {
            let figures = Figures::median(figures);
            println!(
                "{:<10} {:>12.0} {:>7.2} {:>9.2} {:>9.2} {:>9.1} {:>10.1} {:>11.2}",
                target.name(),
                figures.rate,
                figures.rate / bound.rate,
                figures.p50,
                figures.p99,
                figures.cpu,
                figures.kib,
                figures.subscribe,
            );
        }
    }
}
