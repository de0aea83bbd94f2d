//! A meter that sends telegrams by itself: DSMR P1 (2.2 to 5, and what Belgium, Luxembourg, Sweden, Hungary and Ireland
//! made of it) and IEC 62056-21 push, also called D0, over a serial port or TCP.
//!
//! It reads no encrypted telegrams (Luxembourg, Austria), asks nothing of a meter that only answers (IEC 62056-21, mode
//! C), and refuses a meter that has no register for energy that is fed in.

mod registers;
mod telegram;
mod time;

use std::{collections::VecDeque, path::Path};

use serde::Deserialize;

use self::telegram::Telegrams;
use super::{
    MeterConfig, MeterSource, Placement, SourceError,
    line::{Framing, Line, LineError, MeterAddress, OpenLine},
    sampler::{LiveMeter, MaxAge, NoSample, Rules, Sample, Sampler},
};

/// Of a P1 port since DSMR 4 (P1 companion standard 5.0.2, section 5.12).
const BAUD: u32 = 115_200;
/// In central Europe.
const WINTER_UTC_H: i8 = 1;
/// Bytes that come without a telegram among them before it is said.
const NOISE_BYTES: usize = 16 * 1_024;

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
    #[serde(default = "yes")]
    meter_time: bool,
    /// How far winter time at the meter is ahead of UTC, h.
    #[serde(default = "winter_utc_h")]
    winter_utc_h: i8,
    /// Most time between an interval's end and its telegram.
    #[serde(default)]
    max_age_s: MaxAge,
}

fn yes() -> bool {
    true
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

/// A stream of telegrams.
struct Connection {
    line: OpenLine,
    telegrams: Telegrams,
    /// Received, and not looked at yet.
    waiting: VecDeque<u8>,
    /// Bytes since the last telegram.
    noise: usize,
}

impl LiveMeter for Obis {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection, String> {
        let line = self.0.line().open().await?;
        Ok(Connection { line, telegrams: Telegrams::default(), waiting: VecDeque::new(), noise: 0 })
    }

    async fn sample(&self, connection: &mut Connection) -> Result<Sample, NoSample> {
        let winter_h = self.0.meter_time.then_some(self.0.winter_utc_h.into());
        let unusable = |problem: &dyn std::fmt::Display| NoSample::Unusable(problem.to_string());
        let lines = connection.telegram().await?;
        registers::read(&lines, winter_h).map_err(|problem| unusable(&problem))
    }
}

impl Connection {
    /// The next telegram's lines.
    async fn telegram(&mut self) -> Result<String, NoSample> {
        loop {
            while let Some(byte) = self.waiting.pop_front() {
                self.noise += 1;
                if let Some(telegram) = self.telegrams.push(byte) {
                    self.noise = 0;
                    return telegram.map_err(|damage| NoSample::Unusable(damage.to_string()));
                }
                if self.noise >= NOISE_BYTES {
                    self.noise = 0;
                    let problem = "bytes come, but no telegram among them: are `baud` and `framing` right?";
                    return Err(NoSample::Unusable(problem.into()));
                }
            }
            let mut buffer = [0; 1_024];
            let count = self.line.receive(&mut buffer).await?;
            self.waiting.extend(&buffer[..count]);
        }
    }
}

#[cfg(test)]
mod tests;
