//! Photovoltaics by weather, for homes of which no production was measured. It makes a profile before a run; a step of
//! a home takes production as it is given.
//!
//! Power is that of PVWatts (Dobos 2014) without its losses, P = P₀ · G/1000 · (1 + γ·(T_c − 25)), and the temperature
//! of the cells that of Faiman (2008), T_c = T_a + G / (u₀ + u₁·v), with u₀ = 25 W/m²K and u₁ = 6.84 W/m²K per m/s.

use protocol::interval::IntervalLength;
use serde::Deserialize;

use super::units::{BadPower, POWER_W_MAX};

/// `[pv]` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PvSettings {
    /// Power P₀ at 1,000 W/m² and cells of 25 °C, W.
    pub peak_w: u32,
    /// Loss of power for each K above 25 °C of the cells, ppm/K: −γ. 4,000 without it.
    #[serde(default = "loss_of_silicon")]
    pub loss_ppm_per_k: u32,
}

fn loss_of_silicon() -> u32 {
    4_000
}

/// Photovoltaics that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPv {
    /// None, or too much to count.
    #[error("pv: expected a power from 1 to {POWER_W_MAX} W in `peak_w`, found {0}")]
    Peak(u32),
    /// Hot cells would be worse than any are.
    #[error("pv: expected a loss from 0 to 20000 ppm/K in `loss_ppm_per_k`, found {0}; silicon has 3000 to 5000")]
    Loss(u32),
}

/// Photovoltaics whose settings make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PvSettings")]
pub struct Pv {
    peak_w: u32,
    loss_ppm_per_k: u32,
}

/// Weather at the modules, constant for an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Irradiance in the plane of the modules, W/m².
    pub irradiance_w_m2: u32,
    /// Temperature of the air, thousandths of °C.
    pub air_milli_c: i32,
    /// Wind at the modules, mm/s.
    pub wind_mm_s: u32,
}

impl TryFrom<PvSettings> for Pv {
    type Error = BadPv;

    fn try_from(PvSettings { peak_w, loss_ppm_per_k }: PvSettings) -> Result<Pv, BadPv> {
        let peak_w = super::units::power(peak_w).map_err(|BadPower(peak_w)| BadPv::Peak(peak_w))?;
        if loss_ppm_per_k > 20_000 {
            return Err(BadPv::Loss(loss_ppm_per_k));
        }
        Ok(Pv { peak_w, loss_ppm_per_k })
    }
}

/// A quotient of numbers that are not negative, rounded to the nearest.
fn nearest(dividend: i128, divisor: i128) -> i128 {
    (dividend + divisor / 2) / divisor
}

impl Weather {
    /// The temperature of the cells by Faiman, thousandths of °C.
    pub fn cell_milli_c(&self) -> i64 {
        // In mW/m²K. mW/m² over that are K; times 1,000, mK.
        let exchange = 25_000 + 6_840 * i128::from(self.wind_mm_s) / 1_000;
        let above = nearest(i128::from(self.irradiance_w_m2) * 1_000_000, exchange);
        // At most 2^32 · 40 mK.
        i64::from(self.air_milli_c) + i64::try_from(above).unwrap_or_default()
    }
}

impl Pv {
    /// The power of cells of a temperature in thousandths of °C, mW; nothing where they are too hot to give any.
    pub fn power_mw(&self, irradiance_w_m2: u32, cell_milli_c: i64) -> u64 {
        // 1 + γ·(T_c − 25) in units of 10⁻⁹: ppm/K times mK. Nothing is colder than 0 K.
        let above_25 = i128::from(cell_milli_c.max(-273_150)) - 25_000;
        let factor = 1_000_000_000 - i128::from(self.loss_ppm_per_k) * above_25;
        // W times W/m² over 1,000 W/m², as mW. At most 2^24 · 2^32 · 2^33.
        let mw = nearest(i128::from(self.peak_w) * i128::from(irradiance_w_m2) * factor.max(0), 1_000_000_000);
        u64::try_from(mw).unwrap_or(u64::MAX)
    }

