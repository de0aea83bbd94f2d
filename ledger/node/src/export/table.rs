//! The tables: their names, columns and kinds of values, the same in every format.

use protocol::interval::Interval;

/// A value of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    /// The interval's start.
    Time(Interval),
    Missing,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    OptionalText,
    Integer,
    OptionalInteger,
    Time,
}

/// A table, one file of an export.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

/// Balances after the last block, in nano-units of currency.
pub(super) static ACCOUNTS: Table = Table {
    name: "accounts",
    columns: &[
        ("account", Kind::Text),
        ("member", Kind::OptionalText),
        ("debits_nano", Kind::Integer),
        ("credits_nano", Kind::Integer),
        ("balance_nano", Kind::Integer),
        ("currency", Kind::Text),
    ],
};

/// One row an interval, and one more for each correction of it: the highest one is in force.
pub(super) static SETTLEMENTS: Table = Table {
    name: "settlements",
    columns: &[
        ("interval", Kind::Time),
        ("correction", Kind::Integer),
        ("minutes", Kind::Integer),
        ("block", Kind::Integer),
        ("price_micro_per_kwh", Kind::OptionalInteger),
        ("supplier_nano", Kind::Integer),
        ("operator_nano", Kind::Integer),
        ("retail_micro_per_kwh", Kind::Integer),
        ("feed_in_micro_per_kwh", Kind::Integer),
        ("provisional", Kind::Integer),
        ("unread", Kind::Integer),
        ("difference_wh", Kind::OptionalInteger),
    ],
};

/// One row a member, interval and correction.
pub(super) static LINES: Table = Table {
    name: "lines",
    columns: &[
        ("interval", Kind::Time),
        ("correction", Kind::Integer),
        ("member", Kind::Text),
        ("bought_wh", Kind::Integer),
        ("sold_wh", Kind::Integer),
        ("imported_wh", Kind::Integer),
        ("exported_wh", Kind::Integer),
        ("paid_nano", Kind::Integer),
        ("earned_nano", Kind::Integer),
        ("supply_cost_nano", Kind::Integer),
        ("supply_revenue_nano", Kind::Integer),
    ],
};

/// One row a trade, as settled or corrected.
pub(super) static TRADES: Table = Table {
    name: "trades",
    columns: &[
        ("interval", Kind::Time),
        ("correction", Kind::Integer),
        ("seller", Kind::Text),
        ("buyer", Kind::Text),
        ("energy_wh", Kind::Integer),
        ("price_micro_per_kwh", Kind::Integer),
    ],
};

/// One row a bundle of certificates, as held after the last block.
pub(super) static CERTIFICATES: Table = Table {
    name: "certificates",
    columns: &[
        ("interval", Kind::Time),
        ("device", Kind::Text),
        ("technology", Kind::Text),
        ("producer", Kind::Text),
        ("first_wh", Kind::Integer),
        ("energy_wh", Kind::Integer),
        ("holder", Kind::Text),
        ("retired_by", Kind::OptionalText),
    ],
};
