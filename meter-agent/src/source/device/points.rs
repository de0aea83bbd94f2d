//! What of all that a device says makes a sample: which values, in which units, added to what. Pure.
//!
//! Values are added as the decimals they are, and what is less than a Wh is cut off once, at the end: so a register
//! never runs backwards.

use std::fmt::Display;

use jiff::Timestamp;
use protocol::{limits::REGISTER_WH_MAX, reading::Registers};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Deserialize;

use super::{
    super::sampler::Sample,
    unreadable::{Unreadable, cut},
};

/// What a device said in one round.
pub(crate) trait Said<F> {
    /// The number in a field; none where there is no value.
    fn number(&self, field: &F) -> Result<Option<Decimal>, Unreadable>;

    /// The same as text.
    fn text(&self, field: &F) -> Result<Option<String>, Unreadable>;
}

/// A unit of energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum EnergyUnit {
    Wh,
    #[serde(rename = "kWh")]
    KiloWh,
    #[serde(rename = "MWh")]
    MegaWh,
}

const ENERGY_UNITS: &str = "Wh, kWh or MWh";

impl EnergyUnit {
    fn named(name: &str) -> Option<EnergyUnit> {
        match name {
            "Wh" => Some(EnergyUnit::Wh),
            "kWh" => Some(EnergyUnit::KiloWh),
            "MWh" => Some(EnergyUnit::MegaWh),
            _ => None,
        }
    }

    fn wh(self) -> Decimal {
        match self {
            EnergyUnit::Wh => Decimal::ONE,
            EnergyUnit::KiloWh => Decimal::ONE_THOUSAND,
            EnergyUnit::MegaWh => Decimal::from(1_000_000),
        }
    }
}

/// A unit of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum PowerUnit {
    W,
    #[serde(rename = "kW")]
    KiloW,
}

/// A value that is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read<F> {
    pub(crate) field: F,
    /// What the value is multiplied by.
    pub(crate) scale: Decimal,
    /// It need not be there, as a second tariff.
    pub(crate) optional: bool,
}

/// Where the unit of a register is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UnitOf<F> {
    /// In the template.
    Fixed(EnergyUnit),
    /// By the device.
    Said(F),
}

/// A register: the sum of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Register<F> {
    pub(crate) unit: UnitOf<F>,
    pub(crate) reads: Vec<Read<F>>,
}

/// The power, as the sum of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Power<F> {
    pub(crate) unit: PowerUnit,
    pub(crate) reads: Vec<Read<F>>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum TimeFormat {
    /// With an offset from UTC.
    #[serde(rename = "iso8601")]
    Iso8601,
    /// Seconds after 1970.
    #[serde(rename = "unix_s")]
    UnixS,
    /// Milliseconds after 1970.
    #[serde(rename = "unix_ms")]
    UnixMs,
}

/// All that is read of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Points<F> {
    pub(crate) import: Register<F>,
    pub(crate) export: Register<F>,
    pub(crate) power: Option<Power<F>>,
    pub(crate) serial: Option<F>,
    /// When the values were so: the oldest of these counts.
    pub(crate) times: Vec<(F, TimeFormat)>,
}

impl<F: Display> Points<F> {
    /// The sample in what was said; its time is left out where the device's clock is not to be believed.
    pub(crate) fn sample(&self, said: &impl Said<F>, device_time: bool) -> Result<Sample, Unreadable> {
        let registers =
            Registers { import_wh: self.import.wh("import", said)?, export_wh: self.export.wh("export", said)? };
        let times = if device_time { self.times.as_slice() } else { &[] };
        let times = times.iter().map(|(field, format)| time_s(field, *format, said));
        let at_s = times.collect::<Result<Vec<i64>, Unreadable>>()?.into_iter().min();
        let serial = self.serial.as_ref().map_or(Ok(None), |field| said.text(field))?;
        Ok(Sample { registers, at_s, power_w: self.power.as_ref().and_then(|power| power.w(said)), serial })
    }

    /// Every field.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &F> {
        let registers = [&self.import, &self.export].into_iter();
        let units = registers.clone().filter_map(|register| match &register.unit {
            UnitOf::Said(field) => Some(field),
            UnitOf::Fixed(_) => None,
        });
        let power = self.power.iter().flat_map(|power| &power.reads);
        let reads = registers.flat_map(|register| &register.reads).chain(power).map(|read| &read.field);
        reads.chain(units).chain(&self.serial).chain(self.times.iter().map(|(field, _)| field))
    }
}

impl<F: Display> Register<F> {
    fn wh(&self, register: &'static str, said: &impl Said<F>) -> Result<u64, Unreadable> {
        let unit = match &self.unit {
            UnitOf::Fixed(unit) => *unit,
            UnitOf::Said(field) => {
                let found = said.text(field)?.ok_or_else(|| Unreadable::Absent(field.to_string()))?;
                EnergyUnit::named(&found).ok_or_else(|| Unreadable::Unit {
                    expected: ENERGY_UNITS,
                    at: field.to_string(),
                    found: cut(&found),
                })?
            }
        };
        let wh = sum(&self.reads, said)?.checked_mul(unit.wh()).ok_or(Unreadable::TooLarge(register))?;
        if wh.is_sign_negative() && !wh.is_zero() {
            return Err(Unreadable::Negative { register, found: cut(&wh.to_string()) });
        }
        wh.floor().to_u64().filter(|wh| *wh <= REGISTER_WH_MAX).ok_or(Unreadable::TooLarge(register))
    }
}

impl<F: Display> Power<F> {
    /// Whole W, where the device says them: a sample is one without.
    fn w(&self, said: &impl Said<F>) -> Option<i64> {
        let factor = match self.unit {
            PowerUnit::W => Decimal::ONE,
            PowerUnit::KiloW => Decimal::ONE_THOUSAND,
        };
        sum(&self.reads, said).ok()?.checked_mul(factor)?.round().to_i64()
    }
}

fn sum<F: Display>(reads: &[Read<F>], said: &impl Said<F>) -> Result<Decimal, Unreadable> {
    let mut total = None;
    for Read { field, scale, optional } in reads {
        let Some(number) = said.number(field)? else {
            if *optional {
                continue;
            }
            return Err(Unreadable::Absent(field.to_string()));
        };
        let too_large = || Unreadable::NoNumber { at: field.to_string(), found: cut(&number.to_string()) };
        let scaled = number.checked_mul(*scale).ok_or_else(too_large)?;
        total = Some(total.unwrap_or(Decimal::ZERO).checked_add(scaled).ok_or_else(too_large)?);
    }
    total.ok_or_else(|| {
        Unreadable::Absent(reads.iter().map(|read| read.field.to_string()).collect::<Vec<_>>().join(", "))
    })
}

fn time_s<F: Display>(field: &F, format: TimeFormat, said: &impl Said<F>) -> Result<i64, Unreadable> {
    let found = said.text(field)?.ok_or_else(|| Unreadable::Absent(field.to_string()))?;
    let time_s = match format {
        TimeFormat::Iso8601 => found.parse::<Timestamp>().ok().map(|time| time.as_second()),
        TimeFormat::UnixS => found.parse().ok(),
        TimeFormat::UnixMs => found.parse::<i64>().ok().map(|ms| ms.div_euclid(1_000)),
    };
    time_s.ok_or_else(|| Unreadable::NoTime { at: field.to_string(), found: cut(&found) })
}
