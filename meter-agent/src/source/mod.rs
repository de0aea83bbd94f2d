//! Meters: one type a file. To add one, copy `template.rs`, add its variant to [`SourceConfig`] and its line to
//! [`SourceConfig::open`].

mod replay;

use std::path::{Path, PathBuf};

use protocol::{energy::Energy, interval::Interval, reading::Registers};
use serde::Deserialize;

pub use replay::ReplayError;

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
    /// Consumed, from the own roof or from the grid.
    pub consumption: Energy,
    /// Produced, consumed at home or fed in.
    pub production: Energy,
}

/// The outcome of asking a meter for an interval's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What it showed.
    Measured(Measurement),
    /// It was not read then, and never will be: the next reading carries the energy.
    Missed,
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

/// A meter.
pub trait MeterSource: Send {
    /// The registers at the end of `interval`. Asked in ascending order, once for each interval that gets an answer.
    /// Must return soon: a meter that is slow to read polls in a task of its own and keeps the last values.
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError>;

    /// Whose time it follows.
    fn clock(&self) -> MeterClock;
}

/// Which meter, and how to reach it: the section `[source]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceConfig {
    /// Recorded readings from a file.
    Replay {
        /// A CSV file, or a gzipped one if its name ends in `.gz`.
        file: PathBuf,
        /// Which rows are this household's, if the file holds several.
        #[serde(default)]
        participant: Option<String>,
    },
}

/// Why a meter cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A recording is not usable.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl SourceConfig {
    /// Makes its paths relative to `base`.
    pub(crate) fn resolve(&mut self, base: &Path) {
        match self {
            SourceConfig::Replay { file, .. } => *file = base.join(&*file),
        }
    }

    /// Opens the meter. Its registers stand at `registers` when `first`, the community's first interval, starts.
    pub fn open(&self, first: Interval, registers: Registers) -> Result<Box<dyn MeterSource>, SourceError> {
        match self {
            SourceConfig::Replay { file, participant } => {
                Ok(Box::new(replay::Replay::open(file, participant.as_deref(), first, registers)?))
            }
        }
    }
}
