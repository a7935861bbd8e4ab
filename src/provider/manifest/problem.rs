//! What is wrong with a manifest, where, and what to write instead.
//!
//! Nothing stops at the first fault: who mends a file wants the whole list. Each line can be read alone.

use std::fmt;

/// A line of a file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(pub u32);

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub line: Line,
    /// What, and what to write.
    pub message: String,
}

/// A file that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// Its name.
    pub file: String,
    /// Everything wrong with it, in the order of its lines.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: {}", self.file, problem.line.0, problem.message)?;
        }
        Ok(())
    }
}
