//! An appliance that can wait, such as a dishwasher: a cycle that always takes the same energy in the same order, once
//! in each window of time.

use protocol::interval::{Interval, IntervalLength};
use serde::Deserialize;

use super::units::{LENGTHS, POWER_W_MAX, intervals_until, slot};

/// Longest cycle, minutes.
pub const CYCLE_MINUTES_MAX: usize = 24 * 60;

/// An entry of `[[appliances]]` as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplianceSettings {
    /// What the cycle takes step by step, Wh at the meter.
    pub cycle_wh: Vec<u32>,
    /// How long each step is, minutes: 5, 15, 30 or 60. A market with other intervals has the same energy over the same
    /// time: longer ones have the sum of what they hold, shorter ones an even part, its remainder first.
    #[serde(default = "quarter_hour")]
    pub step_minutes: IntervalLength,
    /// When it starts within its window.
    #[serde(default)]
    pub start: Start,
}

fn quarter_hour() -> IntervalLength {
    IntervalLength::Minutes15
}

/// When an appliance starts within its window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At the beginning.
    #[default]
    AtOnce,
    /// Where surplus covers the first interval of the cycle, and else when it is the last time to end within the
    /// window.
    Solar,
}

/// An appliance that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAppliance {
    /// Nothing, or for longer than a day.
    #[error(
        "appliance: expected a cycle of at least one step and at most {CYCLE_MINUTES_MAX} minutes, found {0} minutes"
    )]
    Length(usize),
    /// Begins with nothing, so that it begins later.
    #[error(
        "appliance: expected energy in the first step of `cycle_wh`, found 0; begin the cycle with its first energy"
    )]
    Idle,
    /// Too much to count.
    #[error("appliance: expected at most {POWER_W_MAX} Wh in each step of `cycle_wh`, found {0}")]
    Energy(u32),
}

/// An appliance whose settings make sense.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ApplianceSettings")]
pub struct Appliance {
    start: Start,
    /// What the cycle takes by interval, Wh, by the length of the interval. None is empty.
    cycles: [Box<[u64]>; 4],
}

/// When a cycle is to run: in the intervals that lie wholly within. A window that is shorter than the cycle is begun at
/// once, and ends late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before this, in seconds after 1970. It tells one window of an appliance from the next.
    pub earliest_s: i64,
    /// Ended by then, in seconds after 1970. The next window is not earlier.
    pub latest_s: i64,
}

/// Where the latest cycle of an appliance stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplianceState {
    /// When its window began, in seconds after 1970; none before the first one.
    pub window_s: Option<i64>,
    /// How many intervals of it have run; 0 also once it has ended.
    pub position: u32,
}

impl TryFrom<ApplianceSettings> for Appliance {
    type Error = BadAppliance;

    fn try_from(
        ApplianceSettings { cycle_wh, step_minutes, start }: ApplianceSettings,
    ) -> Result<Appliance, BadAppliance> {
        let parts = step_minutes.minutes() / 5;
        let minutes = cycle_wh.len().saturating_mul(step_minutes.minutes() as usize);
        if !(1..=CYCLE_MINUTES_MAX).contains(&minutes) {
            return Err(BadAppliance::Length(minutes));
        }
        if cycle_wh[0] == 0 {
            return Err(BadAppliance::Idle);
        }
        if let Some(wh) = cycle_wh.iter().find(|wh| **wh > POWER_W_MAX) {
            return Err(BadAppliance::Energy(*wh));
        }
        let fives: Vec<u64> = cycle_wh.iter().flat_map(|wh| split(u64::from(*wh), u64::from(parts))).collect();
        let joined = |length: IntervalLength| {
            let parts = fives.chunks(length.minutes() as usize / 5);
            parts.map(|part| part.iter().sum()).collect()
        };
        Ok(Appliance { start, cycles: LENGTHS.map(joined) })
    }
}

