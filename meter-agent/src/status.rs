//! What an agent says of itself: the JSON of `/status`, and the same for people in a terminal.

use std::{collections::BTreeMap, fmt::Write};

use household::strategy::{FixedLimits, Why};
use protocol::{
    energy::Energy,
    interval::{Interval, utc_text},
    island::PlannedQuota,
    key::DeviceId,
    member::MemberId,
    money::{Amount, Price},
    reading::Registers,
    settlement::Tariffs,
};
use serde::{Deserialize, Serialize};

use crate::{
    alarm::{AlarmKind, Detail},
    choice::Choice,
    island::{IslandStatus, Rationed},
    set_point::SetPoint,
    source::MeterKind,
    totals::Totals,
};

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
    /// Whether anything is measured.
    #[serde(default)]
    pub meter: MeterKind,
    /// Whether the broker can be reached.
    pub connected: bool,
    /// The minute in which something came from the market last, seconds after 1970 by this machine's clock; none since
    /// the agent started. Only what the broker had not kept from before counts: it says nothing of the market now.
    #[serde(default)]
    pub market_heard_s: Option<i64>,
    /// The interval whose readings the market awaits.
    pub open: Option<Interval>,
    /// The interval of the last signed reading.
    pub last_interval: Option<Interval>,
    /// The latest interval with a verified receipt.
    pub settled_until: Option<Interval>,
    /// The supplier's prices that the latest verified receipt was booked under, and checked against.
    #[serde(default)]
    pub tariffs: Option<Tariffs>,
    /// The price among neighbours in the interval of `settled_until`, per kWh; none where nothing was traded at one.
    #[serde(default)]
    pub price: Option<Price>,
    /// The registers of the last signed reading.
    #[serde(default)]
    pub registers: Option<Registers>,
    /// The strategy that the household bids by.
    #[serde(default)]
    pub strategy: String,
    /// The strategy in `agent.toml`.
    #[serde(default)]
    pub configured: String,
    /// What was set on the page and stands in its place; none if `agent.toml` stands.
    #[serde(default)]
    pub chosen: Option<Choice>,
    /// The order that was placed last.
    #[serde(default)]
    pub order: Option<PlacedOrder>,
    /// The power that is proposed for the battery; none without `[battery]`, or while nothing is known of prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_point: Option<SetPoint>,
    /// What the household may draw on an island, and drew; none where it is on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub island: Option<IslandStatus>,
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
    /// The same, for the page; not in the JSON.
    #[serde(skip)]
    pub(crate) raised: Vec<(AlarmKind, Detail)>,
    /// Whether the recording or the market's time is over and everything is settled.
    pub finished: bool,
}

/// What is said where no order was ever placed: that is no fault.
pub(crate) const NO_ORDER: &str = "none: without one, the market's price is taken, whatever it is";

/// An order that was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedOrder {
    /// The first interval that it is for.
    pub valid_from: Interval,
    /// What it limits.
    pub limits: FixedLimits,
    /// Why; none if the strategy that runs now would not place it.
    pub why: Option<Why>,
    /// Whether the market took it in; none if it has not answered yet.
    pub accepted: Option<bool>,
}

impl PlacedOrder {
    /// For people.
    pub(crate) fn in_words(&self, currency: &str) -> String {
        let PlacedOrder { valid_from, limits, why, accepted } = self;
        let FixedLimits { buy, sell, buy_cap_wh, sell_cap_wh } = limits;
        let price = |what: &str, price: &Option<Price>| price.map(|price| format!("{what} {price} {currency} per kWh"));
        let cap = |what: &str, cap: &Option<Energy>| cap.map(|cap| format!("{what} at most {}", kwh(cap.wh())));
        let limits =
            [price("buy up to", buy), price("sell from", sell), cap("buy", buy_cap_wh), cap("sell", sell_cap_wh)];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        let limits = if limits.is_empty() { "at any price".into() } else { limits.join(", ") };
        let why = why.as_ref().map_or_else(|| "by an earlier configuration".to_owned(), Why::to_string);
        let answer = match accepted {
            Some(true) => "taken in by the market",
            Some(false) => "refused by the market",
            None => "not answered yet",
        };
        format!("from {valid_from} on: {limits}; {why}; {answer}")
    }
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
    /// The strategy, and whether the page or `agent.toml` says so.
    fn strategy_in_words(&self) -> String {
        let Status { strategy, configured, .. } = self;
        match self.chosen {
            Some(_) => format!("{strategy}, set on the page in the place of agent.toml ({configured})"),
            None => format!("{strategy}, as in agent.toml"),
        }
    }

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
        if let Some(caveat) = self.meter.caveat() {
            line("meter", caveat.into());
        }
        line("broker", if self.connected { "connected" } else { "not connected" }.into());
        let heard = self.market_heard_s.map(|heard_s| format!("last heard at {}", utc_text(heard_s)));
        line("market", heard.unwrap_or_else(|| "not heard since the agent started".into()));
        line("last reading", self.last_interval.map_or_else(none, |interval| interval.to_string()));
        line("proved settled until", self.settled_until.map_or_else(none, |interval| interval.to_string()));
        line("tariffs proved there", self.tariffs.map_or_else(none, |tariffs| in_words(&tariffs, &self.currency)));
        line("strategy", self.strategy_in_words());
        let order = self.order.as_ref();
        line("order placed last", order.map_or(NO_ORDER.into(), |order| order.in_words(&self.currency)));
        if let Some(SetPoint { power_w, interval }) = self.set_point {
            line("proposed to the battery", format!("{power_w:+} W in {interval}, where + charges"));
        }
        if let Some(IslandStatus { quotas, last }) = &self.island {
            for PlannedQuota { interval, quota } in quotas {
                let claimed = quota.claims.iter().fold(0, |sum: u64, claim| sum.saturating_add(claim.wh()));
                let unserved = claimed.saturating_sub(quota.total().wh());
                let quota = kwh(quota.total().wh());
                line(
                    "may draw on the island",
                    format!("{quota} in {interval}; claimed and not there: {}", kwh(unserved)),
                );
            }
            if let Some(Rationed { interval, quota_wh, drawn_wh, overdrawn_wh, price }) = last {
                let (drawn, quota, beyond) = (kwh(*drawn_wh), kwh(*quota_wh), kwh(*overdrawn_wh));
                let currency = &self.currency;
                let said = format!("{drawn} of {quota} in {interval}, at {price} {currency} per kWh; beyond: {beyond}");
                line("drawn on the island", said);
            }
        }
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
        let saved = self.totals.saved.map_or_else(none, |saved| money(saved, &self.currency));
        line("neighbours were worth", saved);
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

    #[test]
    fn an_order_says_what_it_limits_and_why() {
        let limits = FixedLimits {
            buy: "0.28".parse().ok(),
            sell_cap_wh: Some(Energy::from_wh(1_500)),
            ..FixedLimits::default()
        };
        let valid_from = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let order = PlacedOrder { valid_from, limits, why: Some(Why::OutsideWindows), accepted: Some(true) };
        let expected = "from 2026-06-01T12:00:00Z/PT15M on: buy up to 0.28 EUR per kWh, sell at most 1.500 kWh; \
                        outside of all windows; taken in by the market";
        assert_eq!(order.in_words("EUR"), expected);
        let other = PlacedOrder { limits: FixedLimits::default(), why: None, accepted: None, ..order };
        assert!(other.in_words("EUR").ends_with("at any price; by an earlier configuration; not answered yet"));
    }
}
