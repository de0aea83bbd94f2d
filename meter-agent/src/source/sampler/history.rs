//! What to believe of a meter's samples, and which of them is an interval's reading. Pure: samples and time come in,
//! a reading or a reason comes out.

use std::{cmp::Ordering, collections::VecDeque};

use protocol::reading::Registers;

use super::{
    super::{Measurement, Placement, Reading, Sight},
    MaxAge, Sample,
    refusal::{Refusal, Silence},
};

/// Most samples that are kept: ten minutes of one each second.
const RECENT_MAX: usize = 600;
/// Time added to that in which registers went on, s: meters count in steps, and some show them once a minute.
const STEP_SLACK_S: u64 = 60;
/// Intervals without a step after which registers are frozen, and the energy that must have flowed meanwhile by the
/// meter's own power: two steps of a register that counts whole kWh.
const FROZEN_INTERVALS: i64 = 4;
const FROZEN_WH: u64 = 2_000;
const HOUR_S: u128 = 3_600;

/// What samples are held against.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Most time between an interval's end and its sample, s.
    pub(crate) max_age_s: i64,
    /// The community's intervals, s.
    pub(crate) interval_s: i64,
    /// Power of the grid connection, W; unknown where only the operator knows it.
    pub(crate) rated_power_w: Option<u64>,
    /// What the registers showed at least, and from when on, in seconds after 1970.
    pub(crate) registered: (Registers, i64),
    /// The only serial number that is right.
    pub(crate) serial: Option<String>,
}

impl Rules {
    /// For a meter that is placed there, and has this serial number if it is said.
    pub(crate) fn new(placement: &Placement, max_age: MaxAge, serial: Option<String>) -> Rules {
        let Placement { first, registers, rated_power_w } = *placement;
        Rules {
            max_age_s: max_age.seconds(),
            interval_s: first.length().seconds(),
            rated_power_w,
            registered: (registers, first.start_s()),
            serial,
        }
    }
}

/// A sample with its time.
#[derive(Debug, Clone)]
struct Taken {
    registers: Registers,
    at_s: i64,
    power_w: Option<i64>,
    serial: Option<String>,
    /// How far the meter's clock is ahead, s.
    ahead_s: Option<i64>,
}

/// Since when the registers stand as they do.
#[derive(Debug, Clone, Copy)]
struct Still {
    since_s: i64,
    /// Energy that flowed since by the meter's own power, Ws.
    flowed_ws: u64,
    /// The time of the last sample.
    until_s: i64,
}

/// A meter's recent samples.
#[derive(Debug)]
pub(crate) struct History {
    rules: Rules,
    /// Believed, oldest first.
    recent: VecDeque<Taken>,
    last: Option<Taken>,
    still: Still,
    /// The first sample, or the first after a while: it is believed with the next one that bears it out.
    candidate: Option<Taken>,
    /// When the last sample was believed, by this machine's clock; before that, when sampling began.
    heard_s: i64,
    began_s: i64,
    /// What has been wrong since the last sample that was believed.
    fault: Option<Refusal>,
    counts: (u64, u64),
}

impl History {
    pub(super) fn new(rules: Rules, now_s: i64) -> History {
        History {
            rules,
            recent: VecDeque::new(),
            last: None,
            still: Still { since_s: now_s, flowed_ws: 0, until_s: now_s },
            candidate: None,
            heard_s: now_s,
            began_s: now_s,
            fault: None,
            counts: (0, 0),
        }
    }

    /// Takes a sample that was received at `now_s`.
    pub(super) fn take(&mut self, sample: Sample, now_s: i64) -> Result<(), Refusal> {
        let Sample { registers, at_s, power_w, serial } = sample;
        let ahead_s = at_s.map(|at_s| at_s - now_s);
        let taken = Taken { registers, at_s: at_s.unwrap_or(now_s), power_w, serial, ahead_s };
        let checked = self.check(&taken, now_s).inspect_err(|refusal| self.refuse(refusal.clone()));
        if checked.is_ok() {
            self.believe(taken, now_s);
        }
        checked
    }

