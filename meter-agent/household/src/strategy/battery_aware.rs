//! `battery_aware`: prices at which it pays to fill or to empty a battery, from the prices of the last day.
//!
//! A kWh that is bought comes out of the battery as η of one, which can be used or sold when neighbours are dearest; so
//! it is worth at most η times that price. A kWh that is sold has to be bought again when they are cheapest, and 1 ÷ η
//! of it for each that comes out; so it is not given for less. The wear of the battery goes off the one and onto the
//! other.
//!
//! It takes every kWh for one that can wait. Where the battery is empty, or full, that is wrong, and the supplier would
//! have what a neighbour would have had. So where it is known what the battery holds, and what it can, a household
//! whose battery was nearly empty buys like a price taker, and one whose battery was nearly full sells like one. A
//! meter alone does not say it; what is known of it is as old as all that is learned.

use std::num::NonZeroU32;

use protocol::{interval::Interval, money::Price, order::PriceLimits};
use serde::Deserialize;

use super::{LAG, Outcome, Situation, Strategy, Why};
use crate::home::units::Share;

/// What `[order]` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// η, the part of what goes into the battery that comes out of it again.
    round_trip_efficiency: Share,
    /// What each kWh that comes out of the battery wears it, per kWh.
    wear: Option<Price>,
    /// What the battery can hold, Wh; without it, nobody can tell whether it is full.
    capacity_wh: Option<NonZeroU32>,
}

/// The strategy `battery_aware`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct BatteryAware {
    efficiency_ppm: i64,
    /// µ€/kWh.
    wear: i64,
    capacity_uwh: Option<u64>,
}

/// No battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum BadSettings {
    #[error("expected a round_trip_efficiency above 0, found 0: nothing would come out of the battery")]
    Efficiency,
    #[error("expected a wear of 0 or more, found {0}")]
    Wear(Price),
}

impl TryFrom<Settings> for BatteryAware {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<BatteryAware, BadSettings> {
        let Settings { round_trip_efficiency, wear, capacity_wh } = settings;
        let efficiency_ppm = i64::from(round_trip_efficiency.ppm());
        if efficiency_ppm == 0 {
            return Err(BadSettings::Efficiency);
        }
        match wear {
            Some(wear) if wear.micro() < 0 => Err(BadSettings::Wear(wear)),
            wear => Ok(BatteryAware {
                efficiency_ppm,
                wear: wear.map_or(0, Price::micro),
                capacity_uwh: capacity_wh.map(|wh| u64::from(wh.get()) * UWH_PER_WH),
            }),
        }
    }
}

/// Hours that are remembered, each with its number since 1970 and its lowest and highest price.
const HOURS: usize = 24;
/// Numbers that are remembered of the hours; behind them, the start of the last interval of which it is known what the
/// battery held, in s after 1970, and how much, in µWh and one more than that. 0 is nothing.
const OF_HOURS: usize = 3 * HOURS;
const UWH_PER_WH: u64 = 1_000_000;
/// Makes a number that is remembered of any price, µ€/kWh.
const ABOVE_ZERO: i64 = 1 << 32;
const WHOLE_PPM: i64 = 1_000_000;

fn hour_of(interval: Interval) -> u64 {
    (interval.start_s().max(0) / 3_600).unsigned_abs()
}

/// When the interval starts whose outcome is due for another one, s after 1970.
fn due(interval: Interval) -> Option<u64> {
    interval.offset(-LAG).map(|due| due.start_s().max(0).unsigned_abs())
}

fn remembered(price: i64) -> u64 {
    (price + ABOVE_ZERO).unsigned_abs()
}

/// The lowest and the highest price of the day before an interval, as far as it is remembered, µ€/kWh.
fn of_the_last_day(memory: &[u64], interval: Interval) -> Option<(i64, i64)> {
    let now = hour_of(interval);
    let hours = memory
        .get(..OF_HOURS)?
        .chunks_exact(3)
        .filter(|hour| hour[0] > 0 && hour[0] <= now && hour[0] + HOURS as u64 >= now);
    let (low, high) = hours.fold(None, |day: Option<(u64, u64)>, hour| {
        let (low, high) = day.unwrap_or((hour[1], hour[2]));
        Some((low.min(hour[1]), high.max(hour[2])))
    })?;
    let price = |remembered: u64| Some(i64::try_from(remembered).ok()? - ABOVE_ZERO);
    Some((price(low)?, price(high)?))
}

/// How full a battery was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    NearlyEmpty,
    Between,
    NearlyFull,
}

