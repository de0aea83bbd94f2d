//! A day in figures: what each interval traded and saved, from its settlement. Pure, and exact to the nano-unit.

use calendar::Range;
use jiff::civil::Date;
use protocol::{api::Settled, interval::Interval, money::Price};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::view::{Sums, Total},
    calendar::Calendar,
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
    /// How much of it there is.
    pub(crate) extent: Extent,
    /// The sums of the intervals below.
    pub(crate) sums: Figures,
    /// What is settled of it, in order; each as it was first settled.
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
    /// The block that it is settled in.
    pub(crate) height: u64,
    /// Clearing price per kWh, where the mechanism has one and something was traded.
    #[schema(value_type = Option<String>, example = "0.19")]
    pub(crate) price: Option<Price>,
    /// Households that were read.
    pub(crate) members: usize,
    /// Whether it did not close.
    pub(crate) provisional: bool,
    /// How often it was corrected since.
    pub(crate) corrections: u32,
    /// Its figures.
    #[serde(flatten)]
    pub(crate) figures: Figures,
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
        let (retail, feed_in) = (settled.tariffs.retail_price, settled.tariffs.feed_in_price);
        let mut sums = Sums::default();
        let mut alone = 0;
        for line in &settled.lines {
            sums.add(line);
            let drawn = retail.times(line.bought) + retail.times(line.imported);
            alone += feed_in.times(line.sold) + feed_in.times(line.exported) - drawn;
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

impl DayView {
    /// The day of a date, of which this is settled; `next` is the first interval that is not.
    pub(super) fn new(calendar: &Calendar, date: Date, range: Range, next: Interval, settled: &[Settled]) -> DayView {
        let extent = if range.after <= calendar.first() {
            Extent::BeforeGenesis
        } else if range.after <= next {
            Extent::Whole
        } else if settled.is_empty() {
            Extent::NotYet
        } else {
            Extent::Running
        };
        let intervals: Vec<IntervalOfDay> = settled.iter().map(|settled| interval(calendar, settled)).collect();
        let mut sums = Figures::default();
        intervals.iter().for_each(|interval| sums.add(&interval.figures));
        DayView {
            date: date.to_string(),
            time_zone: calendar.zone().to_owned(),
            start: range.first.start_text(),
            end: range.after.start_text(),
            expected: range.after.since(range.first).and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
            extent,
            sums,
            intervals,
        }
    }
}

fn interval(calendar: &Calendar, settled: &Settled) -> IntervalOfDay {
    IntervalOfDay {
        start: settled.interval.start_text(),
        local: calendar.text(settled.interval),
        height: settled.height,
        price: settled.price,
        members: settled.lines.len(),
        provisional: settled.provisional.is_some(),
        corrections: settled.corrections,
        figures: Figures::of(settled),
    }
}

const COLUMNS: &str = "start,local,height,price,traded_wh,imported_wh,exported_wh,members,net,operator,saved,\
                       provisional,corrections\n";

/// A day as CSV (RFC 4180), a line an interval. No field holds text from outside.
pub(crate) fn csv(day: &DayView) -> String {
    let line = |of: &IntervalOfDay| {
        let Figures { traded_wh, imported_wh, exported_wh, net, operator, saved } = of.figures;
        let price = of.price.map(|price| price.to_string()).unwrap_or_default();
        format!(
            "{},{},{},{price},{traded_wh},{imported_wh},{exported_wh},{},{net},{operator},{saved},{},{}\n",
            of.start, of.local, of.height, of.members, of.provisional, of.corrections,
        )
    };
    std::iter::once(COLUMNS.to_owned()).chain(day.intervals.iter().map(line)).collect()
}
