//! The proved intervals of a day, and the days of a month, with their sums. Pure.

use std::collections::BTreeMap;

use household::local_time::LocalTime;
use jiff::civil::Date;
use protocol::interval::Interval;

use crate::{neighbours::NeighbourLine, statement::StatementLine};

/// A day by the calendar on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: Date,
    /// When it begins and ends, in seconds after 1970: it has 23 to 25 hours.
    pub(super) begins_s: i64,
    pub(super) ends_s: i64,
    /// Its intervals that are proved, in order.
    pub(super) lines: Vec<StatementLine>,
    /// With whom was traded in them.
    pub(super) neighbours: Vec<NeighbourLine>,
    /// What was used from its own roof, where the meter knows it, Wh.
    pub(super) own_roof: BTreeMap<Interval, u64>,
}

/// Sums of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) intervals: u64,
    /// How many of them were corrected.
    pub(super) corrected: u64,
    pub(super) bought_wh: u64,
    pub(super) sold_wh: u64,
    pub(super) imported_wh: u64,
    pub(super) exported_wh: u64,
    /// What the account gained, n of the currency.
    pub(super) net_nano: i128,
    /// What neighbours were worth, n of the currency.
    pub(super) saved_nano: i128,
}

impl Sums {
    /// Of these lines.
    pub(super) fn of<'a>(lines: impl IntoIterator<Item = &'a StatementLine>) -> Sums {
        lines.into_iter().fold(Sums::default(), |sums, line| Sums {
            intervals: sums.intervals + 1,
            corrected: sums.corrected + u64::from(line.correction > 0),
            bought_wh: sums.bought_wh.saturating_add(line.bought_wh),
            sold_wh: sums.sold_wh.saturating_add(line.sold_wh),
            imported_wh: sums.imported_wh.saturating_add(line.imported_wh),
            exported_wh: sums.exported_wh.saturating_add(line.exported_wh),
            net_nano: sums.net_nano + line.net_nano(),
            saved_nano: sums.saved_nano + line.saved.map_or(0, |saved| i128::from(saved.nano())),
        })
    }
}

/// When the day of a date begins and ends, in seconds after 1970.
pub(super) fn bounds_s(local: &LocalTime, date: Date) -> (i64, i64) {
    // There is no day after the last one of the calendar.
    (local.begins_s(date), local.begins_s(date.tomorrow().unwrap_or(date)))
}

/// When the month of a date begins and ends, in seconds after 1970.
pub(super) fn month_bounds_s(local: &LocalTime, date: Date) -> (i64, i64) {
    let next = date.last_of_month().tomorrow().unwrap_or(date);
    (local.begins_s(date.first_of_month()), local.begins_s(next))
}

/// The lines of each day that has some.
pub(super) fn by_day(local: &LocalTime, lines: &[StatementLine]) -> BTreeMap<Date, Sums> {
    let mut days: BTreeMap<Date, Vec<&StatementLine>> = BTreeMap::new();
    for line in lines {
        days.entry(local.shows(line.interval.start_s()).date()).or_default().push(line);
    }
    days.into_iter().map(|(date, lines)| (date, Sums::of(lines))).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;
    use protocol::money::Amount;

    use super::*;

    pub(in super::super) fn line(
        start: &str,
        [bought_wh, sold_wh, imported_wh, exported_wh]: [u64; 4],
    ) -> StatementLine {
        let at = |micro: i64, wh: u64| Amount::from_nano(micro * wh as i64);
        StatementLine {
            interval: format!("{start}/PT15M").parse().unwrap(),
            price: (bought_wh + sold_wh > 0).then(|| "0.19".parse().unwrap()),
            bought_wh,
            sold_wh,
            imported_wh,
            exported_wh,
            paid: at(190_000, bought_wh),
            earned: at(190_000, sold_wh),
            supply_cost: at(300_000, imported_wh),
            supply_revenue: at(80_000, exported_wh),
            height: 7,
            correction: 0,
            saved: Some(at(110_000, bought_wh + sold_wh)),
        }
    }

    #[test]
    fn days_are_those_on_the_wall_and_add_up() {
        let local = LocalTime::try_from("Europe/Vienna".to_owned()).unwrap();
        let lines = [
            line("2026-06-01T21:45:00Z", [100, 0, 50, 0]),
            line("2026-06-01T22:00:00Z", [0, 200, 0, 10]),
            StatementLine { correction: 2, ..line("2026-06-01T22:15:00Z", [1, 0, 0, 0]) },
        ];
        let days = by_day(&local, &lines);
        assert_eq!(days.keys().copied().collect::<Vec<_>>(), [date(2026, 6, 1), date(2026, 6, 2)]);
        let second = days[&date(2026, 6, 2)];
        assert_eq!((second.intervals, second.bought_wh, second.sold_wh, second.exported_wh), (2, 1, 200, 10));
        assert_eq!((days[&date(2026, 6, 1)].corrected, second.corrected), (0, 1));
        assert_eq!(second.net_nano, 200 * 190_000 + 10 * 80_000 - 190_000);
        assert_eq!(Sums::of(&lines).saved_nano, 301 * 110_000);
        let (begins, ends) = bounds_s(&local, date(2026, 6, 2));
        assert_eq!((begins, ends - begins), (lines[1].interval.start_s(), 86_400));
        let (begins, ends) = month_bounds_s(&local, date(2026, 3, 15));
        assert_eq!(ends - begins, 31 * 86_400 - 3_600);
    }
}