impl BatteryAware {
    /// How full the battery was when it is known last: of the interval that was due for this one, and no earlier.
    fn level(&self, situation: &Situation<'_>) -> Level {
        let held = |stored: &u64| stored.checked_sub(1);
        let known = match situation.memory.get(OF_HOURS..) {
            Some([start_s, stored]) if due(situation.interval) == Some(*start_s) => held(stored),
            _ => None,
        };
        match (known, self.capacity_uwh) {
            (Some(stored), Some(capacity)) if stored <= capacity / 10 => Level::NearlyEmpty,
            (Some(stored), Some(capacity)) if stored >= capacity - capacity / 10 => Level::NearlyFull,
            _ => Level::Between,
        }
    }

    /// What a kWh is worth that goes into the battery, and what one costs that comes out of it.
    fn worth(&self, situation: &Situation<'_>) -> Option<(Price, Price)> {
        let (low, high) = of_the_last_day(situation.memory, situation.interval)?;
        let into = ((high - self.wear) * self.efficiency_ppm).div_euclid(WHOLE_PPM);
        // Rounded up: not sold at a loss.
        let out_of = -(-low * WHOLE_PPM).div_euclid(self.efficiency_ppm) + self.wear;
        Some((Price::from_micro(into)?, Price::from_micro(out_of)?))
    }
}

