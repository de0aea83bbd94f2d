//! A recording, replayed in market time: what is consumed beyond what the home produced was imported, what is produced
//! beyond what it consumed was exported.

use std::path::{Path, PathBuf};

use protocol::{energy::Energy, interval::Interval, limits::REGISTER_WH_MAX, reading::Registers};
use serde::Deserialize;

use super::{
    Gross, Measurement, MeterClock, MeterConfig, MeterError, MeterKind, MeterSource, Placement, Reading, SourceError,
    recording::{Recording, Row},
};
use crate::out_of_reach::OutOfReach;

/// Where the recording is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// A CSV file, or a gzipped one if its name ends in `.gz`.
    pub file: PathBuf,
    /// Which rows are this household's, if the file holds several.
    #[serde(default)]
    pub participant: Option<String>,
    /// When the meter is out of reach.
    #[serde(default)]
    pub out_of_reach: OutOfReach,
}

/// A recording that no meter can have made.
#[derive(Debug, thiserror::Error)]
#[error("{}: the register passes {REGISTER_WH_MAX} Wh in {interval}, more than any meter shows", path.display())]
struct RegisterFull {
    path: PathBuf,
    interval: Interval,
}

/// A recording, and what a meter showed.
struct Replay {
    recording: Recording,
    /// At the ends of its intervals.
    registers: Vec<Registers>,
    out_of_reach: OutOfReach,
}

impl MeterConfig for ReplayConfig {
    fn resolve(&mut self, base: &Path) {
        self.file = base.join(&self.file);
    }

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        let recording = Recording::open(&self.file, self.participant.as_deref(), placement.first);
        let (recording, shown) = (recording.map_err(SourceError::new)?, placement.registers);
        let registers = registers(&recording, shown, &self.file).map_err(SourceError::new)?;
        Ok(Box::new(Replay { recording, registers, out_of_reach: self.out_of_reach.clone() }))
    }
}

/// What the meter shows at the ends of a recording's intervals, where it has `shown` so much before.
fn registers(recording: &Recording, mut shown: Registers, path: &Path) -> Result<Vec<Registers>, RegisterFull> {
    let mut registers = Vec::with_capacity(recording.rows().len());
    let mut interval = recording.first();
    for Row { consumption_wh, production_wh } in recording.rows() {
        shown.import_wh += u64::from(consumption_wh.saturating_sub(*production_wh));
        shown.export_wh += u64::from(production_wh.saturating_sub(*consumption_wh));
        if shown.import_wh.max(shown.export_wh) > REGISTER_WH_MAX {
            return Err(RegisterFull { path: path.into(), interval });
        }
        registers.push(shown);
        interval = interval.next().unwrap_or(interval);
    }
    Ok(registers)
}

impl MeterSource for Replay {
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
        let place = self.recording.place(interval)?;
        let (Some(Row { consumption_wh, production_wh }), Some(registers)) =
            (self.recording.row(interval)?, self.registers.get(place))
        else {
            return Ok(Reading::Over);
        };
        Ok(Reading::Measured(Measurement {
            registers: *registers,
            gross: Some(Gross {
                consumption: Energy::from_wh(consumption_wh.into()),
                production: Energy::from_wh(production_wh.into()),
                stored_uwh: None,
            }),
        }))
    }

    fn clock(&self) -> MeterClock {
        MeterClock::Market
    }

    fn kind(&self) -> MeterKind {
        MeterKind::Recording
    }

    fn out_of_reach(&self) -> OutOfReach {
        self.out_of_reach.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn first() -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
    }

    fn open(rows: &str, registers: Registers) -> Result<Box<dyn MeterSource>, SourceError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("meter.csv");
        fs::write(&file, format!("timestamp,consumption_wh,production_wh\n{rows}")).unwrap();
        let config = ReplayConfig { file, participant: None, out_of_reach: OutOfReach::default() };
        config.open(&Placement { first: first(), registers, rated_power_w: None })
    }

    #[test]
    fn what_is_left_of_consumption_and_production_moves_the_registers() {
        let rows = "2026-06-01T11:45:00Z,9,9\n2026-06-01T12:00:00Z,300,100\n2026-06-01T12:15:00Z,5,45\n\
                    2026-06-01T12:30:00Z,7,7\n";
        let mut replay = open(rows, Registers { import_wh: 1_000, export_wh: 50 }).unwrap();
        let mut shown = |count| match replay.read(first().offset(count).unwrap()).unwrap() {
            Reading::Measured(Measurement { registers, .. }) => Some((registers.import_wh, registers.export_wh)),
            Reading::Over => None,
            Reading::Missed | Reading::NotYet => panic!("a recording misses nothing"),
        };
        // The row before the community's first interval moves nothing.
        assert_eq!(
            [shown(0), shown(1), shown(2), shown(3)],
            [Some((1_200, 50)), Some((1_200, 90)), Some((1_200, 90)), None]
        );
        assert!(replay.read(first().offset(-1).unwrap()).is_err());
    }

    #[test]
    fn a_register_that_no_meter_has_is_refused() {
        let full = Registers { import_wh: REGISTER_WH_MAX, export_wh: 0 };
        assert!(open("2026-06-01T12:00:00Z,7,7\n", full).is_ok());
        let error = open("2026-06-01T12:00:00Z,7,7\n2026-06-01T12:15:00Z,8,7\n", full).err().unwrap().to_string();
        assert!(error.contains("meter.csv: the register passes"), "{error}");
        assert!(error.contains("in 2026-06-01T12:15:00Z/PT15M"), "{error}");
    }
}
