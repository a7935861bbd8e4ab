//! The servers that are measured, each a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Bound,
    Portolan,
    Plain,
}

impl Target {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Portolan => "portolan",
            Self::Plain => "plain",
        }
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub token: String,
    child: Child,
    _folder: TempDir,
}

/// A command on the core that belongs to servers.
fn on_its_core(program: PathBuf) -> Command {
    let has_cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    if !has_cores || Command::new("taskset").arg("--version").output().is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(program);
    command
}

/// The other two servers, built when they are not there.
fn rivals() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rivals/Cargo.toml");
    let target = PathBuf::from(env!("CARGO_BIN_EXE_portolan")).parent().unwrap().parent().unwrap().join("rivals");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir"])
        .arg(&target)
        .status();
    assert!(built.unwrap().success(), "the rivals could not be built");
    target.join("release/rivals")
}

impl Server {
    pub fn start(target: Target) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if target != Target::Portolan {
            let child = on_its_core(rivals()).arg(target.name()).stdout(Stdio::piped()).spawn();
            let mut child = child.unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            return Self { address: line.trim().parse().unwrap(), token: String::new(), child, _folder: folder };
        }
        let settings = [
            ("PORTOLAN_DATA_DIR", folder.path().to_str().unwrap()),
            ("PORTOLAN_LISTEN", "127.0.0.1:0"),
            ("PORTOLAN_LOG_LEVEL", "warn"),
            ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
            ("PORTOLAN_HTTP_CONNECTIONS_PER_ADDRESS", "20000"),
            ("PORTOLAN_LIVE_SOCKETS_PER_CALLER", "20000"),
        ];
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_portolan"));
        let mut command = on_its_core(binary.clone());
        let mut child = command.arg("serve").env_clear().envs(settings).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().split("listens on http://").nth(1).map(str::to_owned));
        // Whoever closes this end would break the other's writes.
        std::thread::spawn(move || lines.for_each(drop));
        let made = Command::new(binary)
            .args(["token", "create", "--tenant", "default", "--role", "super-admin"])
            .env_clear()
            .envs(settings)
            .output()
            .unwrap();
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Self { address: address.unwrap().trim().parse().unwrap(), token, child, _folder: folder }
    }

    /// CPU it used so far, in microseconds.
    pub fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks * 10_000.0
    }

    /// Memory it holds, in KiB.
    pub fn resident(&self) -> f64 {
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
pub fn raise_limits() {
    let limit = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limit.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(u64::MAX);
    assert!(soft > 12_000, "raise the limit on open files first: ulimit -n 20000");
}
