//! A French Linky meter by its tele-information (TIC) in standard mode: an adapter on a serial port, or a box that
//! passes on over TCP what an adapter reads.
//!
//! It refuses the historic mode, in which Linky meters are delivered, and a meter that is set up for a consumer:
//! neither tells what is fed in. The power that it shows is the apparent one (VA): the real one is at most as many W.
//! It knows the time of metropolitan France only; elsewhere `meter_time = false` has to be set.

mod frame;
mod registers;

use std::path::Path;

use serde::Deserialize;

use self::frame::TicFrames;
use super::{
    MeterConfig, MeterSource, Placement, SourceError,
    line::{Frames, Framing, Line, MeterAddress},
    meter_time,
    sampler::{LiveMeter, MaxAge, NoSample, Rules, Sample, Sampler},
};

/// Of the standard mode (Enedis-NOI-CPT_54E, version 3).
const BAUD: u32 = 9_600;

/// How the meter is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkyConfig {
    /// Where frames come from.
    address: MeterAddress,
    /// Bits per second of a serial port; 9600 unless configured.
    #[serde(default)]
    baud: Option<u32>,
    /// Bits of a character of a serial port; 7E1 unless configured.
    #[serde(default)]
    framing: Option<Framing>,
    /// The only serial number that is right, as frames have it under ADSC.
    #[serde(default)]
    serial: Option<String>,
    /// Whether the meter's own clock says when a frame is of.
    #[serde(default = "meter_time::counts")]
    meter_time: bool,
    /// Most time between an interval's end and its frame.
    #[serde(default)]
    max_age_s: MaxAge,
}

impl LinkyConfig {
    fn line(&self) -> Line {
        let usual = (BAUD, Framing::SevenEven);
        Line { address: self.address.clone(), baud: self.baud, framing: self.framing, usual }
    }
}

impl MeterConfig for LinkyConfig {
    // A port has an absolute path.
    fn resolve(&mut self, _: &Path) {}

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        self.line().check().map_err(SourceError::new)?;
        let rules = Rules::new(placement, self.max_age_s, self.serial.clone());
        let meter = Linky { line: self.line(), own_time: self.meter_time };
        Ok(Box::new(Sampler::start(meter, self.address.to_string(), rules)?))
    }
}

/// The meter.
struct Linky {
    line: Line,
    own_time: bool,
}

impl LiveMeter for Linky {
    type Connection = Frames<TicFrames>;

    async fn connect(&self) -> Result<Self::Connection, String> {
        Ok(Frames::of(self.line.open().await?))
    }

    async fn sample(&self, connection: &mut Self::Connection) -> Result<Sample, NoSample> {
        let groups = connection.next().await?;
        registers::read(&groups, self.own_time).map_err(|problem| NoSample::Unusable(problem.to_string()))
    }
}

#[cfg(test)]
mod tests;
