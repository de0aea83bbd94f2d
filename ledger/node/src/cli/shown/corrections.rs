//! Intervals settled again: for each member whose values or money change, what was and what is to be; the sums; and
//! whether they balance.

use std::collections::BTreeMap;

use protocol::{
    correction::{Correction, MemberInput, Values, corrected},
    member::MemberId,
    money::Amount,
    settlement::{Line, Settlement},
};

use super::{Known, table};
use crate::bill::decimal;

/// What corrections change for one member, in all their intervals together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Changed {
    /// In how many intervals its values or its money are other ones.
    intervals: u64,
    before: Measured,
    after: Measured,
    nano: i128,
}

/// What was measured of a member, Wh.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Measured {
    /// Intervals of which anything was.
    read: u64,
    import: u128,
    export: u128,
    /// Of earlier intervals, and settled with them.
    late_import: u128,
    late_export: u128,
}

impl Measured {
    fn add(&mut self, values: Option<Values>) {
        let Some(Values { import, export, late_import, late_export, late_only }) = values else { return };
        self.read += u64::from(!late_only);
        self.import += u128::from(import.wh());
        self.export += u128::from(export.wh());
        self.late_import += u128::from(late_import.wh());
        self.late_export += u128::from(late_export.wh());
    }
}

/// The corrections of one decision as lines; each interval for itself where `details` are asked for.
pub(super) fn lines(known: &Known, corrections: &[Correction], details: bool) -> Vec<String> {
    match corrections {
        [] => vec!["corrects nothing".into()],
        [one] => of_one(known, one),
        [first, .., last] => {
            let open = corrections.iter().filter(|it| it.settlement.provisional.is_some()).count();
            let mut lines = vec![format!(
                "true up {} intervals, {} to {}: {} close, {open} stay provisional",
                corrections.len(),
                known.interval(first.interval()),
                known.interval(last.interval()),
                corrections.len() - open
            )];
            lines.extend(table_of(known, corrections));
            if details {
                lines.extend(corrections.iter().flat_map(|one| of_one(known, one)));
            } else {
                lines.push("each interval for itself: --details".into());
            }
            lines
        }
    }
}

