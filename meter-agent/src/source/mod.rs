//! Meters: one type a file, with its settings and its errors. To add one, copy `template.rs`, and add its line to
//! [`SourceConfig`].

#[cfg(test)]
mod damage;
pub(crate) mod device;
mod energies;
mod home;
mod line;
mod linky;
mod meter_time;
mod modbus;
mod obis;
mod recording;
mod replay;
mod sampler;
mod sml;
mod sunspec;
mod synthetic;
#[cfg(test)]
mod template;
#[cfg(test)]
mod watching;

use std::{error::Error, path::Path, sync::Arc};

use protocol::{energy::Energy, interval::Interval, money::Price, reading::Registers};
use serde::{Deserialize, Serialize};

use crate::out_of_reach::OutOfReach;

/// What a meter showed at an interval's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// The cumulative registers at the grid connection: what is signed and sent.
    pub registers: Registers,
    /// What went on behind the meter in this interval, if it knows: kept at home, never sent.
    pub gross: Option<Gross>,
}

/// A household's consumption and production in one interval, before they are netted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gross {
    /// Consumed, from its own roof or from the grid.
    pub consumption: Energy,
    /// Produced, consumed at home or fed in.
    pub production: Energy,
    /// What the home's battery holds at the end, µWh; none where there is none, or nothing is known of it.
    pub stored_uwh: Option<u64>,
}

/// The outcome of asking a meter for an interval's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What it showed.
    Measured(Measurement),
    /// It was not read then, and never will be: the next reading carries the energy.
    Missed,
    /// Nothing is wrong, but what it showed then may still come: it has to be asked again within a second or two.
    NotYet,
    /// There will be no more readings.
    Over,
}

/// Why a meter could not be read now. The agent tries again.
#[derive(Debug, thiserror::Error)]
#[error("the meter could not be read: {0}")]
pub struct MeterError(pub String);

/// Whose time a meter follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterClock {
    /// The market's: recorded readings are replayed as fast as the market asks for them.
    Market,
    /// The real one: an interval can only be read once it has ended by this machine's clock.
    Real,
}

/// Whether anything is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterKind {
    /// By a meter.
    #[default]
    Meter,
    /// Not here: what was recorded elsewhere is played.
    Recording,
    /// Nowhere: a home is made up.
    MadeUp,
}

impl MeterKind {
    /// What whoever looks after it must know, in one line; nothing of a meter.
    pub(crate) fn caveat(self) -> Option<&'static str> {
        match self {
            MeterKind::Meter => None,
            MeterKind::Recording => Some(
                "THIS IS NOT A METER: `replay` plays what was recorded, by the market's time and not this machine's",
            ),
            MeterKind::MadeUp => {
                Some("THIS IS NOT A METER: `synthetic` and `home` invent what is signed and sent, to try things out")
            }
        }
    }
}

/// Where a meter is: what its readings are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The first interval that it may read.
    pub first: Interval,
    /// Its registers when that starts.
    pub registers: Registers,
    /// Power of the grid connection, W; none where only the operator knows it.
    pub rated_power_w: Option<u64>,
}

/// What a live meter shows, for whoever looks after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Samples that were believed.
    pub believed: u64,
    /// Samples that were refused, and attempts that failed.
    pub refused: u64,
    /// Of the latest sample that was believed.
    pub registers: Option<Registers>,
    /// Power drawn from the grid, W; negative while it is fed in.
    pub power_w: Option<i64>,
    /// The serial number.
    pub serial: Option<String>,
    /// How far the meter's own clock was ahead of this machine's, s; none of a meter that tells no time.
    pub ahead_s: Option<i64>,
    /// What has been wrong since the last sample that was believed.
    pub fault: Option<String>,
}

/// Says what a live meter shows right now.
pub type SightWatch = Arc<dyn Fn() -> Sight + Send + Sync>;

