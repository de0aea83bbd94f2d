//! What goes wrong: meters that are out of reach for days. What flowed meanwhile comes late, with the first reading
//! that comes through, and is the supplier's, as in production; in the last interval every meter is read.

use std::ops::Range;

use protocol::interval::Interval;

use super::{
    chance::{Chance, Purpose, happens, place},
    uses::Use,
};
use crate::scenario::{Faults as Said, Part};

/// Whose meter may be out of reach, and how often.
#[derive(Debug)]
pub(crate) struct Faults {
    /// The members whose meters may be.
    members: Vec<usize>,
    days: Part,
    chance: Chance,
}

/// What of it is remembered from interval to interval, by the place of a member in the list.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    day: Option<i64>,
    /// Who is out of reach today.
    out: Vec<bool>,
    /// What flowed since the last reading, drawn and fed in.
    owed: Vec<(u64, u64)>,
    /// Who was not read in the last two intervals, the older one first.
    unread: [Vec<bool>; 2],
}

impl Faults {
    pub(crate) fn of(said: &Said, members: usize, chance: &Chance) -> Faults {
        let count = said.offline.of(u32::try_from(members).unwrap_or(u32::MAX)) as usize;
        let mut members = chance.lots(100, members);
        members.truncate(count);
        members.sort_unstable();
        Faults { members, days: said.days, chance: chance.clone() }
    }

    /// Whether the meter of a member, one of those, is out of reach on a day.
    fn is_out(&self, member: usize, day: i64) -> bool {
        happens(self.days, self.chance.draws(Purpose::Outage, place(member, day)).next_u32())
    }

    /// The intervals in which a member's meter is out of reach, of so many from `first` on: whole days, but for the
    /// last interval of all.
    pub(crate) fn out_of_reach(&self, member: usize, first: Interval, intervals: usize) -> Vec<Range<Interval>> {
        let mut out: Vec<Range<Interval>> = Vec::new();
        if self.members.binary_search(&member).is_err() {
            return out;
        }
        // In the last one every meter is read.
        for at in 0..intervals.saturating_sub(1) {
            let Some(interval) = i64::try_from(at).ok().and_then(|at| first.offset(at)) else { break };
            let Some(next) = interval.next().filter(|_| self.is_out(member, day_of(interval))) else { continue };
            match out.last_mut().filter(|last| last.end == interval) {
                Some(last) => last.end = next,
                None => out.push(interval..next),
            }
        }
        out
    }

    /// Whether the meter of a member was read in the interval before last, as far as there was one: only then is there
    /// a receipt of it, which says a price.
    pub(crate) fn was_read(&self, member: usize, outages: &Outages) -> bool {
        let [before_last, _] = &outages.unread;
        let place = self.members.binary_search(&member).ok();
        !place.and_then(|place| before_last.get(place)).is_some_and(|unread| *unread)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.members.is_empty() || self.days.ppm() == 0
    }

    /// Takes the readings that do not come through out of what everyone does, and adds those that come late.
    pub(crate) fn apply(&self, interval: Interval, is_last: bool, outages: &mut Outages, uses: &mut [Use]) {
        let day = day_of(interval);
        if outages.day != Some(day) {
            outages.day = Some(day);
            outages.out = self.members.iter().map(|member| self.is_out(*member, day)).collect();
            outages.owed.resize(self.members.len(), (0, 0));
        }
        outages.unread.swap(0, 1);
        let [_, unread] = &mut outages.unread;
        unread.clear();
        unread.extend(outages.out.iter().map(|out| *out && !is_last));
        for ((member, out), owed) in self.members.iter().zip(&outages.out).zip(&mut outages.owed) {
            let of_member = &mut uses[*member];
            if *out && !is_last {
                let (drawn, fed_in) = of_member.at_meter();
                *owed = (owed.0 + u64::from(drawn), owed.1 + u64::from(fed_in));
                of_member.unread = true;
            } else {
                of_member.late = std::mem::take(owed);
            }
        }
    }
}

/// The UTC day that an interval begins in, days after 1970.
fn day_of(interval: Interval) -> i64 {
    interval.start_s().div_euclid(86_400)
}