fn of_one(known: &Known, correction: &Correction) -> Vec<String> {
    let Correction { reversed, settlement, number, .. } = correction;
    let closes = match &settlement.provisional {
        None => "it closes".to_owned(),
        Some(provisional) => format!("it stays provisional, {} not read", provisional.unread.len()),
    };
    let interval = known.interval(correction.interval());
    let mut lines = vec![format!("correct {interval}, for the {} time: {closes}", ordinal(*number))];
    if reversed.price != settlement.price {
        let price = |of: &Settlement| of.price.map_or_else(|| "none".into(), |price| price.to_string());
        let currency = &known.currency;
        lines.push(format!("clearing price {} -> {} {currency} per kWh", price(reversed), price(settlement)));
    }
    lines.extend(table_of(known, std::slice::from_ref(correction)));
    lines
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The members that change, the sums, and whether all of it balances.
fn table_of(known: &Known, corrections: &[Correction]) -> Vec<String> {
    let several = corrections.len() > 1;
    let changed = changed(corrections);
    let row = |name: String, intervals: String, drawn: String, fed_in: String, money: String| match several {
        true => vec![name, intervals, drawn, fed_in, money],
        false => vec![name, drawn, fed_in, money],
    };
    let mut rows = vec![row(
        "member".into(),
        "intervals".into(),
        "drawn, kWh".into(),
        "fed in, kWh".into(),
        format!("balance, {}", known.currency),
    )];
    for (member, Changed { intervals, before, after, nano }) in &changed {
        let drawn = change(several, (before.read, before.import), (after.read, after.import));
        let fed_in = change(several, (before.read, before.export), (after.read, after.export));
        rows.push(row(known.called(member), intervals.to_string(), drawn, fed_in, signed(*nano)));
        let late = |of: &Measured| (of.late_import, of.late_export);
        if late(before) != late(after) {
            let [drawn, fed_in] =
                [(before.late_import, after.late_import), (before.late_export, after.late_export)].map(wh_change);
            rows.push(row("  of it late, from earlier intervals".into(), String::new(), drawn, fed_in, String::new()));
        }
    }
    let members: i128 = changed.values().map(|change| change.nano).sum();
    let gained = |of: fn(&Settlement) -> Amount| -> i128 {
        corrections.iter().map(|it| nano(of(&it.settlement)) - nano(of(&it.reversed))).sum()
    };
    let [supplier, operator] = [gained(|of| of.supplier), gained(|of| of.operator)];
    for (name, nano) in [("all members", members), ("supplier", supplier), ("grid operator", operator)] {
        rows.push(row(name.into(), String::new(), String::new(), String::new(), signed(nano)));
    }
    let mut lines = table::lines(&rows);
    lines.push(match members + supplier + operator {
        0 => "money: what one account gains another loses; together 0".into(),
        off => format!("money DOES NOT BALANCE: together {} {}", signed(off), known.currency),
    });
    let off: Vec<String> =
        corrections.iter().filter(|it| !is_balanced(it)).map(|it| known.interval(it.interval())).collect();
    lines.push(match &off[..] {
        [] => "energy: as much is bought as sold, and each member's meter is settled to the last Wh".into(),
        off => format!("energy DOES NOT BALANCE in {}", off.join(", ")),
    });
    lines
}

/// Who has other values, or another balance, after the corrections.
fn changed(corrections: &[Correction]) -> BTreeMap<MemberId, Changed> {
    let mut all: BTreeMap<MemberId, Changed> = BTreeMap::new();
    for correction in corrections {
        let after = after(correction);
        let [old, new] = [&correction.reversed, &correction.settlement].map(nets);
        for (before, after) in correction.inputs.iter().zip(&after) {
            let member = before.member;
            let net = |of: &BTreeMap<MemberId, i128>| of.get(&member).copied().unwrap_or_default();
            let gained = net(&new) - net(&old);
            if before.values == after.values && gained == 0 {
                continue;
            }
            let changed = all.entry(member).or_default();
            changed.intervals += 1;
            changed.before.add(before.values);
            changed.after.add(after.values);
            changed.nano += gained;
        }
    }
    all
}

fn after(correction: &Correction) -> Vec<MemberInput> {
    // Validators refuse values of strangers.
    corrected(&correction.inputs, &correction.values).unwrap_or_else(|| correction.inputs.clone())
}

/// What each account gains by a settlement, 10⁻⁹ of the currency.
fn nets(settlement: &Settlement) -> BTreeMap<MemberId, i128> {
    let net = |Line { member, paid, earned, supply_cost, supply_revenue, .. }: &Line| {
        let [paid, earned, cost, revenue] = [*paid, *earned, *supply_cost, *supply_revenue].map(nano);
        (*member, earned + revenue - paid - cost)
    };
    settlement.lines.iter().map(net).collect()
}

fn nano(amount: Amount) -> i128 {
    [amount].into_iter().sum()
}

/// Whether as much is bought as sold, and each line is what its member's meter says.
fn is_balanced(correction: &Correction) -> bool {
    let lines = &correction.settlement.lines;
    let wh = |of: fn(&Line) -> u64| lines.iter().map(|line| i128::from(of(line))).sum::<i128>();
    let values: BTreeMap<MemberId, Values> =
        after(correction).into_iter().filter_map(|input| Some((input.member, input.values?))).collect();
    let of_meter = |line: &Line| {
        let Values { import, export, late_import, late_export, .. } = values.get(&line.member)?;
        let net = |drawn: [u64; 2], fed_in: [u64; 2]| {
            drawn.map(i128::from).iter().sum::<i128>() - fed_in.map(i128::from).iter().sum::<i128>()
        };
        let metered = net([import.wh(), late_import.wh()], [export.wh(), late_export.wh()]);
        Some(metered == net([line.bought.wh(), line.imported.wh()], [line.sold.wh(), line.exported.wh()]))
    };
    wh(|line| line.bought.wh()) == wh(|line| line.sold.wh()) && lines.iter().all(|line| of_meter(line) == Some(true))
}

/// What was and what is to be, kWh. `not read` stands for nothing only where it is of one interval.
fn change(several: bool, before: (u64, u128), after: (u64, u128)) -> String {
    let said = |(read, wh)| if read == 0 && !several { "not read".to_owned() } else { kwh(wh) };
    arrow(said(before), said(after))
}

fn wh_change((before, after): (u128, u128)) -> String {
    arrow(kwh(before), kwh(after))
}

fn arrow(before: String, after: String) -> String {
    if before == after { before } else { format!("{before} -> {after}") }
}

/// Wh as kWh, exactly.
fn kwh(wh: u128) -> String {
    format!("{}.{:03}", wh / 1_000, wh % 1_000)
}

fn signed(nano: i128) -> String {
    if nano > 0 { format!("+{}", decimal(nano)) } else { decimal(nano) }
}

#[cfg(test)]
mod tests;
