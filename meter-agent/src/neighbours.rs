//! Whose roof the energy came from, and where the home's own went: with whom a household traded, by verified receipts.

use std::{cmp::Reverse, collections::BTreeMap};

use protocol::{genesis::Technology, interval::Interval, member::MemberId, receipt::Receipt};
use serde::{Deserialize, Serialize};

/// What was traded with one neighbour in one interval; or with neighbours that the receipt does not name. The lines of
/// an interval add up to its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourLine {
    /// The interval.
    pub interval: Interval,
    /// The neighbour's pseudonym; none where the receipt lists no neighbours, so that only their sum is proved.
    pub neighbour: Option<MemberId>,
    /// Bought from it, Wh.
    pub bought_wh: u64,
    /// Sold to it, Wh.
    pub sold_wh: u64,
    /// What was bought was made from this; none where no certificates were minted for it.
    pub technology: Option<Technology>,
}

/// With whom the household traded by a receipt that was verified.
pub(crate) fn of_receipt(receipt: &Receipt) -> Vec<NeighbourLine> {
    let interval = receipt.entry.interval;
    if receipt.lacks_neighbours() {
        let line = &receipt.entry.line;
        let (bought_wh, sold_wh) = (line.bought.wh(), line.sold.wh());
        return vec![NeighbourLine { interval, neighbour: None, bought_wh, sold_wh, technology: None }];
    }
    let line = |neighbour: &protocol::neighbour::Neighbour| NeighbourLine {
        interval,
        neighbour: Some(neighbour.member),
        bought_wh: neighbour.bought.wh(),
        sold_wh: neighbour.sold.wh(),
        technology: neighbour.technology,
    };
    receipt.neighbours.iter().map(line).collect()
}

/// The sums of some lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traded {
    pub(crate) bought_wh: u64,
    pub(crate) sold_wh: u64,
    /// Of what was bought; the same of each line, unless the neighbour's changed.
    pub(crate) technology: Option<Technology>,
}

impl Traded {
    fn add(&mut self, line: &NeighbourLine) {
        self.bought_wh = self.bought_wh.saturating_add(line.bought_wh);
        self.sold_wh = self.sold_wh.saturating_add(line.sold_wh);
        self.technology = line.technology.or(self.technology);
    }
}

/// What was traded with each neighbour, the one with the most first; the last without a name, if it is not told of all.
pub(crate) fn by_neighbour<'a>(lines: impl IntoIterator<Item = &'a NeighbourLine>) -> Vec<(Option<MemberId>, Traded)> {
    let mut sums: BTreeMap<Option<MemberId>, Traded> = BTreeMap::new();
    lines.into_iter().for_each(|line| sums.entry(line.neighbour).or_default().add(line));
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(neighbour, of)| (neighbour.is_none(), Reverse(of.bought_wh.saturating_add(of.sold_wh))));
    sums
}

/// The lines as CSV.
pub(crate) fn to_csv(lines: &[NeighbourLine]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.serialize(line)?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What was traded with each neighbour, as a table with its totals.
pub(crate) fn to_text(lines: &[NeighbourLine]) -> String {
    let row = |name: &str, bought: &str, sold: &str, technology: &str| {
        format!("{name:<34}{bought:>14}{sold:>14}  {technology}").trim_end().to_owned() + "\n"
    };
    let mut text = row("neighbour", "bought Wh", "sold Wh", "made from");
    let mut totals = Traded::default();
    lines.iter().for_each(|line| totals.add(line));
    for (neighbour, traded) in by_neighbour(lines) {
        let name = neighbour.map_or_else(|| "not told, only the sum is proved".to_owned(), |member| member.to_string());
        let technology = match traded.technology {
            Some(technology) => technology.name(),
            None if traded.bought_wh > 0 && neighbour.is_some() => "no certificate",
            None => "",
        };
        text += &row(&name, &traded.bought_wh.to_string(), &traded.sold_wh.to_string(), technology);
    }
    text += &row("all", &totals.bought_wh.to_string(), &totals.sold_wh.to_string(), "");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: i64, neighbour: Option<u8>, bought_wh: u64, sold_wh: u64) -> NeighbourLine {
        let interval = "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(number).unwrap();
        let technology = neighbour.filter(|byte| *byte == 1).map(|_| Technology::Wind);
        let neighbour = neighbour.map(|byte| MemberId::from_bytes([byte; 16]));
        NeighbourLine { interval, neighbour, bought_wh, sold_wh, technology }
    }

    #[test]
    fn each_neighbour_has_one_sum_the_largest_comes_first_and_who_is_not_named_last() {
        let lines = [line(0, None, 900, 0), line(1, Some(1), 100, 0), line(1, Some(2), 60, 0), line(2, Some(2), 0, 70)];
        let of = |byte| Some(MemberId::from_bytes([byte; 16]));
        let traded = |bought_wh, sold_wh, technology| Traded { bought_wh, sold_wh, technology };
        let expected = [
            (of(2), traded(60, 70, None)),
            (of(1), traded(100, 0, Some(Technology::Wind))),
            (None, traded(900, 0, None)),
        ];
        assert_eq!(by_neighbour(&lines), expected);
        let text = to_text(&lines);
        let rows: Vec<Vec<&str>> = text.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[1][1..], ["60", "70", "no", "certificate"]);
        assert_eq!(rows[2][1..], ["100", "0", "wind"]);
        assert_eq!(rows.last().unwrap()[..], ["all", "1060", "70"]);
        let csv = to_csv(&lines[..2]).unwrap();
        let expected = "interval,neighbour,bought_wh,sold_wh,technology\n\
            2026-06-01T12:00:00Z/PT15M,,900,0,\n\
            2026-06-01T12:15:00Z/PT15M,01010101010101010101010101010101,100,0,wind\n";
        assert_eq!(csv, expected);
    }
}
