//! The servers that are measured, each a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{cores::on_its_core, hub};

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Bound,
    Portolan,
    Plain,
}

impl Target {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Portolan => "portolan",
            Self::Plain => "plain",
        }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Where events are published.
    pub(crate) publish: SocketAddr,
    pub(crate) token: String,
    child: Child,
    _folder: TempDir,
}

/// The other two servers, built when they are not there.
fn rivals() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rivals/Cargo.toml");
    // Beside the folder of the profile in which this was built: …/release/deps/subscriptions.
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("rivals");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir"])
        .arg(&target)
        .status();
    assert!(built.unwrap().success(), "the rivals could not be built");
    target.join("release/rivals")
}

impl Server {
    pub(crate) fn start(target: Target) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command;
        if target == Target::Portolan {
            command = on_its_core(std::env::current_exe().unwrap());
            command.arg(hub::SERVE).env_clear().env("PORTOLAN_DATA_DIR", folder.path());
        } else {
            command = on_its_core(rivals());
            command.arg(target.name());
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // Where it listens; Portolan also says where it is told of events, and what opens it.
        let mut words = line.split_whitespace();
        let address = words.next().unwrap().parse().unwrap();
        let publish = words.next().map_or(address, |word| word.parse().unwrap());
        let token = words.next().unwrap_or_default().to_owned();
        Self { address, publish, token, child, _folder: folder }
    }

    /// CPU it used so far, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks * 10_000.0
    }

    /// Memory it holds, in KiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ten thousand sockets are ten thousand files, here and there.
pub(crate) fn raise_limits() {
    let limit = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limit.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(u64::MAX);
    assert!(soft > 12_000, "raise the limit on open files first: ulimit -n 20000");
}
