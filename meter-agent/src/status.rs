//! What an agent says of itself: the JSON of `/status`, and the same for people in a terminal.

use std::{collections::BTreeMap, fmt::Write};

use protocol::{interval::Interval, key::DeviceId, member::MemberId, money::Amount, settlement::Tariffs};
use serde::{Deserialize, Serialize};

use crate::totals::Totals;

/// What an agent says of itself. Sums are over the intervals that verified receipts cover, since the agent's first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What the household calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the community.
    pub community: String,
    /// Currency of all amounts.
    pub currency: String,
    /// The member, as the ledger knows it.
    pub member: MemberId,
    /// The device that signs.
    pub device: DeviceId,
    /// Whether the broker can be reached.
    pub connected: bool,
    /// The interval whose readings the market awaits.
    pub open: Option<Interval>,
    /// The interval of the last signed reading.
    pub last_interval: Option<Interval>,
    /// The latest interval with a verified receipt.
    pub settled_until: Option<Interval>,
    /// The supplier's prices that the latest verified receipt was booked under, and checked against.
    #[serde(default)]
    pub tariffs: Option<Tariffs>,
    /// Readings that no verified receipt covers yet.
    pub outbox: u64,
    /// Receipts that were refused, and kept as evidence, since the agent's first.
    pub receipts_refused: u64,
    /// The sums.
    #[serde(flatten)]
    pub totals: Totals,
    /// What the account gained (lost, if negative).
    pub balance: Amount,
    /// The sums of the day of `settled_until`, UTC.
    pub today: Totals,
    /// Messages that the market refused since the agent started, by the refusal's name.
    pub refused: BTreeMap<String, u64>,
    /// Receipts that were refused since the agent started, by the name of what is wrong with them; also those that are
    /// somebody else's.
    #[serde(default)]
    pub receipts_refused_as: BTreeMap<String, u64>,
    /// What needs somebody's attention, the gravest first.
    pub alarms: Vec<String>,
    /// Whether the recording or the market's time is over and everything is settled.
    pub finished: bool,
}

/// Watt-hours as kWh, exactly.
pub(crate) fn kwh(wh: u64) -> String {
    format!("{}.{:03} kWh", wh / 1_000, wh % 1_000)
}

/// An amount with its currency, with the cents that people expect and all digits there are.
pub(crate) fn money(amount: Amount, currency: &str) -> String {
    let text = amount.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let padding = match decimals {
        0 => ".00",
        1 => "0",
        _ => "",
    };
    format!("{text}{padding} {currency}")
}

/// The supplier's prices, for people.
pub(crate) fn in_words(tariffs: &Tariffs, currency: &str) -> String {
    let Tariffs { retail_price, feed_in_price } = tariffs;
    format!("{retail_price} {currency} to draw, {feed_in_price} {currency} to feed in, per kWh")
}

impl Status {
    /// A screen of text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let none = || "none yet".to_string();
        let sums = |t: &Totals| {
            [
                ("bought from neighbours", format!("{} for {}", kwh(t.bought_wh), money(t.paid, &self.currency))),
                ("sold to neighbours", format!("{} for {}", kwh(t.sold_wh), money(t.earned, &self.currency))),
                ("from the supplier", format!("{} for {}", kwh(t.imported_wh), money(t.supply_cost, &self.currency))),
                ("to the supplier", format!("{} for {}", kwh(t.exported_wh), money(t.supply_revenue, &self.currency))),
            ]
        };
        let mut line = |label: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<24}{value}");
        };
        line("community", self.community.clone());
        line("member", format!("{}{}", self.member, self.name.as_ref().map_or(String::new(), |n| format!(" ({n})"))));
        line("device", self.device.to_string());
        line("broker", if self.connected { "connected" } else { "not connected" }.into());
        line("last reading", self.last_interval.map_or_else(none, |interval| interval.to_string()));
        line("proved settled until", self.settled_until.map_or_else(none, |interval| interval.to_string()));
        line("tariffs proved there", self.tariffs.map_or_else(none, |tariffs| in_words(&tariffs, &self.currency)));
        line("without a receipt yet", format!("{} readings", self.outbox));
        line("receipts verified", self.totals.receipts_verified.to_string());
        line("receipts refused", self.receipts_refused.to_string());
        line("consumed", kwh(self.totals.consumption_wh));
        line("produced", kwh(self.totals.production_wh));
        line("of it used at home", kwh(self.totals.self_consumed_wh));
        for (label, value) in sums(&self.totals) {
            line(label, value);
        }
        line("balance", money(self.balance, &self.currency));
        for (name, count) in &self.refused {
            line("refused by the market", format!("{name}: {count}"));
        }
        for (name, count) in &self.receipts_refused_as {
            line("receipt refused", format!("{name}: {count}"));
        }
        if self.finished {
            line("finished", "the replay is over, and everything is settled".into());
        }
        match self.alarms.as_slice() {
            [] => line("alarms", "none".into()),
            alarms => alarms.iter().for_each(|alarm| line("ALARM", alarm.clone())),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_exact_and_readable() {
        for (wh, expected) in [(0, "0.000 kWh"), (7, "0.007 kWh"), (12_345, "12.345 kWh")] {
            assert_eq!(kwh(wh), expected);
        }
        for (nano, expected) in
            [(0, "0.00 EUR"), (500_000_000, "0.50 EUR"), (-1_230_000_000, "-1.23 EUR"), (1, "0.000000001 EUR")]
        {
            assert_eq!(money(Amount::from_nano(nano), "EUR"), expected);
        }
    }
}
