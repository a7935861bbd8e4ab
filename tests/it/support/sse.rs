//! A client of event streams that can be left at any moment.

use std::{io, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub id: Option<String>,
    pub kind: String,
    pub data: String,
}

impl Said {
    /// The data of the response in it.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// One stream.
pub struct Sse {
    socket: BufReader<TcpStream>,
    text: String,
}

impl Sse {
    /// Subscribes, after the event with an id if there is one. No stream if the server answers otherwise.
    pub async fn open(
        address: SocketAddr,
        token: &str,
        query: &str,
        variables: Value,
        last: Option<&str>,
    ) -> io::Result<Self> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let mut socket = BufReader::new(TcpStream::connect(address).await?);
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: portolan\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\naccept: text/event-stream\r\n{last}content-length: {}\r\n\r\n",
            body.len()
        );
        socket.get_mut().write_all(format!("{head}{body}").as_bytes()).await?;
        let mut line = String::new();
        socket.read_line(&mut line).await?;
        if !line.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(format!("no stream: {line:?}")));
        }
        while line.trim_end() != "" {
            line.clear();
            if socket.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Self { socket, text: String::new() })
    }

    /// The next event; none at the end of the stream. Comments are passed over.
    pub async fn next(&mut self) -> io::Result<Option<Said>> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (mut id, mut kind, mut data) = (None, None, String::new());
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", text)) => id = Some(text.to_owned()),
                        Some(("event", text)) => kind = Some(text.to_owned()),
                        Some(("data", text)) => data.push_str(text),
                        _ => {}
                    }
                }
                let rest = rest.to_owned();
                self.text = rest;
                if let Some(kind) = kind {
                    return Ok(Some(Said { id, kind, data }));
                }
            }
            if !self.chunk().await? {
                return Ok(None);
            }
        }
    }

    async fn chunk(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        if self.socket.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let mut bytes = vec![0; length + 2];
        self.socket.read_exact(&mut bytes).await?;
        bytes.truncate(length);
        self.text.push_str(&String::from_utf8(bytes).map_err(io::Error::other)?);
        Ok(length > 0)
    }
}
