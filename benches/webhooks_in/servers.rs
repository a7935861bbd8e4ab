//! The servers that are measured, each a process of its own.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
};

use crate::{
    bounds,
    cores::on_its_core,
    hub,
    hubs::block_on,
    stores::{Place, Store, cpu_of},
};

/// With what every server is told that it is one.
const SERVE: &str = "--serve-";

/// The signing secret of all of them; its bytes are `bench-secret-of-webhooks`, which `targets.toml` has, too.
pub(crate) const SECRET: &str = "whsec_YmVuY2gtc2VjcmV0LW9mLXdlYmhvb2tz";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Single,
    Group,
    Taking,
    Portolan,
}

impl Target {
    pub(crate) const ALL: [Self; 4] = [Self::Single, Self::Group, Self::Taking, Self::Portolan];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Group => "group",
            Self::Taking => "taking",
            Self::Portolan => "portolan",
        }
    }

    /// The one that this process is to be, by its first argument.
    pub(crate) fn served(argument: &str) -> Option<Self> {
        let name = argument.strip_prefix(SERVE)?;
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// Is one of the servers until it is killed. It says where it listens, and on which path.
pub(crate) fn serve(target: Target) {
    block_on(async {
        match target {
            Target::Single | Target::Group => bounds::serve(target == Target::Group).await,
            Target::Taking | Target::Portolan => hub::serve(target == Target::Portolan).await,
        }
    });
}

/// A running server, with a database of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    child: Child,
    place: Place,
}

impl Server {
    pub(crate) async fn start(target: Target, store: &Store) -> Self {
        let place = Place::make(store).await;
        let mut command = on_its_core(std::env::current_exe().unwrap());
        command.arg(format!("{SERVE}{}", target.name()));
        place.tell(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, path) = line.trim().split_once(' ').unwrap();
        Self { address: address.parse().unwrap(), path: path.to_owned(), child, place }
    }

    /// CPU it used so far, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id()).unwrap()
    }

    /// CPU that those used so far who serve it in PostgreSQL, in microseconds.
    pub(crate) async fn database(&self) -> f64 {
        self.place.cpu().await
    }

    /// Ends it, and its database.
    pub(crate) async fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.place.end().await;
    }
}
