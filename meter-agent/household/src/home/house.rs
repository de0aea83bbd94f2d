//! A house as one heat capacity C behind one heat loss H: the model 1R1C, with R = 1/H.
//!
//! Its step is exact for what is constant in an interval: with the outdoor temperature T_o, the heating power Q, x =
//! Δt·H/C and a = exp(−x), it goes from T to T' = T_e + (T − T_e)·a, where T_e = T_o + Q/H is where it would end. It is
//! kept as heat, U = C·T in µWh:
//!
//! U' = U + (C·T_o − U)·(1 − a) + Q·Δt·g, with g = (1 − a)/x,
//!
//! where g is the share of the heat of the interval that is not lost within it. What is lost is all that is missing, so
//! that the balance of heat closes to the µWh. Both factors are tabulated when settings are read, in units of 2⁻⁶⁰,
//! from a series of integers: `exp` of a C library may differ in its last digit from machine to machine.

use protocol::interval::IntervalLength;
use serde::Deserialize;

use super::units::{Celsius, LENGTHS, slot};

/// Largest heat capacity, Wh/K. The heat at any temperature that fits into an `i32` then fits into 64 bits.
pub const CAPACITY_WH_PER_K_MAX: u32 = 1_000_000;

/// Bits behind the point of the factors.
const BITS: u32 = 60;
/// One, as a factor.
const ONE: i128 = 1 << BITS;

/// `[heat_pump.house]` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HouseSettings {
    /// Heat loss H for each K that it is warmer inside than outside, W/K: 1/R.
    pub loss_w_per_k: u32,
    /// Heat capacity C, Wh/K.
    pub capacity_wh_per_k: u32,
    /// Temperature at which heating begins, °C.
    pub lowest_c: Celsius,
    /// Temperature at which heating ends, °C.
    pub highest_c: Celsius,
    /// Temperature at the beginning, °C; the highest without it.
    pub initial_c: Option<Celsius>,
}

/// A house that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHouse {
    /// It keeps no heat, or more than can be counted.
    #[error("house: expected a heat capacity from 1 to {CAPACITY_WH_PER_K_MAX} Wh/K, found {0}")]
    Capacity(u32),
    /// It loses no heat, or would cool down within an hour.
    #[error(
        "house: expected a heat loss from 1 W/K to {capacity_wh_per_k} W/K, at which the house keeps its heat for an \
         hour, found {loss_w_per_k}"
    )]
    Loss {
        /// W/K.
        loss_w_per_k: u32,
        /// Wh/K.
        capacity_wh_per_k: u32,
    },
    /// No room between the temperatures.
    #[error("house: expected a `lowest_c` that is below `highest_c`, found {lowest} and {highest}")]
    Band {
        /// Where heating begins.
        lowest: Celsius,
        /// Where heating ends.
        highest: Celsius,
    },
}

/// Factors of an interval, in units of 2⁻⁶⁰.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Factors {
    /// 1 − a: share of the difference to outside that is lost.
    leaves: i128,
    /// g: share of the heat of the interval that stays.
    stays: i128,
}

/// A house whose settings make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HouseSettings")]
pub struct House {
    capacity_wh_per_k: i64,
    lowest_uwh: i64,
    highest_uwh: i64,
    initial_uwh: i64,
    /// By the length of the interval.
    factors: [Factors; 4],
}

/// The heat in a house.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heat {
    /// µWh more than at 0 °C.
    pub uwh: i64,
}

/// The factors for x = Δt·H/C = minutes·H / (60·C), which is at most 1: g = Σ (−x)^k / (k+1)!, and 1 − a = x·g.
fn factors(minutes: u32, loss_w_per_k: u32, capacity_wh_per_k: u32) -> Factors {
    // At most 60 · 10^6 · 2^60, which is below 2^87.
    let x = (i128::from(minutes) * i128::from(loss_w_per_k) * ONE) / (60 * i128::from(capacity_wh_per_k));
    let (mut term, mut stays) = (ONE, 0);
    // 1/20! is below 2^-60, so that no term after the twentieth counts. Each is cut by less than a unit.
    for k in 0..20 {
        stays += term;
        term = -term * x / ONE / (k + 2);
    }
    Factors { leaves: x * stays / ONE, stays }
}

