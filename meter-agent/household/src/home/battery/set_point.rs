//! A set-point: what power a household's own limits would have its battery take or give, at the prices that are known.
//! It is a proposal for whoever steers the battery, and nothing follows it by itself.
//!
//! With η the part of a kWh that comes back, a kWh that goes into the battery is worth at most η times what the
//! supplier takes for one, and one that comes out cost at least what the supplier gives for 1 ÷ η of it. So a battery
//! that should take power is one whose household buys at the price among neighbours, where that is no more than η times
//! the retail price; and one that should give is one whose household sells at it, where η times that price is no less
//! than the feed-in price. Where both hold, the limits say nothing of the battery, and it is left alone.

use protocol::{interval::IntervalLength, money::Price, order::PriceLimits, settlement::Tariffs};

use super::{Battery, MILLION};

/// What is known of prices and of the battery when a set-point is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The household's limits that stand for the interval.
    pub limits: PriceLimits,
    /// The latest price among neighbours; none where nothing was traded at one.
    pub price: Option<Price>,
    /// The supplier's prices.
    pub tariffs: Tariffs,
    /// What the battery holds, µWh, if that is known.
    pub stored_uwh: Option<u64>,
}

impl Battery {
    /// The power at the meter that is proposed for an interval, W: above 0 charges, below 0 discharges, and 0 leaves
    /// the battery alone. Where it is known what the battery holds, it is no more than it has room or energy for,
    /// rounded towards 0.
    pub fn set_point_w(&self, length: IntervalLength, known: &Known) -> i64 {
        let Known { limits, price: Some(price), tariffs, stored_uwh } = *known else { return 0 };
        let kept_ppm = i128::from(self.efficiency_ppm * self.efficiency_ppm / MILLION);
        let parts = |price: Price, ppm: i128| i128::from(price.micro()) * ppm;
        let whole = i128::from(MILLION);
        let buys = price <= limits.buy.unwrap_or(tariffs.retail_price)
            && parts(price, whole) <= parts(tariffs.retail_price, kept_ppm);
        let sells = price >= limits.sell.unwrap_or(tariffs.feed_in_price)
            && parts(price, kept_ppm) >= parts(tariffs.feed_in_price, whole);
        // At most 10^7 W, and what is stored at most 10^13 µWh.
        let at_most = |wh: u64| i64::from(self.power_w).min((wh * 60 / u64::from(length.minutes())) as i64);
        match (buys, sells, stored_uwh) {
            (true, true, _) | (false, false, _) => 0,
            (true, false, None) => i64::from(self.power_w),
            (false, true, None) => -i64::from(self.power_w),
            (true, false, Some(stored)) => at_most(self.capacity_uwh.saturating_sub(stored) / self.efficiency_ppm),
            (false, true, Some(stored)) => {
                -at_most(stored.min(self.capacity_uwh) * self.efficiency_ppm / (MILLION * MILLION))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: IntervalLength = IntervalLength::Minutes15;

    fn price(text: &str) -> Option<Price> {
        Some(text.parse().unwrap())
    }

    /// 10 kWh, 5 kW, of which 0.81 comes back: 0.9 each way.
    fn battery() -> Battery {
        toml::from_str("capacity_wh = 10000\npower_w = 5000\nround_trip_efficiency = 0.81\n").unwrap()
    }

    fn known(buy: Option<Price>, sell: Option<Price>, price: Option<Price>) -> Known {
        let tariffs = Tariffs { retail_price: "0.3".parse().unwrap(), feed_in_price: "0.08".parse().unwrap() };
        let limits = PriceLimits { buy, sell, ..PriceLimits::default() };
        Known { limits, price, tariffs, stored_uwh: None }
    }

    #[test]
    fn it_follows_the_limits_where_the_battery_loses_less_than_it_earns() {
        for (buy, sell, at, expected) in [
            (price("0.15"), price("0.2"), price("0.15"), 5_000),
            (price("0.15"), price("0.2"), price("0.150001"), 0),
            (price("0.15"), price("0.2"), price("0.199999"), 0),
            (price("0.15"), price("0.2"), price("0.2"), -5_000),
            // Nothing was traded.
            (price("0.15"), price("0.2"), None, 0),
            // More than 0.81 times the retail price, 0.243: what goes in never brings that.
            (price("0.29"), price("0.3"), price("0.243"), 5_000),
            (price("0.29"), price("0.3"), price("0.243001"), 0),
            // Less than the feed-in price for what it takes, 0.0987…: what comes out would have brought more.
            (price("0.05"), price("0.07"), price("0.098765"), 0),
            (price("0.05"), price("0.07"), price("0.098766"), -5_000),
            // A price taker says nothing of its battery.
            (None, None, price("0.2"), 0),
            (None, price("0.25"), price("0.2"), 5_000),
            (price("0.15"), None, price("0.2"), -5_000),
        ] {
            assert_eq!(battery().set_point_w(QUARTER, &known(buy, sell, at)), expected, "{buy:?} {sell:?} {at:?}");
        }
    }

    #[test]
    fn it_asks_for_no_more_than_the_battery_has_room_or_energy_for() {
        let cheap = known(price("0.15"), price("0.2"), price("0.1"));
        let dear = known(price("0.15"), price("0.2"), price("0.25"));
        for (stored_uwh, charge_w, discharge_w) in [
            (0, 5_000, 0),
            // 1 Wh of which 0.9 come out: no whole Wh.
            (1_000_000, 5_000, 0),
            // 100 Wh out of 111.2, in a quarter of an hour.
            (111_200_000, 5_000, -400),
            (5_000_000_000, 5_000, -5_000),
            // Room for 90 Wh takes 100.
            (9_910_000_000, 400, -5_000),
            (10_000_000_000, 0, -5_000),
            // More than it can hold.
            (u64::MAX, 0, -5_000),
        ] {
            let stored = |known: Known| Known { stored_uwh: Some(stored_uwh), ..known };
            assert_eq!(battery().set_point_w(QUARTER, &stored(cheap)), charge_w, "{stored_uwh}");
            assert_eq!(battery().set_point_w(QUARTER, &stored(dear)), discharge_w, "{stored_uwh}");
        }
    }
}
