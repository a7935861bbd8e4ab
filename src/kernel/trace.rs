//! Where a request stands among others, as W3C Trace Context writes it.
//!
//! Whoever calls the hub may say which trace the call belongs to; whoever the hub calls for it is told the same,
//! with a span of its own for each call. So one search finds them all, in whichever system they were kept. A
//! trace says nothing of who asks or what for.

use std::fmt;

use super::chance::Chance;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Trace {
    /// The header that carries it.
    pub const HEADER: &'static str = "traceparent";

    /// The beginning of a new trace.
    pub fn begin(chance: &dyn Chance) -> Self {
        let mut id = [0; 16];
        chance.fill(&mut id);
        // All zeros means none.
        id[15] |= 1;
        Self { id, span: [0; 8], sampled: true }.step(chance)
    }

    /// The next span of the same trace.
    #[must_use]
    pub fn step(self, chance: &dyn Chance) -> Self {
        let mut span = [0; 8];
        chance.fill(&mut span);
        span[7] |= 1;
        Self { span, ..self }
    }

    /// Reads a header; of a later version than ours what is the same.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = hex(version)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (id, span, [flags]) = (hex(trace)?, hex(span)?, hex(flags)?);
        (id != [0; 16] && span != [0; 8]).then_some(Self { id, span, sampled: flags & 1 == 1 })
    }

    /// The id of the trace, in hex.
    #[must_use]
    pub fn id(&self) -> String {
        written(&self.id)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", written(&self.id), written(&self.span), u8::from(self.sampled))
    }
}

fn written(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

/// Exactly so many bytes in hex of lower case.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::SeededChance;

    #[test]
    fn a_trace_is_read_as_it_is_written_and_goes_on() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::parse(text).unwrap();
        assert_eq!(trace.to_string(), text);
        let next = trace.step(&SeededChance::new(1));
        assert_eq!(next.id(), trace.id());
        assert_ne!(next.to_string(), text);
        let begun = Trace::begin(&SeededChance::new(2));
        assert_eq!(Trace::parse(&begun.to_string()), Some(begun));
        assert!(Trace::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Trace::parse(text), None, "{text}");
        }
    }
}
