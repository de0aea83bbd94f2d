//! The household's own statement: one line per interval, from receipts that it verified itself.

use std::fmt::Write;

use protocol::{
    interval::Interval,
    money::{Amount, Price},
    pack::NetworkDiscount,
    receipt::Receipt,
};
use serde::{Deserialize, Serialize};

use crate::{
    neighbours::{self, NeighbourLine},
    period::Period,
    status::{kwh, money},
    store::{Store, StoreError},
    totals::{Totals, saved},
};

/// One settled interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLine {
    /// The interval.
    pub interval: Interval,
    /// The clearing price per kWh, where there is one for all.
    pub price: Option<Price>,
    /// Bought from neighbours, Wh.
    pub bought_wh: u64,
    /// Sold to neighbours, Wh.
    pub sold_wh: u64,
    /// From the supplier, Wh.
    pub imported_wh: u64,
    /// To the supplier, Wh.
    pub exported_wh: u64,
    /// Paid to neighbours.
    pub paid: Amount,
    /// Earned from neighbours.
    pub earned: Amount,
    /// Paid to the supplier.
    pub supply_cost: Amount,
    /// Earned from the supplier.
    pub supply_revenue: Amount,
    /// The block that it is in.
    pub height: u64,
    /// 0 as first settled, then the number of the correction that is in force.
    pub correction: u32,
    /// What having neighbours was worth, against the supplier alone; none past the range of an amount.
    #[serde(default)]
    pub saved: Option<Amount>,
}

impl StatementLine {
    /// What the account gained, in billionths of the currency.
    pub(crate) fn net_nano(&self) -> i128 {
        let nano = |amount: Amount| i128::from(amount.nano());
        nano(self.earned) + nano(self.supply_revenue) - nano(self.paid) - nano(self.supply_cost)
    }
}

/// The lines of the stored receipts, in order of time.
pub(crate) fn lines(store: &Store, period: Period) -> Result<Vec<StatementLine>, StoreError> {
    receipts(store, period).map(|receipt| receipt.map(|receipt| line(&receipt))).collect()
}

/// With whom the household traded, by the stored receipts, in order of time.
pub(crate) fn neighbour_lines(store: &Store, period: Period) -> Result<Vec<NeighbourLine>, StoreError> {
    let mut lines = Vec::new();
    for receipt in receipts(store, period) {
        lines.extend(neighbours::of_receipt(&receipt?));
    }
    Ok(lines)
}

/// The stored receipts, in order of time. They were verified; what cannot be read any more is damage, and is left out.
pub(crate) fn receipts(store: &Store, period: Period) -> impl Iterator<Item = Result<Receipt, StoreError>> + '_ {
    store.receipts_of(period).filter_map(|json| json.map(|json| Receipt::from_json(&json).ok()).transpose())
}

/// The line of a receipt.
pub(crate) fn line(receipt: &Receipt) -> StatementLine {
    let entry = &receipt.entry;
    StatementLine {
        interval: entry.interval,
        price: entry.price,
        bought_wh: entry.line.bought.wh(),
        sold_wh: entry.line.sold.wh(),
        imported_wh: entry.line.imported.wh(),
        exported_wh: entry.line.exported.wh(),
        paid: entry.line.paid,
        earned: entry.line.earned,
        supply_cost: entry.line.supply_cost,
        supply_revenue: entry.line.supply_revenue,
        height: receipt.header.height,
        correction: entry.correction,
        saved: saved(entry),
    }
}

