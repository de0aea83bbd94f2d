//! A day: its pictures, its sums, and each interval with its proof.

use maud::{Markup, html};

use super::{
    chart::{self, Breadth},
    day::{Day, Sums},
    format::Format,
    frame::{Asked, corrected, figure, filled, mark, picture},
    neighbours,
};

pub(super) fn content(asked: &Asked<'_>, format: &Format<'_>, day: &Day) -> Markup {
    let words = format.words;
    html! {
        h1 { (format.date(day.date)) }
        p.links {
            @if let Ok(before) = day.date.yesterday() { a href=(asked.link(&format!("/day/{before}"))) { (words.day_before) } }
            @if let Ok(after) = day.date.tomorrow() { a href=(asked.link(&format!("/day/{after}"))) { (words.day_after) } }
            a href=(asked.link(&format!("/month/{:.7}", day.date.to_string()))) { (words.statement) }
        }
        (pictures(format, day))
        (sums(format, &Sums::of(&day.lines)))
        (neighbours::content(format, &day.neighbours))
        @if !day.lines.is_empty() {
            h2 { (words.intervals) }
            (table(asked, format, day))
            (corrected(words, Sums::of(&day.lines).corrected))
        }
        p.soft { (words.figures_mean) }
    }
}

/// The day's pictures, or that there is nothing to draw yet.
pub(super) fn pictures(format: &Format<'_>, day: &Day) -> Markup {
    let words = format.words;
    if day.lines.is_empty() {
        return html! { p.empty { (words.no_intervals) } };
    }
    let roof = [("roof", words.own_roof)];
    let others = [("neighbours", words.from_neighbours), ("supplier", words.from_supplier)];
    let parts: Vec<_> = roof.into_iter().filter(|_| !day.own_roof.is_empty()).chain(others).collect();
    html! {
        (picture(words.chart, &parts, &drawn(|breadth| chart::energy(day, format, breadth))))
        (picture(words.price_chart, &[], &drawn(|breadth| chart::price(day, format, breadth))))
    }
}

/// A picture for every screen; the style shows one of them.
fn drawn(draw: impl Fn(Breadth) -> Option<String>) -> String {
    Breadth::BOTH.into_iter().filter_map(draw).collect()
}

/// The sums of what is proved; nothing, if nothing is.
pub(super) fn sums(format: &Format<'_>, sums: &Sums) -> Markup {
    let words = format.words;
    if sums.intervals == 0 {
        return html! {};
    }
    html! {
        dl.figures {
            (figure("leaf", words.from_neighbours, &format.energy(sums.bought_wh), ""))
            (figure("leaf", words.to_neighbours, &format.energy(sums.sold_wh), ""))
            (figure("", words.from_supplier, &format.energy(sums.imported_wh), ""))
            (figure("sun", words.to_supplier, &format.energy(sums.exported_wh), ""))
            (figure("", words.balance, &format.sum(sums.net_nano), ""))
        }
    }
}

fn table(asked: &Asked<'_>, format: &Format<'_>, day: &Day) -> Markup {
    let words = format.words;
    html! {
        div.scroll tabindex="0" role="region" aria-label=(words.intervals) {
            table {
                thead { tr {
                    th scope="col" { (words.time) }
                    th scope="col" { (words.from_neighbours) }
                    th scope="col" { (words.to_neighbours) }
                    th scope="col" { (words.from_supplier) }
                    th scope="col" { (words.to_supplier) }
                    th scope="col" { (words.price) }
                    th scope="col" { (words.amount) }
                } }
                tbody {
                    @for line in &day.lines {
                        tr {
                            th scope="row" {
                                a href=(asked.link(&format!("/proof/{}", line.interval.start_text()))) {
                                    (format.span(line.interval))
                                }
                                @if line.correction > 0 { (mark(&filled(words.corrected, &line.correction.to_string()))) }
                            }
                            td { (format.energy(line.bought_wh)) }
                            td { (format.energy(line.sold_wh)) }
                            td { (format.energy(line.imported_wh)) }
                            td { (format.energy(line.exported_wh)) }
                            td { @if let Some(price) = line.price { (format.price(price)) } @else { "–" } }
                            td { (format.sum(line.net_nano())) }
                        }
                    }
                }
            }
        }
    }
}