impl TryFrom<HouseSettings> for House {
    type Error = BadHouse;

    fn try_from(settings: HouseSettings) -> Result<House, BadHouse> {
        let HouseSettings { loss_w_per_k, capacity_wh_per_k, lowest_c: lowest, highest_c: highest, .. } = settings;
        if !(1..=CAPACITY_WH_PER_K_MAX).contains(&capacity_wh_per_k) {
            return Err(BadHouse::Capacity(capacity_wh_per_k));
        }
        if !(1..=capacity_wh_per_k).contains(&loss_w_per_k) {
            return Err(BadHouse::Loss { loss_w_per_k, capacity_wh_per_k });
        }
        if lowest >= highest {
            return Err(BadHouse::Band { lowest, highest });
        }
        let uwh = |temperature: Celsius| heat_uwh(i64::from(capacity_wh_per_k), temperature.milli());
        Ok(House {
            capacity_wh_per_k: i64::from(capacity_wh_per_k),
            lowest_uwh: uwh(lowest),
            highest_uwh: uwh(highest),
            initial_uwh: uwh(settings.initial_c.unwrap_or(highest)),
            factors: LENGTHS.map(|length| factors(length.minutes(), loss_w_per_k, capacity_wh_per_k)),
        })
    }
}

/// Heat at a temperature in thousandths of °C: Wh/K times mK is mWh. At most 10^6 · 2^31 · 10^3, which is below 2^61.
fn heat_uwh(capacity_wh_per_k: i64, milli_c: i32) -> i64 {
    capacity_wh_per_k * i64::from(milli_c) * 1_000
}

/// A product with a factor in µWh, rounded to the nearest. The factor is at most 1, so that it fits again.
fn times(uwh: i64, factor: i128) -> i64 {
    ((i128::from(uwh) * factor + ONE / 2) >> BITS) as i64
}

impl House {
    /// Its heat at the beginning.
    pub fn start(&self) -> Heat {
        Heat { uwh: self.initial_uwh }
    }

    /// Its temperature, in thousandths of °C, rounded down.
    pub fn milli_c(&self, heat: Heat) -> i64 {
        heat.uwh.div_euclid(self.capacity_wh_per_k * 1_000)
    }

    /// The heat after an interval without heating, at an outdoor temperature in thousandths of °C.
    pub fn cooled(&self, heat: Heat, length: IntervalLength, outdoor_milli_c: i32) -> Heat {
        // Neither is beyond 2^61 in absolute value: so far from 0 °C the house never is, nor is the air.
        let difference_uwh = heat_uwh(self.capacity_wh_per_k, outdoor_milli_c).saturating_sub(heat.uwh);
        Heat { uwh: heat.uwh.saturating_add(times(difference_uwh, self.factors[slot(length)].leaves)) }
    }

    /// What stays of heat that comes in evenly over an interval, µWh.
    pub fn kept_uwh(&self, heat_uwh: i64, length: IntervalLength) -> i64 {
        times(heat_uwh, self.factors[slot(length)].stays)
    }

    /// Whether heating begins, if the interval would end with this heat.
    pub fn is_cold(&self, heat: Heat) -> bool {
        heat.uwh < self.lowest_uwh
    }

