//! What goes wrong: meters that are out of reach for days. What flowed meanwhile comes late, with the first reading
//! that comes through, and is the supplier's, as in production; in the last interval every meter is read.

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
}

impl Faults {
    pub(crate) fn of(said: &Said, members: usize, chance: &Chance) -> Faults {
        let count = said.offline.of(u32::try_from(members).unwrap_or(u32::MAX)) as usize;
        let mut members = chance.lots(100, members);
        members.truncate(count);
        members.sort_unstable();
        Faults { members, days: said.days, chance: chance.clone() }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.members.is_empty() || self.days.ppm() == 0
    }

    /// Takes the readings that do not come through out of what everyone does, and adds those that come late.
    pub(crate) fn apply(&self, interval: Interval, is_last: bool, outages: &mut Outages, uses: &mut [Use]) {
        let day = interval.start_s().div_euclid(86_400);
        if outages.day != Some(day) {
            outages.day = Some(day);
            let is_out =
                |member: &usize| happens(self.days, self.chance.draws(Purpose::Outage, place(*member, day)).next_u32());
            outages.out = self.members.iter().map(is_out).collect();
            outages.owed.resize(self.members.len(), (0, 0));
        }
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
