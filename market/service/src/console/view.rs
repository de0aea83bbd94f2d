//! What the console shows, as JSON. Amounts and prices are decimal text, energies whole Wh, times ISO 8601 in UTC.

use std::fmt;

use market::{
    clearing::{PictureKind, mechanism},
    settlement::{BusUse, Curves, LineUse, PriceStep},
};
use protocol::{
    energy::Energy,
    envelope::ChainId,
    interval::{Interval, utc_text},
    member::MemberId,
    money::{Amount, Price},
};
use serde::{Serialize, Serializer};
use settings::disk::Room;
use utoipa::ToSchema;

use crate::alarms::notices::{Channel, outbox::ChannelState};

use super::{Noted, health::Health, provisional::ProvisionalView};

/// A sum of amounts in nano-units: wide enough that nothing that is added up here can overflow it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total(pub(crate) i128);

impl Total {
    /// Adds an amount.
    pub(crate) fn add(&mut self, amount: Amount) {
        self.0 += i128::from(amount.nano());
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANO: u128 = 1_000_000_000;
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", magnitude / NANO)?;
        match magnitude % NANO {
            0 => Ok(()),
            nano => write!(f, ".{}", format!("{nano:09}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The community and its rules.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Community {
    /// Name.
    pub(crate) community: String,
    /// Currency of all prices and amounts.
    pub(crate) currency: String,
    /// The chain: hash of the genesis, 64 hex digits.
    #[schema(value_type = String)]
    pub(crate) chain: ChainId,
    /// Clearing mechanism of the next interval.
    pub(crate) mechanism: String,
    /// The interval since which these rules are in force.
    #[schema(value_type = String, example = "2026-06-01T00:00:00Z/PT15M")]
    pub(crate) rules_from: Interval,
    /// What the supplier takes for a kWh.
    #[schema(value_type = String, example = "0.3")]
    pub(crate) retail_price: Price,
    /// What the supplier gives for a kWh.
    #[schema(value_type = String, example = "0.08")]
    pub(crate) feed_in_price: Price,
    /// The first interval that is settled.
    #[schema(value_type = String, example = "2026-06-01T00:00:00Z/PT15M")]
    pub(crate) first_interval: Interval,
    /// Length of an interval, minutes.
    pub(crate) interval_minutes: u32,
    /// Households.
    pub(crate) members: usize,
    /// Whether the console asks who looks at it.
    pub(crate) sign_in: bool,
}

/// Where the market is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// No interval has been opened yet.
    Starting,
    /// The interval `open` runs: its readings are due when it is over.
    Running,
    /// Readings of the interval `open` are awaited.
    Open,
    /// The market has reached the end of its time.
    Finished,
}

/// The market now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Status {
    /// The moment that this is of.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) at: String,
    /// How the market is.
    pub(crate) health: Health,
    /// Where the market is.
    pub(crate) phase: Phase,
    /// Start of the interval that runs or is open.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) open: Option<String>,
    /// Devices read for the open interval.
    pub(crate) readings_received: usize,
    /// Devices to read.
    pub(crate) readings_expected: usize,
    /// The last settled interval.
    pub(crate) last: Option<IntervalSummary>,
    /// The last interval with a price, and the price.
    pub(crate) last_price: Option<PricePoint>,
    /// Sums over all settled intervals; none until the ledger has said what was settled.
    pub(crate) totals: Option<Totals>,
    /// Validators of the ledger.
    pub(crate) validators: Vec<Validator>,
    /// Refused messages, every name.
    pub(crate) refusals: Vec<RefusalCount>,
    /// Intervals that did not close.
    pub(crate) provisional: ProvisionalView,
    /// Readings that were late or settled provisionally, by reason.
    pub(crate) noted: Vec<NotedCount>,
    /// The disk with the market's state, where the system says how full it is.
    pub(crate) disk: Option<Disk>,
    /// How it goes with telling people of alarms; empty where nobody is told.
    pub(crate) notices: Vec<NoticesView>,
}

/// How it goes with a channel by which people are told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct NoticesView {
    /// Which one.
    pub(crate) channel: Channel,
    /// Alarms raised or over that are not told yet.
    pub(crate) waiting: u64,
    /// Messages delivered since the market started.
    pub(crate) delivered: u64,
    /// Attempts that failed since then.
    pub(crate) failed: u64,
    /// What does not arrive, and why.
    pub(crate) undelivered: Option<UndeliveredView>,
}

/// Notices that do not arrive.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UndeliveredView {
    /// Since when, UTC.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) since: String,
    /// Why, as it was found the last time.
    pub(crate) reason: String,
    /// The first that waits.
    pub(crate) first: String,
}

