//! A meter that sends telegrams by itself: DSMR P1 (2.2 to 5, and what Belgium, Luxembourg, Sweden, Hungary and Ireland
//! made of it) and IEC 62056-21 push, also called D0, over a serial port or TCP.
//!
//! It reads no encrypted telegrams (Luxembourg, Austria), asks nothing of a meter that only answers (IEC 62056-21, mode
//! C), and refuses a meter that has no register for energy that is fed in.

mod registers;
mod telegram;
mod time;

use std::path::Path;

use serde::Deserialize;

use self::telegram::Telegrams;
use super::{
    MeterConfig, MeterSource, Placement, SourceError,
    line::{Frames, Framing, Line, LineError, MeterAddress},
    meter_time,
    sampler::{LiveMeter, MaxAge, NoSample, Rules, Sample, Sampler},
};

/// Of a P1 port since DSMR 4 (P1 companion standard 5.0.2, section 5.12).
const BAUD: u32 = 115_200;
/// In central Europe.
const WINTER_UTC_H: i8 = 1;

/// How the meter is reached, and what its telegrams leave open.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObisConfig {
    /// Where telegrams come from.
    address: MeterAddress,
    /// Bits per second of a serial port; 115200 unless configured.
    #[serde(default)]
    baud: Option<u32>,
    /// Bits of a character of a serial port; 8N1 unless configured.
    #[serde(default)]
    framing: Option<Framing>,
    /// The only serial number that is right, as telegrams have it.
    #[serde(default)]
    serial: Option<String>,
    /// Whether the meter's own clock says when a telegram is of.
    #[serde(default = "meter_time::counts")]
    meter_time: bool,
    /// How far winter time at the meter is ahead of UTC, h.
    #[serde(default = "winter_utc_h")]
    winter_utc_h: i8,
    /// Most time between an interval's end and its telegram.
    #[serde(default)]
    max_age_s: MaxAge,
}

fn winter_utc_h() -> i8 {
    WINTER_UTC_H
}

/// Why the meter cannot be used at all.
#[derive(Debug, thiserror::Error)]
enum ObisError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("expected `winter_utc_h` from -12 to 14, found {0}; without it, it is {WINTER_UTC_H}")]
    WinterTime(i8),
}

impl ObisConfig {
    fn check(&self) -> Result<(), ObisError> {
        if !(-12..=14).contains(&self.winter_utc_h) {
            return Err(ObisError::WinterTime(self.winter_utc_h));
        }
        Ok(self.line().check()?)
    }

    fn line(&self) -> Line {
        let usual = (BAUD, Framing::EightNone);
        Line { address: self.address.clone(), baud: self.baud, framing: self.framing, usual }
    }
}

impl MeterConfig for ObisConfig {
    // A port has an absolute path.
    fn resolve(&mut self, _: &Path) {}

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        self.check().map_err(SourceError::new)?;
        let rules = Rules::new(placement, self.max_age_s, self.serial.clone());
        Ok(Box::new(Sampler::start(Obis(self.clone()), self.address.to_string(), rules)?))
    }
}

/// The meter.
struct Obis(ObisConfig);

impl LiveMeter for Obis {
    type Connection = Frames<Telegrams>;

    async fn connect(&self) -> Result<Self::Connection, String> {
        Ok(Frames::of(self.0.line().open().await?))
    }

    async fn sample(&self, connection: &mut Self::Connection) -> Result<Sample, NoSample> {
        let winter_h = self.0.meter_time.then_some(self.0.winter_utc_h.into());
        let lines = connection.next().await?;
        registers::read(&lines, winter_h).map_err(|problem| NoSample::Unusable(problem.to_string()))
    }
}

#[cfg(test)]
mod tests;
