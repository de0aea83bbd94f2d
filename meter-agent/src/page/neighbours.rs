//! Whose roof the energy came from, and where the home's own went: of a day, or of an interval.

use maud::{Markup, html};
use protocol::member::MemberId;

use super::{format::Format, frame::filled};
use crate::neighbours::{NeighbourLine, Traded, by_neighbour};

/// Most neighbours that have a row of their own; the others share one.
const ROWS_MAX: usize = 20;

/// The neighbours by name, the sum of the others with their number, and the sum of those that are not told.
struct Rows {
    named: Vec<(MemberId, Traded)>,
    others: Option<(usize, Traded)>,
    not_told: Option<Traded>,
}

impl Rows {
    fn of(lines: &[NeighbourLine]) -> Rows {
        let mut rows = Rows { named: Vec::new(), others: None, not_told: None };
        for (neighbour, traded) in by_neighbour(lines) {
            match neighbour {
                None => rows.not_told = Some(traded),
                Some(member) if rows.named.len() < ROWS_MAX => rows.named.push((member, traded)),
                Some(_) => {
                    let (count, others) = rows.others.get_or_insert_default();
                    *count += 1;
                    others.bought_wh = others.bought_wh.saturating_add(traded.bought_wh);
                    others.sold_wh = others.sold_wh.saturating_add(traded.sold_wh);
                }
            }
        }
        rows
    }
}

/// With whom was traded; nothing, if it was with nobody.
pub(super) fn content(format: &Format<'_>, lines: &[NeighbourLine]) -> Markup {
    let words = format.words;
    if lines.is_empty() {
        return html! {};
    }
    let Rows { named, others, not_told } = Rows::of(lines);
    let cells = |traded: &Traded| {
        html! {
            td { @if traded.bought_wh > 0 { (format.energy(traded.bought_wh)) } @else { "–" } }
            td { @if traded.sold_wh > 0 { (format.energy(traded.sold_wh)) } @else { "–" } }
        }
    };
    let made_from = |traded: &Traded| match traded.technology {
        Some(technology) => (words.technology)(technology),
        None if traded.bought_wh > 0 => words.no_certificate,
        None => "",
    };
    html! {
        h2 { (words.whose_roof) }
        div.scroll tabindex="0" role="region" aria-label=(words.whose_roof) {
            table.neighbours {
                thead { tr {
                    th scope="col" { (words.neighbour) }
                    th scope="col" { (words.from_neighbours) }
                    th scope="col" { (words.to_neighbours) }
                    th scope="col" { (words.made_from) }
                } }
                tbody {
                    @for (member, traded) in &named {
                        tr {
                            th scope="row" { code { (member) } }
                            (cells(traded))
                            td { (made_from(traded)) }
                        }
                    }
                    @if let Some((count, traded)) = &others {
                        tr { th scope="row" { (filled(words.other_neighbours, &count.to_string())) } (cells(traded)) td {} }
                    }
                    @if let Some(traded) = &not_told {
                        tr { th scope="row" { (words.not_told) } (cells(traded)) td {} }
                    }
                }
            }
        }
        @if not_told.is_some() { p.soft { (words.not_told_means) } }
        @if !named.is_empty() { p.soft { (words.neighbours_proved) } }
    }
}

#[cfg(test)]
mod tests {
    use protocol::interval::Interval;

    use super::*;

    #[test]
    fn no_wh_is_left_out_however_many_neighbours_there_are() {
        let interval: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let line = |number: u8, wh| NeighbourLine {
            interval,
            neighbour: (number > 0).then(|| MemberId::from_bytes([number; 16])),
            bought_wh: wh,
            sold_wh: 2 * wh,
            technology: None,
        };
        let lines: Vec<NeighbourLine> = (0..=23).map(|number| line(number, 100 + u64::from(number))).collect();
        let rows = Rows::of(&lines);
        assert_eq!(rows.named.len(), ROWS_MAX);
        assert_eq!(rows.named[0].0, MemberId::from_bytes([23; 16]));
        let (count, others) = rows.others.unwrap();
        assert_eq!((count, others.bought_wh), (3, 101 + 102 + 103));
        let named: u64 = rows.named.iter().map(|(_, traded)| traded.sold_wh).sum();
        let all: u64 = lines.iter().map(|line| line.sold_wh).sum();
        assert_eq!(named + others.sold_wh + rows.not_told.unwrap().sold_wh, all);
    }
}
