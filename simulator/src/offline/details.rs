//! Tables of details: each has so many rows that a run writes it only where it is asked for.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde::Serialize;

use super::{
    community::Community,
    output::{FLOWS, ORDERS, OUTAGE, SOC, TRADES},
};
use crate::tables::ColumnOf;

/// A table of details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Who sold how much to whom in each interval, and at which prices
    Trades,
    /// What each member brought to the market in each interval, and at which limit
    Orders,
    /// What each line and the transformer carried in each interval
    Flows,
    /// What each battery did and held in each interval
    Soc,
    /// What each member could draw, drew and lacked in each interval of an outage
    Outage,
}

/// Tables that a community has nothing for.
#[derive(Debug, thiserror::Error)]
#[error("--tables: expected {expected} for `{table}`, found none: {what}, or leave `{table}` out")]
pub struct DetailError {
    table: &'static str,
    expected: &'static str,
    what: &'static str,
}

impl Detail {
    /// All that there are.
    pub const ALL: [Detail; 5] = [Detail::Trades, Detail::Orders, Detail::Flows, Detail::Soc, Detail::Outage];

    /// The table of this name.
    pub fn named(name: &str) -> Option<Detail> {
        Detail::ALL.into_iter().find(|detail| detail.name() == name)
    }

    /// Its name, as the file has it.
    pub fn name(self) -> &'static str {
        match self {
            Detail::Trades => "trades",
            Detail::Orders => "orders",
            Detail::Flows => "flows",
            Detail::Soc => "soc",
            Detail::Outage => "outage",
        }
    }

    pub(crate) fn columns(self) -> &'static [ColumnOf] {
        match self {
            Detail::Trades => &TRADES,
            Detail::Orders => &ORDERS,
            Detail::Flows => &FLOWS,
            Detail::Soc => &SOC,
            Detail::Outage => &OUTAGE,
        }
    }
}

/// Refuses a table that would stay empty whatever the community does.
pub(crate) fn check(details: &BTreeSet<Detail>, community: &Community) -> Result<(), DetailError> {
    let refused = |detail: Detail, expected, what| Err(DetailError { table: detail.name(), expected, what });
    for detail in details {
        match detail {
            Detail::Flows if !community.has_lines() => {
                return refused(*detail, "a grid", "set `grid = true` of drawn homes, or name data with one");
            }
            Detail::Soc if community.pool().is_none() => {
                return refused(*detail, "batteries", "give some homes one in `[[equipment]]`");
            }
            Detail::Outage if community.outage.is_none() => {
                return refused(*detail, "an outage", "say when it is in `[outage]`");
            }
            Detail::Trades | Detail::Orders | Detail::Flows | Detail::Soc | Detail::Outage => {}
        }
    }
    Ok(())
}
