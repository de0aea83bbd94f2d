//! A day in figures: what each interval traded and saved, from its settlement. Pure, and exact to the nano-unit.

use std::collections::BTreeMap;

use calendar::Range;
use jiff::civil::Date;
use protocol::{
    api::Settled,
    interval::Interval,
    money::Price,
    settlement::{Line, Tariffs},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::view::{Sums, Total},
    calendar::Calendar,
    table::table,
};

/// How much of a day there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Extent {
    /// It ended before the first interval of the genesis.
    BeforeGenesis,
    /// None of it is settled yet.
    NotYet,
    /// Its later part is not settled yet.
    Running,
    /// All that there will be of it is settled.
    Whole,
}

/// A day of the community, as the ledger has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DayView {
    /// The date on the community's wall.
    #[schema(example = "2026-06-01")]
    pub(crate) date: String,
    /// Whose clock makes the day, by its IANA name.
    #[schema(example = "Europe/Zurich")]
    pub(crate) time_zone: String,
    /// When it begins, UTC.
    #[schema(example = "2026-05-31T22:00:00Z")]
    pub(crate) start: String,
    /// When it ends, UTC.
    #[schema(example = "2026-06-01T22:00:00Z")]
    pub(crate) end: String,
    /// How many intervals it has by the clock.
    pub(crate) expected: u64,
    /// How many of these are before the first interval of the genesis.
    pub(crate) before_genesis: u64,
    /// How much of it there is.
    pub(crate) extent: Extent,
    /// The sums of the intervals below, as they stand.
    pub(crate) sums: Figures,
    /// The same sums, each interval as it was first settled; none where nothing was corrected.
    pub(crate) first_sums: Option<Figures>,
    /// What is settled of it, in order.
    pub(crate) intervals: Vec<IntervalOfDay>,
}

/// A settled interval of a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct IntervalOfDay {
    /// When it begins, UTC.
    pub(crate) start: String,
    /// When it begins on the community's wall, with the offset from UTC.
    #[schema(example = "2026-06-01T14:00:00+02:00")]
    pub(crate) local: String,
    /// How often it was corrected.
    pub(crate) corrections: u32,
    /// As it stands: as it was corrected last.
    #[serde(flatten)]
    pub(crate) stands: Booked,
    /// As it was first settled, where it was corrected since.
    pub(crate) first: Option<Booked>,
}

/// An interval as it was booked once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Booked {
    /// The block that it was booked in.
    pub(crate) height: u64,
    /// Clearing price per kWh, where the mechanism has one and something was traded.
    #[schema(value_type = Option<String>, example = "0.19")]
    pub(crate) price: Option<Price>,
    /// Households that were read.
    pub(crate) members: usize,
    /// Whether it did not close.
    pub(crate) provisional: bool,
    /// Its figures.
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl From<&Settled> for Booked {
    fn from(settled: &Settled) -> Booked {
        Booked {
            height: settled.height,
            price: settled.price,
            members: settled.lines.len(),
            provisional: settled.provisional.is_some(),
            figures: Figures::of(settled),
        }
    }
}

/// Energy and money of one interval, or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Figures {
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
    pub(crate) net: Total,
    /// What the grid operator's account gained: fees and congestion rent.
    #[schema(value_type = String)]
    pub(crate) operator: Total,
    /// What the members saved: what they gained, less what they would have gained had each drawn all it drew from the
    /// supplier, and fed all it fed in to the supplier, at the tariffs of the interval.
    #[schema(value_type = String)]
    pub(crate) saved: Total,
}

impl Figures {
    fn of(settled: &Settled) -> Figures {
        let mut sums = Sums::default();
        let mut alone = 0;
        for line in &settled.lines {
            sums.add(line);
            alone += at_the_supplier(line, &settled.tariffs);
        }
        let net = sums.net();
        Figures {
            traded_wh: sums.bought_wh,
            imported_wh: sums.imported_wh,
            exported_wh: sums.exported_wh,
            net,
            operator: Total(settled.operator.nano().into()),
            saved: Total(net.0 - alone),
        }
    }

    fn add(&mut self, other: &Figures) {
        self.traded_wh += other.traded_wh;
        self.imported_wh += other.imported_wh;
        self.exported_wh += other.exported_wh;
        self.net.0 += other.net.0;
        self.operator.0 += other.operator.0;
        self.saved.0 += other.saved.0;
    }
}

