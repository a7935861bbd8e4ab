//! `caller URL USERNAME COUNT AT_ONCE` asks that often, and says how many seconds it took and how many of processor.

use std::{fs, sync::Arc, time::Instant};

use tokio::{sync::Semaphore, task::JoinSet};

/// Seconds that this process has worked.
fn worked() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [url, username, count, at_once] = &given[..] else { panic!("caller URL USERNAME COUNT AT_ONCE") };
    let (count, at_once): (usize, usize) = (count.parse().unwrap(), at_once.parse().unwrap());
    let client = reqwest::Client::new();
    let room = Arc::new(Semaphore::new(at_once));
    let (began, before) = (Instant::now(), worked());
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let place = Arc::clone(&room).acquire_owned().await.unwrap();
        let call = client.get(url).basic_auth(username, Some(""));
        calls.spawn(async move {
            let answer = call.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.bytes().await.unwrap();
            drop(place);
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    println!("{} {}", began.elapsed().as_secs_f64(), worked() - before);
}
