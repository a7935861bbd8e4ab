//! A NATS server of a test's own, to be stopped and started.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::process::until;

/// A server; it does not outlive its test.
pub struct Nats {
    binary: PathBuf,
    address: SocketAddr,
    store: TempDir,
    child: Option<Child>,
}

/// The program, if it is on this machine.
fn binary() -> Option<PathBuf> {
    let named = env::var_os("TEST_NATS_SERVER").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = named
        .into_iter()
        .chain(env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|folder| folder.join("nats-server")));
    places.find(|place| place.is_file())
}

impl Nats {
    /// Starts one; none if the program is not there.
    pub async fn start() -> Option<Self> {
        let binary = binary()?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut server = Self { binary, address, store: tempfile::tempdir().unwrap(), child: None };
        server.again().await;
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Starts it again, with nothing left of what it stored.
    pub async fn again(&mut self) {
        wipe(self.store.path());
        let port = self.address.port().to_string();
        let child = Command::new(&self.binary)
            .args(["--addr", "127.0.0.1", "--port", &port, "--jetstream", "--store_dir"])
            .arg(self.store.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        until("NATS answers", async || TcpStream::connect(self.address).await.ok()).await;
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wipe(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let _ = std::fs::remove_dir_all(entry.unwrap().path());
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.stop();
    }
}
