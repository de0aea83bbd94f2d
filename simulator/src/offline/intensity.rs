//! What the supplier's energy emits, interval by interval.

use std::collections::BTreeMap;

use protocol::interval::{Interval, utc_text};

use super::series;
use crate::scenario::{Carbon, INTENSITY_MAX, ScenarioError};

/// The carbon intensity of the supplier's energy, g/kWh.
#[derive(Debug)]
pub(crate) struct Intensity {
    flat: u32,
    series: BTreeMap<i64, u32>,
}

impl Intensity {
    /// As a scenario says it, whose first interval is `first`.
    pub(crate) fn of(said: &Carbon, first: Interval) -> Result<Intensity, ScenarioError> {
        let read = |[text]: [&str; 1]| {
            let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let number = number.and_then(|text| text.parse().ok()).filter(|number| *number <= INTENSITY_MAX);
            let found: String = text.chars().take(80).collect();
            number.ok_or_else(|| format!("expected whole g/kWh from 0 to {INTENSITY_MAX}, found `{found}`"))
        };
        let series = match &said.series {
            Some(path) => series::read(SERIES, path, ["intensity_g_per_kwh"], read)?,
            None => BTreeMap::new(),
        };
        let flat = said.intensity_g_per_kwh.or_else(|| series.range(..=first.start_s()).next_back().map(|(_, g)| *g));
        match (flat, series.first_key_value()) {
            (Some(flat), _) => Ok(Intensity { flat, series }),
            (None, Some((start_s, _))) => {
                let (first, found) = (first.start_text(), utc_text(*start_s));
                let message = format!(
                    "expected a row at {first} or before, or `intensity_g_per_kwh`, found the first at {found}"
                );
                Err(ScenarioError::at(SERIES, message))
            }
            (None, None) => {
                Err(ScenarioError::at("carbon", "expected `intensity_g_per_kwh`, `series` or both, found none"))
            }
        }
    }

    /// That of an interval.
    pub(crate) fn at(&self, interval: Interval) -> u32 {
        self.series.range(..=interval.start_s()).next_back().map_or(self.flat, |(_, intensity)| *intensity)
    }
}

const SERIES: &str = "carbon.series";