/// What a member would have gained at the supplier's tariffs alone, for the same meter, in nano-units.
pub(super) fn at_the_supplier(line: &Line, tariffs: &Tariffs) -> i128 {
    let (retail, feed_in) = (tariffs.retail_price, tariffs.feed_in_price);
    let drawn = retail.times(line.bought) + retail.times(line.imported);
    feed_in.times(line.sold) + feed_in.times(line.exported) - drawn
}

/// What is settled of an interval: as it was first, and how often it was corrected.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) interval: Interval,
    pub(super) corrections: u32,
    pub(super) first: Booked,
}

impl From<&Settled> for Found {
    fn from(settled: &Settled) -> Found {
        Found { interval: settled.interval, corrections: settled.corrections, first: settled.into() }
    }
}

impl DayView {
    /// The day of a date, of which this is settled, and this in force where it was corrected; `next` is the first
    /// interval that is not settled.
    pub(super) fn new(
        calendar: &Calendar,
        date: Date,
        range: Range,
        next: Interval,
        settled: Vec<Found>,
        mut in_force: BTreeMap<Interval, Booked>,
    ) -> DayView {
        let extent = if range.after <= calendar.first() {
            Extent::BeforeGenesis
        } else if range.after <= next {
            Extent::Whole
        } else if settled.is_empty() {
            Extent::NotYet
        } else {
            Extent::Running
        };
        let (mut sums, mut first_sums) = (Figures::default(), Figures::default());
        let interval = |Found { interval, corrections, first }: Found| {
            first_sums.add(&first.figures);
            let (stands, first) = match in_force.remove(&interval) {
                Some(stands) => (stands, Some(first)),
                None => (first, None),
            };
            sums.add(&stands.figures);
            let (start, local) = (interval.start_text(), calendar.text(interval));
            IntervalOfDay { start, local, corrections, stands, first }
        };
        let intervals: Vec<IntervalOfDay> = settled.into_iter().map(interval).collect();
        let is_corrected = intervals.iter().any(|interval| interval.first.is_some());
        DayView {
            date: date.to_string(),
            time_zone: calendar.zone().to_owned(),
            start: range.first.start_text(),
            end: range.after.start_text(),
            expected: count(range.first, range.after),
            before_genesis: count(range.first, calendar.first().min(range.after)),
            extent,
            sums,
            first_sums: is_corrected.then_some(first_sums),
            intervals,
        }
    }
}

/// How many intervals there are from one to before another.
fn count(from: Interval, to: Interval) -> u64 {
    to.since(from).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

/// A day as CSV, a line an interval: as it stands, and as it was first settled where it was corrected since.
pub(crate) fn csv(day: &DayView) -> Result<Vec<u8>, csv::Error> {
    let columns = [
        "start",
        "local",
        "height",
        "price",
        "traded_wh",
        "imported_wh",
        "exported_wh",
        "members",
        "net",
        "operator",
        "saved",
        "provisional",
        "corrections",
        "first_height",
        "first_price",
        "first_traded_wh",
        "first_imported_wh",
        "first_exported_wh",
        "first_members",
        "first_net",
        "first_operator",
        "first_saved",
        "first_provisional",
    ];
    let row = |of: &IntervalOfDay| {
        let [height, price, traded, imported, exported, members, net, operator, saved, provisional] = cells(&of.stands);
        let (start, local, corrections) = (of.start.clone(), of.local.clone(), of.corrections.to_string());
        let row = vec![
            start,
            local,
            height,
            price,
            traded,
            imported,
            exported,
            members,
            net,
            operator,
            saved,
            provisional,
            corrections,
        ];
        let first = of.first.as_ref().map(cells).unwrap_or_default();
        row.into_iter().chain(first).collect::<Vec<_>>()
    };
    table(&columns, day.intervals.iter().map(row))
}

fn cells(of: &Booked) -> [String; 10] {
    let Figures { traded_wh, imported_wh, exported_wh, net, operator, saved } = of.figures;
    [
        of.height.to_string(),
        of.price.map(|price| price.to_string()).unwrap_or_default(),
        traded_wh.to_string(),
        imported_wh.to_string(),
        exported_wh.to_string(),
        of.members.to_string(),
        net.to_string(),
        operator.to_string(),
        saved.to_string(),
        of.provisional.to_string(),
    ]
}
