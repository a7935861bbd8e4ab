//! Reading the body of a request, within bounds.
//!
//! Two limits hold together: how many bytes and how long. Either alone leaves a way to hold memory or a
//! connection: a client that sends one byte a second stays under any size, one that streams chunks without
//! an end stays busy under any pause. The size is checked while the bytes arrive, so a body of unknown
//! length never takes more memory than the limit; where the client states a length that is too large, it is
//! refused before a byte of it is asked for (which also answers `Expect: 100-continue` with the refusal).
//!
//! A body that came in one piece, as most do, is handed on without a copy. What a refused client still
//! sends is the connection's concern: it is closed once the answer is written.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::kernel::error::Code;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than are taken.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken.
        limit: usize,
    },
    /// The end did not come in time.
    #[error("the body did not arrive within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The connection or the framing broke.
    #[error("the body broke off")]
    Broken,
}

impl BodyError {
    /// The code clients see.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::PayloadTooLarge,
            Self::Timeout(_) => Code::RequestTimeout,
            Self::Broken => Code::BadUserInput,
        }
    }
}

/// Reads a whole body of at most `limit` bytes within `time`.
pub async fn read(body: Body, limit: usize, time: Duration, content_length: Option<u64>) -> Result<Bytes, BodyError> {
    let announced = content_length.unwrap_or(0);
    if usize::try_from(announced).map_or(true, |length| length > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    tokio::time::timeout(time, gather(body, limit)).await.map_err(|_| BodyError::Timeout(time))?
}

/// Joins the pieces; stops at the first that does not fit.
async fn gather(mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limit - whole.len() - joined.len() {
            return Err(BodyError::TooLarge { limit });
        }
        if whole.is_empty() && joined.is_empty() {
            whole = piece;
        } else {
            // A second piece: from here on everything is joined.
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&piece);
        }
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_mins(1);

    fn pieces(pieces: &[&'static str]) -> Body {
        Body::from_stream(stream::iter(pieces.iter().map(|piece| Ok::<_, Infallible>(*piece)).collect::<Vec<_>>()))
    }

    #[tokio::test]
    async fn pieces_are_joined_in_order() {
        for (sent, whole) in [(vec!["ab", "", "cd", "e"], "abcde"), (vec!["one"], "one"), (vec![], "")] {
            assert_eq!(read(pieces(&sent), 5, LONG, None).await.unwrap(), whole);
        }
    }

    #[tokio::test]
    async fn exactly_the_limit_is_taken_and_one_more_is_not() {
        assert!(read(pieces(&["12", "34"]), 4, LONG, Some(4)).await.is_ok());
        assert_eq!(read(pieces(&["12", "345"]), 4, LONG, None).await, Err(BodyError::TooLarge { limit: 4 }));
        assert_eq!(read(pieces(&["12345"]), 4, LONG, None).await, Err(BodyError::TooLarge { limit: 4 }));
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_before_reading() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(read(never, 4, LONG, Some(u64::MAX)).await, Err(BodyError::TooLarge { limit: 4 }));
    }

    #[tokio::test]
    async fn chunks_without_an_end_stop_at_the_limit() {
        let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>("chunk")));
        assert_eq!(read(endless, 1_000, LONG, None).await, Err(BodyError::TooLarge { limit: 1_000 }));
    }

    #[tokio::test]
    async fn a_trickle_stops_at_the_time_limit() {
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, Infallible>("x"), ()))
        });
        let outcome = read(Body::from_stream(trickle), 1_000_000, SOON, None).await;
        assert_eq!(outcome, Err(BodyError::Timeout(SOON)));
    }

    #[tokio::test]
    async fn a_broken_stream_is_told_apart() {
        let broken = stream::iter([Ok("half"), Err(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken), 10, LONG, None).await, Err(BodyError::Broken));
    }
}