    /// What is produced in an interval of some weather, Wh, rounded to the nearest.
    pub fn energy_wh(&self, weather: &Weather, length: IntervalLength) -> u64 {
        let mw = self.power_mw(weather.irradiance_w_m2, weather.cell_milli_c());
        u64::try_from(nearest(i128::from(mw) * i128::from(length.minutes()), 60_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pv(peak_w: u32, loss_ppm_per_k: u32) -> Pv {
        PvSettings { peak_w, loss_ppm_per_k }.try_into().unwrap()
    }

    #[test]
    fn power_and_temperature_are_those_of_the_formulas() {
        // As pvlib 0.16.1 has them: 3680.0 W, and 45.13 °C.
        assert_eq!(pv(5_000, 4_000).power_mw(800, 45_000), 3_680_000);
        let weather = Weather { irradiance_w_m2: 800, air_milli_c: 20_000, wind_mm_s: 1_000 };
        assert_eq!(weather.cell_milli_c(), 45_126);
        // Both together, by hand: 5000 · 0.8 · (1 − 0.004 · 20.1256) = 3677.99 W, and a quarter hour of it.
        let watts = pv(5_000, 4_000).power_mw(800, weather.cell_milli_c()) / 1_000;
        assert!((3_677..=3_678).contains(&watts), "{watts}");
        assert_eq!(pv(5_000, 4_000).energy_wh(&weather, IntervalLength::Minutes15), 919);
        // Colder than 25 °C it is more than its peak; without sun it is nothing.
        assert_eq!(pv(5_000, 4_000).power_mw(1_000, 0), 5_500_000);
        assert_eq!(pv(5_000, 4_000).energy_wh(&Weather::default(), IntervalLength::Minutes60), 0);
    }

    #[test]
    fn it_is_within_a_watt_of_real_numbers_in_any_weather() {
        for irradiance in (0..1_200).step_by(97) {
            for air in (-20..40).step_by(7) {
                for wind in (0..12_000u32).step_by(1_313) {
                    let weather = Weather { irradiance_w_m2: irradiance, air_milli_c: air * 1_000, wind_mm_s: wind };
                    let cell = f64::from(air) + f64::from(irradiance) / (25.0 + 6.84 * f64::from(wind) / 1_000.0);
                    assert!((weather.cell_milli_c() as f64 / 1e3 - cell).abs() < 0.01);
                    let watts = 9_870.0 * f64::from(irradiance) / 1e3 * (1.0 - 0.0035 * (cell - 25.0));
                    let found = pv(9_870, 3_500).power_mw(irradiance, weather.cell_milli_c()) as f64 / 1e3;
                    assert!((found - watts).abs() < 1.0, "{weather:?}: {found}, {watts}");
                }
            }
        }
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_what_can_be_asked() {
        for air_milli_c in [i32::MIN, i32::MAX] {
            for wind_mm_s in [0, u32::MAX] {
                let weather = Weather { irradiance_w_m2: u32::MAX, air_milli_c, wind_mm_s };
                pv(POWER_W_MAX, 20_000).energy_wh(&weather, IntervalLength::Minutes60);
            }
        }
        assert_eq!(pv(POWER_W_MAX, 20_000).power_mw(u32::MAX, i64::MAX), 0);
        pv(POWER_W_MAX, 20_000).power_mw(u32::MAX, i64::MIN);
    }

    #[test]
    fn photovoltaics_that_make_no_sense_are_refused_in_one_line() {
        assert_eq!(toml::from_str::<Pv>("peak_w = 5_000").unwrap(), pv(5_000, 4_000));
        for (text, expected) in [
            ("peak_w = 0", "pv: expected a power from 1 to 10000000 W in `peak_w`, found 0"),
            ("peak_w = 5_000\nloss_ppm_per_k = 20_001", "pv: expected a loss from 0 to 20000 ppm/K"),
            ("peak_w = 5_000\ntilt = 30", "unknown field `tilt`"),
        ] {
            let error = toml::from_str::<Pv>(text).unwrap_err();
            assert!(error.message().contains(expected), "{text}: {error}");
            assert_eq!(error.message().lines().count(), 1, "{error}");
        }
    }
}
