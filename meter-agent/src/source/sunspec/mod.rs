//! Meters that say themselves where their registers are: SunSpec models 201 to 204 and 211 to 214, by Modbus.
//!
//! What it cannot do: tell which way power flows where makers differ (`power_fed_in`), and go on when a 32-bit counter
//! begins again at 0: that is another meter, which the operator registers.

mod discovery;
mod model;

use std::path::Path;

use serde::Deserialize;
use tokio::time::Interval;

use self::discovery::Found;
use super::{
    MeterConfig, MeterSource, Placement, SourceError,
    line::Framing,
    modbus::{Connection as ModbusConnection, ModbusAddress, Table, Unit},
    sampler::{LiveMeter, MaxAge, NoSample, Poll, Rules, Sample, Sampler},
};

/// Of a serial line between SunSpec devices (SunSpec Device Information Model Specification 1.1, section 5).
const BAUD: u32 = 9_600;

/// Where the meter is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SunspecConfig {
    /// Where the device is: tcp://, serial:// or rtu+tcp://.
    address: String,
    /// Its number.
    #[serde(default)]
    unit: Unit,
    /// Bits per second of a serial line.
    #[serde(default)]
    baud: Option<u32>,
    /// Bits of a character of a serial line.
    #[serde(default)]
    framing: Option<Framing>,
    /// Which one, where a device has several meters, counted from 1.
    #[serde(default)]
    meter: Option<usize>,
    /// Its power is positive while it is fed in.
    #[serde(default)]
    power_fed_in: bool,
    /// How often it is asked.
    #[serde(default)]
    poll_s: Poll,
    /// Most time between an interval's end and its sample.
    #[serde(default)]
    max_age_s: MaxAge,
    /// The only serial number that is right.
    #[serde(default)]
    serial: Option<String>,
}

impl MeterConfig for SunspecConfig {
    // A port has an absolute path.
    fn resolve(&mut self, _: &Path) {}

    fn check(&self) -> Result<(), SourceError> {
        // A port may be plugged in later.
        if self.address.starts_with("serial://") { Ok(()) } else { self.address().map(drop) }
    }

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        let address = self.address()?;
        let rules = Rules::new(placement, self.max_age_s, self.serial.clone());
        let meter = Sunspec { address, config: self.clone() };
        Ok(Box::new(Sampler::start(meter, self.address.clone(), rules)?))
    }
}

impl SunspecConfig {
    fn address(&self) -> Result<ModbusAddress, SourceError> {
        let usual = (BAUD, Framing::EightNone);
        ModbusAddress::read(&self.address, self.baud, self.framing, usual).map_err(SourceError::new)
    }
}

/// The meter.
struct Sunspec {
    address: ModbusAddress,
    config: SunspecConfig,
}

/// A meter that was found.
struct Connection {
    modbus: ModbusConnection,
    found: Found,
    ticks: Interval,
}

impl LiveMeter for Sunspec {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection, String> {
        let mut modbus = self.address.connect(self.config.unit).await?;
        let found = discovery::find(&mut modbus, self.config.meter).await?;
        Ok(Connection { modbus, found, ticks: self.config.poll_s.ticks() })
    }

    async fn sample(&self, connection: &mut Connection) -> Result<Sample, NoSample> {
        let Connection { modbus, found, ticks } = connection;
        ticks.tick().await;
        let (table, address) = (Table::Holding, found.address);
        // All of it at once: a scale factor may be another one by the next request.
        let words = modbus.read(table, address, found.words).await;
        let words = words.map_err(|no_words| modbus.said(no_words, table, address))?;
        let mut sample = model::read(found.model, &words).map_err(|error| NoSample::Unusable(error.to_string()))?;
        if self.config.power_fed_in {
            sample.power_w = sample.power_w.map(|power_w| -power_w);
        }
        Ok(Sample { serial: found.serial.clone(), ..sample })
    }
}
