//! What the household's strategy has learned from its own receipts, and which of them are in it. Pure.
//!
//! It is kept with each receipt, in one write. So a receipt that came too late to be learned from is never on the disk
//! without the memory that did without it: whenever the agent is stopped, it goes on as if it had not been.

use household::strategy::{LAG, Outcome, Strategy};
use minicbor::{Decode, Encode};
use protocol::interval::Interval;

/// So far back a memory reaches that is not kept up: after a lost state, with another strategy or after a long time
/// off, it begins with a day of receipts.
const DAY_S: i64 = 86_400;

/// What a strategy has learned.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Learned {
    /// Which one.
    #[n(0)]
    strategy: String,
    /// The outcomes of the intervals up to this one are in the memory, or were not known when they were due.
    #[n(1)]
    until: Interval,
    #[n(2)]
    memory: Vec<u64>,
}

/// What a strategy knows for each of some intervals, from a first one on.
#[derive(Debug, Default)]
pub(crate) struct Known {
    first: Option<Interval>,
    memories: Vec<Vec<u64>>,
}

impl Known {
    /// What it knows for `interval`; none where that is not known yet, or no more.
    pub(crate) fn at(&self, interval: Interval) -> Option<&[u64]> {
        let place = usize::try_from(interval.since(self.first?)?).ok()?;
        self.memories.get(place).map(Vec::as_slice)
    }
}

impl Learned {
    /// What `strategy` goes on with, of which `kept` was found, where nothing was settled up to `before_first`; none
    /// where it learns nothing.
    pub(crate) fn of(strategy: &dyn Strategy, kept: Option<Learned>, before_first: Interval) -> Option<Learned> {
        let memory = strategy.memory();
        if memory.is_empty() {
            return None;
        }
        let new = Learned { strategy: strategy.name().into(), until: before_first, memory };
        let is_its_own = |kept: &Learned| kept.strategy == new.strategy && kept.memory.len() == new.memory.len();
        Some(kept.filter(is_its_own).unwrap_or(new))
    }

    /// Learns from the outcomes that are due for `first`, and says what is known for that interval and up to `ahead`
    /// more: for these, only as far as all that is due is there. `outcome` says what came of an interval, as far as
    /// that is known, and `never` of which nothing ever will be.
    pub(crate) fn learn<E>(
        &mut self,
        strategy: &dyn Strategy,
        first: Interval,
        ahead: i64,
        never: impl Fn(Interval) -> bool,
        outcome: impl Fn(Interval) -> Result<Option<Outcome>, E>,
    ) -> Result<Known, E> {
        let Some(due) = first.offset(-LAG) else { return Ok(self.known(first)) };
        let a_day_ago = due.offset(-DAY_S / due.length().seconds()).filter(|start| *start > self.until);
        let mut at = a_day_ago.unwrap_or(self.until);
        while at < due {
            let Some(next) = at.next() else { break };
            at = next;
            if let Some(outcome) = outcome(at)? {
                strategy.learn(&mut self.memory, &outcome);
            }
            self.until = at;
        }
        let mut known = self.known(first);
        let mut memory = self.memory.clone();
        for next in (1..=ahead).map_while(|more| due.offset(more)) {
            if next > self.until {
                match outcome(next)? {
                    Some(outcome) => strategy.learn(&mut memory, &outcome),
                    None if !never(next) => break,
                    None => {}
                }
            }
            known.memories.push(memory.clone());
        }
        Ok(known)
    }

    fn known(&self, first: Interval) -> Known {
        Known { first: Some(first), memories: vec![self.memory.clone()] }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

    use household::strategy::{Situation, Why};
    use proptest::{
        prelude::{Just, ProptestConfig, any, prop},
        prop_assert, prop_assert_eq, prop_oneof, proptest,
    };
    use protocol::{
        cbor,
        energy::Energy,
        member::MemberId,
        money::Amount,
        order::PriceLimits,
        settlement::{Line, Tariffs},
    };

    use super::*;

    fn interval(count: i64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
    }

    /// Of these, nothing is ever known.
    fn before(interval: Interval) -> bool {
        interval < self::interval(0)
    }

    /// Remembers from which intervals it learned last, the latest first.
    #[derive(Debug)]
    struct Diary;

    impl Strategy for Diary {
        fn name(&self) -> &'static str {
            "diary"
        }

        fn limits(&self, _: &Situation<'_>) -> PriceLimits {
            PriceLimits::default()
        }

        fn why(&self, _: &Situation<'_>) -> Why {
            Why::PriceTaker
        }

        fn memory(&self) -> Vec<u64> {
            vec![0; 200]
        }

        fn learn(&self, memory: &mut [u64], of: &Outcome) {
            memory.rotate_right(1);
            memory[0] = of.interval.start_s().unsigned_abs();
        }
    }

