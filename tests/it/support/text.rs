//! Long texts from short pieces.

/// The pieces for 0 and up, joined.
pub fn many(times: usize, piece: impl Fn(usize) -> String) -> String {
    (0..times).map(piece).collect::<Vec<_>>().concat()
}

/// Something with so many brackets around it.
pub fn around(open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}
