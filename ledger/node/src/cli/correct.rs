//! `ledger correct`: from validated values to the draft of a decision.

use std::{collections::BTreeMap, path::PathBuf};

use axum::http::StatusCode;
use clap::Args;
use ledger_client::api::{ApiError, Node};
use market::{
    grid::Grid,
    inputs::Inputs,
    settlement::{IntervalInput, settle},
};
use protocol::{
    api::{Correctable, MemberStatus},
    correction::{Correction, MemberInput, Validated, Values, corrected},
    decision::{Action, Decision, Draft},
    interval::Interval,
    member::MemberId,
    reading::Flow,
};

use super::{
    Asked, Failure, bad_input, failed, names, print_json,
    validated::{self, BadRows, Faults, Known, Row},
};

#[derive(Args)]
#[command(
    after_help = "The values are CSV with the columns of `ledger true-up`, interval,member,import_kwh,export_kwh, and have
rows of this interval only: decimals with at most three digits after the point. A row takes the place of what was measured of
the member in this interval; who has no row stays as settled, and so does what came late. Go on with `ledger approve`.

EXAMPLES:
  ledger correct 2026-07-04T12:00:00Z --values validated.csv > draft.json
  ledger correct 2026-07-04T12:00:00Z --values validated.csv --names market/members.csv > draft.json
  ledger approve draft.json --config validator-0/validator.toml > next.json"
)]
pub(super) struct Correct {
    /// The interval, by its start in UTC, such as 2016-07-04T12:00:00Z
    #[arg(value_parser = super::moment)]
    interval: String,
    /// The grid operator's validated values, CSV
    #[arg(long, value_name = "FILE")]
    values: PathBuf,
    /// Who is who, `member,name` as CSV, where the values have names in the place of pseudonyms
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    #[command(flatten)]
    node: Asked,
}

impl Correct {
    /// Writes the draft to stdout.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let names = self.names.as_deref().map(names::read).transpose()?.unwrap_or_default();
        let rules = self.node.ask(Node::rules)?;
        let interval = super::interval(&self.interval, rules.interval.length())?;
        let named = |error: BadRows| bad_input(format!("{}, {error}", self.values.display()));
        let rows = validated::read(&self.values, interval.length(), &names)?;
        if rows.is_empty() {
            return Err(bad_input(format!("{}: expected at least one row, found none", self.values.display())));
        }
        if interval >= rules.interval {
            let last = rules.interval.offset(-1).unwrap_or(rules.interval);
            return Err(bad_input(format!("expected a settled interval, {last} or one before, found {interval}")));
        }
        let members = self.node.ask(Node::members)?;
        let rows = of_interval(rows, interval, &members).map_err(named)?;
        let correctable = self.node.ask(async |node| correctable(node, interval).await)?.ok_or_else(|| {
            bad_input(format!(
                "{interval} cannot be corrected: this node has its readings no more (`retention_days`), or it was before the \
                 genesis or too long ago; --url names a node that keeps them"
            ))
        })?;
        let rated = members.iter().map(|member| (member.member, member.rated_power_w)).collect();
        let known = Known::from([(interval, correctable.clone())]);
        let given = validated::check(rows, &known, interval, &rated).map_err(named)?;
        let before: BTreeMap<MemberId, Option<Values>> =
            correctable.inputs.iter().map(|input| (input.member, input.values)).collect();
        let value = |((_, member), flow)| {
            let Flow { import, export } = flow;
            let before = before.get(&member).copied().flatten().unwrap_or_default();
            Validated { member, values: Values { import, export, late_only: false, ..before } }
        };
        let values = given.into_iter().map(value).collect();
        let correction = correction(correctable, &members, values)?;
        let action = Action::Correct(Box::new(correction));
        let decision = Decision { sequence: rules.decision_sequence + 1, action };
        print_json(&Draft { decision, approvals: Vec::new() })
    }
}

/// The rows, if all of them are of this interval and of members: what can be seen before more is asked for.
fn of_interval(rows: Vec<Row>, interval: Interval, members: &[MemberStatus]) -> Result<Vec<Row>, BadRows> {
    let mut faults = Faults::default();
    for Row { line, interval: found, member, .. } in &rows {
        if *found != interval {
            faults.add(
                *line,
                format!("column interval: expected {}, found {}", interval.start_text(), found.start_text()),
            );
        } else if !members.iter().any(|known| known.member == *member) {
            faults.add(*line, format!("column member: expected a member, found {member}"));
        }
    }
    faults.check(rows)
}

/// What a correction of an interval begins with; none where it is pruned, too long ago or not settled.
pub(super) async fn correctable(node: &Node, interval: Interval) -> Result<Option<Correctable>, ApiError> {
    match node.inputs(interval).await {
        Err(ApiError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        found => found.map(Some),
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
