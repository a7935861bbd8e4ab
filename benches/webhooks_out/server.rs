//! The servers that are measured, each a process of its own that waits for a word before it begins.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Stdio},
};

use crate::{
    bound,
    cores::on_its_core,
    hub,
    hubs::block_on,
    stores::{Place, Store, cpu_of},
};

/// With what every server is told that it is one.
const SERVE: &str = "--serve-";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Bound,
    Portolan,
}

impl Target {
    pub(crate) const ALL: [Self; 2] = [Self::Bound, Self::Portolan];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Portolan => "portolan",
        }
    }

    /// The one that this process is to be, by its first argument.
    pub(crate) fn served(argument: &str) -> Option<Self> {
        let name = argument.strip_prefix(SERVE)?;
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// Is one of the servers until it is killed: told where the sink is, how many destinations there are and how many
/// changes.
pub(crate) fn serve(target: Target, words: &[String]) {
    let [sink, destinations, changes]: &[String; 3] = words.try_into().unwrap();
    let (sink, destinations, changes) =
        (sink.parse().unwrap(), destinations.parse().unwrap(), changes.parse().unwrap());
    block_on(async {
        match target {
            Target::Bound => bound::serve(sink, destinations, changes).await,
            Target::Portolan => hub::serve(sink, destinations, changes).await,
        }
    });
}

/// Says that everything is there, and waits for the word.
pub(crate) fn ready() {
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// A running server, with a database of its own.
pub(crate) struct Server {
    child: Child,
    place: Place,
}

impl Server {
    pub(crate) async fn start(
        target: Target,
        store: &Store,
        sink: SocketAddr,
        destinations: usize,
        changes: usize,
    ) -> Self {
        let place = Place::make(store).await;
        let mut command = on_its_core(std::env::current_exe().unwrap());
        command.arg(format!("{SERVE}{}", target.name()));
        command.args([sink.to_string(), destinations.to_string(), changes.to_string()]);
        place.tell(&mut command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self { child, place }
    }

    /// Says the word.
    pub(crate) fn go(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
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