impl From<&ChannelState> for NoticesView {
    fn from(state: &ChannelState) -> NoticesView {
        let undelivered = state.undelivered.as_ref().map(|undelivered| UndeliveredView {
            since: utc_text(undelivered.since),
            reason: undelivered.reason.clone(),
            first: undelivered.first.clone(),
        });
        let (delivered, failed) = (state.counts.delivered, state.counts.failed);
        NoticesView { channel: state.channel, waiting: state.waiting, delivered, failed, undelivered }
    }
}

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Disk {
    /// What the market may still write, bytes.
    pub(crate) free_bytes: u64,
    /// All of it, bytes.
    pub(crate) total_bytes: u64,
}

impl From<Room> for Disk {
    fn from(Room { free_bytes, total_bytes }: Room) -> Disk {
        Disk { free_bytes, total_bytes }
    }
}

/// How many readings were late, or settled provisionally, for one reason.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct NotedCount {
    /// Late or provisional.
    pub(crate) what: Noted,
    /// Why.
    pub(crate) reason: &'static str,
    /// How many since the market started.
    pub(crate) count: u64,
}

/// A price and the interval it was made in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PricePoint {
    /// Start of the interval.
    pub(crate) start: String,
    /// Price per kWh.
    #[schema(value_type = String)]
    pub(crate) price: Price,
}

/// Sums over all settled intervals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// Settled intervals.
    pub(crate) intervals: u64,
    /// Traded between neighbours, Wh.
    #[schema(value_type = u64)]
    pub(crate) traded_wh: u128,
    /// Drawn from the supplier, Wh.
    #[schema(value_type = u64)]
    pub(crate) imported_wh: u128,
    /// Fed in to the supplier, Wh.
    #[schema(value_type = u64)]
    pub(crate) exported_wh: u128,
    /// What the members' accounts gained, together.
    #[schema(value_type = String)]
    pub(crate) members: Total,
    /// What the supplier's account gained.
    #[schema(value_type = String)]
    pub(crate) supplier: Total,
    /// What the grid operator's account gained: fees and congestion rent.
    #[schema(value_type = String)]
    pub(crate) operator: Total,
    /// Sum over all accounts: zero, or it is a bug.
    #[schema(value_type = String, example = "0")]
    pub(crate) accounts_sum: Total,
    /// Receipts forwarded to devices since the market started.
    pub(crate) receipts_forwarded: u64,
}

/// A settled interval in one line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct IntervalSummary {
    /// Start.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub(crate) start: String,
    /// End.
    pub(crate) end: String,
    /// The block that it is settled in.
    pub(crate) height: u64,
    /// Clearing price per kWh, where the mechanism has one and something was traded.
    #[schema(value_type = Option<String>, example = "0.19")]
    pub(crate) price: Option<Price>,
    /// What buyers paid per kWh on average, to the nearest micro-unit, where something was traded.
    #[schema(value_type = Option<String>)]
    pub(crate) average_price: Option<Price>,
    /// Traded between neighbours, Wh.
    pub(crate) traded_wh: u64,
    /// Drawn from the supplier, Wh.
    pub(crate) imported_wh: u64,
    /// Fed in to the supplier, Wh.
    pub(crate) exported_wh: u64,
    /// Households that were read.
    pub(crate) members: u32,
    /// Trades between two households.
    pub(crate) trades: u32,
    /// What the supplier's account gained.
    #[schema(value_type = String)]
    pub(crate) supplier: Amount,
    /// What the grid operator's account gained.
    #[schema(value_type = String)]
    pub(crate) operator: Amount,
    /// What the supplier took for a kWh.
    #[schema(value_type = String)]
    pub(crate) retail_price: Price,
    /// What the supplier gave for a kWh.
    #[schema(value_type = String)]
    pub(crate) feed_in_price: Price,
}

/// Settled intervals, ascending.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct IntervalPage {
    /// The intervals.
    pub(crate) intervals: Vec<IntervalSummary>,
    /// Where the next page starts (`from`); none on the last page.
    pub(crate) next: Option<String>,
}

/// The mechanism at work in a settled interval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CurvesView {
    /// The interval.
    pub(crate) interval: IntervalSummary,
    /// Where the picture comes from, or why there is none.
    pub(crate) origin: Origin,
    /// The mechanism; none without a picture.
    pub(crate) mechanism: Option<String>,
    /// How it is drawn; none without a picture.
    pub(crate) picture: Option<PictureView>,
    /// The curves; none without a picture.
    pub(crate) curves: Option<CurveSteps>,
    /// What buyers paid, from the highest price down: trade by trade.
    pub(crate) paid: Vec<CurveStep>,
    /// What sellers received, from the lowest price up: each on average, to the nearest micro-unit.
    pub(crate) received: Vec<CurveStep>,
    /// The grid, from the top down; empty where none is known.
    pub(crate) grid: Vec<Bus>,
}

