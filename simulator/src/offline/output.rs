//! What a run writes: which tables there are, with which columns, and how its figures become rows of them.

use protocol::interval::Interval;

use super::sums::{IntervalSums, MemberSums};
use crate::tables::{ColumnOf, Kind, Packing, Values};

const fn column(name: &'static str, kind: Kind, packing: Packing) -> ColumnOf {
    ColumnOf { name, kind, packing }
}

const fn energy(name: &'static str) -> ColumnOf {
    column(name, Kind::Large, Packing::Delta)
}

const fn money(name: &'static str) -> ColumnOf {
    column(name, Kind::Large, Packing::Delta)
}

/// What each member did in each interval.
pub(crate) const LINES: [ColumnOf; 10] = [
    column("interval", Kind::Time, Packing::Delta),
    column("member", Kind::Small, Packing::Delta),
    column("consumption_wh", Kind::Small, Packing::Delta),
    column("production_wh", Kind::Small, Packing::Dictionary),
    column("bought_wh", Kind::Small, Packing::Dictionary),
    column("sold_wh", Kind::Small, Packing::Dictionary),
    column("imported_wh", Kind::Small, Packing::Dictionary),
    column("exported_wh", Kind::Small, Packing::Dictionary),
    column("paid_nano", Kind::Large, Packing::Dictionary),
    column("earned_nano", Kind::Large, Packing::Dictionary),
];

/// What each interval came to.
pub(crate) const INTERVALS: [ColumnOf; 18] = [
    column("interval", Kind::Time, Packing::Delta),
    energy("consumption_wh"),
    energy("production_wh"),
    energy("charged_wh"),
    energy("discharged_wh"),
    energy("self_wh"),
    energy("tradable_wh"),
    energy("traded_wh"),
    energy("imported_wh"),
    energy("exported_wh"),
    energy("net_wh"),
    energy("stored_wh"),
    column("price_micro_per_kwh", Kind::OptionalLarge, Packing::Dictionary),
    money("paid_nano"),
    money("earned_nano"),
    money("operator_nano"),
    column("buyers", Kind::Small, Packing::Delta),
    column("sellers", Kind::Small, Packing::Delta),
];

/// What each member came to.
pub(crate) const MEMBERS: [ColumnOf; 22] = [
    column("member", Kind::Small, Packing::Delta),
    column("name", Kind::Text, Packing::Dictionary),
    column("bus", Kind::Text, Packing::Dictionary),
    column("strategy", Kind::Text, Packing::Dictionary),
    column("roof", Kind::Small, Packing::Delta),
    column("battery", Kind::Small, Packing::Delta),
    energy("consumption_wh"),
    energy("production_wh"),
    energy("charged_wh"),
    energy("discharged_wh"),
    energy("self_wh"),
    energy("bought_wh"),
    energy("sold_wh"),
    energy("imported_wh"),
    energy("exported_wh"),
    money("paid_nano"),
    money("earned_nano"),
    money("supply_cost_nano"),
    money("supply_revenue_nano"),
    money("cost_nano"),
    money("alone_nano"),
    money("saving_nano"),
];

/// What each member came to on each day, UTC.
pub(crate) const MEMBER_DAYS: [ColumnOf; 13] = [
    column("day", Kind::Time, Packing::Delta),
    column("member", Kind::Small, Packing::Delta),
    energy("consumption_wh"),
    energy("production_wh"),
    energy("charged_wh"),
    energy("discharged_wh"),
    energy("self_wh"),
    energy("bought_wh"),
    energy("sold_wh"),
    energy("imported_wh"),
    energy("exported_wh"),
    money("cost_nano"),
    money("alone_nano"),
];

/// Who sold how much to whom.
pub(crate) const TRADES: [ColumnOf; 6] = [
    column("interval", Kind::Time, Packing::Delta),
    column("seller", Kind::Small, Packing::Delta),
    column("buyer", Kind::Small, Packing::Delta),
    column("energy_wh", Kind::Small, Packing::Delta),
    column("paid_micro_per_kwh", Kind::Large, Packing::Dictionary),
    column("received_micro_per_kwh", Kind::Large, Packing::Dictionary),
];

/// What each member brought to the market.
pub(crate) const ORDERS: [ColumnOf; 5] = [
    column("interval", Kind::Time, Packing::Delta),
    column("member", Kind::Small, Packing::Delta),
    column("limit_micro_per_kwh", Kind::Large, Packing::Dictionary),
    column("asked_wh", Kind::Small, Packing::Delta),
    column("offered_wh", Kind::Small, Packing::Delta),
];

/// What each line carried.
pub(crate) const FLOWS: [ColumnOf; 4] = [
    column("interval", Kind::Time, Packing::Delta),
    column("line", Kind::Text, Packing::Dictionary),
    energy("flow_wh"),
    column("loading_ppm", Kind::OptionalLarge, Packing::Delta),
];

/// What each battery did and held.
pub(crate) const SOC: [ColumnOf; 5] = [
    column("interval", Kind::Time, Packing::Delta),
    column("member", Kind::Small, Packing::Delta),
    column("charged_wh", Kind::Small, Packing::Delta),
    column("discharged_wh", Kind::Small, Packing::Delta),
    energy("stored_uwh"),
];

