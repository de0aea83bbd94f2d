//! Sums over what the ledger settled.

use std::collections::BTreeMap;

use protocol::{api::Settled, interval::Interval, member::MemberId};

/// Energy of one or more settlements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flows {
    /// Traded between neighbours, Wh.
    pub(super) traded_wh: u128,
    /// Drawn from the supplier, Wh.
    pub(super) imported_wh: u128,
    /// Fed in to the supplier, Wh.
    pub(super) exported_wh: u128,
}

impl Flows {
    /// The energy of one settlement.
    pub(super) fn of(settled: &Settled) -> Flows {
        settled.lines.iter().fold(Flows::default(), |sum, line| Flows {
            traded_wh: sum.traded_wh + u128::from(line.bought.wh()),
            imported_wh: sum.imported_wh + u128::from(line.imported.wh()),
            exported_wh: sum.exported_wh + u128::from(line.exported.wh()),
        })
    }

    fn plus(self, other: Flows) -> Flows {
        Flows {
            traded_wh: self.traded_wh + other.traded_wh,
            imported_wh: self.imported_wh + other.imported_wh,
            exported_wh: self.exported_wh + other.exported_wh,
        }
    }
}

/// What is settled so far, one interval after the other from the first.
#[derive(Debug)]
pub(super) struct Tally {
    first: Interval,
    /// Sums up to and including each interval.
    sums: Vec<Flows>,
    /// How many settlements each member is in.
    receipts: BTreeMap<MemberId, u64>,
}

impl Tally {
    /// Nothing is settled yet; `first` comes first.
    pub(super) fn new(first: Interval, members: impl Iterator<Item = MemberId>) -> Tally {
        Tally { first, sums: Vec::new(), receipts: members.map(|member| (member, 0)).collect() }
    }

    /// Adds the next settlement; false, and nothing added, if it is not the next.
    pub(super) fn add(&mut self, settled: &Settled) -> bool {
        if Some(settled.interval) != self.next() {
            return false;
        }
        self.sums.push(self.flows(self.count()).plus(Flows::of(settled)));
        for line in &settled.lines {
            *self.receipts.entry(line.member).or_default() += 1;
        }
        true
    }

    /// How many intervals are settled.
    pub(super) fn count(&self) -> usize {
        self.sums.len()
    }

    /// The next interval to be settled.
    pub(super) fn next(&self) -> Option<Interval> {
        self.first.offset(i64::try_from(self.count()).ok()?)
    }

    /// Sums over the first `count` intervals.
    pub(super) fn flows(&self, count: usize) -> Flows {
        count.checked_sub(1).and_then(|last| self.sums.get(last)).copied().unwrap_or_default()
    }

    /// In how many settlements a member is: so many receipts it gets.
    pub(super) fn receipts(&self, member: MemberId) -> u64 {
        self.receipts.get(&member).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{
        energy::Energy,
        hash::Hash,
        money::{Amount, Price},
        settlement::{Line, Tariffs},
    };

    fn settled(interval: Interval, members: &[MemberId]) -> Settled {
        let line = |member: &MemberId| Line {
            member: *member,
            bought: Energy::from_wh(1),
            sold: Energy::from_wh(2),
            imported: Energy::from_wh(3),
            exported: Energy::from_wh(4),
            paid: Amount::ZERO,
            earned: Amount::ZERO,
            supply_cost: Amount::ZERO,
            supply_revenue: Amount::ZERO,
        };
        Settled {
            interval,
            height: 1,
            settlement: Hash::ZERO,
            price: None,
            lines: members.iter().map(line).collect(),
            trades: Vec::new(),
            supplier: Amount::ZERO,
            operator: Amount::ZERO,
            provisional: None,
            corrections: 0,
            tariffs: Tariffs { retail_price: "0.3".parse::<Price>().unwrap(), feed_in_price: "0.08".parse().unwrap() },
        }
    }

    #[test]
    fn only_the_next_settlement_counts() {
        let first: Interval = "2026-06-01T00:00:00Z/PT15M".parse().unwrap();
        let members = [MemberId::from_bytes([1; 16]), MemberId::from_bytes([2; 16])];
        let mut tally = Tally::new(first, members.into_iter());
        assert!(!tally.add(&settled(first.offset(1).unwrap(), &members)));
        assert!(tally.add(&settled(first, &members)));
        assert!(!tally.add(&settled(first, &members)), "a page fetched twice");
        assert!(tally.add(&settled(first.offset(1).unwrap(), &members[..1])));
        assert_eq!(tally.flows(0), Flows::default());
        assert_eq!(tally.flows(1), Flows { traded_wh: 2, imported_wh: 6, exported_wh: 8 });
        assert_eq!(tally.flows(2), Flows { traded_wh: 3, imported_wh: 9, exported_wh: 12 });
        assert_eq!(members.map(|member| tally.receipts(member)), [2, 1]);
    }
}
