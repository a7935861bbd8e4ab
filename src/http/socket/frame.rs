//! Frames of the WebSocket protocol (RFC 6455), as far as a server of text needs them.
//!
//! Framed here rather than by a library because ten thousand idle sockets are the common case: a library keeps
//! buffers for each, this keeps nothing for a socket that is silent. Incoming bytes are read into a buffer that
//! all sockets of a thread share; only what is not a whole frame yet is kept.
//!
//! Refused with a close code of the protocol: frames without a mask, reserved bits, unknown kinds, control
//! frames that are long or in pieces, pieces that do not fit together, text that is not UTF-8, binary data,
//! close frames that no peer may send, messages over the limit.

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// The end, with the code to answer with.
    Close(u16),
}

/// A breach of the protocol: close code and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Breach(pub(super) u16, pub(super) &'static str);

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Puts frames together from what comes.
pub(super) struct Decoder {
    /// Bytes that are not a whole frame yet.
    rest: Vec<u8>,
    /// Pieces of a message that is not whole yet.
    message: Option<Vec<u8>>,
    most: usize,
}

impl Decoder {
    pub(super) fn new(most: usize) -> Self {
        Self { rest: Vec::new(), message: None, most }
    }

    /// Takes bytes, and gives what became whole.
    pub(super) fn take(&mut self, bytes: &[u8], whole: &mut Vec<Incoming>) -> Result<(), Breach> {
        if self.rest.is_empty() {
            let used = self.frames(bytes, whole)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.rest);
        held.extend_from_slice(bytes);
        let used = self.frames(&held, whole)?;
        if used < held.len() {
            held.drain(..used);
            self.rest = held;
        }
        Ok(())
    }

    /// Reads whole frames; says how many bytes they took.
    fn frames(&mut self, bytes: &[u8], whole: &mut Vec<Incoming>) -> Result<usize, Breach> {
        let mut used = 0;
        while let Some((header, length)) = self.header(&bytes[used..])? {
            let Some(payload) = bytes.get(used + header..used + header + length) else { break };
            let mask = &bytes[used + header - 4..used + header];
            let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            self.frame(bytes[used], payload, whole)?;
            used += header + length;
        }
        Ok(used)
    }

    /// The lengths of a frame's header and payload, once they can be told.
    fn header(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, Breach> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Breach(1002, "reserved bits are set"));
        }
        if second & 0x80 == 0 {
            return Err(Breach(1002, "a frame without a mask"));
        }
        let control = first & 0x08 != 0;
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(said) = rest.get(..extended) else { return Ok(None) };
        let length = match extended {
            0 => u64::from(second & 0x7f),
            _ => said.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if control && (length > 125 || first & 0x80 == 0) {
            return Err(Breach(1002, "a control frame that is long or in pieces"));
        }
        let held = self.message.as_ref().map_or(0, Vec::len);
        match usize::try_from(length) {
            Ok(length) if control || held.saturating_add(length) <= self.most => Ok(Some((2 + extended + 4, length))),
            _ => Err(Breach(1009, "the message is too large")),
        }
        .map(|found| found.filter(|(header, _)| bytes.len() >= *header))
    }

    fn frame(&mut self, first: u8, payload: Vec<u8>, whole: &mut Vec<Incoming>) -> Result<(), Breach> {
        let last = first & 0x80 != 0;
        match (first & 0x0f, self.message.take()) {
            (PING, message) => {
                self.message = message;
                whole.push(Incoming::Ping(payload));
            }
            (PONG, message) => {
                self.message = message;
                whole.push(Incoming::Pong);
            }
            (CLOSE, _) => whole.push(Incoming::Close(closing(&payload)?)),
            (TEXT, None) => self.piece(payload, last, whole)?,
            (CONTINUATION, Some(mut message)) => {
                message.extend_from_slice(&payload);
                self.piece(message, last, whole)?;
            }
            (BINARY, None) => return Err(Breach(1003, "only text is spoken here")),
            _ => return Err(Breach(1002, "a frame that does not fit the one before")),
        }
        Ok(())
    }

    fn piece(&mut self, message: Vec<u8>, last: bool, whole: &mut Vec<Incoming>) -> Result<(), Breach> {
        if last {
            let text = String::from_utf8(message).map_err(|_| Breach(1007, "the text is not UTF-8"))?;
            whole.push(Incoming::Text(text));
        } else {
            self.message = Some(message);
        }
        Ok(())
    }
}

