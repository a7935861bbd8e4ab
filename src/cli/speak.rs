//! The one place that writes to the terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks through these two")]

use serde_json::Value;

/// Data, for whoever asked: standard output.
pub(super) fn print(text: &str) {
    println!("{}", text.trim_end());
}

/// Data for programs.
pub(super) fn print_json(value: &Value) {
    println!("{value:#}");
}

/// A word to the person at the terminal: standard error.
pub(super) fn say(text: &str) {
    eprintln!("{text}");
}
