//! The island: what the household may draw, what it drew, and what that costs.

use maud::{Markup, html};
use protocol::{
    interval::Interval,
    island::{PlannedQuota, Quota},
    reading::Registers,
};

use super::{
    format::Format,
    frame::{figure, filled},
};
use crate::{
    island::{IslandStatus, Rationed},
    source::Sight,
};

/// What is said of an island, where an interval is `running` in which so much was drawn so far, if that is known.
pub(super) fn content(
    format: &Format<'_>,
    island: &IslandStatus,
    running: Option<Interval>,
    drawn_wh: Option<u64>,
) -> Markup {
    let (words, IslandStatus { quotas, last }) = (format.words, island);
    html! {
        section aria-labelledby="island" {
            h2 #island { (words.island) }
            dl.figures {
                @for PlannedQuota { interval, quota } in quotas {
                    @let is_running = Some(*interval) == running;
                    @let until = if is_running { words.island_until } else { words.island_then };
                    @let may = filled(until, &format.time(interval.end_s()));
                    (figure("leaf", &may, &format.energy(quota.total().wh()), &unserved(format, quota)))
                    @if let Some(drawn_wh) = drawn_wh.filter(|_| is_running) {
                        (figure("", words.island_drawn, &format.energy(drawn_wh), ""))
                    }
                }
                @if let Some(Rationed { interval, drawn_wh, overdrawn_wh, price, .. }) = last {
                    @let beyond = filled(words.island_beyond, &format.energy(*overdrawn_wh));
                    @let drawn = filled(words.island_settled, &format.span(*interval));
                    (figure("", &drawn, &format.energy(*drawn_wh), if *overdrawn_wh > 0 { &beyond } else { "" }))
                    (figure("", words.island_price, &format.price(*price), words.per_kwh))
                }
            }
            p.soft { (words.island_means) }
        }
    }
}

/// What it claims and does not get, if there is any.
fn unserved(format: &Format<'_>, quota: &Quota) -> String {
    let unserved = quota.unserved().iter().fold(0, |sum: u64, energy| sum.saturating_add(energy.wh()));
    if unserved > 0 { filled(format.words.island_unserved, &format.energy(unserved)) } else { String::new() }
}

/// What a live meter shows to be drawn since the last `read` registers, Wh, less what was fed in.
pub(super) fn drawn_since(read: Option<Registers>, sight: Option<&Sight>) -> Option<u64> {
    let (now, read) = (sight?.registers?, read?);
    let import_wh = now.import_wh.checked_sub(read.import_wh)?;
    Some(import_wh.saturating_sub(now.export_wh.checked_sub(read.export_wh)?))
}

#[cfg(test)]
mod tests;