/// Energy in so many even parts, those with a Wh of the remainder earlier.
fn split(wh: u64, parts: u64) -> impl Iterator<Item = u64> {
    (0..parts).map(move |part| (wh * (part + 1)).div_ceil(parts) - (wh * part).div_ceil(parts))
}

impl Appliance {
    /// What a cycle takes by interval, Wh.
    pub fn cycle(&self, length: IntervalLength) -> &[u64] {
        &self.cycles[slot(length)]
    }

    /// What it takes in an interval, Wh at the meter. In: the window that holds, if one does, and the surplus that is
    /// left for it. A cycle that has begun ends, whatever the window then says.
    pub fn step(&self, state: &mut ApplianceState, window: Option<Window>, now: Interval, surplus_wh: u64) -> u64 {
        let cycle = self.cycle(now.length());
        if state.position == 0 {
            let Some(Window { earliest_s, latest_s }) = window else { return 0 };
            if state.window_s == Some(earliest_s) || now.start_s() < earliest_s {
                return 0;
            }
            let left = intervals_until(latest_s, now.start_s(), now.length());
            // A cycle has at most a day of intervals.
            let must = left <= cycle.len() as u64;
            if !must && self.start == Start::Solar && surplus_wh < cycle[0] {
                return 0;
            }
            state.window_s = Some(earliest_s);
        }
        // Beyond the cycle only if another appliance's state, or another length of interval, was given: it ends then.
        let wh = cycle.get(state.position as usize).copied().unwrap_or(0);
        let next = state.position.saturating_add(1);
        state.position = if (next as usize) < cycle.len() { next } else { 0 };
        wh
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START_S: i64 = 1_780_315_200;

    fn interval(number: i64) -> Interval {
        Interval::new(START_S + number * 900, IntervalLength::Minutes15).unwrap()
    }

    fn appliance(cycle_wh: &[u32], start: Start) -> Appliance {
        ApplianceSettings { cycle_wh: cycle_wh.to_vec(), step_minutes: quarter_hour(), start }.try_into().unwrap()
    }

    fn window(first: i64, count: i64) -> Window {
        Window { earliest_s: interval(first).start_s(), latest_s: interval(first + count).start_s() }
    }

    /// What it takes in each of the intervals whose surplus is given.
    fn run(appliance: &Appliance, windows: &[Window], surplus: &[u64]) -> Vec<u64> {
        let mut state = ApplianceState::default();
        let step = |(number, surplus): (i64, &u64)| {
            let now = interval(number);
            let holds = |window: &&Window| (window.earliest_s..window.latest_s).contains(&now.start_s());
            appliance.step(&mut state, windows.iter().find(holds).copied(), now, *surplus)
        };
        (0..).zip(surplus).map(step).collect()
    }

    #[test]
    fn it_starts_at_once_or_with_the_sun_or_when_it_must() {
        let windows = [window(1, 6)];
        let (at_once, solar) = (appliance(&[500, 0, 200], Start::AtOnce), appliance(&[500, 0, 200], Start::Solar));
        let nothing = [0; 8];
        assert_eq!(run(&at_once, &windows, &nothing), [0, 500, 0, 200, 0, 0, 0, 0]);
        assert_eq!(run(&solar, &windows, &nothing), [0, 0, 0, 0, 500, 0, 200, 0]);
        assert_eq!(run(&solar, &windows, &[900, 499, 500, 0, 0, 900, 900, 900]), [0, 0, 500, 0, 200, 0, 0, 0]);
        // Longer than its window: at once, and to its end.
        assert_eq!(run(&solar, &[window(1, 2)], &nothing), [0, 500, 0, 200, 0, 0, 0, 0]);
    }

    proptest! {
        /// One cycle in each window, in one piece, and within it.
        #[test]
        fn each_cycle_runs_once_and_within_its_window(
            cycle in prop::collection::vec(1..900u32, 1..6),
            gaps in prop::collection::vec((0..5i64, 0..9i64), 1..6),
            surplus in prop::collection::vec(prop_oneof![Just(0u64), 0..900u64], 100),
            solar: bool,
        ) {
            let appliance = appliance(&cycle, if solar { Start::Solar } else { Start::AtOnce });
            let (mut windows, mut next) = (vec![], 0);
            for (gap, slack) in gaps {
                let count = i64::try_from(cycle.len()).unwrap() + slack;
                windows.push(window(next + gap, count));
                next += gap + count;
            }
            let taken = run(&appliance, &windows, &surplus);
            let (mut outside, mut sum) = (taken.iter().sum::<u64>(), 0);
            for Window { earliest_s, latest_s } in &windows {
                let place = |at_s: &i64| usize::try_from((at_s - START_S) / 900).unwrap();
                let within = &taken[place(earliest_s)..place(latest_s)];
                let ran: Vec<u64> = within.iter().copied().filter(|wh| *wh > 0).collect();
                prop_assert_eq!(&ran, &cycle.iter().copied().map(u64::from).collect::<Vec<_>>());
                let first = within.iter().position(|wh| *wh > 0).unwrap();
                prop_assert!(within[first..first + cycle.len()].iter().all(|wh| *wh > 0), "in one piece");
                outside -= within.iter().sum::<u64>();
                sum += 1;
            }
            prop_assert_eq!((outside, sum), (0, windows.len()));
        }

        /// The same energy over the same time at any length of interval.
        #[test]
        fn a_cycle_has_the_same_energy_at_every_length(
            cycle in prop::collection::vec(1..9_000u32, 1..24), step in prop::sample::select(&LENGTHS[..]),
        ) {
            let total: u64 = cycle.iter().copied().map(u64::from).sum();
            let settings = ApplianceSettings { cycle_wh: cycle.clone(), step_minutes: step, start: Start::Solar };
            let appliance = Appliance::try_from(settings).unwrap();
            for length in LENGTHS {
                let parts = appliance.cycle(length);
                prop_assert_eq!(parts.iter().sum::<u64>(), total);
                prop_assert!(parts[0] > 0);
                let minutes = cycle.len() * usize::try_from(step.minutes()).unwrap();
                prop_assert_eq!(parts.len(), minutes.div_ceil(usize::try_from(length.minutes()).unwrap()));
            }
        }
    }

    #[test]
    fn other_lengths_of_intervals_split_or_join_the_steps() {
        let appliance = appliance(&[500, 301, 0, 200, 50], Start::AtOnce);
        assert_eq!(appliance.cycle(IntervalLength::Minutes5)[..6], [167, 167, 166, 101, 100, 100]);
        assert_eq!(appliance.cycle(IntervalLength::Minutes30), [801, 200, 50]);
        assert_eq!(appliance.cycle(IntervalLength::Minutes60), [1_001, 50]);
    }

    #[test]
    fn appliances_that_make_no_sense_are_refused_in_one_line() {
        let read = |text: &str| toml::from_str::<Appliance>(text);
        assert_eq!(read("cycle_wh = [500, 200]").unwrap(), appliance(&[500, 200], Start::AtOnce));
        for (text, expected) in [
            ("cycle_wh = []", "expected a cycle of at least one step and at most 1440 minutes, found 0 minutes"),
            (&format!("cycle_wh = {:?}", [1; 97]), "found 1455 minutes"),
            ("cycle_wh = [0, 500]", "expected energy in the first step of `cycle_wh`, found 0"),
            ("cycle_wh = [10_000_001]", "expected at most 10000000 Wh in each step of `cycle_wh`, found 10000001"),
            ("cycle_wh = [1]\nstep_minutes = 10", "expected an interval of 5, 15, 30 or 60 minutes"),
            ("cycle_wh = [1]\nstart = \"late\"", "unknown variant `late`"),
            ("cycle_wh = [1]\nwhen = 1", "unknown field `when`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message().contains(expected), "{text}: {error}");
            assert_eq!(error.message().lines().count(), 1, "{error}");
        }
    }
}
