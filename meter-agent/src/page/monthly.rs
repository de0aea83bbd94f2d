//! A month's statement, made to be printed.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};

use super::{
    day::Sums,
    format::Format,
    frame::{Asked, corrected, figure, filled, mark},
};
use crate::status::Status;

/// A month, by any day in it.
pub(super) struct Month {
    pub(super) date: Date,
    pub(super) days: BTreeMap<Date, Sums>,
    pub(super) sums: Sums,
}

pub(super) fn content(asked: &Asked<'_>, format: &Format<'_>, status: &Status, month: &Month) -> Markup {
    let words = format.words;
    let first = month.date.first_of_month();
    let link = |date: Date| asked.link(&format!("/month/{:.7}", date.to_string()));
    html! {
        h1 { (words.statement) ", " (format.month(month.date)) }
        p.links {
            @if let Ok(before) = first.yesterday() { a href=(link(before)) { (words.month_before) } }
            @if let Ok(after) = first.checked_add(1.month()) { a href=(link(after)) { (words.month_after) } }
            button type="button" data-print { (words.print) }
        }
        dl.list {
            dt { (words.member) } dd { code { (status.member) } }
            dt { (words.receipts_verified) } dd { (month.sums.intervals) }
        }
        dl.figures {
            (figure("leaf", words.worth, &format.sum(month.sums.saved_nano), ""))
            (figure("", words.balance, &format.sum(month.sums.net_nano), ""))
        }
        @if month.days.is_empty() { p.empty { (words.nothing_yet) } } @else { (table(asked, format, month)) }
        (corrected(words, month.sums.corrected))
        p.soft { (words.worth_means) " " (words.figures_mean) }
    }
}

fn table(asked: &Asked<'_>, format: &Format<'_>, month: &Month) -> Markup {
    let words = format.words;
    let cells = |sums: &Sums| {
        html! {
            td { (format.energy(sums.bought_wh)) }
            td { (format.energy(sums.sold_wh)) }
            td { (format.energy(sums.imported_wh)) }
            td { (format.energy(sums.exported_wh)) }
            td { (format.sum(sums.net_nano)) }
            td { (format.sum(sums.saved_nano)) }
        }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label=(words.statement) {
            table {
                thead { tr {
                    th scope="col" { (words.day) }
                    th scope="col" { (words.from_neighbours) }
                    th scope="col" { (words.to_neighbours) }
                    th scope="col" { (words.from_supplier) }
                    th scope="col" { (words.to_supplier) }
                    th scope="col" { (words.amount) }
                    th scope="col" { (words.worth) }
                } }
                tbody {
                    @for (date, sums) in &month.days {
                        tr {
                            th scope="row" {
                                a href=(asked.link(&format!("/day/{date}"))) { (date.day()) }
                                @if sums.corrected > 0 { (mark(&filled(words.corrected_of_day, &sums.corrected.to_string()))) }
                            }
                            (cells(sums))
                        }
                    }
                }
                tfoot { tr { th scope="row" { (words.total) } (cells(&month.sums)) } }
            }
        }
    }
}
