//! What a true-up changes: pure, from what is in force, what came late, and what the grid operator has validated.
//!
//! A reading that came late was settled with the supplier, in the settlement after it. Once its energy is booked in the
//! interval in which it flowed, it is taken out there. What is left of a reading over a gap stays: how that is spread
//! over its intervals nobody knows. So whatever was booked before, the same call again finds nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    api::Late,
    correction::{MemberInput, Validated, Values},
    energy::Energy,
    interval::Interval,
    member::MemberId,
    reading::Flow,
};

use crate::cli::validated::{Given, Known};

/// What to correct.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The values of each interval to be corrected, in ascending order of member.
    pub(super) values: BTreeMap<Interval, Vec<Validated>>,
    /// What whoever signs it should know.
    pub(super) notes: Vec<String>,
}

/// Why nothing can be planned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    /// Late energy of the interval stands in a settlement together with energy of earlier ones.
    #[error(
        "what came late of {member} in {interval} came with readings from {from} on: begin with --from {}",
        .from.start_text()
    )]
    BeginsEarlier { member: MemberId, interval: Interval, from: Interval },
}

/// Plans the true-up of the intervals up to `last`. Known is all from some interval to the last settled one, but for
/// what was pruned.
pub(super) fn plan(known: &Known, given: &Given, last: Interval) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let measured = measured(known, given, last);
    let mut covered: BTreeSet<(Interval, MemberId)> = BTreeSet::new();
    for (interval, correctable) in known {
        let mut left: BTreeMap<MemberId, Flow> = BTreeMap::new();
        for of_member in correctable.late.chunk_by(|a, b| a.member == b.member) {
            let member = of_member[0].member;
            covered.extend(of_member.iter().flat_map(|late| intervals(late).map(move |of| (of, member))));
            if let Some(flow) = left_late(known, &measured, *interval, of_member, &mut plan.notes)? {
                left.insert(member, flow);
            }
        }
        let mut values = Vec::new();
        for input in &correctable.inputs {
            let after = values_after(input, measured.get(&(*interval, input.member)), left.get(&input.member));
            if let Some(after) = after.filter(|after| input.values != Some(*after)) {
                values.push(Validated { member: input.member, values: after });
            }
        }
        if !values.is_empty() {
            plan.values.insert(*interval, values);
        }
    }
    for (interval, member) in given.keys().filter(|key| is_unread(known, key) && !covered.contains(key)) {
        plan.notes.push(format!(
            "no reading on the ledger covers {member} in {interval} yet; where one comes late, run this once more"
        ));
    }
    Ok(plan)
}

/// What is to be booked as measured and is not yet: the validated values, and beside them what readings that came late
/// say of single intervals in which their device was not read.
fn measured(known: &Known, given: &Given, last: Interval) -> Given {
    let mut measured = given.clone();
    for Late { member, from, to, import, export } in known.values().flat_map(|correctable| &correctable.late) {
        let key = (*from, *member);
        if from == to && *from <= last && is_unread(known, &key) {
            measured.entry(key).or_insert(Flow { import: *import, export: *export });
        }
    }
    measured
}

/// What is left of a member's late energy in the settlement of `interval`. None where that stays as it is.
fn left_late(
    known: &Known,
    measured: &Given,
    interval: Interval,
    late: &[Late],
    notes: &mut Vec<String>,
) -> Result<Option<Flow>, PlanError> {
    let mut all = Flow::default();
    let is_complete = late.iter().flat_map(intervals).all(|of| known.contains_key(&of));
    if !is_complete {
        // What of the others is booked already is not known here.
        let changed = late.iter().find(|late| intervals(late).any(|of| measured.contains_key(&(of, late.member))));
        return match changed {
            None => Ok(None),
            Some(Late { member, .. }) => {
                let from = late.first().map_or(interval, |late| late.from);
                Err(PlanError::BeginsEarlier { member: *member, interval, from })
            }
        };
    }
    for part in late {
        let booked = intervals(part).filter_map(|of| booked(known, measured, of, part.member));
        let flow = Flow { import: part.import, export: part.export };
        let flow = if part.from == part.to {
            // It was netted, and what is booked in its place perhaps is not.
            booked.fold(flow, |_, _| Flow::default())
        } else {
            let total = booked.fold(Flow::default(), sum);
            if total.import > flow.import || total.export > flow.export {
                let Late { member, from, to, .. } = part;
                notes.push(format!(
                    "{member} has more booked from {from} to {to} than its meter counted: {} of {} drawn, {} of {} fed in",
                    total.import, flow.import, total.export, flow.export
                ));
            }
            Flow { import: flow.import.saturating_sub(total.import), export: flow.export.saturating_sub(total.export) }
        };
        all = sum(all, flow);
    }
    Ok(Some(all))
}

/// What is measured of a member in an interval, once the true-up is booked; none if that is not known.
fn booked(known: &Known, measured: &Given, interval: Interval, member: MemberId) -> Option<Flow> {
    let in_force = || {
        let Values { import, export, late_only, .. } = input(known, interval, member)?.values?;
        (!late_only).then_some(Flow { import, export })
    };
    measured.get(&(interval, member)).copied().or_else(in_force)
}

fn values_after(input: &MemberInput, measured: Option<&Flow>, late: Option<&Flow>) -> Option<Values> {
    let mut values = match input.values {
        Some(values) => values,
        None => Values { late_only: true, ..Values::default() },
    };
    if let Some(Flow { import, export }) = measured {
        (values.import, values.export, values.late_only) = (*import, *export, false);
    }
    if let Some(Flow { import, export }) = late {
        (values.late_import, values.late_export) = (*import, *export);
    }
    (measured.is_some() || late.is_some()).then_some(values)
}

fn is_unread(known: &Known, (interval, member): &(Interval, MemberId)) -> bool {
    input(known, *interval, *member).is_some_and(MemberInput::is_unread)
}

fn input(known: &Known, interval: Interval, member: MemberId) -> Option<&MemberInput> {
    let inputs = &known.get(&interval)?.inputs;
    inputs.binary_search_by_key(&member, |input| input.member).ok().map(|place| &inputs[place])
}

fn intervals(late: &Late) -> impl Iterator<Item = Interval> + use<> {
    let to = late.to;
    std::iter::successors(Some(late.from), |of| of.next()).take_while(move |of| *of <= to)
}

fn sum(one: Flow, other: Flow) -> Flow {
    let add = |a: Energy, b: Energy| Energy::from_wh(a.wh().saturating_add(b.wh()));
    Flow { import: add(one.import, other.import), export: add(one.export, other.export) }
}

#[cfg(test)]
mod tests;