    /// How much heat has to come in evenly over an interval that would end with `cooled`, so that it ends at the
    /// highest temperature, µWh; 0 if it is warmer already. Rounded down.
    pub fn wanted_uwh(&self, cooled: Heat, length: IntervalLength) -> u64 {
        let missing_uwh = self.highest_uwh.saturating_sub(cooled.uwh).max(0);
        // At least 1 − 1/e of it stays, so that it is less than twice what is missing, which fits.
        u64::try_from(i128::from(missing_uwh) * ONE / self.factors[slot(length)].stays).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(loss_w_per_k: u32, capacity_wh_per_k: u32) -> House {
        let celsius = |value: f64| Celsius::try_from(value).unwrap();
        let settings = HouseSettings {
            loss_w_per_k,
            capacity_wh_per_k,
            lowest_c: celsius(20.0),
            highest_c: celsius(21.0),
            initial_c: None,
        };
        settings.try_into().unwrap()
    }

    /// 1 − exp(−x) and its share of x, as this machine's library has them.
    fn expected(x: f64) -> (f64, f64) {
        (-(-x).exp_m1(), -(-x).exp_m1() / x)
    }

    #[test]
    fn the_factors_are_those_of_the_exponential_function() {
        for (minutes, loss, capacity) in
            [(60, 1, 1), (15, 200, 10_000), (5, 1, 1_000_000), (30, 7, 9), (60, 999, 1_000)]
        {
            let Factors { leaves, stays } = factors(minutes, loss, capacity);
            let x = f64::from(minutes) * f64::from(loss) / (60.0 * f64::from(capacity));
            let (leaves_expected, stays_expected) = expected(x);
            let close =
                |found: i128, expected: f64| (found as f64 / ONE as f64 - expected).abs() < 1e-15 * expected + 1e-17;
            assert!(close(leaves, leaves_expected), "{x}: {leaves}, {leaves_expected}");
            assert!(close(stays, stays_expected), "{x}: {stays}, {stays_expected}");
        }
        // exp(−1), of which every table has the digits: 0.36787944117144232160.
        let left = (ONE - factors(60, 1, 1).leaves) * 10_000_000_000_000_000 / ONE;
        assert!((3_678_794_411_714_422..=3_678_794_411_714_423).contains(&left), "{left}");
    }

    #[test]
    fn at_a_constant_temperature_outside_it_follows_the_closed_form() {
        // A time constant of 50 h, from 21 °C at 5 kW of heat and -3 °C outside, towards 22 °C; and without heat.
        for (length, heat_w) in LENGTHS.into_iter().flat_map(|length| [(length, 5_000), (length, 0)]) {
            let house = house(200, 10_000);
            let mut heat = house.start();
            let (mut inflow, mut lost) = (0, 0);
            let heat_uwh = heat_w * 1_000_000 * i64::from(length.minutes()) / 60;
            let steps = 7 * 24 * 60 / length.minutes();
            for _ in 0..steps {
                let cooled = house.cooled(heat, length, -3_000);
                let after = cooled.uwh + house.kept_uwh(heat_uwh, length);
                inflow += heat_uwh;
                lost += heat_uwh - (after - heat.uwh);
                heat.uwh = after;
            }
            let end = -3.0 + heat_w as f64 / 200.0;
            let hours = 7.0 * 24.0;
            let exact = end + (21.0 - end) * (-hours / 50.0f64).exp();
            // Half a µWh a factor and step, of which the house forgets a part, is far below a millionth of a degree.
            assert!((heat.uwh as f64 / 1e10 - exact).abs() < 1e-6, "{length:?}: {heat:?}, {exact}");
            // What was lost is H times the integral of the difference to outside, to 1 mWh in each step.
            let integral = (end + 3.0) * hours + (21.0 - end) * 50.0 * (1.0 - (-hours / 50.0f64).exp());
            assert!((lost as f64 / 1e6 - 200.0 * integral).abs() < 1e-3 * f64::from(steps), "{lost}, {integral}");
            assert_eq!(heat.uwh - house.start().uwh, inflow - lost);
        }
    }

    #[test]
    fn each_step_loses_what_flows_out_to_a_milliwatthour() {
        let house = house(200, 10_000);
        for (outdoor, inside_uwh, heat_uwh) in
            [(-15_000, 210_000_000_000, 3_000_000_000), (35_000, 190_123_456_789, 0), (0, 1, 8_765_432_101)]
        {
            for length in LENGTHS {
                let before = Heat { uwh: inside_uwh };
                let after = house.cooled(before, length, outdoor).uwh + house.kept_uwh(heat_uwh, length);
                let hours = f64::from(length.minutes()) / 60.0;
                let (leaves, _) = expected(hours / 50.0);
                // Where it would end, over outside: Q/H. All in K and Wh.
                let above_end = heat_uwh as f64 / 1e6 / hours / 200.0;
                let above = inside_uwh as f64 / 1e10 - f64::from(outdoor) / 1e3;
                let lost_wh = 200.0 * (above_end * hours + (above - above_end) * 50.0 * leaves);
                let found_wh = (heat_uwh - (after - before.uwh)) as f64 / 1e6;
                assert!((lost_wh - found_wh).abs() < 1e-3, "{length:?} {outdoor}: {lost_wh}, {found_wh}");
            }
        }
    }

    #[test]
    fn what_is_wanted_ends_at_the_highest_temperature() {
        let house = house(200, 10_000);
        for length in LENGTHS {
            let cooled = house.cooled(Heat { uwh: 195_000_000_000 }, length, -10_000);
            let wanted = i64::try_from(house.wanted_uwh(cooled, length)).unwrap();
            let after = cooled.uwh + house.kept_uwh(wanted, length);
            assert!((after - 210_000_000_000).abs() <= 1, "{length:?}: {after}");
            assert_eq!(house.wanted_uwh(Heat { uwh: 210_000_000_001 }, length), 0);
        }
        // Of a µWh, 0.632 stay, and of three, 1.896: to the nearest.
        let kept = [1, 3].map(|uwh| self::house(10_000, 10_000).kept_uwh(uwh, IntervalLength::Minutes60));
        assert_eq!(kept, [1, 2]);
        assert_eq!(house.milli_c(Heat { uwh: 210_009_999_999 }), 21_000);
        assert_eq!(house.milli_c(Heat { uwh: -1 }), -1);
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_what_can_be_asked() {
        let house = house(1_000_000, 1_000_000);
        for uwh in [i64::MIN, i64::MAX, 0] {
            for outdoor in [i32::MIN, i32::MAX] {
                for length in LENGTHS {
                    let cooled = house.cooled(Heat { uwh }, length, outdoor);
                    house.wanted_uwh(cooled, length);
                    house.kept_uwh(uwh, length);
                    house.milli_c(cooled);
                }
            }
        }
    }

    #[test]
    fn houses_that_make_no_sense_are_refused_in_one_line() {
        let good = "loss_w_per_k = 200\ncapacity_wh_per_k = 10_000\nlowest_c = 20\nhighest_c = 21.5\n";
        let read = |text: &str| toml::from_str::<House>(text);
        assert_eq!(read(good).unwrap().start().uwh, 215_000_000_000);
        assert_eq!(read(&format!("{good}initial_c = 18.5")).unwrap().start().uwh, 185_000_000_000);
        for (from, to, expected) in [
            ("10_000", "0", "house: expected a heat capacity from 1 to 1000000 Wh/K, found 0"),
            ("200", "0", "house: expected a heat loss from 1 W/K to 10000 W/K"),
            ("200", "10_001", "found 10001"),
            ("21.5", "20", "expected a `lowest_c` that is below `highest_c`, found 20 °C and 20 °C"),
            ("21.5", "294.15", "expected a temperature from -100 to 100 °C"),
            ("lowest_c", "target_c", "unknown field `target_c`"),
        ] {
            let error = read(&good.replace(from, to)).unwrap_err();
            assert!(error.message().contains(expected), "{to}: {error}");
            assert_eq!(error.message().lines().count(), 1, "{error}");
        }
    }
}
