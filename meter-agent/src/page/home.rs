//! The first page: now, today, what neighbours were worth, alarms, the order and the proof.

use maud::{Markup, html};
use protocol::interval::Interval;

use super::{
    alarms, daily,
    day::{Day, Sums},
    format::Format,
    frame::{Asked, corrected, figure, filled},
    island, limits, neighbours,
};
use crate::{
    set_point::SetPoint,
    source::Sight,
    status::{PlacedOrder, Status},
};

/// Watts below which a household counts as neither drawing nor feeding in.
const STILL_W: u64 = 5;

/// What the first page shows.
pub(super) struct Home<'a> {
    pub(super) status: &'a Status,
    /// What the meter shows now, if it is a live one.
    pub(super) sight: Option<&'a Sight>,
    pub(super) day: &'a Day,
    /// The sums of the month that the day is in.
    pub(super) month: Sums,
}

pub(super) fn content(asked: &Asked<'_>, format: &Format<'_>, home: &Home<'_>) -> Markup {
    let (words, status) = (format.words, home.status);
    let connection = if status.connected { words.connected } else { words.not_connected };
    let market = status.market_heard_s.map(|heard_s| filled(words.market_heard, &format.moment(heard_s)));
    let market = market.as_deref().unwrap_or(words.market_not_heard);
    html! {
        p.soft { (connection) br; (market) }
        @if status.finished { p.soft { (words.finished) } }
        (alarms::content(format, status))
        (corrected(words, home.month.corrected))
        section aria-labelledby="now" {
            h1 #now { (words.now) }
            (now(format, home))
        }
        @if let Some(island) = &status.island {
            @let running = status.last_interval.and_then(Interval::next);
            (island::content(format, island, running, island::drawn_since(status.registers, home.sight)))
        }
        section aria-labelledby="worth" {
            h2 #worth { (words.worth) }
            dl.figures {
                @let saved = |sums: &Sums| if sums.intervals > 0 { format.sum(sums.saved_nano) } else { "–".to_owned() };
                (figure("leaf", words.today, &saved(&Sums::of(&home.day.lines)), ""))
                (figure("leaf", words.this_month, &saved(&home.month), ""))
                @if let Some(saved) = status.totals.saved {
                    (figure("leaf", words.since_the_start, &format.amount(saved), ""))
                }
            }
            p.soft { (words.worth_means) }
        }
        section aria-labelledby="day" {
            h2 #day { (format.date(home.day.date)) }
            (daily::pictures(format, home.day))
            (daily::sums(format, &Sums::of(&home.day.lines)))
            p.links {
                a href=(asked.link(&format!("/day/{}", home.day.date))) { (words.intervals) }
                a href=(asked.link(&format!("/month/{:.7}", home.day.date.to_string()))) { (words.statement) }
            }
        }
        (neighbours::content(format, &home.day.neighbours))
        (behind_the_meter(format, status))
        (order(asked, format, status))
        (proof(asked, format, status))
    }
}

/// What went on in the house, as far as the meter knows.
fn behind_the_meter(format: &Format<'_>, status: &Status) -> Markup {
    let (words, totals) = (format.words, &status.totals);
    html! {
        @if totals.consumption_wh + totals.production_wh > 0 {
            section aria-labelledby="house" {
                h2 #house { (words.since_the_start) }
                dl.figures {
                    (figure("", words.consumed, &format.energy(totals.consumption_wh), ""))
                    (figure("sun", words.produced, &format.energy(totals.production_wh), ""))
                    (figure("sun", words.own_roof, &format.energy(totals.self_consumed_wh), ""))
                }
            }
        }
    }
}

