//! What strategies leave to chance: draws that follow from a seed and the interval, the same whenever they are asked
//! for.

use protocol::{hash::Hash, interval::Interval};
use rand_xoshiro::{
    SplitMix64,
    rand_core::{RngCore, SeedableRng},
};

/// What a household's draws follow from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn of(hash: &Hash) -> Seed {
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        Seed(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Two draws of an interval, each even below 2⁶⁴: one for what is bought, and one for what is sold.
    pub(super) fn draws(self, interval: Interval) -> [u64; 2] {
        let place = self.0.wrapping_add(interval.start_s().cast_unsigned());
        let mut draws = SplitMix64::seed_from_u64(place);
        [draws.next_u64(), draws.next_u64()]
    }
}
