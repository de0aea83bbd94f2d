//! An electric vehicle at its charger at home: sessions in which it needs some energy, whole Wh at the meter.
//!
//! In a session of need E, with P·Δt the most that its power moves in an interval and n the intervals left, this one
//! among them, at least max(0, E − P·Δt·(n − 1)) has to be charged now, or the rest cannot be any more.

use protocol::interval::{Interval, IntervalLength};
use serde::Deserialize;

use super::units::{BadPower, energy_wh, intervals_until, power};

/// `[ev]` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvSettings {
    /// Most power of the charger, W.
    pub power_w: u32,
    /// When it charges.
    #[serde(default)]
    pub charging: Charging,
}

/// When a vehicle charges within a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charging {
    /// From its arrival on, with all its power.
    #[default]
    Uncontrolled,
    /// From surplus, and else as late as can be.
    SolarFirst,
}

/// A charger whose settings make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "EvSettings")]
pub struct Ev {
    power_w: u32,
    charging: Charging,
}

/// A charger that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ev: {0}")]
pub struct BadEv(#[from] BadPower);

impl TryFrom<EvSettings> for Ev {
    type Error = BadEv;

    fn try_from(EvSettings { power_w, charging }: EvSettings) -> Result<Ev, BadEv> {
        Ok(Ev { power_w: power(power_w)?, charging })
    }
}

/// A stay of the vehicle at the charger. It charges in the intervals that lie wholly within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// When it arrives, in seconds after 1970. No two sessions of a home arrive at the same time, and none before the
    /// last one departs.
    pub arrives_s: i64,
    /// When it departs, in seconds after 1970.
    pub departs_s: i64,
    /// What it needs, Wh at the meter.
    pub energy_wh: u32,
    /// Most power that it takes, W.
    pub power_w: u32,
}

/// Where the latest session stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EvState {
    /// When it arrived, in seconds after 1970; none before the first one.
    pub arrived_s: Option<i64>,
    /// What it still needs, Wh.
    pub need_wh: u64,
}

/// What a vehicle can take in an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EvPlan {
    /// What it takes in any case, Wh.
    pub must_wh: u64,
    /// What it takes beyond that, as far as surplus is left after it, Wh.
    pub may_wh: u64,
    /// Whether the session has no interval after this one.
    last: bool,
}

impl Ev {
    /// What it can take in an interval: nothing outside of its session.
    pub fn plan(&self, state: &mut EvState, session: Option<&Session>, interval: Interval) -> EvPlan {
        let Some(session) = session else { return EvPlan::default() };
        let left = intervals_until(session.departs_s, interval.start_s(), interval.length());
        if left == 0 || interval.start_s() < session.arrives_s {
            return EvPlan::default();
        }
        if state.arrived_s != Some(session.arrives_s) {
            *state = EvState { arrived_s: Some(session.arrives_s), need_wh: u64::from(session.energy_wh) };
        }
        let each_wh = self.each_wh(session, interval.length());
        let most_wh = state.need_wh.min(each_wh);
        let must_wh = match self.charging {
            Charging::Uncontrolled => most_wh,
            // What could be charged later is only compared with the need: saturated, it is more than that as well.
            Charging::SolarFirst => state.need_wh.saturating_sub(each_wh.saturating_mul(left - 1)).min(most_wh),
        };
        EvPlan { must_wh, may_wh: most_wh - must_wh, last: left == 1 }
    }

    /// Books what was charged by a plan, and says what the session ends without, Wh: 0 in all but its last interval.
    pub fn charge(&self, state: &mut EvState, plan: EvPlan, charged_wh: u64) -> u64 {
        state.need_wh = state.need_wh.saturating_sub(charged_wh);
        if plan.last { state.need_wh } else { 0 }
    }

