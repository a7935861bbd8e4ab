//! An answer that is read as it comes, for streams that have no end.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, StatusCode, body::Incoming};
use tokio::time::timeout;

use super::{Call, CallError, Client, Reply, read, sorted};

/// An answer whose body is still under way.
pub struct Endless {
    /// How it went.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl Client {
    /// Makes a call whose answer has no end. The time it may take is for the head of the answer alone, and it is
    /// followed nowhere; an answer that is refused (any status but 200) is read whole, as by [`Client::send`].
    pub async fn open(&self, call: Call) -> Result<Result<Endless, Reply>, CallError> {
        let (within, most) = (call.within, call.most);
        let target = self.guard.check(&call.url)?;
        let opening = async {
            let response = self.pool.request(call.request(&target)).await.map_err(sorted)?;
            if response.status() != StatusCode::OK {
                return Ok(Err(read(response, most).await?));
            }
            let (head, body) = response.into_parts();
            Ok(Ok(Endless { status: head.status, headers: head.headers, body }))
        };
        timeout(within, opening).await.unwrap_or(Err(CallError::TimedOut(within)))
    }
}

impl Endless {
    /// The next bytes; none at the end. Fails if none come for so long.
    pub async fn more(&mut self, within: Duration) -> Result<Option<Bytes>, CallError> {
        loop {
            let frame = timeout(within, self.body.frame()).await.map_err(|_| CallError::TimedOut(within))?;
            match frame.transpose().map_err(sorted)? {
                None => return Ok(None),
                Some(frame) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_) => {}
                },
            }
        }
    }
}

/// Without headers, where secrets may be.
impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endless").field("status", &self.status).finish_non_exhaustive()
    }
}
