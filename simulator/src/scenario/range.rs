//! From here to there, in whole units.

use serde::{Deserialize, Serialize};

/// From one whole number to another, both included. Written as `[2000, 5000]`, or as one number for exactly that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "[u32; 2]")]
pub struct Range {
    /// The least.
    pub from: u32,
    /// The most.
    pub to: u32,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number, or two as [FROM, TO]")]
enum Written {
    One(u32),
    Two([u32; 2]),
}

impl TryFrom<Written> for Range {
    type Error = String;

    fn try_from(written: Written) -> Result<Range, String> {
        match written {
            Written::One(only) => Ok(Range { from: only, to: only }),
            Written::Two([from, to]) if from <= to => Ok(Range { from, to }),
            Written::Two([from, to]) => Err(format!("expected [FROM, TO] with FROM at most TO, found [{from}, {to}]")),
        }
    }
}

impl From<Range> for [u32; 2] {
    fn from(Range { from, to }: Range) -> [u32; 2] {
        [from, to]
    }
}

impl Range {
    /// The number that lies at `draw` of 2³² from the least to the most, in thousandths of the unit.
    pub fn milli_at(self, draw: u32) -> u64 {
        let span = u64::from(self.to - self.from) * 1_000;
        // Below 2³² · 1,000 · 2³² only where both are the largest; a range of a scenario is far smaller.
        let along = (u128::from(span) * u128::from(draw)) >> 32;
        u64::from(self.from) * 1_000 + u64::try_from(along).unwrap_or(span)
    }
}