    /// Most that a session can take in one interval, Wh.
    fn each_wh(&self, session: &Session, length: IntervalLength) -> u64 {
        energy_wh(self.power_w.min(session.power_w), length)
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

    /// What is charged in each of 60 intervals, and what the session ends without.
    fn run(charging: Charging, session: &Session, surplus: &[u64]) -> (Vec<u64>, u64) {
        let ev = Ev::try_from(EvSettings { power_w: 11_000, charging }).unwrap();
        let (mut state, mut unserved) = (EvState::default(), 0);
        let charged = (0..60).map(|number| {
            let plan = ev.plan(&mut state, Some(session), interval(number));
            let surplus = surplus.get(usize::try_from(number).unwrap()).copied().unwrap_or(0);
            let charged = plan.must_wh + plan.may_wh.min(surplus.saturating_sub(plan.must_wh));
            unserved += ev.charge(&mut state, plan, charged);
            charged
        });
        (charged.collect(), unserved)
    }

    #[test]
    fn uncontrolled_is_earliest_and_without_sun_solar_first_is_latest() {
        let session =
            Session { arrives_s: START_S + 900, departs_s: START_S + 6 * 900, energy_wh: 5_000, power_w: 8_000 };
        let (charged, unserved) = run(Charging::Uncontrolled, &session, &[]);
        assert_eq!((&charged[..7], unserved), (&[0, 2_000, 2_000, 1_000, 0, 0, 0][..], 0));
        let (charged, unserved) = run(Charging::SolarFirst, &session, &[]);
        assert_eq!((&charged[..7], unserved), (&[0, 0, 0, 1_000, 2_000, 2_000, 0][..], 0));
        let (charged, unserved) = run(Charging::SolarFirst, &session, &[9_000, 500, 9_000, 0, 300, 9_000]);
        assert_eq!((&charged[..7], unserved), (&[0, 500, 2_000, 0, 500, 2_000, 0][..], 0));
    }

    #[test]
    fn only_whole_intervals_of_the_session_count() {
        let session =
            Session { arrives_s: START_S + 1, departs_s: START_S + 3 * 900 - 1, energy_wh: 9_000, power_w: 4_000 };
        for charging in [Charging::Uncontrolled, Charging::SolarFirst] {
            let (charged, unserved) = run(charging, &session, &[]);
            assert_eq!((&charged[..3], unserved), (&[0, 1_000, 0][..], 8_000));
        }
    }

    proptest! {
        /// Delivered and unserved are the need; nothing outside of the session; unserved only what no one could serve;
        /// and surplus only moves the energy.
        #[test]
        fn a_session_gets_what_its_time_allows(
            arrives in 0..40i64, stay in 1..20i64, energy_wh in 0..60_000u32, power_w in 0..30_000u32,
            surplus in prop::collection::vec(prop_oneof![Just(0u64), 0..4_000u64], 60), solar: bool,
        ) {
            let (arrives_s, departs_s) = (interval(arrives).start_s(), interval(arrives + stay).start_s());
            let session = Session { arrives_s, departs_s, energy_wh, power_w };
            let charging = if solar { Charging::SolarFirst } else { Charging::Uncontrolled };
            let (charged, unserved) = run(charging, &session, &surplus);
            let need = u64::from(energy_wh);
            prop_assert_eq!(charged.iter().sum::<u64>() + unserved, need);
            let each = u64::from(power_w.min(11_000)) / 4;
            prop_assert_eq!(unserved, need.saturating_sub(each * u64::try_from(stay).unwrap()));
            for (number, charged) in (0i64..).zip(&charged) {
                prop_assert!(*charged <= each);
                prop_assert!(*charged == 0 || (arrives..arrives + stay).contains(&number));
            }
        }
    }

    #[test]
    fn each_session_begins_with_its_own_need() {
        let ev = Ev::try_from(EvSettings { power_w: 4_000, charging: Charging::Uncontrolled }).unwrap();
        let session = |first: i64| Session {
            arrives_s: interval(first).start_s(),
            departs_s: interval(first + 2).start_s(),
            energy_wh: 1_500,
            power_w: 4_000,
        };
        let mut state = EvState::default();
        let charged: Vec<u64> = (0..5)
            .map(|number| {
                let session = session(if number < 2 { 0 } else { 2 });
                let plan = ev.plan(&mut state, Some(&session), interval(number));
                ev.charge(&mut state, plan, plan.must_wh);
                plan.must_wh
            })
            .collect();
        assert_eq!(charged, [1_000, 500, 1_000, 500, 0]);
        assert_eq!(ev.plan(&mut state, None, interval(9)), EvPlan::default());
    }
}
