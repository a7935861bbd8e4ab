//! What another process has taken of the machine, as the kernel tells.

use std::fs;

/// Memory and time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// The most memory that it had, in MiB: all that counts as its own, the program among it.
    pub most: u64,
    /// Seconds that it has worked.
    pub worked: f64,
}

impl Spent {
    /// By a process so far.
    pub fn by(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let most =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
        let ticks: u32 = fields.map(|field| field.parse::<u32>().unwrap()).sum();
        let most: u64 = most.unwrap_or(0);
        Self { most: most >> 10, worked: f64::from(ticks) / 100.0 }
    }
}
