//! `ledger draft declare-island` and `end-island`.

use clap::Args;
use protocol::decision::Action;

use super::{Failure, Opening};
use crate::cli::{bad_input, interval, moment};

#[derive(Args)]
pub(super) struct DeclareIsland {
    /// Start of the first interval on the island, UTC: the second after the open one, or later; without it, that one
    #[arg(long, value_name = "START", value_parser = moment)]
    from: Option<String>,
    /// Start of the first interval that is on the grid again; without it, until an end is decided
    #[arg(long, value_name = "START", value_parser = moment)]
    until: Option<String>,
    #[command(flatten)]
    opening: Opening,
}

impl DeclareIsland {
    pub(super) fn open(self) -> Result<(), Failure> {
        let DeclareIsland { from, until, opening } = self;
        opening.open(|in_force, _| {
            if in_force.rules.island().is_none() {
                return Err(bad_input(
                    "expected rules with a plan for an island, found none; decide one first: ledger draft set-rules --island FILE",
                ));
            }
            let length = in_force.interval.length();
            let from = match &from {
                Some(from) => interval(from, length)?,
                None => in_force.interval.offset(2).ok_or_else(|| bad_input("expected an interval before the end of time"))?,
            };
            let until = until.as_deref().map(|until| interval(until, length)).transpose()?;
            if until.is_some_and(|until| until <= from) {
                return Err(bad_input(format!("--until: expected a start after {from}")));
            }
            Ok(Action::DeclareIsland { from, until })
        })
    }
}

#[derive(Args)]
pub(super) struct EndIsland {
    /// Start of the first interval that is on the grid again, UTC: after the open one; without it, the next
    #[arg(long, value_name = "START", value_parser = moment)]
    from: Option<String>,
    #[command(flatten)]
    opening: Opening,
}

impl EndIsland {
    pub(super) fn open(self) -> Result<(), Failure> {
        let EndIsland { from, opening } = self;
        opening.open(|in_force, _| {
            let from = match &from {
                Some(from) => interval(from, in_force.interval.length())?,
                None => {
                    in_force.interval.next().ok_or_else(|| bad_input("expected an interval before the end of time"))?
                }
            };
            Ok(Action::EndIsland { from })
        })
    }
}
