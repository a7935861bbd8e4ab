//! The other side of a call, and the network in between.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tracing_subscriber::fmt::MakeWriter;

use crate::provider::client::Network;

/// A network that remembers.
#[derive(Default)]
pub(super) struct Remembering {
    /// Where each name leads, one answer after the other; the last one stays.
    names: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    /// Where on this machine an address is.
    places: Mutex<HashMap<SocketAddr, SocketAddr>>,
    pub(super) asked: Mutex<Vec<String>>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl Remembering {
    pub(super) fn name(&self, name: &str, answers: &[&str]) {
        let answers = answers.iter().map(|answer| answer.split(' ').map(|ip| ip.parse().unwrap()).collect()).collect();
        self.names.lock().unwrap().insert(name.to_owned(), answers);
    }

    pub(super) fn place(&self, address: &str, here: SocketAddr) {
        self.places.lock().unwrap().insert(address.parse().unwrap(), here);
    }

    pub(super) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

impl Network for Remembering {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let mut names = self.names.lock().unwrap();
        let found = match names.get_mut(&host) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(io::Error::other("no such name")),
        };
        self.asked.lock().unwrap().push(host);
        Box::pin(async move { Ok(found?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        self.dialled.lock().unwrap().push(address);
        let here = self.places.lock().unwrap().get(&address).copied();
        Box::pin(async move {
            match here {
                Some(here) => TcpStream::connect(here).await,
                // Nobody ever answers there.
                None => std::future::pending().await,
            }
        })
    }
}

/// A server that answers each request with bytes; heads of requests are kept.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, answer) = (listener.local_addr().unwrap(), Arc::new(answer));
        let (heads, accepted) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicUsize>::default());
        let (kept, counted) = (Arc::clone(&heads), Arc::clone(&accepted));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                connections.spawn(async move { serve(stream, &*answer, &kept).await.unwrap_or_default() });
            }
        });
        Self { address, heads, accepted, _tasks: tasks }
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    heads: &Mutex<Vec<String>>,
) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        heads.lock().unwrap().push(head.clone());
        match answer(&head) {
            Answer::Whole(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Answer::Cut(bytes) => return stream.write_all(bytes.as_bytes()).await,
            Answer::Endless(first, again) => {
                stream.write_all(first.as_bytes()).await?;
                loop {
                    stream.write_all(again.as_bytes()).await?;
                }
            }
            Answer::Slow(bytes) => {
                for byte in bytes.bytes() {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

pub(super) enum Answer {
    Whole(String),
    /// And then the connection ends.
    Cut(String),
    Endless(String, String),
    /// Ten bytes a second.
    Slow(String),
}

pub(super) fn ok(body: &str) -> Answer {
    Answer::Whole(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

pub(super) fn to(location: &str) -> Answer {
    Answer::Whole(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"))
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(super) struct Log(pub(super) Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
