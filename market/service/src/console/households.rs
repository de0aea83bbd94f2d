//! The households that are listed, and what each of them has bought, sold, paid and earned.

use std::collections::{BTreeMap, HashMap};

use protocol::{api::MemberStatus, interval::Interval, member::MemberId, settlement::Line};

use super::{
    CommunityInfo, MemberInfo,
    view::{Household, HouseholdPage, Sums},
};

/// Every household that was ever heard of, in the order to list them.
#[derive(Debug)]
pub(super) struct Households {
    listed: Vec<(MemberInfo, Sums)>,
    places: HashMap<MemberId, usize>,
    names: BTreeMap<MemberId, String>,
}

impl Households {
    pub(super) fn new(info: &CommunityInfo) -> Households {
        Households {
            listed: info.members.iter().map(|member| (member.clone(), Sums::default())).collect(),
            places: info.members.iter().enumerate().map(|(place, member)| (member.member, place)).collect(),
            names: info.names.clone(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    /// The name of a member, where the directory has one.
    pub(super) fn name(&self, member: MemberId) -> Option<&str> {
        self.names.get(&member).map(String::as_str)
    }

    /// What to call a member: by its pseudonym where the directory does not name it.
    pub(super) fn called(&self, member: MemberId) -> String {
        name_of(&self.names, member)
    }

    /// A line of a settlement.
    pub(super) fn settled(&mut self, line: &Line) {
        self.of(line.member).1.add(line);
    }

    /// A line that a correction has taken the place of.
    pub(super) fn take_out(&mut self, line: &Line) {
        self.of(line.member).1.take_out(line);
    }

    /// Takes over what the ledger says of the members. Whether that is anything new.
    pub(super) fn members(&mut self, members: &[MemberStatus]) -> bool {
        let mut changed = false;
        for status in members {
            changed |= !self.places.contains_key(&status.member);
            let (member, _) = self.of(status.member);
            let metered = status.device.is_some();
            if member.bus != status.bus || member.metered != metered {
                changed = true;
                (member.bus, member.metered) = (status.bus.clone(), metered);
            }
        }
        changed
    }

    /// Calls them by other names. Whether that changes anything that is listed.
    pub(super) fn renamed(&mut self, names: BTreeMap<MemberId, String>) -> bool {
        self.names = names;
        let mut changed = false;
        for (info, _) in &mut self.listed {
            let name = name_of(&self.names, info.member);
            changed |= info.name != name;
            info.name = name;
        }
        changed
    }

    /// A member's household. A member that is not in the community's list is listed by its pseudonym: what it traded
    /// must not be missing from the sums.
    fn of(&mut self, member: MemberId) -> &mut (MemberInfo, Sums) {
        let place = *self.places.entry(member).or_insert_with(|| {
            let name = name_of(&self.names, member);
            self.listed.push((MemberInfo { member, name, bus: None, metered: true }, Sums::default()));
            self.listed.len() - 1
        });
        &mut self.listed[place]
    }

    /// A page of them, over all intervals.
    pub(super) fn page(&self, offset: usize, limit: usize) -> HouseholdPage {
        let page = self.listed.iter().skip(offset).take(limit);
        HouseholdPage {
            interval: None,
            households: page.map(|(info, sums)| household(info, *sums)).collect(),
            next: next_page(offset, limit, self.listed.len()),
        }
    }

    /// A page of those that have a line in an interval.
    pub(super) fn page_of(&self, interval: Interval, lines: &[Line], offset: usize, limit: usize) -> HouseholdPage {
        let view = |line: &Line| {
            let mut sums = Sums::default();
            sums.add(line);
            let (info, _) = self.places.get(&line.member).and_then(|place| self.listed.get(*place))?;
            Some(household(info, sums))
        };
        HouseholdPage {
            interval: Some(interval.start_text()),
            households: lines.iter().skip(offset).take(limit).filter_map(view).collect(),
            next: next_page(offset, limit, lines.len()),
        }
    }
}

/// What to call a member: by its pseudonym where the directory does not name it.
fn name_of(names: &BTreeMap<MemberId, String>, member: MemberId) -> String {
    names.get(&member).cloned().unwrap_or_else(|| member.to_string())
}

fn household(info: &MemberInfo, sums: Sums) -> Household {
    Household {
        member: info.member,
        name: info.name.clone(),
        bus: info.bus.clone(),
        metered: info.metered,
        sums,
        net: sums.net(),
    }
}

fn next_page(offset: usize, limit: usize, count: usize) -> Option<usize> {
    let next = offset.saturating_add(limit);
    (next < count).then_some(next)
}
