//! `ledger correct`: from validated values to the draft of a decision.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use ledger_client::api::Node;
use market::{
    grid::Grid,
    inputs::Inputs,
    settlement::{IntervalInput, settle},
};
use protocol::{
    api::{Correctable, MemberStatus},
    correction::{Correction, MemberInput, Validated, Values, corrected},
    decision::{Action, Decision, Draft},
    energy::Energy,
    member::MemberId,
};
use serde::Deserialize;

use super::{Asked, Failure, bad_input, failed, print_json};

#[derive(Args)]
#[command(after_help = "The values are CSV with the columns member,import_wh,export_wh and, where energy of earlier
intervals was settled with it, late_import_wh,late_export_wh. A row takes the place of all that was known of the member in
this interval; who has no row stays as settled. Go on with `ledger approve`.")]
pub(super) struct Correct {
    /// The interval, by its start in UTC, such as 2016-07-04T12:00:00Z
    #[arg(value_parser = super::moment)]
    interval: String,
    /// The grid operator's validated values, CSV
    #[arg(long, value_name = "FILE")]
    values: PathBuf,
    #[command(flatten)]
    node: Asked,
}

/// A row of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    member: MemberId,
    import_wh: u64,
    export_wh: u64,
    #[serde(default)]
    late_import_wh: u64,
    #[serde(default)]
    late_export_wh: u64,
}

impl Correct {
    /// Writes the draft to stdout.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let values = self.values()?;
        let rules = self.node.ask(Node::rules)?;
        let interval = super::interval(&self.interval, rules.interval.length())?;
        let correctable = self.node.ask(async |node| node.inputs(interval).await)?;
        let members = self.node.ask(Node::members)?;
        let correction = correction(correctable, &members, values)?;
        let action = Action::Correct(Box::new(correction));
        let decision = Decision { sequence: rules.decision_sequence + 1, action };
        print_json(&Draft { decision, approvals: Vec::new() })
    }

    fn values(&self) -> Result<Vec<Validated>, Failure> {
        let named = |error: csv::Error| bad_input(format!("{}: {error}", self.values.display()));
        let mut reader = csv::Reader::from_path(&self.values).map_err(named)?;
        let mut values = Vec::new();
        for row in reader.deserialize() {
            let Row { member, import_wh, export_wh, late_import_wh, late_export_wh } = row.map_err(named)?;
            let [import, export, late_import, late_export] =
                [import_wh, export_wh, late_import_wh, late_export_wh].map(Energy::from_wh);
            let values_of = Values { import, export, late_import, late_export, late_only: false };
            values.push(Validated { member, values: values_of });
        }
        values.sort_by_key(|value| value.member);
        Ok(values)
    }
}

/// Settles the interval again, as every validator will.
pub(super) fn correction(
    from: Correctable,
    members: &[MemberStatus],
    values: Vec<Validated>,
) -> Result<Correction, Failure> {
    let Correctable { settlement: reversed, inputs, corrections, tie_seed, rules, grid, .. } = from;
    let stranger = || bad_input("expected values of members that the settlement knew; the file has another one");
    let after = corrected(&inputs, &values).ok_or_else(stranger)?;
    let grid = Grid::of(grid.as_ref()).map_err(failed)?;
    let buses: BTreeMap<MemberId, Option<&str>> =
        members.iter().map(|member| (member.member, member.bus.as_deref())).collect();
    let bus = |input: &MemberInput| grid.bus(buses.get(&input.member).copied().flatten()).map_err(failed);
    let after = Inputs::new(after, bus)?;
    let settlement = settle(IntervalInput {
        interval: reversed.interval,
        rules: &rules,
        grid: &grid,
        tie_seed: &tie_seed,
        readings: reversed.readings.clone(),
        inputs: &after,
    })
    .map_err(bad_input)?;
    Ok(Correction { reversed, inputs, values, settlement, number: corrections + 1 })
}
