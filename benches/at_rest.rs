//! What the program takes when nobody asks anything: how soon it is ready on an existing database, and
//! how much memory it holds at rest. `cargo bench --bench at_rest` prints both beside their goals.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails by panicking and prints")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Starts, in milliseconds.
const READY_GOAL: f64 = 150.0;
/// Memory, in mebibytes.
const REST_GOAL: f64 = 30.0;
/// Starts that are counted.
const ROUNDS: usize = 11;

fn start(folder: &std::path::Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .arg("serve")
        .env_clear()
        .env("PORTOLAN_DATA_DIR", folder)
        .env("PORTOLAN_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().split("listens on http://").nth(1).map(str::to_owned)).unwrap();
    // Whoever closes this end would break the other's writes.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

fn ready(address: &str) -> bool {
    let Ok(mut socket) = TcpStream::connect(address) else { return false };
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn resident(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    // The first start makes the database and is not counted.
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let (mut child, address) = start(folder.path());
        while !ready(&address) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = began.elapsed().as_secs_f64() * 1000.0;
        std::thread::sleep(Duration::from_millis(300));
        if round > 0 {
            times.push(took);
            sizes.push(resident(&child));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (time, size) = (median(times), median(sizes));
    println!("ready on an existing database: {time:.0} ms, {:.2} of the goal of {READY_GOAL:.0} ms", time / READY_GOAL);
    println!("memory at rest: {size:.1} MiB, {:.2} of the goal of {REST_GOAL:.0} MiB", size / REST_GOAL);
}
