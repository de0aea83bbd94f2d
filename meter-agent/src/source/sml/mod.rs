//! A German meter with an optical interface (mME, and what was before it) that sends SML by itself: an optical head on
//! a serial port, or a box that passes on over TCP what a head reads.
//!
//! It reads no meter that shows whole kWh because its PIN was not entered, none that only counts in one direction, and
//! asks nothing of a meter or a gateway that only answers. When a transmission is of, it takes from this machine's
//! clock.

mod registers;
mod transmission;

use std::path::Path;

use serde::Deserialize;

use self::transmission::Transmissions;
use super::{
    MeterConfig, MeterSource, Placement, SourceError,
    line::{Frames, Framing, Line, MeterAddress},
    sampler::{LiveMeter, MaxAge, NoSample, Rules, Sample, Sampler},
};

/// Of the optical interface that sends by itself (FNN, Lastenheft EDL).
const BAUD: u32 = 9_600;

/// How the meter is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmlConfig {
    /// Where transmissions come from.
    address: MeterAddress,
    /// Bits per second of a serial port; 9600 unless configured.
    #[serde(default)]
    baud: Option<u32>,
    /// Bits of a character of a serial port; 8N1 unless configured.
    #[serde(default)]
    framing: Option<Framing>,
    /// The only serial number that is right: the meter's server id, in hexadecimal digits.
    #[serde(default)]
    serial: Option<String>,
    /// Most time between an interval's end and its transmission.
    #[serde(default)]
    max_age_s: MaxAge,
}

impl SmlConfig {
    fn line(&self) -> Line {
        let usual = (BAUD, Framing::EightNone);
        Line { address: self.address.clone(), baud: self.baud, framing: self.framing, usual }
    }
}

impl MeterConfig for SmlConfig {
    // A port has an absolute path.
    fn resolve(&mut self, _: &Path) {}

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        self.line().check().map_err(SourceError::new)?;
        let rules = Rules::new(placement, self.max_age_s, self.serial.clone());
        Ok(Box::new(Sampler::start(Sml(self.line()), self.address.to_string(), rules)?))
    }
}

/// The meter.
struct Sml(Line);

impl LiveMeter for Sml {
    type Connection = Frames<Transmissions>;

    async fn connect(&self) -> Result<Self::Connection, String> {
        Ok(Frames::of(self.0.open().await?))
    }

    async fn sample(&self, connection: &mut Self::Connection) -> Result<Sample, NoSample> {
        let messages = connection.next().await?;
        registers::read(&messages).map_err(|problem| NoSample::Unusable(problem.to_string()))
    }
}

#[cfg(test)]
mod tests;
