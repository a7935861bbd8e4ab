//! A PostgreSQL server of a test's own, to be restarted as a crash would.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A server; it does not outlive its test.
pub struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    owner: Option<(u32, u32)>,
    port: u16,
    environment: Vec<(&'static str, String)>,
}

/// Where the server's programs are, the newest version's; none if they are not on this machine.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("TEST_POSTGRES_BIN").map(PathBuf::from);
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    named.into_iter().chain(folders.into_iter().rev()).find(|folder| folder.join("initdb").is_file())
}

/// PostgreSQL refuses to run as root: then its own user does, or nobody.
fn owner(folder: &Path) -> Option<(u32, u32)> {
    let own = fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me)).unwrap();
    if own != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let fields = fields.find(|fields| fields[0] == name)?;
        Some((fields[2].parse::<u32>().ok()?, fields[3].parse::<u32>().ok()?))
    };
    let owner = of("postgres").or_else(|| of("nobody")).unwrap();
    chown(folder, Some(owner.0), Some(owner.1)).unwrap();
    Some(owner)
}

impl Cluster {
    /// Makes and starts one; none if the programs are not there.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// The same, with variables in the server's environment.
    pub fn with(environment: &[(&'static str, String)]) -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let owner = owner(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { programs, folder, owner, port, environment: environment.to_vec() };
        let made = ["--username=portolan", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"];
        cluster.run("initdb", &made);
        cluster
            .run("pg_ctl", &["start", "--wait", "--options", &cluster.options(), "--log", &cluster.log(), "--pgdata"]);
        Some(cluster)
    }

    /// The address of its first database.
    pub fn url(&self) -> String {
        format!("postgres://portolan@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it without a word to anybody, as a crash does, and starts it again: it recovers from its log.
    pub fn crash(&self) {
        let (options, log) = (self.options(), self.log());
        let words = ["restart", "--mode=immediate", "--wait", "--options", &options, "--log", &log, "--pgdata"];
        self.run("pg_ctl", &words);
    }

    /// Ends it without a word to anybody, and leaves it down until it is [started](Self::up) again.
    pub fn down(&self) {
        self.run("pg_ctl", &["stop", "--mode=immediate", "--wait", "--pgdata"]);
    }

    /// Starts it after it was [down](Self::down).
    pub fn up(&self) {
        let (options, log) = (self.options(), self.log());
        self.run("pg_ctl", &["start", "--wait", "--options", &options, "--log", &log, "--pgdata"]);
    }

    fn options(&self) -> String {
        let (port, folder) = (self.port, self.folder.path().display());
        format!("-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c max_connections=200 -c jit=off")
    }

    fn log(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    /// One of its programs on its data, whose folder comes last.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program, arguments).status().unwrap();
        let said = || fs::read_to_string(self.log()).unwrap_or_default();
        assert!(status.success(), "{program} {arguments:?}: {status}\n{}", said());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl", &["stop", "--mode=immediate", "--pgdata"]).status();
    }
}
