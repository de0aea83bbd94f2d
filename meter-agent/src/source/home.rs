//! No meter: a home with a battery, modelled as the simulator does. What is used and made but for the battery is
//! recorded; what the battery makes of it follows from the crate `household`, and where that follows prices, from those
//! that the household's own receipts say.
//!
//! The battery sees the price of the interval before last: the latest that is settled when an interval begins. An
//! interval waits for it, unless a later one is open already: then nothing is known of the price.

use std::path::{Path, PathBuf};

use household::home::{Home, HomeState, Step, battery::Battery, misreport::Misreport};
use protocol::{energy::Energy, interval::Interval, limits::REGISTER_WH_MAX, money::Price, reading::Registers};
use serde::Deserialize;

use super::{
    Gross, HomeModel, Left, Measurement, MeterClock, MeterConfig, MeterError, MeterKind, MeterSource, Placement,
    Reading, SourceError,
    recording::{Recording, Row},
};
use crate::out_of_reach::OutOfReach;

/// How many intervals ago a price was, when a battery sees it.
const PRICE_AGE: i64 = 2;

/// What the home is like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeConfig {
    /// What it uses and makes but for its battery: as the file of `replay`.
    pub file: PathBuf,
    /// Which rows are this household's, if the file holds several.
    #[serde(default)]
    pub participant: Option<String>,
    /// Its battery, with the keys of a scenario's.
    pub battery: Battery,
    /// How its meter says something else than what flows.
    #[serde(default)]
    pub misreports: Option<Misreport>,
    /// When the meter is out of reach.
    #[serde(default)]
    pub out_of_reach: OutOfReach,
}

impl MeterConfig for HomeConfig {
    fn resolve(&mut self, base: &Path) {
        self.file = base.join(&self.file);
    }

    fn open(&self, placement: &Placement) -> Result<Box<dyn MeterSource>, SourceError> {
        let recording = Recording::open(&self.file, self.participant.as_deref(), placement.first);
        Ok(Box::new(Modelled::new(self.clone(), recording.map_err(SourceError::new)?, placement.registers)))
    }
}

/// A home, and how far it has come.
struct Modelled {
    home: Home,
    misreports: Option<Misreport>,
    out_of_reach: OutOfReach,
    recording: Recording,
    state: HomeState,
    registers: Registers,
    /// The first interval that was not modelled yet.
    next: Interval,
    /// The price that its battery sees then, once it was told.
    told: Option<Option<Price>>,
    /// What the interval before that ended with.
    last: Option<Measurement>,
}

impl Modelled {
    fn new(config: HomeConfig, recording: Recording, registers: Registers) -> Modelled {
        let HomeConfig { battery, misreports, out_of_reach, .. } = config;
        let home = Home::from(battery);
        let (state, next) = (home.start(), recording.first());
        Modelled { home, misreports, out_of_reach, recording, state, registers, next, told: None, last: None }
    }

    /// The interval whose price the next one waits for.
    fn price_of(&self) -> Option<Interval> {
        let of = self.next.offset(-PRICE_AGE).filter(|of| self.home.follows_prices() && *of >= self.recording.first());
        of.filter(|_| self.told.is_none())
    }

    /// Models the intervals up to this one, as far as the recording and the known prices go.
    fn go_on(&mut self, until: Interval) -> Result<(), MeterError> {
        while self.next <= until && self.price_of().is_none() {
            let Some(Row { consumption_wh, production_wh }) = self.recording.row(self.next)? else { break };
            let after = self.next.next().ok_or_else(|| MeterError(format!("{} is the last interval", self.next)))?;
            let price = self.told.take().flatten();
            let step = Step { price, ..Step::new(self.next, consumption_wh, production_wh) };
            let flows = self.home.step(&mut self.state, &step);
            let flows = self.misreports.map_or(flows, |misreports| misreports.tell(&flows));
            self.registers.import_wh += flows.import_wh;
            self.registers.export_wh += flows.export_wh;
            if self.registers.import_wh.max(self.registers.export_wh) > REGISTER_WH_MAX {
                return Err(MeterError(format!("the register passes {REGISTER_WH_MAX} Wh, more than any meter shows")));
            }
            let gross = Gross {
                consumption: Energy::from_wh(flows.consumption_wh.saturating_sub(flows.discharged_wh)),
                production: Energy::from_wh(flows.production_wh.saturating_sub(flows.charged_wh)),
                stored_uwh: Some(flows.stored_uwh),
            };
            self.last = Some(Measurement { registers: self.registers, gross: Some(gross) });
            self.next = after;
        }
        Ok(())
    }
}

impl HomeModel for Modelled {
    fn resume(&mut self, after: &Left) {
        let Some(next) = after.interval.next() else { return };
        self.next = next;
        self.registers = after.registers;
        match after.stored_uwh {
            Some(stored_uwh) => self.state.battery.stored_uwh = stored_uwh,
            None => tracing::warn!("what the battery held is not known any more: it goes on as it began"),
        }
    }

    fn asks_for_price(&mut self, interval: Interval) -> Option<Interval> {
        // What fails here fails again where the home is read, and is said there.
        self.go_on(interval).ok()?;
        self.price_of().filter(|_| self.next <= interval)
    }

    fn tell_price(&mut self, price: Option<Price>) {
        self.told = Some(price);
    }
}

impl MeterSource for Modelled {
    fn read(&mut self, interval: Interval) -> Result<Reading, MeterError> {
        self.go_on(interval)?;
        match self.last {
            Some(last) if interval.next() == Some(self.next) => Ok(Reading::Measured(last)),
            _ if interval < self.next => Err(MeterError(format!("{interval} is over, and {} is next", self.next))),
            _ if self.recording.row(self.next)?.is_none() => Ok(Reading::Over),
            _ => Ok(Reading::NotYet),
        }
    }

    fn clock(&self) -> MeterClock {
        MeterClock::Market
    }

    fn kind(&self) -> MeterKind {
        MeterKind::MadeUp
    }

    fn out_of_reach(&self) -> OutOfReach {
        self.out_of_reach.clone()
    }

    fn model(&mut self) -> Option<&mut dyn HomeModel> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
