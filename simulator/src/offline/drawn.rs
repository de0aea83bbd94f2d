//! Homes drawn from the shapes of the built-in neighbourhood: a year for each out of four weeks that were recorded.
//!
//! A home has the consumption of one participant, scaled to what it uses in a year and shifted by up to an hour; a roof
//! has the production of another, scaled to its modules and to the yield of the place. A day is a day of the winter
//! weeks or of the summer weeks: the nearer to 10 July, the more likely a summer day, from never on 10 January on. It
//! keeps its weekday. Each home draws its own days, and the sky is the same for all: all roofs have the same day.

use protocol::interval::Interval;

use super::{
    chance::{Chance, Purpose},
    season,
    uses::Use,
};
use crate::{
    dataset::{Dataset, DatasetError, Source},
    scenario::Drawn,
};

/// Intervals of a day.
const DAY: usize = 96;
/// Days of each of the two profiles: two weeks, from a Monday on.
const DAYS: usize = 14;
/// Intervals of both profiles, winter first.
const SHAPE: usize = 2 * DAYS * DAY;
/// Up to so many intervals a home is earlier or later than its shape.
const SHIFT_MAX: u32 = 4;
/// Binary digits of a scale after the point.
const SCALE_BITS: u32 = 20;

/// What homes use and make.
#[derive(Debug)]
pub(crate) struct DrawnHomes {
    homes: Vec<Home>,
    /// Wh by shape and interval.
    consumption: Vec<u32>,
    production: Vec<u32>,
    chance: Chance,
    first: Interval,
}

/// A home and its roof.
#[derive(Debug, Clone, Copy)]
struct Home {
    /// Where its shape begins.
    shape: usize,
    /// How much larger it is than its shape, with [`SCALE_BITS`] after the point.
    scale: u64,
    /// Intervals that it is later than its shape, modulo a day.
    shift: usize,
    roof: Option<(usize, u64)>,
}

impl DrawnHomes {
    /// Draws the homes, of which the first interval is `first`, the start of a day.
    pub(crate) fn draw(drawn: &Drawn, chance: &Chance, first: Interval) -> Result<DrawnHomes, DatasetError> {
        let profiles = [Dataset::load(&Source::BuiltIn, "winter")?, Dataset::load(&Source::BuiltIn, "summer")?];
        let shapes = |of: fn(&crate::dataset::Usage) -> u64| -> Vec<Vec<u32>> {
            let participants = 0..profiles[0].participants.len();
            let shape = |index: usize| {
                let both = profiles.iter().flat_map(|profile| &profile.participants[index].usage);
                both.map(|usage| u32::try_from(of(usage)).unwrap_or(u32::MAX)).collect()
            };
            participants.map(shape).filter(|shape: &Vec<u32>| shape.iter().any(|wh| *wh > 0)).collect()
        };
        let (consumption, production) = (shapes(|usage| usage.consumption_wh), shapes(|usage| usage.production_wh));
        let mut homes = Vec::new();
        for (number, group) in drawn.groups().enumerate() {
            let has_roof = selected(group.homes, group.pv_share.of(group.homes), chance, number as u64);
            let before = homes.len();
            let home = |index: usize| {
                let mut draws = chance.draws(Purpose::Home, (before + index) as u64);
                let pick = |draws: &mut super::chance::Draws, shapes: &[Vec<u32>], year_wh: u64| {
                    let shape = draws.below(shapes.len() as u32) as usize;
                    (shape * SHAPE, scale(year_wh, &shapes[shape]))
                };
                let year_wh = group.consumption_kwh.milli_at(draws.next_u32());
                let (shape, scale) = pick(&mut draws, &consumption, year_wh);
                let shift = (DAY as u32 + draws.below(2 * SHIFT_MAX + 1) - SHIFT_MAX) as usize % DAY;
                let milli_kwp = group.pv_kwp.milli_at(draws.next_u32());
                let roof = pick(&mut draws, &production, milli_kwp * u64::from(group.pv_yield_kwh));
                Home { shape, scale, shift, roof: has_roof[index].then_some(roof) }
            };
            homes.extend((0..group.homes as usize).map(home));
        }
        let (consumption, production) = (consumption.concat(), production.concat());
        Ok(DrawnHomes { homes, consumption, production, chance: chance.clone(), first })
    }

    pub(crate) fn count(&self) -> usize {
        self.homes.len()
    }

    /// Whether a home has a roof.
    pub(crate) fn has_roof(&self, home: usize) -> bool {
        self.homes[home].roof.is_some()
    }

    /// What every home uses and makes in the interval `at`, Wh.
    pub(crate) fn usage(&self, at: usize, day: &mut Day, into: &mut [Use]) {
        if day.of != Some(at / DAY) {
            self.draw_day(at / DAY, day);
        }
        let quarter = at % DAY;
        for ((home, own_day), usage) in self.homes.iter().zip(&day.own).zip(into) {
            let shifted = (quarter + home.shift) % DAY;
            let consumption = scaled(self.consumption[home.shape + *own_day as usize + shifted], home.scale);
            let production = match home.roof {
                Some((shape, scale)) => scaled(self.production[shape + day.sky + quarter], scale),
                None => 0,
            };
            *usage = Use { consumption, production, ..Use::default() };
        }
    }

    fn draw_day(&self, number: usize, day: &mut Day) {
        let mut draws = self.chance.draws(Purpose::Day, number as u64);
        let start_s = self.first.start_s() + number as i64 * 86_400;
        let summer = season::summer(start_s);
        // 1970 began on a Thursday.
        let weekday = (start_s.div_euclid(86_400) + 3).rem_euclid(7) as usize;
        let mut draw = || {
            let (season, week) = (draws.next_u32(), draws.next_u32());
            let profile = usize::from(u64::from(season) < summer) * DAYS;
            (profile + (week >> 31) as usize * 7 + weekday) * DAY
        };
        day.sky = draw();
        day.own.clear();
        // Below 2 · 14 · 96.
        day.own.extend(self.homes.iter().map(|_| draw() as u32));
        day.of = Some(number);
    }
}

/// Which days of the shapes a day is, found once a day.
#[derive(Debug, Default)]
pub(crate) struct Day {
    of: Option<usize>,
    /// Where the day of all roofs begins in a shape, and each home's own.
    sky: usize,
    own: Vec<u32>,
}

/// What makes a shape's year come to so many Wh: a year is half winter days and half summer days.
fn scale(year_wh: u64, shape: &[u32]) -> u64 {
    let four_weeks: u64 = shape.iter().map(|wh| u64::from(*wh)).sum();
    let shape_wh = four_weeks * 365 / (2 * DAYS as u64);
    // A shape of all zeros is none, and what a home may have in a year is far below 2⁴⁴ Wh.
    (year_wh << SCALE_BITS) / shape_wh.max(1)
}

fn scaled(wh: u32, scale: u64) -> u32 {
    let scaled = (u64::from(wh).saturating_mul(scale).saturating_add(1 << (SCALE_BITS - 1))) >> SCALE_BITS;
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// Which `count` of so many homes were selected, by lot; each group has a lot of its own.
fn selected(homes: u32, count: u32, chance: &Chance, group: u64) -> Vec<bool> {
    let order = chance.lots(if group == 0 { 0 } else { 1_000 + group }, homes as usize);
    let mut selected = vec![false; homes as usize];
    order.into_iter().take(count as usize).for_each(|home| selected[home] = true);
    selected
}