impl Strategy for BatteryAware {
    fn name(&self) -> &'static str {
        "battery_aware"
    }

    fn limits(&self, situation: &Situation<'_>) -> PriceLimits {
        // Without a price there is nothing to wait for.
        let Some((buy, sell)) = self.worth(situation) else { return PriceLimits::default() };
        let level = self.level(situation);
        PriceLimits {
            buy: Some(buy).filter(|_| level != Level::NearlyEmpty),
            sell: Some(sell).filter(|_| level != Level::NearlyFull),
            ..PriceLimits::default()
        }
    }

    fn why(&self, situation: &Situation<'_>) -> Why {
        match of_the_last_day(situation.memory, situation.interval)
            .map(|(low, high)| [low, high].map(Price::from_micro))
        {
            Some([Some(lowest), Some(highest)]) => match self.level(situation) {
                Level::NearlyEmpty => Why::BatteryEmpty,
                Level::NearlyFull => Why::BatteryFull,
                Level::Between => Why::PricesOfTheDay { lowest, highest },
            },
            _ => Why::NoPriceOfTheDay,
        }
    }

    fn memory(&self) -> Vec<u64> {
        vec![0; OF_HOURS + 2]
    }

    fn learn(&self, memory: &mut [u64], of: &Outcome) {
        if let (Some([start_s, stored]), Some(held)) = (memory.get_mut(OF_HOURS..), of.stored_uwh) {
            (*start_s, *stored) = (of.interval.start_s().max(0).unsigned_abs(), held.saturating_add(1));
        }
        let line = &of.line;
        // n€ by Wh are µ€ by kWh. Where there is no one price, it is what was traded here.
        let own = [(line.paid, line.bought), (line.earned, line.sold)]
            .into_iter()
            .find_map(|(amount, energy)| amount.nano().checked_div(i64::try_from(energy.wh()).ok()?));
        let Some(price) = of.price.map(Price::micro).or(own).map(remembered) else { return };
        let hour = hour_of(of.interval);
        let Some([at, low, high]) = memory.as_chunks_mut::<3>().0.get_mut((hour % HOURS as u64) as usize) else {
            return;
        };
        if *at == hour {
            (*low, *high) = (price.min(*low), price.max(*high));
        } else {
            (*at, *low, *high) = (hour, price, price);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        energy::Energy,
        member::MemberId,
        money::Amount,
        settlement::{Line, Tariffs},
    };

    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn interval(count: i64) -> Interval {
        "2026-06-01T00:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
    }

    fn outcome(at: i64, price_of_all: Option<&str>, bought_wh: u64, paid_nano: i64) -> Outcome {
        let none = Energy::ZERO;
        let line = Line {
            member: MemberId::from_bytes([1; 16]),
            bought: Energy::from_wh(bought_wh),
            sold: none,
            imported: none,
            exported: none,
            paid: Amount::from_nano(paid_nano),
            earned: Amount::ZERO,
            supply_cost: Amount::ZERO,
            supply_revenue: Amount::ZERO,
        };
        let tariffs = Tariffs { retail_price: price("0.3"), feed_in_price: price("0.08") };
        Outcome {
            interval: interval(at),
            tariffs,
            limits: PriceLimits::default(),
            price: price_of_all.map(price),
            line,
            stored_uwh: None,
        }
    }

    #[test]
    fn its_limits_are_the_last_days_prices_less_what_the_battery_loses() {
        let strategy: BatteryAware = toml::from_str("round_trip_efficiency = 0.8\nwear = \"0.02\"\n").unwrap();
        let mut memory = strategy.memory();
        let at =
            |memory: &[u64], count| strategy.limits(&Situation { memory, ..Situation::new(interval(count), None) });
        assert_eq!(at(&memory, 0), PriceLimits::default(), "nothing is known");
        strategy.learn(&mut memory, &outcome(0, Some("0.1"), 0, 0));
        strategy.learn(&mut memory, &outcome(1, Some("0.2"), 0, 0));
        strategy.learn(&mut memory, &outcome(2, None, 0, 0));
        // 10 Wh for 1,800,000 n€ are 0.18 € a kWh.
        strategy.learn(&mut memory, &outcome(40, None, 10, 1_800_000));
        // (0.2 − 0.02) × 0.8, and 0.1 ÷ 0.8 + 0.02.
        let all = PriceLimits { buy: Some(price("0.144")), sell: Some(price("0.145")), ..PriceLimits::default() };
        assert_eq!(at(&memory, 48), all);
        // A day later, only the last price counts: (0.18 − 0.02) × 0.8, and 0.18 ÷ 0.8 + 0.02.
        let last = PriceLimits { buy: Some(price("0.128")), sell: Some(price("0.245")), ..PriceLimits::default() };
        assert_eq!(at(&memory, 100), last);
        let why = |count| strategy.why(&Situation { memory: &memory, ..Situation::new(interval(count), None) });
        assert_eq!(why(48).to_string(), "neighbours' prices went from 0.1 to 0.2 within a day");
        assert_eq!(why(1_000), Why::NoPriceOfTheDay);
    }

    #[test]
    fn where_the_battery_was_nearly_empty_or_full_nothing_can_wait() {
        let aware = "round_trip_efficiency = 0.8\ncapacity_wh = 1000\n";
        let strategy: BatteryAware = toml::from_str(aware).unwrap();
        let (into, out_of) = (Some(price("0.16")), Some(price("0.125")));
        let all = PriceLimits { buy: into, sell: out_of, ..PriceLimits::default() };
        for (stored_uwh, expected, why) in [
            (None, all, None),
            (Some(0), PriceLimits { buy: None, ..all }, Some(Why::BatteryEmpty)),
            (Some(100_000_000), PriceLimits { buy: None, ..all }, Some(Why::BatteryEmpty)),
            (Some(100_000_001), all, None),
            (Some(899_999_999), all, None),
            (Some(900_000_000), PriceLimits { sell: None, ..all }, Some(Why::BatteryFull)),
            (Some(u64::MAX), PriceLimits { sell: None, ..all }, Some(Why::BatteryFull)),
        ] {
            let mut memory = strategy.memory();
            strategy.learn(&mut memory, &outcome(0, Some("0.1"), 0, 0));
            strategy.learn(&mut memory, &Outcome { stored_uwh, ..outcome(1, Some("0.2"), 0, 0) });
            let at = |count| Situation { memory: &memory, ..Situation::new(interval(count), None) };
            assert_eq!(strategy.limits(&at(1 + LAG)), expected, "{stored_uwh:?}");
            let prices = Why::PricesOfTheDay { lowest: price("0.1"), highest: price("0.2") };
            assert_eq!(strategy.why(&at(1 + LAG)), why.unwrap_or_else(|| prices.clone()), "{stored_uwh:?}");
            // Of another interval than the one that is due nothing is known: that meter was not read.
            assert_eq!((strategy.limits(&at(2 + LAG)), strategy.why(&at(2 + LAG))), (all, prices));
            let blind: BatteryAware = toml::from_str("round_trip_efficiency = 0.8").unwrap();
            assert_eq!(blind.limits(&at(1 + LAG)), all, "nobody knows what it can hold");
        }
    }

    #[test]
    fn no_battery_is_refused() {
        for (text, expected) in [
            ("round_trip_efficiency = 0", "expected a round_trip_efficiency above 0, found 0"),
            ("round_trip_efficiency = 0.9\nwear = \"-0.01\"", "expected a wear of 0 or more, found -0.01"),
            ("wear = \"0.01\"", "missing field `round_trip_efficiency`"),
            ("round_trip_efficiency = 0.9\ncapacity_wh = 0", "expected a nonzero u32"),
        ] {
            let error = toml::from_str::<BatteryAware>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
