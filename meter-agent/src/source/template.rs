//! Template for a type of meter. It is compiled and tested, but not part of the program.
//!
//! 1. Copy this file to `your_meter.rs`, rename the two structs, and say here how the meter is reached, which registers
//!    it has and what it cannot do.
//! 2. In `mod.rs` add `mod your_meter;` and one line to `SourceConfig`: `YourMeter(your_meter::YourMeterConfig),`.
//! 3. Describe it in `config/agent.toml` and `docs/prosumer.md`. It is chosen by `kind = "your_meter"`.
//!
//! This example reads what another program writes into a file once a minute: both registers in kWh, as `1234.567
//! 89.012`.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use protocol::{interval::Interval, reading::Registers};
use serde::Deserialize;

use super::{Measurement, MeterClock, MeterConfig, MeterError, MeterSource, Placement, Reading, SourceError};

/// Seconds from an interval's end within which a sample is its reading.
const MAX_AGE_S: u64 = 60;
/// Most bytes that are read: what a meter says comes from elsewhere, too.
const BYTES_MAX: u64 = 64;

/// The keys of `[source]` beside `kind`, each with a comment that says what it is and in which unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateConfig {
    /// Where the other program writes.
    pub file: PathBuf,
}

impl MeterConfig for TemplateConfig {
    fn resolve(&mut self, base: &Path) {
        self.file = base.join(&self.file);
    }

    // What can never work is said here, before anything is signed: `meter-agent check` asks.
    fn open(&self, _: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        File::open(&self.file).map_err(|error| SourceError::new(TemplateError { file: self.file.clone(), error }))?;
        Ok(Box::new(Template { file: self.file.clone() }))
    }
}

/// Why the meter cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("expected registers in {}: {error}; start what writes them first", file.display())]
struct TemplateError {
    file: PathBuf,
    error: std::io::Error,
}

/// The meter. One that is slow to read has a task of its own that polls it, and here a handle on the last values.
struct Template {
    file: PathBuf,
}

impl MeterSource for Template {
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
        // What goes wrong now may be well soon: the agent asks again.
        let (registers, at_s) =
            self.sample().map_err(|error| MeterError(format!("{}: {error}", self.file.display())))?;
        let end_s = interval.end_s();
        if at_s.abs_diff(end_s) <= MAX_AGE_S {
            return Ok(Reading::Measured(Measurement { registers, gross: None }));
        }
        if at_s > end_s {
            // No energy is lost by that: the next reading carries it, and it is settled with the supplier.
            return Ok(Reading::Missed);
        }
        Err(MeterError(format!("expected registers of the end of {interval}, found some {} s older", end_s - at_s)))
    }

    fn clock(&self) -> MeterClock {
        MeterClock::Real
    }
}

impl Template {
    /// The registers, and when they were so, in seconds after 1970.
    fn sample(&self) -> Result<(Registers, i64), String> {
        let file = File::open(&self.file).map_err(|error| error.to_string())?;
        let written = file.metadata().and_then(|metadata| metadata.modified()).map_err(|error| error.to_string())?;
        let mut text = String::new();
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
        let registers = match text.split_whitespace().map(watt_hours).collect::<Option<Vec<u64>>>().as_deref() {
            Some(&[import_wh, export_wh]) => Registers { import_wh, export_wh },
            // No reading is never zero.
            _ => {
                return Err(format!(
                    "expected two registers in kWh such as `1234.567 89.012`, found `{}`",
                    text.trim()
                ));
            }
        };
        Ok((registers, seconds(written)))
    }
}

/// Whole Wh of a register in kWh. With integers, and what is less than a Wh cut off, never rounded up: so a register
/// never runs backwards.
fn watt_hours(kwh: &str) -> Option<u64> {
    let (whole, decimals) = kwh.split_once('.').unwrap_or((kwh, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let thousandths: String = decimals.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{super::SourceConfig, *};

    fn interval() -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
    }

    fn placement() -> Placement {
        Placement { first: interval(), registers: Registers::default(), rated_power_w: None }
    }

    /// What the meter says of the interval, where this was written so many seconds after its end.
    fn read(text: &str, after_s: i64) -> Result<Reading, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("registers.txt");
        fs::write(&file, text).unwrap();
        let at_s = interval().end_s() + after_s;
        let at = UNIX_EPOCH + Duration::from_secs(at_s.try_into().unwrap());
        File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
        let mut config: SourceConfig = toml::from_str("kind = \"template\"\nfile = \"registers.txt\"\n").unwrap();
        config.resolve(directory.path());
        let mut meter = config.open(&placement()).unwrap();
        assert_eq!(meter.clock(), MeterClock::Real);
        meter.read(interval()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_reads_an_intervals_end_and_nothing_else() {
        let registers = |import_wh, export_wh| {
            Ok(Reading::Measured(Measurement { registers: Registers { import_wh, export_wh }, gross: None }))
        };
        assert_eq!(read("1234.567 89.012\n", 0), registers(1_234_567, 89_012));
        assert_eq!(read("1 0.0009", -60), registers(1_000, 0), "cut off, not rounded");
        assert_eq!(read("1.5 0", 60), registers(1_500, 0));
        assert_eq!(read("1 2", 61), Ok(Reading::Missed));
        assert!(read("1 2", -61).unwrap_err().contains("61 s older"));
    }

    #[test]
    fn what_is_no_register_is_no_reading() {
        let huge = "9".repeat(30);
        for text in ["", "1", "1 2 3", "-1 2", "1,5 2", "1. x", ".5 1", "NaN 1", "null null", &format!("{huge} 1")] {
            let error = read(text, 0).unwrap_err();
            assert!(error.contains("expected two registers in kWh"), "{text}: {error}");
        }
        assert!(read(&" ".repeat(10_000), 0).unwrap_err().len() < 300);
    }

    #[test]
    fn settings_are_refused_by_the_key_and_a_file_that_is_not_there_by_its_name() {
        let refused = |text| toml::from_str::<SourceConfig>(text).unwrap_err().to_string();
        assert!(refused("kind = \"template\"\nfile = \"f\"\nflie = \"f\"\n").contains("unknown field `flie`"));
        assert!(refused("kind = \"template\"\n").contains("missing field `file`"));
        let nowhere = TemplateConfig { file: "/nowhere/registers.txt".into() };
        let error = nowhere.open(&placement()).err().unwrap().to_string();
        assert!(error.contains("/nowhere/registers.txt") && error.contains("start what writes them"), "{error}");
    }
}
