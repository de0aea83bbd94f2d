//! Draws by place, not by order: what is drawn for something follows from the seed and from where it stands, so that it
//! does not depend on what else was drawn, or by which thread.

use protocol::hash::Hash;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::scenario::Part;

/// What a draw is for: each purpose has draws of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What a home is.
    Home,
    /// Which of the homes have something.
    Selection,
    /// Which day of the shapes a day is.
    Day,
    /// What a strategy does not leave to reason.
    Bid,
    /// When a vehicle is at home.
    Trip,
    /// When appliances may run.
    Window,
    /// When a meter is out of reach.
    Outage,
}

/// Where all draws of a run come from.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    seed: [u8; 32],
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance { seed: *Hash::of_parts(&[b"voisin simulator draws 1\0", &seed.to_be_bytes()]).as_bytes() }
    }

    /// The draws for one place, such as an interval or a home; `at` below 2⁵⁶.
    pub(crate) fn draws(&self, purpose: Purpose, at: u64) -> Draws {
        let mut of_place = ChaCha8Rng::from_seed(self.seed);
        of_place.set_stream((purpose as u64) << 56 | at);
        Draws(of_place)
    }

    /// So many things in an order by lot; each `lot` is another.
    pub(crate) fn lots(&self, lot: u64, count: usize) -> Vec<usize> {
        let mut draws = self.draws(Purpose::Selection, lot);
        let mut drawn: Vec<(u64, usize)> = (0..count).map(|thing| (draws.next(), thing)).collect();
        drawn.sort_unstable();
        drawn.into_iter().map(|(_, thing)| thing).collect()
    }
}

/// One draw after the other.
#[derive(Debug)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `end`, which is not 0: evenly, but for less than `end` in 2³².
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        // The high half of a product is less than its larger factor.
        ((u64::from(self.next_u32()) * u64::from(end)) >> 32) as u32
    }
}

/// Where the draws of a home's day are: days of a millennium, and homes by the million.
pub(crate) fn place(home: usize, day: i64) -> u64 {
    (home as u64) << 24 | (day.rem_euclid(1 << 24)) as u64
}

pub(crate) fn happens(share: Part, draw: u32) -> bool {
    u64::from(draw) * 1_000_000 < u64::from(share.ppm()) << 32
}