    /// Takes note of what came instead of a sample.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.counts.1 += 1;
        if !self.fault.as_ref().is_some_and(|fault| fault.is_like(&refusal)) {
            self.fault = Some(refusal);
        }
    }

    /// The reading of the interval that ended at `end_s`, or why there is none.
    pub(super) fn read(&self, end_s: i64, now_s: i64) -> Result<Reading, Silence> {
        let max_age_s = self.rules.max_age_s;
        let waited = now_s >= end_s + max_age_s;
        let newest_s = self.recent.back().map(|newest| newest.at_s);
        let nearest = self.recent.iter().min_by_key(|taken| taken.at_s.abs_diff(end_s));
        let nearest = nearest.filter(|taken| taken.at_s.abs_diff(end_s) <= max_age_s.unsigned_abs());
        match nearest {
            // Samples come in order: after one from beyond the end, none is nearer.
            Some(taken) if waited || newest_s >= Some(end_s) => {
                Ok(Reading::Measured(Measurement { registers: taken.registers, gross: None }))
            }
            None if newest_s > Some(end_s) => Ok(Reading::Missed),
            _ if !waited || now_s < self.began_s + max_age_s => Ok(Reading::NotYet),
            None if now_s <= self.heard_s + max_age_s => Ok(Reading::NotYet),
            _ => Err(match &self.fault {
                Some(refusal) => Silence::Refused { since_s: self.heard_s, refusal: refusal.clone() },
                None => Silence::Silent(self.heard_s),
            }),
        }
    }

    /// What the meter shows, for people.
    pub(super) fn sight(&self) -> Sight {
        let (believed, refused) = self.counts;
        let last = self.recent.back();
        Sight {
            believed,
            refused,
            registers: last.map(|taken| taken.registers),
            power_w: last.and_then(|taken| taken.power_w),
            serial: last.and_then(|taken| taken.serial.clone()),
            ahead_s: last.and_then(|taken| taken.ahead_s),
            fault: self.fault.as_ref().map(ToString::to_string),
        }
    }

    fn check(&mut self, taken: &Taken, now_s: i64) -> Result<(), Refusal> {
        let age_s = now_s - taken.at_s;
        if age_s > self.rules.max_age_s {
            return Err(Refusal::Stale { age_s });
        }
        if -age_s > self.rules.max_age_s {
            return Err(Refusal::Ahead { ahead_s: -age_s });
        }
        let Some(last) = &self.last else {
            let (registered, from_s) = self.rules.registered;
            same_serial(self.rules.serial.as_ref(), taken)?;
            return not_back(registered, taken.registers, taken.at_s >= from_s);
        };
        same_serial(self.rules.serial.as_ref().or(last.serial.as_ref()), taken)?;
        not_back(last.registers, taken.registers, true)?;
        no_leap(last.registers, taken, self.still.since_s, self.rules.rated_power_w)?;
        let before_s = self.still.until_s;
        self.still.until_s = taken.at_s;
        if taken.registers != last.registers {
            return Ok(());
        }
        let passed_s = (taken.at_s - before_s).clamp(0, self.rules.max_age_s).unsigned_abs();
        let flowed_ws = taken.power_w.unwrap_or(0).unsigned_abs().saturating_mul(passed_s);
        self.still.flowed_ws = self.still.flowed_ws.saturating_add(flowed_ws);
        let Still { since_s, flowed_ws, .. } = self.still;
        let long = taken.at_s - since_s >= FROZEN_INTERVALS * self.rules.interval_s;
        let much = u128::from(flowed_ws) >= u128::from(FROZEN_WH) * HOUR_S;
        if long && much { Err(Refusal::Frozen { since_s }) } else { Ok(()) }
    }

    fn believe(&mut self, taken: Taken, now_s: i64) {
        let soon = |before: &Taken| (0..=self.rules.max_age_s).contains(&(taken.at_s - before.at_s));
        if !self.last.as_ref().is_some_and(soon) {
            let borne_out = self.candidate.take().filter(|candidate| {
                soon(candidate)
                    && same_serial(candidate.serial.as_ref(), &taken).is_ok()
                    && not_back(candidate.registers, taken.registers, true).is_ok()
                    && no_leap(candidate.registers, &taken, candidate.at_s, self.rules.rated_power_w).is_ok()
            });
            let Some(candidate) = borne_out else {
                self.candidate = Some(taken);
                return;
            };
            self.keep(candidate);
        }
        self.keep(taken);
        self.candidate = None;
        self.heard_s = now_s;
        self.fault = None;
    }

    fn keep(&mut self, taken: Taken) {
        if self.last.as_ref().is_none_or(|last| last.registers != taken.registers) {
            self.still = Still { since_s: taken.at_s, flowed_ws: 0, until_s: taken.at_s };
        }
        // Where a clock was set back, what comes now is right.
        while self.recent.back().is_some_and(|newest| newest.at_s >= taken.at_s) {
            self.recent.pop_back();
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        let serial = taken.serial.clone().or_else(|| self.last.take()?.serial);
        self.last = Some(Taken { serial, ..taken.clone() });
        self.recent.push_back(taken);
        self.counts.0 += 1;
    }
}

fn same_serial(expected: Option<&String>, taken: &Taken) -> Result<(), Refusal> {
    match (expected, &taken.serial) {
        (Some(expected), Some(found)) if expected != found => {
            Err(Refusal::Exchanged { expected: expected.clone(), found: found.clone() })
        }
        _ => Ok(()),
    }
}

/// Registers only grow; where they may have been less, they are not 0 after something else all the same.
fn not_back(before: Registers, found: Registers, grown: bool) -> Result<(), Refusal> {
    let both = [("import", before.import_wh, found.import_wh), ("export", before.export_wh, found.export_wh)];
    both.into_iter().try_for_each(|(register, before_wh, found_wh)| match found_wh.cmp(&before_wh) {
        Ordering::Less if found_wh == 0 => Err(Refusal::Zero { register, before_wh }),
        Ordering::Less if grown => Err(Refusal::WentBack { register, before_wh, found_wh }),
        _ => Ok(()),
    })
}

/// Registers that stood at `before` since `since_s` go on by no more than 1.2 times what the rated power gives.
fn no_leap(before: Registers, taken: &Taken, since_s: i64, rated_power_w: Option<u64>) -> Result<(), Refusal> {
    let Some(rated_power_w) = rated_power_w else { return Ok(()) };
    let (import, export) = (taken.registers.import_wh - before.import_wh, taken.registers.export_wh - before.export_wh);
    let found_wh = import.max(export);
    let passed_s = u64::try_from(taken.at_s - since_s).unwrap_or(0).saturating_add(STEP_SLACK_S);
    let most_wh = (u128::from(rated_power_w) * u128::from(passed_s) * 12).div_ceil(10 * HOUR_S);
    if u128::from(found_wh) <= most_wh {
        return Ok(());
    }
    Err(Refusal::Step { found_wh, most_wh: u64::try_from(most_wh).unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests;