/// The statement as CSV, totals not included.
pub(crate) fn to_csv(lines: &[StatementLine]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.serialize(line)?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The statement as a table with its totals; with a line of what the network costs less for energy from neighbours,
/// where the community's rule pack has it cost less.
pub(crate) fn to_text(lines: &[StatementLine], currency: &str, network: Option<NetworkDiscount>) -> String {
    let mut text = format!(
        "{:<28}{:>12}{:>12}{:>12}{:>12}{:>18}\n",
        "interval", "bought Wh", "sold Wh", "import Wh", "export Wh", currency
    );
    let mut totals = Totals::default();
    let mut sum: i128 = 0;
    for line in lines {
        let net = line.net_nano();
        sum += net;
        totals.bought_wh += line.bought_wh;
        totals.sold_wh += line.sold_wh;
        totals.imported_wh += line.imported_wh;
        totals.exported_wh += line.exported_wh;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<28}{:>12}{:>12}{:>12}{:>12}{:>18}{}",
            line.interval.to_string(),
            line.bought_wh,
            line.sold_wh,
            line.imported_wh,
            line.exported_wh,
            nano_text(net),
            mark(line.correction)
        );
    }
    let Totals { bought_wh, sold_wh, imported_wh, exported_wh, .. } = totals;
    let _ = writeln!(
        text,
        "{:<28}{bought_wh:>12}{sold_wh:>12}{imported_wh:>12}{exported_wh:>12}{:>18}",
        format!("{} intervals", lines.len()),
        nano_text(sum)
    );
    let balance = i64::try_from(sum).map(|nano| money(Amount::from_nano(nano), currency)).unwrap_or_default();
    let _ = writeln!(
        text,
        "bought {}, sold {}, from the supplier {}, to the supplier {}; balance {balance}",
        kwh(bought_wh),
        kwh(sold_wh),
        kwh(imported_wh),
        kwh(exported_wh)
    );
    if let Some(less) = network.and_then(|network| NetworkDiscount::rounded(network.on(bought_wh.into()))) {
        let _ = writeln!(
            text,
            "the network costs {} less for {} from neighbours: the grid operator's bill, no part of the balance",
            money(less, currency),
            kwh(bought_wh)
        );
    }
    text
}

/// What stands behind an interval that was corrected.
fn mark(correction: u32) -> String {
    if correction > 0 { format!("  corrected (no. {correction})") } else { String::new() }
}

fn nano_text(nano: i128) -> String {
    i64::try_from(nano).map_or_else(|_| "out of range".into(), |nano| Amount::from_nano(nano).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start: &str, bought_wh: u64) -> StatementLine {
        StatementLine {
            interval: format!("{start}/PT15M").parse().unwrap(),
            price: Some("0.19".parse().unwrap()),
            bought_wh,
            sold_wh: 0,
            imported_wh: 10,
            exported_wh: 0,
            paid: Amount::from_nano(190_000 * bought_wh as i64),
            earned: Amount::ZERO,
            supply_cost: Amount::from_nano(3_000_000),
            supply_revenue: Amount::ZERO,
            height: 7,
            correction: 0,
            saved: Some(Amount::from_nano(110_000 * bought_wh as i64)),
        }
    }

    #[test]
    fn a_statement_adds_up() {
        let lines = [line("2026-06-01T12:00:00Z", 100), line("2026-06-01T12:15:00Z", 50)];
        let text = to_text(&lines, "EUR", None);
        assert!(text.contains("2 intervals"), "{text}");
        assert!(text.contains("balance -0.0345 EUR"), "{text}");
        assert!(!text.contains("the network"), "{text}");
        let network = NetworkDiscount { price: "0.07".parse().unwrap(), ppm: 570_000 };
        let with = to_text(&lines, "EUR", Some(network));
        let more = with.strip_prefix(&text).unwrap();
        assert!(more.starts_with("the network costs 0.005985 EUR less for 0.150 kWh from neighbours"), "{more}");
        let corrected = [lines[0].clone(), StatementLine { correction: 2, ..lines[1].clone() }];
        let marked = to_text(&corrected, "EUR", None);
        let marked: Vec<&str> = marked.lines().filter(|line| line.contains("corrected")).collect();
        assert_eq!(marked.len(), 1, "{marked:?}");
        assert!(marked[0].starts_with("2026-06-01T12:15:00Z/PT15M") && marked[0].ends_with("  corrected (no. 2)"));
        assert!(!text.contains("corrected"), "{text}");
        let csv = to_csv(&lines).unwrap();
        let expected = "interval,price,bought_wh,sold_wh,imported_wh,exported_wh,paid,earned,supply_cost,supply_revenue,height,correction,saved\n\
            2026-06-01T12:00:00Z/PT15M,0.19,100,0,10,0,0.019,0,0.003,0,7,0,0.011\n\
            2026-06-01T12:15:00Z/PT15M,0.19,50,0,10,0,0.0095,0,0.003,0,7,0,0.0055\n";
        assert_eq!(csv, expected);
        let period = Period { from_s: Some(lines[1].interval.start_s()), to_s: Some(lines[1].interval.end_s()) };
        assert_eq!(lines.map(|line| period.holds(line.interval)), [false, true]);
    }
}
