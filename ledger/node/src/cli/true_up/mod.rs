//! `ledger true-up`: from what came late, and from the grid operator's validated values, to the draft of one decision
//! that corrects every interval they touch.

mod plan;
mod record;

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use ledger_client::api::{ApiError, Node};
use protocol::{
    cbor,
    decision::{Action, Decision, Draft},
    interval::{Interval, IntervalLength},
    limits::TRANSACTION_BYTES_MAX,
    member::MemberId,
};

use self::plan::{Plan, plan};
use super::{
    Asked, Failure, bad_input,
    correct::{correctable, correction},
    interval, names, print_json,
    validated::{self, Given, Known, Row},
};

#[derive(Args)]
#[command(after_help = "Without --values, what readings say that came late is moved into the intervals in which their
devices were not read. The values are CSV with the columns interval,member,import_kwh,export_kwh: the interval by its start
in UTC, decimals with at most three digits after the point. A row takes the place of what was measured of the member in the
interval; late energy that it explains is taken out of the settlement it came with. Go on with `ledger approve`. Where all
energy is booked already nothing is written, and the command ends with 0.

A file of values that ends in .xml is a ConsumptionRecord 01p41 of an Austrian grid operator; --sites says whose its metering
points are, in the columns member and metering_points. A member's points count together, and all of them have to be there.")]
pub(super) struct TrueUp {
    /// The first interval to look at, by its start in UTC; without it, the first that the values name
    #[arg(long, value_name = "START", value_parser = super::moment)]
    from: Option<String>,
    /// The last interval to correct; without it, the last settled one
    #[arg(long, value_name = "START", value_parser = super::moment)]
    until: Option<String>,
    /// The grid operator's validated values: CSV, or XML of a ConsumptionRecord
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// Who is who, `member,name` as CSV, where the values have names in the place of pseudonyms
    #[arg(long, value_name = "FILE", requires = "values")]
    names: Option<PathBuf>,
    /// Where members are, CSV: whose the metering points of a ConsumptionRecord are
    #[arg(long, value_name = "FILE", requires = "values")]
    sites: Option<PathBuf>,
    #[command(flatten)]
    node: Asked,
}

impl TrueUp {
    /// Writes the draft to stdout, and what whoever signs it should know to stderr.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let rules = self.node.ask(Node::rules)?;
        let length = rules.interval.length();
        let rows = self.rows(length)?;
        let start = |text: &Option<String>| text.as_deref().map(|text| interval(text, length)).transpose();
        let from = start(&self.from)?.or(rows.iter().map(|row| row.interval).min());
        let from = from.ok_or_else(|| bad_input("expected --from START, or --values FILE with at least one row"))?;
        let settled = rules.interval.offset(-1).ok_or_else(|| bad_input("nothing is settled yet"))?;
        let until = start(&self.until)?.unwrap_or(settled).min(settled);
        if from > until {
            return Err(bad_input(format!("expected a period up to {until}, the last settled interval, found {from}")));
        }
        let members = self.node.ask(Node::members)?;
        let known = self.node.ask(async |node| known(node, from, settled).await)?;
        let rated = members.iter().map(|member| (member.member, member.rated_power_w)).collect();
        let given = self.checked(rows, &known, until, &rated)?;
        let Plan { values, notes } = plan(&known, &given, until).map_err(bad_input)?;
        notes.iter().for_each(|note| eprintln!("ledger: note: {note}"));
        if values.is_empty() {
            eprintln!("ledger: from {from} to {until}: nothing to true up, all energy is booked; no draft was written");
            return Ok(());
        }
        let mut corrections = Vec::new();
        for (interval, values) in values {
            let Some(correctable) = known.get(&interval) else { continue };
            let values_of = values.len();
            let correction = correction(correctable.clone(), &members, values)?;
            let open = if correction.settlement.provisional.is_some() { "still provisional" } else { "closes" };
            eprintln!("ledger: {interval}: {values_of} members, {open}");
            corrections.push(correction);
        }
        let count = corrections.len();
        let decision = Decision { sequence: rules.decision_sequence + 1, action: Action::TrueUp(corrections) };
        let found = cbor::encode(&decision).len();
        if found > TRANSACTION_BYTES_MAX {
            return Err(bad_input(format!(
                "expected at most {TRANSACTION_BYTES_MAX} bytes, found {found} in {count} intervals; give a shorter period \
                 with --until"
            )));
        }
        print_json(&Draft { decision, approvals: Vec::new() })
    }

    fn rows(&self, length: IntervalLength) -> Result<Vec<Row>, Failure> {
        let Some(path) = &self.values else { return Ok(Vec::new()) };
        let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", path.display()));
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            let sites = self
                .sites
                .as_ref()
                .ok_or_else(|| named(&"expected --sites FILE, which says whose the metering points are, found none"))?;
            let sites = market_files::pack::sites::sites(sites).map_err(bad_input)?;
            return record::read(path, length, &sites).map_err(|error| named(&error));
        }
        let names = self.names.as_deref().map(names::read).transpose()?.unwrap_or_default();
        validated::read(path, length, &names)
    }

    fn checked(
        &self,
        rows: Vec<Row>,
        known: &Known,
        until: Interval,
        rated_power_w: &BTreeMap<MemberId, u64>,
    ) -> Result<Given, Failure> {
        let path = self.values.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        validated::check(rows, known, until, rated_power_w).map_err(|error| bad_input(format!("{path}, {error}")))
    }
}

/// Everything that can be corrected in a period.
async fn known(node: &Node, from: Interval, last: Interval) -> Result<Known, ApiError> {
    let mut known = Known::new();
    for interval in std::iter::successors(Some(from), |of| of.next()).take_while(|of| *of <= last) {
        known.extend(correctable(node, interval).await?.map(|found| (interval, found)));
    }
    Ok(known)
}
