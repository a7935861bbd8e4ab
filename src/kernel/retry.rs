//! When to try again: after a while that doubles, up to a longest one, and a little different each time, so
//! that what failed together does not come back together.

use chrono::TimeDelta;

use super::chance::Chance;

/// How much a wait differs from the plan, either way.
const JITTER_PERCENT: i64 = 10;

/// The waits after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure.
    pub first: TimeDelta,
    /// The longest.
    pub longest: TimeDelta,
}

impl Retry {
    /// Soon, and at last every ten minutes.
    pub const USUAL: Self = Self { first: TimeDelta::seconds(5), longest: TimeDelta::minutes(10) };

    /// How long to wait after so many failures.
    pub fn wait(&self, failures: i32, chance: &dyn Chance) -> TimeDelta {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or_default().min(30);
        let planned = self.first.checked_mul(1 << doublings).unwrap_or(self.longest).min(self.longest);
        around(planned, chance)
    }
}

/// A wait as planned, a little more or less.
pub fn around(planned: TimeDelta, chance: &dyn Chance) -> TimeDelta {
    let spread = planned.num_milliseconds() * JITTER_PERCENT / 100;
    planned + TimeDelta::milliseconds(up_to(2 * spread, chance) - spread)
}

/// A whole number from 0 to `most`, each about as likely as the others.
pub(super) fn up_to(most: i64, chance: &dyn Chance) -> i64 {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    let span = most.max(0).unsigned_abs().saturating_add(1);
    (u64::from_le_bytes(bytes) % span).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::SeededChance;

    #[test]
    fn waits_double_up_to_the_longest_and_differ_a_little() {
        let (retry, chance) =
            (Retry { first: TimeDelta::seconds(10), longest: TimeDelta::seconds(60) }, SeededChance::new(1));
        for (failures, planned) in [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (i32::MAX, 60)] {
            let waits: Vec<_> = (0..50).map(|_| retry.wait(failures, &chance)).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*least >= TimeDelta::milliseconds(planned * 900), "{failures}: {least}");
            assert!(*most <= TimeDelta::milliseconds(planned * 1100), "{failures}: {most}");
            assert!(least < most);
        }
    }
}
