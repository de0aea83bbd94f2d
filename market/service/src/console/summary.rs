//! A settled interval in one line, and what is drawn of it.

use std::collections::BTreeMap;

use market::settlement::Picture;
use protocol::{
    api::Settled,
    energy::Energy,
    interval::Interval,
    money::{Amount, Price},
    settlement::{Line, Tariffs, Trade},
};

use super::view::{Bus, CurveStep, CurveSteps, CurvesView, IntervalSummary, Origin, PictureView, Sums, Total};

/// A settled interval, compact: a hundred thousand of them are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    pub(super) interval: Interval,
    pub(super) height: u64,
    pub(super) price: Option<Price>,
    pub(super) average_price: Option<Price>,
    pub(super) traded_wh: u64,
    pub(super) imported_wh: u64,
    pub(super) exported_wh: u64,
    pub(super) members: u32,
    pub(super) trades: u32,
    pub(super) supplier: Amount,
    pub(super) operator: Amount,
    pub(super) tariffs: Tariffs,
}

impl Summary {
    pub(super) fn of(settled: &Settled) -> Summary {
        let mut sums = Sums::default();
        for line in &settled.lines {
            sums.add(line);
        }
        let wh = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Summary {
            interval: settled.interval,
            height: settled.height,
            price: settled.price,
            average_price: average(sums.paid, sums.bought_wh),
            traded_wh: wh(sums.bought_wh),
            imported_wh: wh(sums.imported_wh),
            exported_wh: wh(sums.exported_wh),
            members: count(settled.lines.len()),
            trades: count(settled.trades.len()),
            supplier: settled.supplier,
            operator: settled.operator,
            tariffs: settled.tariffs,
        }
    }

    /// The clearing price; where the mechanism has none, what buyers paid on average.
    pub(super) fn shown_price(&self) -> Option<Price> {
        self.price.or(self.average_price)
    }

    pub(super) fn view(&self) -> IntervalSummary {
        IntervalSummary {
            start: self.interval.start_text(),
            end: self.interval.next().map_or_else(String::new, Interval::start_text),
            height: self.height,
            price: self.price,
            average_price: self.average_price,
            traded_wh: self.traded_wh,
            imported_wh: self.imported_wh,
            exported_wh: self.exported_wh,
            members: self.members,
            trades: self.trades,
            supplier: self.supplier,
            operator: self.operator,
            retail_price: self.tariffs.retail_price,
            feed_in_price: self.tariffs.feed_in_price,
        }
    }
}

/// What was paid per kWh: n€ by Wh is µ€/kWh. To the nearest micro-unit; only ever shown.
fn average(paid: Total, bought_wh: u128) -> Option<Price> {
    let energy = i128::try_from(bought_wh).ok().filter(|wh| *wh > 0)?;
    let micro = (2 * paid.0 + energy).div_euclid(2 * energy);
    i64::try_from(micro).ok().and_then(Price::from_micro)
}

/// What was paid, from the highest price down.
pub(super) fn paid(trades: &[Trade]) -> Vec<(Price, u64)> {
    let mut paid: BTreeMap<Price, u64> = BTreeMap::new();
    for trade in trades {
        let sum = paid.entry(trade.price).or_default();
        *sum = sum.saturating_add(trade.energy.wh());
    }
    paid.into_iter().rev().collect()
}

/// What is drawn of an interval with these lines, in which this was paid, where there is a picture of it.
pub(super) fn curves(
    summary: &Summary,
    lines: &[Line],
    paid: &[(Price, u64)],
    picture: Option<&Picture>,
    origin: Origin,
) -> CurvesView {
    let received = lines.iter().filter(|line| !line.sold.is_zero()).filter_map(|line| {
        let mut earned = Total::default();
        earned.add(line.earned);
        Some(CurveStep { price: average(earned, line.sold.wh().into())?, energy_wh: line.sold })
    });
    let mut received: Vec<CurveStep> = received.collect();
    received.sort_by_key(|step| step.price);
    let paid = paid.iter().map(|(price, wh)| CurveStep { price: *price, energy_wh: Energy::from_wh(*wh) });
    CurvesView {
        interval: summary.view(),
        origin,
        mechanism: picture.map(|picture| picture.mechanism.clone()),
        picture: picture.and_then(|picture| PictureView::of(&picture.mechanism)),
        curves: picture.map(|picture| CurveSteps::from(&picture.curves)),
        paid: paid.collect(),
        received,
        grid: picture.map(|picture| picture.grid.iter().map(Bus::from).collect()).unwrap_or_default(),
    }
}
