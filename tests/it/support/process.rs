//! The program as it is shipped: a process of its own, with an environment of its own.
//!
//! A [`Server`] takes a free port at its first start (it asks for port 0 and says which one it got) and
//! keeps it when it is started again, as a server in service would. Its folder is the test's; what it says
//! on standard error is kept there over all starts. It does not outlive its test.
//!
//! Waiting is always for a condition, with a limit that only a hang exceeds.

use std::{
    env,
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use super::{Reply, database::TestDatabase, wire::Wire};

/// Longer than anything here takes, on a busy machine too.
pub const LIMIT: Duration = Duration::from_secs(90);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// Waits until `look` finds what it looks for.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "waited in vain until {what}");
        sleep(GLANCE).await;
    }
}

/// Waits until `look` finds what it looks for, for as long as what it sees on the way changes now and then.
pub async fn in_the_end<T, P: PartialEq>(what: &str, mut look: impl AsyncFnMut() -> Result<T, P>) -> T {
    let (mut begun, mut seen) = (Instant::now(), None);
    loop {
        match look().await {
            Ok(found) => return found,
            Err(on_the_way) if seen.as_ref() != Some(&on_the_way) => (begun, seen) = (Instant::now(), Some(on_the_way)),
            Err(_) => assert!(begun.elapsed() < LIMIT, "waited in vain until {what}"),
        }
        sleep(GLANCE).await;
    }
}

/// Stands before what a start says, so that the words of the one before are not taken for its own.
const START: &str = "--- start\n";

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program, to be run in `folder` with these settings and nothing else from our environment.
pub fn command(folder: &Path, settings: &[(String, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.env_clear().envs(["PATH", "HOME"].into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command.envs(settings.iter().cloned()).current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(folder: &Path, settings: &[(String, String)], arguments: &[&str]) -> Outcome {
    let output = command(folder, settings, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a command on a test's database.
pub fn run_on(database: &TestDatabase, arguments: &[&str]) -> Outcome {
    run(database.folder(), &database.settings(), arguments)
}

/// A token of the tenant `default`, made by the command line.
pub fn token(database: &TestDatabase, role: &str) -> String {
    let made = run_on(database, &["token", "create", "--tenant", "default", "--role", role]);
    assert_eq!(made.code, Some(0), "{made:?}");
    made.stdout.trim_end().to_owned()
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
    folder: PathBuf,
    settings: Vec<(String, String)>,
}

impl Server {
    /// Starts one on a test's database.
    pub async fn start(database: &TestDatabase) -> Self {
        Self::with(database, &[]).await
    }

    /// Starts one with some settings changed.
    pub async fn with(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn(database, settings);
        server.up().await;
        server
    }

    /// Starts one of several on the same database; what it says is kept under its name.
    pub async fn node(database: &TestDatabase, name: &str, settings: &[(&str, &str)]) -> Self {
        let folder = database.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut server = Self::spawn_in(folder, database, settings);
        server.up().await;
        server
    }

    /// Starts one and does not wait for it.
    pub fn spawn(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::spawn_in(database.folder().to_owned(), database, settings)
    }

    fn spawn_in(folder: PathBuf, database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let mut own = database.settings();
        own.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child: launch(&folder, &own, address), address, folder, settings: own }
    }

    /// Changes a setting, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again on the same port, after it has ended.
    pub async fn again(&mut self) {
        // While it was down, another test may have been given its port for a moment.
        let begun = Instant::now();
        loop {
            self.child = launch(&self.folder, &self.settings, self.address);
            if self.came_up().await {
                return;
            }
            let said = self.said();
            let taken = latest(&said).contains("cannot be listened on");
            assert!(taken && begun.elapsed() < LIMIT, "it did not start: {said}");
            sleep(10 * GLANCE).await;
        }
    }

    /// Waits until it serves.
    pub async fn up(&mut self) {
        assert!(self.came_up().await, "it ended instead of serving: {}", self.said());
    }

    async fn came_up(&mut self) -> bool {
        until("the server is ready", async || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let said = self.said();
            // The end of the line tells that all of the address is there.
            let (address, _) = latest(&said).split_once("listens on http://")?.1.split_once('\n')?;
            self.address = address.parse().unwrap();
            let reply = Wire::open(self.address).await.ok()?.get("/readyz").await.ok()?;
            reply.status.is_success().then_some(true)
        })
        .await
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it said on standard error, over all its starts.
    pub fn said(&self) -> String {
        fs::read_to_string(log(&self.folder)).unwrap()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a word, as the kernel does when memory is short.
    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended, and says its exit code; none if a signal ended it.
    pub async fn ended(&mut self) -> Option<i32> {
        until("the server has ended", async || self.child.try_wait().unwrap()).await.code()
    }

    /// A new connection to it.
    pub async fn wire(&self) -> Wire {
        Wire::open(self.address).await.unwrap()
    }

    /// Asks on a connection of its own.
    pub async fn ask(&self, token: &str, query: &str, variables: Value) -> Reply {
        self.wire().await.ask(token, query, variables).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the last start said, of all that was said.
fn latest(said: &str) -> &str {
    said.rsplit(START).next().unwrap_or_default()
}

/// Where standard error goes.
fn log(folder: &Path) -> PathBuf {
    folder.join("stderr.log")
}

fn launch(folder: &Path, settings: &[(String, String)], address: SocketAddr) -> Child {
    let mut log = File::options().create(true).append(true).open(log(folder)).unwrap();
    write!(log, "{START}").unwrap();
    let mut settings = settings.to_vec();
    settings.push(("PORTOLAN_LISTEN".to_owned(), address.to_string()));
    let output = File::options().create(true).append(true).open(folder.join("stdout.log")).unwrap();
    command(folder, &settings, &["serve"]).stdout(output).stderr(log).spawn().unwrap()
}
