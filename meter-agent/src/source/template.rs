// A meter of your own. This file is not compiled: copy it, fill it in, and add
//
//     mod mymeter;                                       // in mod.rs
//     MyMeter { address: String },                       // in SourceConfig, with a comment for each field
//     SourceConfig::MyMeter { address } => Ok(Box::new(mymeter::MyMeter::open(address)?)),   // in SourceConfig::open
//
// then say `kind = "my_meter"` in agent.toml.
//
// //! My meter: how it is reached, which registers it has, what it cannot do.
//
// use protocol::{interval::Interval, reading::Registers};
//
// use super::{Measurement, MeterClock, MeterError, MeterSource, Reading};
//
// pub(crate) struct MyMeter { /* a handle on the task that polls the meter and keeps its last values with their time */ }
//
// impl MeterSource for MyMeter {
//     fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
//         // The registers as they stood at `interval.end_s()`, whole Wh:
//         //   import  OBIS 1.8.0, export  OBIS 2.8.0. Many meters count in tenths of a Wh or in kWh: convert with
//         //   integers, and never let rounding make a register run backwards.
//         // Values from long before or after the interval's end are not its reading: say `Reading::Missed`. No energy
//         // is lost by that; the next reading carries it, and it is settled with the supplier.
//         // A meter that does not answer right now is a `MeterError`: the agent asks again.
//         Ok(Reading::Measured(Measurement { registers: Registers { import_wh: 0, export_wh: 0 }, gross: None }))
//     }
//
//     fn clock(&self) -> MeterClock {
//         MeterClock::Real
//     }
// }
