//! A client of HTTP/1.1 that can be left half-way.
//!
//! Libraries hide what these tests are about: they open another connection when one breaks, and try
//! again what may have had its effect already. Here a connection is one socket. A request that fails is
//! an error, and its outcome is unknown, as it is to every client of a server that died.

use std::{io, net::SocketAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::Reply;

/// One connection.
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(socket.into())
    }

    /// The connection as it is, for another protocol.
    pub fn into_inner(self) -> BufReader<TcpStream> {
        self.0
    }

    /// Sends a text as it is.
    pub async fn send(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes()).await
    }

    /// Sends bytes as they are.
    pub async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes).await
    }

    /// Reads one answer to its end.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line().await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse::<StatusCode>().ok());
        let status = status.ok_or_else(|| broken(&format!("not a status line: {line:?}")))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            let name: HeaderName = name.parse().map_err(|_| broken("not a header"))?;
            headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| broken("not a header"))?);
        }
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        // Answers 1xx have no body; every other answer of ours says its length.
        let length: usize = if status.is_informational() { 0 } else { length.ok_or_else(|| broken("no length"))? };
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(Reply { status, headers, text: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Gets a path.
    pub async fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: portolan\r\n\r\n")).await?;
        self.reply().await
    }

    /// Asks by POST.
    pub async fn ask(&mut self, token: &str, query: &str, variables: Value) -> io::Result<Reply> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.send(&format!("{}\r\n{body}", head(token, body.len()))).await?;
        self.reply().await
    }

    /// Waits until the other side has hung up, saying nothing more.
    pub async fn ended(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]).await, Ok(0) | Err(_))
    }

    /// A line without its end; a connection that ends instead is an error.
    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl From<TcpStream> for Wire {
    fn from(socket: TcpStream) -> Self {
        Self(BufReader::new(socket))
    }
}

/// The head of a request to the endpoint, without the empty line at its end; an empty token sends none.
pub fn head(token: &str, length: usize) -> String {
    let credential = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    format!(
        "POST /graphql HTTP/1.1\r\nhost: portolan\r\ncontent-type: application/json\r\n\
         {credential}content-length: {length}\r\n"
    )
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
