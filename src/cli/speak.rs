//! The one place that writes to the terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks through these two")]

use std::{
    ffi::OsString,
    io::{self, Write},
};

use serde_json::Value;

/// No word that belongs on a command line of ours, but a path, is longer.
const LONGEST: usize = 24;

/// Data, for whoever asked: standard output.
pub(super) fn print(text: &str) {
    println!("{}", text.trim_end());
}

/// A line of data, out at once, for whoever may have stopped reading.
pub(super) fn write_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Data for programs.
pub(super) fn print_json(value: &Value) {
    println!("{value:#}");
}

/// A message without those of the arguments that may be a secret, such as a token pasted in place of its id: what is
/// longer than such words are, and what names a user before an address.
pub(super) fn discreet(message: &str, arguments: &[OsString]) -> String {
    let texts = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let values =
        texts.map(|text| text.split_once('=').filter(|_| text.starts_with('-')).map_or(text, |(_, value)| value));
    let secret = |text: &&str| text.chars().count() > LONGEST || text.contains("://") && text.contains('@');
    values.filter(secret).fold(message.to_owned(), |message, value| message.replace(value, "…"))
}

/// A word to the person at the terminal: standard error.
pub(super) fn say(text: &str) {
    eprintln!("{text}");
}