/// Where the picture of an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// This market settled the interval, and keeps its picture.
    Kept,
    /// From what the ledger has of it, cleared again: it came to the same settlement.
    Recomputed,
    /// There is none: the nodes that answer have pruned the interval's readings.
    Pruned,
    /// There is none: cleared again, it does not come to what was settled, or cannot be cleared by this program.
    Different,
    /// There is none: the interval was settled before this market started, and no ledger answers.
    Unknown,
}

/// What there is to draw of an interval, whatever the name of its mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PictureView {
    /// The highest bids and the lowest offers traded: the gain from trade lies between the curves.
    MeritOrder,
    /// The price was set for the community: a key said who was served, and the households' lines say how much.
    CommunityPrice,
    /// The grid decided with the limits: each bus has a price of its own.
    NodalPrices,
}

impl PictureView {
    /// What the mechanism of this name says of itself.
    pub(crate) fn of(name: &str) -> Option<PictureView> {
        Some(match mechanism(name).ok()?.picture() {
            PictureKind::MeritOrder => PictureView::MeritOrder,
            PictureKind::CommunityPrice => PictureView::CommunityPrice,
            PictureKind::NodalPrices => PictureView::NodalPrices,
        })
    }
}

/// A bus of the grid, and the line or transformer that leads to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Bus {
    /// Its name.
    pub(crate) bus: String,
    /// What a kWh costs here, where the mechanism has nodal prices.
    #[schema(value_type = Option<String>)]
    pub(crate) price: Option<Price>,
    /// What leads to it; none at the top.
    pub(crate) line: Option<Line>,
}

/// A line, or the transformer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) line: String,
    /// The bus above, by its place in the list.
    pub(crate) above: usize,
    /// All that was metered below it, Wh: positive away from the transformer.
    #[schema(value_type = i64)]
    pub(crate) flow_wh: i128,
    /// What trades sent over it, where the mechanism knows, Wh: positive away from the transformer.
    #[schema(value_type = Option<i64>)]
    pub(crate) traded_wh: Option<i128>,
    /// Most that it may carry in the interval, Wh.
    pub(crate) capacity_wh: u64,
}

impl From<&BusUse> for Bus {
    fn from(bus: &BusUse) -> Bus {
        let line = |line: &LineUse| Line {
            line: line.line.clone(),
            above: line.above,
            flow_wh: line.flow_wh,
            traded_wh: line.traded_wh,
            capacity_wh: line.capacity_wh,
        };
        Bus { bus: bus.bus.clone(), price: bus.price, line: bus.line.as_ref().map(line) }
    }
}

/// Orders added up by price.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct CurveSteps {
    /// What would be bought at each limit price.
    pub(crate) demand: Vec<CurveStep>,
    /// What would be sold at each limit price.
    pub(crate) supply: Vec<CurveStep>,
}

/// All orders at one limit price.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct CurveStep {
    /// Limit price per kWh.
    #[schema(value_type = String)]
    pub(crate) price: Price,
    /// Energy, Wh.
    #[schema(value_type = u64)]
    pub(crate) energy_wh: Energy,
}

impl From<&PriceStep> for CurveStep {
    fn from(step: &PriceStep) -> CurveStep {
        CurveStep { price: step.price, energy_wh: step.energy }
    }
}

impl From<&Curves> for CurveSteps {
    fn from(curves: &Curves) -> CurveSteps {
        CurveSteps {
            demand: curves.demand.iter().map(CurveStep::from).collect(),
            supply: curves.supply.iter().map(CurveStep::from).collect(),
        }
    }
}

/// A household, over all settled intervals or over one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Household {
    /// Pseudonym on the ledger.
    #[schema(value_type = String)]
    pub(crate) member: MemberId,
    /// Name.
    pub(crate) name: String,
    /// Bus of the grid.
    pub(crate) bus: Option<String>,
    /// Whether a device measures for it; not after it was revoked.
    pub(crate) metered: bool,
    /// The sums.
    #[serde(flatten)]
    pub(crate) sums: Sums,
    /// What the household's account gained.
    #[schema(value_type = String)]
    pub(crate) net: Total,
}

