//! Subscriptions under load: Portolan beside a bare broadcast of the same bytes (the bound) and beside the
//! framework used as its book shows (plain), in turn, in one run.
//!
//! `cargo bench --bench subscriptions [-- SOCKETS…]` prints, for each number of sockets: deliveries a second,
//! publish to receive at the median and the 99th percentile, the server's CPU for a delivery, its memory for a
//! subscription, and how long all sockets took to subscribe. Portolan commits every event to its database
//! first; the others keep nothing. Ratios are to the bound of the same round.
//!
//! The server has one core and the load the other (`taskset`, where it is there). Each figure is the median of
//! the rounds. Nothing is asserted: machines differ. What is reached against the goals is for the reader.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and prints")]

mod load;
mod servers;

use load::{Figures, Work};
use servers::Target;

/// Rounds that are counted; one before them warms up.
const ROUNDS: usize = 3;

fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let counts = if given.is_empty() { vec![100, 1_000, 10_000] } else { given };
    servers::raise_limits();
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
        let targets = [Target::Bound, Target::Portolan, Target::Plain];
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
