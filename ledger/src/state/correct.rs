//! Settling an interval again, with validated values: the settlement in force is reversed, another one booked.

use market::metering::plausible_wh;
use protocol::{
    correction::{Correction, Validated, corrected, inputs_hash},
    interval::Interval,
    origin::Issue,
};

use super::{
    Booked, Record, Refusal, State,
    settle::{compare, postings},
};

impl State {
    /// Checks that the correction reverses what is in force, and that its values lead to what it books; then books
    /// both.
    pub(super) fn correct(&mut self, correction: &Correction) -> Result<Booked, Refusal> {
        let Correction { reversed, inputs, values, settlement, number } = correction;
        let interval = correction.interval();
        let record = self.records.get(interval).ok_or(Refusal::NothingToCorrect(interval))?;
        let found = reversed.content_hash();
        if found != record.settlement {
            return Err(Refusal::OtherSettlementInForce { expected: record.settlement, found });
        }
        let expected = record.corrections.checked_add(1);
        let expected = expected.ok_or(Refusal::NumbersExhausted { last: record.corrections.into() })?;
        if *number != expected {
            return Err(Refusal::CorrectionNotNext { expected, found: *number });
        }
        if inputs_hash(inputs) != reversed.inputs {
            return Err(Refusal::OtherInputs { expected: reversed.inputs, found: inputs_hash(inputs) });
        }
        self.check_values(interval, values)?;
        let after = corrected(inputs, values).ok_or(Refusal::ValuesOfStrangers)?;
        let (expected, after) = self.recompute(interval, &record.tie_seed, after, reversed.readings.clone())?;
        compare(&expected, settlement)?;

        let issues = self.issues(settlement, |id, _| after.iter().find(|input| input.member == id)?.device)?;
        let mut moved = Vec::new();
        for (account, net) in postings(reversed)? {
            moved.push((account, net.checked_neg().ok_or(Refusal::AmountOverflow)?));
        }
        moved.extend(postings(settlement)?);
        self.post(moved)?;

        let issues = keep_moved(&record.issues, issues);
        let record =
            Record { settlement: settlement.content_hash(), tie_seed: record.tie_seed, corrections: *number, issues };
        self.put_record(interval, &record);
        self.totals.corrections += 1;
        Ok(Booked { settlement: settlement.clone(), correction: *number, inputs: after })
    }

    /// Corrects several intervals, or none of them.
    pub(super) fn true_up(&mut self, corrections: &[Correction]) -> Result<Vec<Booked>, Refusal> {
        if corrections.is_empty() || !corrections.is_sorted_by(|a, b| a.interval() < b.interval()) {
            return Err(Refusal::CorrectionsNotAscending);
        }
        let mut after = self.clone();
        let booked = corrections.iter().map(|correction| after.correct(correction)).collect::<Result<_, _>>()?;
        *self = after;
        Ok(booked)
    }

    fn check_values(&self, interval: Interval, values: &[Validated]) -> Result<(), Refusal> {
        if values.is_empty() || !values.is_sorted_by(|a, b| a.member < b.member) {
            return Err(Refusal::ValuesNotAscending);
        }
        for Validated { member, values } in values {
            let rated_power_w = self.member(*member)?.rated_power_w();
            let expected_max_wh = plausible_wh(rated_power_w, interval.length().seconds().unsigned_abs());
            let found_wh = values.import.max(values.export).wh();
            if found_wh > expected_max_wh {
                return Err(Refusal::ImplausibleValues { member: *member, expected_max_wh, found_wh });
            }
        }
        Ok(())
    }
}

/// The certificates after a correction. Where a producer's certificates were moved or retired in good faith, they stay
/// as they are; the others are issued anew.
fn keep_moved(before: &[Issue], mut after: Vec<Issue>) -> Vec<Issue> {
    let moved = before.iter().filter(|issue| issue.moved);
    after.retain(|issue| moved.clone().all(|moved| moved.device != issue.device));
    after.extend(moved.cloned());
    after.sort_by_key(|issue| issue.producer);
    after
}
