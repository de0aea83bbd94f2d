//! The report of a run: one HTML file that says and shows what it came to, anywhere and without anything else.
//!
//! In: what the run has in memory. Out: the file's text, which has no clock and no chance in it: the same scenario,
//! seed and version give the same bytes. Sums are integers; floats are only for drawing.
//!
//! | file | what |
//! |---|---|
//! | `page.rs` | the page of a run |
//! | `comparison.rs` | the page of several, side by side |
//! | `variants.rs` | the page of a sweep |
//! | `shell.rs`, `assets/` | what all pages are, their style, and the script that draws |
//! | `kpis.rs` | the figures as tables, each with its formula in words |
//! | `charts/` | one chart a file, with the sentence that says the same |
//! | `chart.rs`, `load.rs`, `looks.rs`, `stretch.rs`, `text.rs` | what charts share: looks, stretches of time, numbers |

mod chart;
mod charts;
mod comparison;
mod kpis;
mod load;
mod looks;
mod page;
mod shell;
mod stretch;
mod text;
mod variants;

use market::inputs::MeteredMember;
use protocol::interval::Interval;

pub(crate) use self::{
    comparison::{Side, comparison},
    variants::{FIGURES, Shown, Variant, variants},
};
use crate::{
    dataset::Fingerprint,
    offline::{
        Community, Figures,
        sums::{IntervalSums, MemberSums},
    },
    scenario::Scenario,
};

/// A run that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    /// Version of the simulator.
    pub(crate) version: &'a str,
    /// The scenario, with all defaults.
    pub(crate) scenario: &'a Scenario,
    pub(crate) community: &'a Community,
    /// SHA-256 of every file that the community was read from.
    pub(crate) data: &'a [Fingerprint],
    /// What each interval came to, in their order.
    pub(crate) intervals: &'a [(Interval, IntervalSums)],
    /// What each member came to, in the order of the community.
    pub(crate) members: &'a [MemberSums],
    /// The first of the intervals in which most was traded, by its number, and everyone's energy and bids in it.
    pub(crate) busiest: Option<(usize, &'a [MeteredMember])>,
    pub(crate) figures: &'a Figures,
}

impl Run<'_> {
    /// The report as HTML.
    pub(crate) fn report(&self) -> String {
        page::page(self).into_string()
    }

    /// How many days it is, begun ones included.
    fn days(&self) -> i64 {
        let length_s = self.intervals.first().map_or(0, |(interval, _)| interval.length().seconds());
        (self.intervals.len() as i64 * length_s + stretch::DAY_S - 1) / stretch::DAY_S
    }
}