/// A meter.
pub trait MeterSource: Send {
    /// The registers at the end of `interval`. Asked in ascending order, once for each interval that gets an answer.
    /// Must return soon: a meter that is slow to read polls in a task of its own and keeps the last values.
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError>;

    /// Whose time it follows.
    fn clock(&self) -> MeterClock;

    /// What it shows right now, whenever that is asked; none of a meter that is no live one.
    fn watch(&self) -> Option<SightWatch> {
        None
    }

    /// What it shows now.
    fn sight(&self) -> Option<Sight> {
        self.watch().map(|watch| watch())
    }

    /// Whether it measures anything.
    fn kind(&self) -> MeterKind {
        MeterKind::Meter
    }

    /// When it is out of reach: known beforehand of what is played, and of nothing else.
    fn out_of_reach(&self) -> OutOfReach {
        OutOfReach::default()
    }

    /// The home that it models; none of what only shows what was measured.
    fn model(&mut self) -> Option<&mut dyn HomeModel> {
        None
    }
}

/// A home that is modelled, and reacts to what its own receipts say.
pub trait HomeModel {
    /// Goes on after the last reading that was signed.
    fn resume(&mut self, after: &Left);

    /// The interval whose price it must be told before it can say what `interval` ends with; none if it knows enough.
    fn asks_for_price(&mut self, interval: Interval) -> Option<Interval>;

    /// The price among neighbours in the interval that it asked for; none where there was none, or it is not known.
    fn tell_price(&mut self, price: Option<Price>);
}

/// How a modelled home was left: what is known of its last signed reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The interval that it ended.
    pub interval: Interval,
    /// What it showed.
    pub registers: Registers,
    /// What the battery held, µWh, if that is known.
    pub stored_uwh: Option<u64>,
}

/// The settings of one type of meter: what `[source]` says beside its `kind`.
trait MeterConfig {
    /// Makes its paths relative to `base`.
    fn resolve(&mut self, base: &Path);

    /// Finds what cannot be right in what is written, without reaching the meter or reading a secret.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Opens the meter that is placed there.
    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError>;
}

/// Why a meter cannot be used at all, in one line: what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SourceError(Box<dyn Error + Send + Sync>);

impl SourceError {
    fn new(error: impl Error + Send + Sync + 'static) -> SourceError {
        SourceError(Box::new(error))
    }
}

macro_rules! source_config {
    ($($(#[$attribute:meta])* $kind:ident($config:path),)*) => {
        /// Which meter, and how to reach it: the section `[source]`, whose `kind` is the type's name in lowercase with
        /// underscores.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum SourceConfig {
            $(
                /// A meter of this type.
                $(#[$attribute])*
                $kind($config),
            )*
        }

        impl SourceConfig {
            fn of_type(&self) -> &dyn MeterConfig {
                match self {
                    $($(#[$attribute])* SourceConfig::$kind(config) => config,)*
                }
            }

            fn of_type_mut(&mut self) -> &mut dyn MeterConfig {
                match self {
                    $($(#[$attribute])* SourceConfig::$kind(config) => config,)*
                }
            }
        }
    };
}

source_config! {
    Device(device::DeviceConfig),
    Home(home::HomeConfig),
    Replay(replay::ReplayConfig),
    Obis(obis::ObisConfig),
    Sml(sml::SmlConfig),
    Linky(linky::LinkyConfig),
    Sunspec(sunspec::SunspecConfig),
    Synthetic(synthetic::SyntheticConfig),
    #[cfg(test)]
    Template(template::TemplateConfig),
}

impl SourceConfig {
    /// Makes its paths relative to `base`.
    pub(crate) fn resolve(&mut self, base: &Path) {
        self.of_type_mut().resolve(base);
    }

    /// Finds what cannot be right in what is written, without reaching the meter or reading a secret.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        self.of_type().check()
    }

    /// Opens the meter that is placed there.
    pub fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        self.of_type().open(placement)
    }
}