/// What each member could draw, drew and lacked while the grid above was gone.
pub(crate) const OUTAGE: [ColumnOf; 13] = [
    column("interval", Kind::Time, Packing::Delta),
    column("member", Kind::Small, Packing::Delta),
    column("quota_wh", Kind::OptionalLarge, Packing::Dictionary),
    energy("drawn_wh"),
    energy("overdraw_wh"),
    energy("lacking_life_safety_wh"),
    energy("lacking_critical_wh"),
    energy("lacking_basic_wh"),
    energy("lacking_other_wh"),
    energy("unserved_life_safety_wh"),
    energy("unserved_critical_wh"),
    energy("unserved_basic_wh"),
    energy("unserved_other_wh"),
];

/// A sum of Wh or n€ as a table holds it. A community that has more in one interval, or a member in a century, is none.
fn large(sum: impl TryInto<i64>) -> i64 {
    sum.try_into().unwrap_or(i64::MAX)
}

fn column_of<T>(rows: &[T], value: impl Fn(&T) -> i64) -> Values {
    Values::Large(rows.iter().map(value).collect())
}

/// When an interval starts, as tables hold it.
pub(crate) fn time_ms(interval: Interval) -> i64 {
    interval.start_s() * 1_000
}

pub(crate) fn interval_rows(rows: &[(Interval, IntervalSums)]) -> Vec<Values> {
    vec![
        column_of(rows, |(interval, _)| time_ms(*interval)),
        column_of(rows, |(_, row)| large(row.sums.consumption_wh)),
        column_of(rows, |(_, row)| large(row.sums.production_wh)),
        column_of(rows, |(_, row)| large(row.sums.charged_wh)),
        column_of(rows, |(_, row)| large(row.sums.discharged_wh)),
        column_of(rows, |(_, row)| large(row.sums.self_wh())),
        column_of(rows, |(_, row)| large(row.tradable_wh)),
        column_of(rows, |(_, row)| large(row.sums.bought_wh)),
        column_of(rows, |(_, row)| large(row.sums.imported_wh)),
        column_of(rows, |(_, row)| large(row.sums.exported_wh)),
        column_of(rows, |(_, row)| row.net_wh),
        column_of(rows, |(_, row)| large(row.stored_wh)),
        Values::OptionalLarge(rows.iter().map(|(_, row)| row.price.map(|price| price.micro())).collect()),
        column_of(rows, |(_, row)| large(row.sums.paid_nano)),
        column_of(rows, |(_, row)| large(row.sums.earned_nano)),
        column_of(rows, |(_, row)| row.operator_nano),
        Values::Small(rows.iter().map(|(_, row)| row.buyers.cast_signed()).collect()),
        Values::Small(rows.iter().map(|(_, row)| row.sellers.cast_signed()).collect()),
    ]
}

/// Who the members are, as the table of members says it.
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) bus: String,
    pub(crate) strategy: String,
    pub(crate) has_roof: bool,
    pub(crate) has_battery: bool,
}

/// The energy of each member, as the tables of members and of their days both have it.
fn energy_of(sums: &[MemberSums]) -> [Values; 9] {
    [
        column_of(sums, |sums| large(sums.consumption_wh)),
        column_of(sums, |sums| large(sums.production_wh)),
        column_of(sums, |sums| large(sums.charged_wh)),
        column_of(sums, |sums| large(sums.discharged_wh)),
        column_of(sums, |sums| large(sums.self_wh())),
        column_of(sums, |sums| large(sums.bought_wh)),
        column_of(sums, |sums| large(sums.sold_wh)),
        column_of(sums, |sums| large(sums.imported_wh)),
        column_of(sums, |sums| large(sums.exported_wh)),
    ]
}

pub(crate) fn member_rows(who: &[Who], sums: &[MemberSums]) -> Vec<Values> {
    let text = |of: fn(&Who) -> &String| Values::Text(who.iter().map(|who| of(who).clone()).collect());
    let mut rows = vec![
        member_numbers(sums.len()),
        text(|who| &who.name),
        text(|who| &who.bus),
        text(|who| &who.strategy),
        Values::Small(who.iter().map(|who| who.has_roof.into()).collect()),
        Values::Small(who.iter().map(|who| who.has_battery.into()).collect()),
    ];
    rows.extend(energy_of(sums));
    rows.extend([
        column_of(sums, |sums| large(sums.paid_nano)),
        column_of(sums, |sums| large(sums.earned_nano)),
        column_of(sums, |sums| large(sums.supply_cost_nano)),
        column_of(sums, |sums| large(sums.supply_revenue_nano)),
        column_of(sums, |sums| large(sums.cost_nano())),
        column_of(sums, |sums| large(sums.alone_nano)),
        column_of(sums, |sums| large(sums.saving_nano())),
    ]);
    rows
}

pub(crate) fn member_day_rows(day_ms: i64, sums: &[MemberSums]) -> Vec<Values> {
    let mut rows = vec![Values::Large(vec![day_ms; sums.len()]), member_numbers(sums.len())];
    rows.extend(energy_of(sums));
    rows.extend([column_of(sums, |sums| large(sums.cost_nano())), column_of(sums, |sums| large(sums.alone_nano))]);
    rows
}

/// Members are numbered from 1 on, in the order of the data.
fn member_numbers(count: usize) -> Values {
    // No community has 2³¹ members.
    Values::Small((1..=count as i32).collect())
}