    fn outcome(at: Interval) -> Outcome {
        let none = Energy::ZERO;
        let line = Line {
            member: MemberId::from_bytes([1; 16]),
            bought: none,
            sold: none,
            imported: none,
            exported: none,
            paid: Amount::ZERO,
            earned: Amount::ZERO,
            supply_cost: Amount::ZERO,
            supply_revenue: Amount::ZERO,
        };
        let price = |text: &str| text.parse().unwrap();
        let tariffs = Tariffs { retail_price: price("0.3"), feed_in_price: price("0.08") };
        Outcome { interval: at, tariffs, limits: PriceLimits::default(), price: None, line, stored_uwh: None }
    }

    /// From which intervals a memory learned, the earliest first.
    fn learned_from(memory: &[u64]) -> Vec<i64> {
        let counts = memory.iter().filter(|start| **start > 0);
        let mut counts: Vec<i64> =
            counts.map(|start| (*start as i64 - interval(0).start_s()) / interval(0).length().seconds()).collect();
        counts.reverse();
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Receipts come late, or never, and the agent is stopped at any moment.
        #[test]
        fn whatever_comes_late_and_whenever_it_is_stopped_each_outcome_is_learned_in_time_or_never(
            delays in prop::collection::vec(prop_oneof![6 => 1..3_i64, 2 => 3..12_i64, 1 => Just(1_000)], 60),
            stops in prop::collection::vec(any::<bool>(), 60),
        ) {
            let start = Learned::of(&Diary, None, interval(-1)).unwrap();
            let (mut learned, mut on_disk) = (start.clone(), None);
            let mut receipts: BTreeMap<Interval, Outcome> = BTreeMap::new();
            for open in 0..60_i64 {
                let first = open + 2;
                let known = learned
                    .learn::<Infallible>(&Diary, interval(first), 4, before, |at| Ok(receipts.get(&at).copied()))
                    .unwrap();
                for of in first..=first + 4 {
                    // Due when `of` is the first that an order can stand for: two after the open one.
                    let in_time = |at: &i64| delays[*at as usize] < LAG - 2;
                    let expected: Vec<i64> = (0..=of - LAG).filter(in_time).collect();
                    match known.at(interval(of)) {
                        Some(memory) => prop_assert_eq!(learned_from(memory), expected, "{} in {}", of, open),
                        None => prop_assert!(of > first, "{} is to be decided now", of),
                    }
                }
                prop_assert!(known.at(interval(first + 5)).is_none() && known.at(interval(first - 1)).is_none());
                // Receipts of the intervals that were settled by now; each is stored with what is learned.
                for at in (0..=open).filter(|at| at + delays[*at as usize] == open) {
                    receipts.insert(interval(at), outcome(interval(at)));
                    on_disk = Some(learned.clone());
                }
                if stops[open as usize] {
                    let kept = on_disk.as_ref().map(|kept: &Learned| cbor::decode(&cbor::encode(kept)).unwrap());
                    learned = Learned::of(&Diary, kept, interval(-1)).unwrap();
                }
            }
        }
    }

    #[test]
    fn what_comes_of_an_interval_out_of_reach_is_not_waited_for() {
        let ahead = |never: fn(Interval) -> bool| {
            let mut learned = Learned::of(&Diary, None, interval(-1)).unwrap();
            let outcome = |at: Interval| Ok::<_, Infallible>((at < interval(3)).then(|| outcome(at)));
            let known = learned.learn(&Diary, interval(10), 4, never, outcome).unwrap();
            (10..=14).map(|of| known.at(interval(of)).map(learned_from)).collect::<Vec<_>>()
        };
        let waits = [Some(vec![0, 1, 2]), None, None, None, None];
        assert_eq!(ahead(before), waits);
        let goes_on = [Some(vec![0, 1, 2]), Some(vec![0, 1, 2]), Some(vec![0, 1, 2]), None, None];
        assert_eq!(ahead(|at| before(at) || [3, 4].map(interval).contains(&at)), goes_on);
    }

    #[test]
    fn a_memory_that_was_not_kept_begins_with_a_day_of_receipts() {
        let mut learned = Learned::of(&Diary, None, interval(-1)).unwrap();
        let all = |at| Ok::<_, Infallible>((at > interval(-1)).then(|| outcome(at)));
        let known = learned.learn(&Diary, interval(500), 0, before, all).unwrap();
        let from = learned_from(known.at(interval(500)).unwrap());
        // Up to 492, and 96 quarter hours.
        assert_eq!(from, (397..=492).collect::<Vec<_>>());
        let other = Learned { strategy: "another".into(), ..learned.clone() };
        let begun = Learned::of(&Diary, None, interval(-1));
        assert_eq!(Learned::of(&Diary, Some(other), interval(-1)), begun);
        assert_eq!(Learned::of(&Diary, Some(learned.clone()), interval(-1)), Some(learned));
        let nothing: Arc<dyn Strategy> = Arc::new(household::strategy::PriceTaker::default());
        assert_eq!(Learned::of(&*nothing, None, interval(-1)), None);
    }
}