/// The code of a close frame, which is answered with the same; one without a code means the ordinary end.
fn closing(payload: &[u8]) -> Result<u16, Breach> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(1000) } else { Err(Breach(1002, "half a close code")) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Breach(1002, "a close code that is not sent"));
    }
    std::str::from_utf8(reason).map(|_| code).map_err(|_| Breach(1007, "the reason is not UTF-8"))
}

/// Appends the head of a whole text frame.
pub(super) fn text_head(length: usize, out: &mut Vec<u8>) {
    head(TEXT, length, out);
}

/// A pong that answers a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    control(PONG, payload)
}

/// A ping that asks whether anybody is there.
pub(super) fn ping() -> Vec<u8> {
    control(PING, b"")
}

/// The end: a code and why.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    control(CLOSE, &payload)
}

fn control(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(2 + payload.len());
    head(kind, payload.len(), &mut frame);
    frame.extend_from_slice(payload);
    frame
}

fn head(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(0x80 | kind);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a client sends it.
    fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        head(0, payload.len(), &mut frame);
        frame[0] = first;
        frame[1] |= 0x80;
        let mask = [0x11, 0x22, 0x33, 0x44];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    fn taken(bytes: &[u8], by: usize) -> Result<Vec<Incoming>, Breach> {
        let (mut decoder, mut whole) = (Decoder::new(100_000), Vec::new());
        for chunk in bytes.chunks(by) {
            decoder.take(chunk, &mut whole)?;
        }
        assert!(decoder.rest.is_empty());
        Ok(whole)
    }

    #[test]
    fn messages_are_the_same_however_the_bytes_arrive() {
        let mut bytes = sent(0x81, "grüß".as_bytes());
        bytes.extend(sent(0x01, b"in "));
        bytes.extend(sent(0x89, b"there?"));
        bytes.extend(sent(0x80, b"pieces"));
        bytes.extend(sent(0x81, &vec![b'x'; 70_000]));
        bytes.extend(sent(0x8a, b""));
        bytes.extend(sent(0x88, &[3, 233]));
        let expected = [
            Incoming::Text("grüß".into()),
            Incoming::Ping(b"there?".to_vec()),
            Incoming::Text("in pieces".into()),
            Incoming::Text("x".repeat(70_000)),
            Incoming::Pong,
            Incoming::Close(1001),
        ];
        for by in [1, 2, 3, 7, 64, 1_000, bytes.len()] {
            assert_eq!(taken(&bytes, by).unwrap(), expected, "{by} at a time");
        }
    }

    #[test]
    fn a_breach_has_its_close_code() {
        let cases: [(&[u8], u16); 12] = [
            (&[0x81, 0x01, b'x'], 1002),
            (&sent(0xc1, b"x"), 1002),
            (&sent(0x82, b"x"), 1003),
            (&sent(0x83, b"x"), 1002),
            (&sent(0x80, b"x"), 1002),
            (&sent(0x09, b"x"), 1002),
            (&sent(0x81, &[0xff]), 1007),
            (&sent(0x88, &[3]), 1002),
            (&sent(0x88, &[3, 237]), 1002),
            (&sent(0x88, &[0, 0]), 1002),
            (&sent(0x88, &[3, 232, 0xff]), 1007),
            (&[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009),
        ];
        for (bytes, code) in cases {
            assert_eq!(taken(bytes, bytes.len()).unwrap_err().0, code, "{bytes:?}");
        }
        let mut pieces = sent(0x01, &vec![b'x'; 60_000]);
        pieces.extend(sent(0x80, &vec![b'x'; 60_000]));
        assert_eq!(taken(&pieces, pieces.len()).unwrap_err().0, 1009);
        let mut two = sent(0x01, b"a");
        two.extend(sent(0x01, b"b"));
        assert_eq!(taken(&two, two.len()).unwrap_err().0, 1002);
    }

    #[test]
    fn nonsense_never_panics() {
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..(seed % 40) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes.push(seed.to_be_bytes()[3]);
            }
            seed = seed.wrapping_add(1);
            let (mut decoder, mut whole) = (Decoder::new(1_000), Vec::new());
            let _ = decoder.take(&bytes, &mut whole);
        }
    }

    #[test]
    fn a_reason_is_cut_at_a_letter() {
        let frame = close(4403, &"ü".repeat(100));
        assert_eq!(frame[1], 2 + 122);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
