//! Data sets: a neighbourhood's participants, their energy per interval, and their grid, read from CSV files; energy
//! from Parquet too.
//!
//! A directory holds `participants.csv`, `profiles_NAME.csv` (or `.csv.gz`, or `.parquet`), and, where the grid is
//! known, `grid_buses.csv`, `grid_lines.csv` and `grid_transformer.csv`. Columns are found by their name; others are
//! ignored.
//! Everything is checked before anything is started, and each refusal says in which file and line or row.

mod columns;
mod error;
mod grid;
mod participants;
mod profile;
mod source;
mod table;

pub use error::{DatasetError, Place};
pub use source::{Fingerprint, Source};

use household::home::{battery::Battery, misreport::Misreport};
use protocol::{
    genesis::{GridPlan, Technology},
    interval::Interval,
    reading::Registers,
};

/// A neighbourhood over some time: everything that is known before it trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name of the profile.
    pub profile: String,
    /// The first interval.
    pub first: Interval,
    /// How many intervals, one after the other.
    pub intervals: usize,
    /// The participants, in the order of `participants.csv`.
    pub participants: Vec<Participant>,
    /// The grid, if known.
    pub grid: Option<GridPlan>,
}

/// A household or a business, and what it uses and makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its name.
    pub id: String,
    /// The bus of the grid that it is connected to, where there is a grid.
    pub bus: Option<String>,
    /// One entry per interval; without what its battery does, where it has one.
    pub usage: Vec<Usage>,
    /// Its battery; none in a data set, whose recordings have what batteries did.
    pub battery: Option<ModelledBattery>,
}

/// A battery that is modelled while the home is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelledBattery {
    /// What it is like.
    pub battery: Battery,
    /// The same, as a scenario says it.
    pub settings: String,
    /// How the home's meter says something else than what flows.
    pub misreports: Option<Misreport>,
}

/// What a participant uses and makes in one interval, behind its own meter, before one is set off against the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Consumption, Wh.
    pub consumption_wh: u64,
    /// Production, Wh.
    pub production_wh: u64,
}

impl Dataset {
    /// Reads and checks the profile `profile` of `source`, its participants and its grid.
    pub fn load(source: &Source, profile: &str) -> Result<Dataset, DatasetError> {
        let connections = participants::load(source)?;
        let grid = grid::load(source, &connections)?;
        let profile::Profile { first, intervals, usage } = profile::load(source, profile, &connections)?;
        let participants = connections
            .into_iter()
            .zip(usage)
            .map(|(connection, usage)| Participant {
                id: connection.id,
                bus: connection.bus.filter(|_| grid.is_some()),
                usage,
                battery: None,
            })
            .collect();
        Ok(Dataset { profile: profile.to_owned(), first, intervals, participants, grid })
    }

    /// The last interval.
    pub fn last(&self) -> Interval {
        match i64::try_from(self.intervals).ok().and_then(|count| self.first.offset(count - 1)) {
            Some(last) => last,
            None => unreachable!("a profile is read only if each of its intervals is one"),
        }
    }

    /// The interval of the profile that starts at `start_s` seconds after 1970; `None` if there is none.
    pub fn starting_at(&self, start_s: i64) -> Option<Interval> {
        let interval = Interval::new(start_s, self.first.length())?;
        (self.first..=self.last()).contains(&interval).then_some(interval)
    }

    /// How many intervals of the profile lie before `from`.
    pub fn before(&self, from: Interval) -> usize {
        let before = from.since(self.first).and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        before.min(self.intervals)
    }

    /// The last of `count` intervals from `from` on; `None` if there are not that many.
    pub fn last_of(&self, from: Interval, count: usize) -> Option<Interval> {
        let count = Some(count).filter(|count| (1..=self.intervals - self.before(from)).contains(count))?;
        from.offset(i64::try_from(count).ok()? - 1)
    }
}

impl Participant {
    /// What it makes energy from, if it makes any: the production of a data set is photovoltaic.
    pub fn technology(&self) -> Option<Technology> {
        self.usage.iter().any(|usage| usage.production_wh > 0).then_some(Technology::Solar)
    }

    /// What its meter shows after the first `count` intervals, if it showed 0 before them.
    pub fn registers_after(&self, count: usize) -> Registers {
        self.usage.iter().take(count).fold(Registers::default(), |shown, usage| Registers {
            import_wh: shown.import_wh + usage.consumption_wh.saturating_sub(usage.production_wh),
            export_wh: shown.export_wh + usage.production_wh.saturating_sub(usage.consumption_wh),
        })
    }

    /// Rated power of the grid connection, W: the smallest usual main fuse that carries the profile's highest
    /// consumption or production, and the battery beside it, as an installer would choose it. At least 3×63 A, and
    /// beyond the largest fuse a whole number of them side by side.
    pub fn rated_power_w(&self, interval_seconds: u64) -> u64 {
        let peak_wh = self.usage.iter().map(|usage| usage.consumption_wh.max(usage.production_wh)).max().unwrap_or(0);
        let battery_w = self.battery.as_ref().map_or(0, |battery| battery.battery.power_w().into());
        let invents_ppm =
            self.battery.as_ref().and_then(|battery| battery.misreports).map_or(0, |misreport| misreport.invents_ppm());
        let flows_w: u64 = peak_wh.saturating_mul(3600).div_ceil(interval_seconds.max(1)) + battery_w;
        let peak_w = flows_w + (flows_w * u64::from(invents_ppm)).div_ceil(1_000_000);
        let power_w = |fuse_a: u64| fuse_a * WATTS_PER_AMPERE;
        match FUSES_A.into_iter().map(power_w).find(|rated_w| *rated_w >= peak_w) {
            Some(rated_w) => rated_w,
            None => power_w(FUSE_A_MAX) * peak_w.div_ceil(power_w(FUSE_A_MAX)),
        }
    }
}

/// Usual ratings of main fuses, A (IEC 60269).
const FUSES_A: [u64; 14] = [63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, FUSE_A_MAX];
const FUSE_A_MAX: u64 = 1250;
/// Three phases of 230 V.
const WATTS_PER_AMPERE: u64 = 3 * 230;

#[cfg(test)]
mod tests;