/// What a household traded.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(crate) struct Sums {
    /// Bought from neighbours, Wh.
    #[schema(value_type = u64)]
    pub(crate) bought_wh: u128,
    /// Sold to neighbours, Wh.
    #[schema(value_type = u64)]
    pub(crate) sold_wh: u128,
    /// Drawn from the supplier, Wh.
    #[schema(value_type = u64)]
    pub(crate) imported_wh: u128,
    /// Fed in to the supplier, Wh.
    #[schema(value_type = u64)]
    pub(crate) exported_wh: u128,
    /// Paid to neighbours.
    #[schema(value_type = String)]
    pub(crate) paid: Total,
    /// Earned from neighbours.
    #[schema(value_type = String)]
    pub(crate) earned: Total,
    /// Paid to the supplier.
    #[schema(value_type = String)]
    pub(crate) supply_cost: Total,
    /// Earned from the supplier.
    #[schema(value_type = String)]
    pub(crate) supply_revenue: Total,
}

impl Sums {
    /// Adds a line of a settlement.
    pub(crate) fn add(&mut self, line: &protocol::settlement::Line) {
        self.bought_wh += u128::from(line.bought.wh());
        self.sold_wh += u128::from(line.sold.wh());
        self.imported_wh += u128::from(line.imported.wh());
        self.exported_wh += u128::from(line.exported.wh());
        self.paid.add(line.paid);
        self.earned.add(line.earned);
        self.supply_cost.add(line.supply_cost);
        self.supply_revenue.add(line.supply_revenue);
    }

    /// Takes a line out again that was added.
    pub(crate) fn take_out(&mut self, line: &protocol::settlement::Line) {
        self.bought_wh -= u128::from(line.bought.wh());
        self.sold_wh -= u128::from(line.sold.wh());
        self.imported_wh -= u128::from(line.imported.wh());
        self.exported_wh -= u128::from(line.exported.wh());
        self.paid.0 -= i128::from(line.paid.nano());
        self.earned.0 -= i128::from(line.earned.nano());
        self.supply_cost.0 -= i128::from(line.supply_cost.nano());
        self.supply_revenue.0 -= i128::from(line.supply_revenue.nano());
    }

    /// What the account gained.
    pub(crate) fn net(&self) -> Total {
        Total(self.earned.0 + self.supply_revenue.0 - self.paid.0 - self.supply_cost.0)
    }
}

/// Households, in the order of the community's list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HouseholdPage {
    /// Start of the interval that the sums are of; none: of all intervals.
    pub(crate) interval: Option<String>,
    /// The households.
    pub(crate) households: Vec<Household>,
    /// Where the next page starts (`offset`); none on the last page.
    pub(crate) next: Option<usize>,
}

/// What the market last heard of a validator.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Validator {
    /// Number in the market's configuration, from 0.
    pub(crate) validator: usize,
    /// Where its HTTP API is.
    pub(crate) url: String,
    /// Its `did:key`.
    pub(crate) key: Option<String>,
    /// Height of its last block.
    pub(crate) height: Option<u64>,
    /// Blocks behind the highest validator.
    pub(crate) lag: Option<u64>,
    /// Milliseconds since that block.
    pub(crate) height_age_ms: Option<u64>,
    /// Hash of that block.
    pub(crate) block: Option<String>,
    /// Whether it answered the last time.
    pub(crate) reachable: bool,
    /// Why it did not.
    pub(crate) silence: Option<String>,
    /// Whether it did not so often that it is taken to be away.
    pub(crate) away: bool,
}

/// How often messages were refused for one reason.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct RefusalCount {
    /// The refusal's name.
    pub(crate) refusal: &'static str,
    /// How often since the market started.
    pub(crate) count: u64,
}

/// All that the page needs at load.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct State {
    /// The community.
    pub(crate) community: Community,
    /// The market now.
    pub(crate) status: Status,
    /// The latest settled intervals, ascending.
    pub(crate) intervals: Vec<IntervalSummary>,
    /// How many of them, from the latest back, can be asked for curves and lines.
    pub(crate) details: usize,
    /// The first households, over all intervals.
    pub(crate) households: HouseholdPage,
}

/// What was wrong with a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What was expected and what was found.
    pub(crate) error: String,
    /// Which of the refusals it is, for programs and for pages in other languages: one word, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_exact_decimal_text() {
        let cases = [
            (0, "0"),
            (1, "0.000000001"),
            (-1, "-0.000000001"),
            (1_500_000_000, "1.5"),
            (-12_000_000_000, "-12"),
            (123_456_789_012_345_678_901_234_567_890, "123456789012345678901.23456789"),
        ];
        for (nano, text) in cases {
            assert_eq!(Total(nano).to_string(), text);
        }
    }
}
