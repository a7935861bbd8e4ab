//! Making a connection: find the addresses, have them admitted, dial one of just those, shake hands.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hyper::{
    Uri,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tower::Service;

use super::CallError;
use crate::provider::address::Guard;

/// How names are resolved and addresses dialled; a test puts itself in between.
pub trait Network: Send + Sync + 'static {
    /// The addresses of a host.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
    /// A connection to one address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>>;
}

/// The machine's own resolver and sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }
}

/// Makes the connections of the pool.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) guard: Arc<Guard>,
    pub(super) network: Arc<dyn Network>,
    pub(super) tls: Arc<ClientConfig>,
    /// How long all of it may take.
    pub(super) within: Duration,
}

impl Dialler {
    async fn dial(self, uri: Uri) -> Result<Stream, CallError> {
        let tls = uri.scheme_str() != Some("http");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let deadline = Instant::now() + self.within;
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.network.resolve(host.clone(), port).await.map_err(|error| CallError::Dns(error.into()))?,
        };
        self.guard.admit(&host, tls, &addresses)?;
        let tcp = self.first_of(&addresses, deadline).await?;
        if !tls {
            return Ok(Stream(TokioIo::new(Box::new(tcp))));
        }
        let failed = |error: io::Error| CallError::Tls(Arc::new(error));
        let name = ServerName::try_from(host).map_err(|error| failed(io::Error::other(error)))?;
        let secured = TlsConnector::from(self.tls).connect(name, tcp).await.map_err(failed)?;
        Ok(Stream(TokioIo::new(Box::new(secured))))
    }

    /// The first address that answers, each given its share of the time that is left.
    async fn first_of(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, CallError> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
            left -= 1;
            match timeout(share, self.network.connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) if left == 0 => return Err(CallError::TimedOut(self.within)),
                Err(_) => {}
            }
        }
        if addresses.is_empty() { Err(CallError::Dns(last.into())) } else { Err(CallError::Connect(last.into())) }
    }
}

impl Service<Uri> for Dialler {
    type Response = Stream;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Stream, CallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (dialler, within) = (self.clone(), self.within);
        Box::pin(async move { timeout(within, dialler.dial(uri)).await.map_err(|_| CallError::TimedOut(within))? })
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, secured or not.
pub(super) struct Stream(TokioIo<Box<dyn Io>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