fn now(format: &Format<'_>, home: &Home<'_>) -> Markup {
    let (words, status) = (format.words, home.status);
    let flow = home.sight.map(|sight| match sight.power_w {
        None => ("", words.no_power.to_owned()),
        Some(watts) if watts.unsigned_abs() < STILL_W => ("", words.nothing_flows.to_owned()),
        Some(watts) if watts < 0 => ("sun", filled(words.feeding_in, &format.power(watts.unsigned_abs()))),
        Some(watts) => ("", filled(words.drawing, &format.power(watts.unsigned_abs()))),
    });
    let proved = status.settled_until.map(|interval| filled(words.last_proved, &format.span(interval)));
    html! {
        @if let Some((class, flow)) = flow { p class={ "flow " (class) } { (flow) } }
        dl.figures {
            @let price = status.price.map_or_else(|| words.nothing_traded.to_owned(), |price| format.price(price));
            @if status.settled_until.is_some() { (figure("leaf", words.price_among_neighbours, &price, words.per_kwh)) }
            @if let Some(tariffs) = status.tariffs {
                (figure("", words.supplier_takes, &format.price(tariffs.retail_price), words.per_kwh))
                (figure("sun", words.supplier_gives, &format.price(tariffs.feed_in_price), words.per_kwh))
            }
        }
        p.soft { (proved.as_deref().unwrap_or(words.nothing_yet)) }
    }
}

fn order(asked: &Asked<'_>, format: &Format<'_>, status: &Status) -> Markup {
    let words = format.words;
    html! {
        section aria-labelledby="order" {
            h2 #order { (words.order) }
            dl.list {
                dt { (words.strategy) }
                dd {
                    code { (status.strategy) }
                    @if status.chosen.is_some() { " (" (filled(words.prices.set_here, &status.configured)) ")" }
                }
                dt { (words.order_placed) }
                dd {
                    @match &status.order {
                        Some(order) => { (placed(format, order)) }
                        None => { (words.no_order) }
                    }
                }
                @if let Some(set_point) = status.set_point {
                    dt { (words.battery) }
                    dd { (proposed(format, set_point)) }
                }
            }
            p.links { a href=(asked.link("/prices")) { (words.prices.change) } }
        }
    }
}

fn proposed(format: &Format<'_>, SetPoint { power_w, interval }: SetPoint) -> String {
    let words = format.words;
    let power = format.power(power_w.unsigned_abs());
    let what = match power_w {
        0 => words.battery_rests.to_owned(),
        1.. => filled(words.battery_charges, &power),
        ..0 => filled(words.battery_discharges, &power),
    };
    format!("{what}; {}", filled(words.battery_until, &format.time(interval.end_s())))
}

fn placed(format: &Format<'_>, order: &PlacedOrder) -> Markup {
    let words = format.words;
    let answer = match order.accepted {
        Some(true) => words.order_accepted,
        Some(false) => words.order_refused,
        None => words.order_open,
    };
    html! {
        (limits::in_words(format, &order.limits)) "; " (filled(words.order_from, &format.moment(order.valid_from.start_s()))) "; " (answer)
        @if let Some(why) = &order.why { " (" ((words.why)(why, &|price| format.price(price))) ")" }
    }
}

fn proof(asked: &Asked<'_>, format: &Format<'_>, status: &Status) -> Markup {
    let words = format.words;
    let moment = |at_s: Option<i64>| at_s.map_or_else(|| words.nothing_yet.to_owned(), |at_s| format.moment(at_s));
    html! {
        section aria-labelledby="proof" {
            h2 #proof { (words.proof) }
            dl.list {
                dt { (words.proved_until) } dd { (moment(status.settled_until.map(|interval| interval.end_s()))) }
                dt { (words.last_reading) } dd { (moment(status.last_interval.map(|interval| interval.end_s()))) }
                dt { (words.receipts_verified) } dd { (status.totals.receipts_verified) }
                dt { (words.receipts_refused) } dd { (status.receipts_refused) }
                @for (name, count) in &status.receipts_refused_as {
                    dt { (words.receipts_refused) } dd { code { (name) } " " (count) }
                }
                @for (name, count) in &status.refused {
                    dt { (words.refused_by_market) } dd { code { (name) } " " (count) }
                }
                dt { (words.balance) } dd { (format.amount(status.balance)) }
                dt { (words.member) } dd { code { (status.member) } }
                dt { (words.device) } dd { code { (status.device) } }
            }
            p.links { a href=(asked.link("/accesses")) { (words.looked_up.title) } }
            @if status.outbox > 0 { p.soft { (filled(words.waiting, &status.outbox.to_string())) } }
        }
    }
}
