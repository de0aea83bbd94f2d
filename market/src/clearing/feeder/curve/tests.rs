use std::collections::BTreeMap;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::*;

/// What a curve is: its keys in order, and the Wh of each.
type Model = BTreeMap<i64, u128>;

struct Made {
    curves: Curves,
    random: ChaCha8Rng,
    /// Curves and what they should be.
    pairs: Vec<(u32, Model)>,
}

impl Made {
    fn new(run_max: usize, seed: u64) -> Made {
        let curves = Curves { run_max, ..Curves::new(seed) };
        Made { curves, random: ChaCha8Rng::seed_from_u64(seed), pairs: Vec::new() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// A curve of up to `most` groups, keys often equal to those of another.
    fn add(&mut self, most: u64) {
        let count = self.below(most + 1);
        let groups = (0..count).map(|_| (self.below(1000) as i64, u128::from(1 + self.below(9))));
        let model: Model = groups.collect();
        let curve = model.iter().fold(NIL, |curve, (key, wh)| self.curves.append(curve, *key, Group::new(*wh, 0)));
        self.pairs.push((curve, model));
    }

    fn take(&mut self) -> (u32, Model) {
        let index = self.below(self.pairs.len() as u64) as usize;
        self.pairs.swap_remove(index)
    }

    fn merge(&mut self) {
        let ((one, mut model), (other, other_model)) = (self.take(), self.take());
        other_model.into_iter().for_each(|(key, wh)| *model.entry(key).or_default() += wh);
        let mut unite = |one: &Group, other: &Group| Group::new(one.wh + other.wh, 0);
        let merged = self.curves.merge(one, other, &mut unite);
        self.pairs.push((merged, model));
    }

    /// Splits a curve, as charges and cuts do, and puts it together again.
    fn charge(&mut self) {
        let (curve, model) = self.take();
        let wh = self.below(2 + model.values().sum::<u128>() as u64).into();
        let mut passed = 0;
        let (before, rest): (Vec<_>, Vec<_>) = model.into_iter().partition(|(_, own)| {
            passed += own;
            passed <= wh
        });
        let [low, mut high] = self.curves.split_after(curve, wh);
        assert_eq!(self.curves.sum(low), before.iter().map(|(_, wh)| wh).sum());
        let mut popped = NIL;
        if let Some(first) = rest.first() {
            let (key, group, others) = self.curves.pop_first(high);
            assert_eq!((key, group.wh), *first);
            (popped, high) = (self.curves.single(key, group), others);
        }
        let (down, up) = (self.below(50) as i64, self.below(50) as i64);
        self.curves.shift(low, -2 * down);
        let high = self.curves.join(popped, high);
        self.curves.shift(high, 2 * up);
        let before = before.into_iter().map(|(key, wh)| (key - 2 * down, wh));
        let model = before.chain(rest.into_iter().map(|(key, wh)| (key + 2 * up, wh))).collect();
        self.pairs.push((self.curves.join(low, high), model));
    }

    fn check(&mut self) {
        let (curve, model) = self.take();
        let all: u128 = model.values().sum();
        assert_eq!(self.curves.sum(curve), all);
        let wh = u128::from(self.below(1 + all as u64));
        let (mut before, mut after, mut passed) = (None, None, 0);
        for (key, own) in &model {
            before = if passed < wh { Some(*key) } else { before };
            passed += own;
            after = after.or(Some(*key).filter(|_| passed > wh));
        }
        assert_eq!(self.curves.keys_around(curve, wh), (before, after));
        self.pairs.push((curve, model));
    }
}

/// A curve, group by group.
fn emptied(curves: &mut Curves, mut curve: u32) -> Vec<(i64, u128)> {
    let mut groups = Vec::new();
    while curve != NIL {
        let (key, group, rest) = curves.pop_first(curve);
        groups.push((key, group.wh));
        curve = rest;
    }
    groups
}

#[test]
fn a_curve_is_a_sorted_list_however_it_is_cut_into_runs() {
    let mut longest = 0;
    for (run_max, seed) in [2, 3, 5, RUN_MAX].into_iter().flat_map(|run_max| (0..20).map(move |seed| (run_max, seed))) {
        let mut made = Made::new(run_max, seed);
        for _ in 0..400 {
            match made.below(8) {
                0..2 => made.add(20),
                2 => made.add(200),
                3..5 if made.pairs.len() > 1 => made.merge(),
                _ if !made.pairs.is_empty() => {
                    made.charge();
                    made.check();
                }
                _ => {}
            }
        }
        while made.pairs.len() > 1 {
            made.merge();
        }
        let (curve, model) = made.pairs.pop().unwrap();
        longest = longest.max(model.len());
        assert_eq!(emptied(&mut made.curves, curve), Vec::from_iter(model), "run_max {run_max}, seed {seed}");
        assert_eq!(made.curves.free.len(), made.curves.nodes.len(), "every node is given back");
    }
    assert!(longest > 10 * RUN_MAX, "{longest}");
}

#[test]
fn what_is_drained_is_the_whole_curve() {
    let mut made = Made::new(3, 7);
    (0..50).for_each(|_| made.add(20));
    while made.pairs.len() > 1 {
        made.merge();
    }
    let (curve, model) = made.pairs.pop().unwrap();
    let (mut wh, mut groups) = (0, 0);
    made.curves.drain(curve, |group, _| (wh, groups) = (wh + group.wh, groups + 1));
    assert_eq!((wh, groups), (model.values().sum(), model.len()));
    assert_eq!(made.curves.free.len(), made.curves.nodes.len());
}
