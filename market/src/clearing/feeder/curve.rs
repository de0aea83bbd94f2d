//! What a subtree can export at which price: all its units of energy in order of price, whoever they belong to.
//!
//! A unit that a bid wants and a unit that an offer has are the same thing to the grid: something that can be had for
//! export above its price. So a curve is one ordered sequence. Its first `import` Wh are what the subtree draws from
//! above if nothing is exported; what follows is what it could send up.
//!
//! Equal prices of one side are one group: who of them gets how much is for [`super::groups`] to say. The sequence is
//! cut into runs of some dozen groups, and the runs are a treap: a search tree by price, a heap by random numbers.
//! Adding to all prices of a part is one addition at its top, and what is merged is split only where it falls into the
//! other. Most curves are short, because a line cuts off what it cannot carry: one run, in one place, that is merged by
//! walking it.

use super::groups::Group;

/// No node.
pub(super) const NIL: u32 = u32::MAX;

/// Most groups of a run.
const RUN_MAX: usize = 32;

/// A run of groups: at least one, each of another price.
#[derive(Default)]
struct Node {
    /// Doubled prices in ascending order, odd for bids; without what is still to be added by the nodes above.
    keys: Vec<i64>,
    /// The group of each key.
    groups: Vec<Group>,
    /// Wh of the run.
    wh: u128,
    /// Wh of the whole part from here down.
    sum: u128,
    /// To be added to all keys below this node.
    add: i64,
    heat: u32,
    /// What is below it in price, and what is above.
    children: [u32; 2],
}

const BELOW: usize = 0;
const ABOVE: usize = 1;

/// All curves of a grid.
pub(super) struct Curves {
    nodes: Vec<Node>,
    /// Nodes that no curve uses any more.
    free: Vec<u32>,
    run_max: usize,
    /// Seed of the heap's random numbers, which only make it fast.
    seed: u64,
    /// Where two runs are merged, before it is one of them.
    merged: (Vec<i64>, Vec<Group>),
}

impl Curves {
    pub(super) fn new(seed: u64) -> Curves {
        Curves { nodes: Vec::new(), free: Vec::new(), run_max: RUN_MAX, seed, merged: Default::default() }
    }

    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn node_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    /// A node without groups.
    fn make(&mut self, heat: u32) -> u32 {
        let node = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            (self.nodes.len() - 1) as u32
        });
        let made = self.node_mut(node);
        (made.add, made.heat, made.children) = (0, heat, [NIL; 2]);
        node
    }

    fn release(&mut self, node: u32) {
        let released = self.node_mut(node);
        released.keys.clear();
        released.groups.clear();
        self.free.push(node);
    }

    /// A curve of one group.
    pub(super) fn single(&mut self, key: i64, group: Group) -> u32 {
        self.seed = self.seed.wrapping_add(1);
        let node = self.make(mixed(self.seed));
        let single = self.node_mut(node);
        single.keys.push(key);
        single.groups.push(group);
        (single.wh, single.sum) = (group.wh, group.wh);
        node
    }

    /// A curve and one group more, at a higher key than all others.
    pub(super) fn append(&mut self, curve: u32, key: i64, group: Group) -> u32 {
        let run_max = self.run_max;
        match self.nodes.get_mut(curve as usize) {
            Some(node) if node.children == [NIL; 2] && node.keys.len() < run_max => {
                node.keys.push(key);
                node.groups.push(group);
                (node.wh, node.sum) = (node.wh + group.wh, node.sum + group.wh);
                curve
            }
            _ => {
                let single = self.single(key, group);
                self.join(curve, single)
            }
        }
    }

    pub(super) fn sum(&self, curve: u32) -> u128 {
        if curve == NIL { 0 } else { self.node(curve).sum }
    }

    /// Adds to every key of a curve.
    pub(super) fn shift(&mut self, curve: u32, by: i64) {
        if curve != NIL {
            let node = self.node_mut(curve);
            node.keys.iter_mut().for_each(|key| *key += by);
            node.add += by;
        }
    }

    /// Passes on what was left to add.
    fn settle(&mut self, curve: u32) {
        let Node { add, children, .. } = *self.node(curve);
        if add != 0 {
            self.node_mut(curve).add = 0;
            children.into_iter().for_each(|child| self.shift(child, add));
        }
    }

    fn update(&mut self, curve: u32) -> u32 {
        let Node { children: [below, above], wh, .. } = *self.node(curve);
        self.node_mut(curve).sum = wh + self.sum(below) + self.sum(above);
        curve
    }

    /// Two curves, of which the first ends below where the second begins.
    pub(super) fn join(&mut self, low: u32, high: u32) -> u32 {
        if low == NIL {
            return high;
        }
        if high == NIL {
            return low;
        }
        let (lower, higher) = (self.node(low), self.node(high));
        let meet = lower.children[ABOVE] == NIL && higher.children[BELOW] == NIL;
        if meet && lower.keys.len() + higher.keys.len() <= self.run_max {
            return self.lengthen(low, high);
        }
        let both = [high, low];
        let side = usize::from(lower.heat >= higher.heat);
        let top = both[side];
        self.settle(top);
        let mut ends = [low, high];
        ends[1 - side] = self.node(top).children[side];
        self.node_mut(top).children[side] = self.join(ends[0], ends[1]);
        self.update(top)
    }

    /// Makes one run of two that are beside each other.
    fn lengthen(&mut self, low: u32, high: u32) -> u32 {
        self.settle(low);
        self.settle(high);
        let higher = std::mem::take(self.node_mut(high));
        let lower = self.node_mut(low);
        lower.keys.extend_from_slice(&higher.keys);
        lower.groups.extend_from_slice(&higher.groups);
        lower.wh += higher.wh;
        lower.heat = lower.heat.max(higher.heat);
        lower.children[ABOVE] = higher.children[ABOVE];
        // Given back for its memory.
        *self.node_mut(high) = higher;
        self.release(high);
        self.update(low)
    }

    /// Cuts a run in two, each with the children on its side: its first `count` groups, and the others.
    fn cut(&mut self, node: u32, count: usize) -> [u32; 2] {
        let rest = self.make(self.node(node).heat);
        let mut after = std::mem::take(self.node_mut(rest));
        let before = self.node_mut(node);
        after.keys.extend_from_slice(&before.keys[count..]);
        after.groups.extend_from_slice(&before.groups[count..]);
        before.keys.truncate(count);
        before.groups.truncate(count);
        after.wh = after.groups.iter().map(|group| group.wh).sum();
        before.wh -= after.wh;
        after.children[ABOVE] = std::mem::replace(&mut before.children[ABOVE], NIL);
        *self.node_mut(rest) = after;
        [self.update(node), self.update(rest)]
    }

    /// What of a curve is below a key, and what is not.
    fn split(&mut self, curve: u32, key: i64) -> [u32; 2] {
        if curve == NIL {
            return [NIL; 2];
        }
        self.settle(curve);
        let Node { keys, children, .. } = self.node(curve);
        let (count, children) = (keys.partition_point(|own| *own < key), *children);
        if count > 0 && count < keys.len() {
            return self.cut(curve, count);
        }
        let side = usize::from(count > 0);
        let mut parts = self.split(children[side], key);
        self.node_mut(curve).children[side] = parts[1 - side];
        parts[1 - side] = self.update(curve);
        parts
    }

    /// Merges two curves; groups of one price are put together by `unite`.
    pub(super) fn merge(&mut self, one: u32, other: u32, unite: &mut impl FnMut(&Group, &Group) -> Group) -> u32 {
        if one == NIL {
            return other;
        }
        if other == NIL {
            return one;
        }
        let (first, second) = (self.node(one), self.node(other));
        let are_runs = first.children == [NIL; 2] && second.children == [NIL; 2];
        if are_runs && first.keys.len() + second.keys.len() <= self.run_max {
            return self.merge_runs(one, other, unite);
        }
        let (top, rest) = if first.heat >= second.heat { (one, other) } else { (other, one) };
        self.settle(top);
        let [below, above] = std::mem::replace(&mut self.node_mut(top).children, [NIL; 2]);
        self.update(top);
        let keys = &self.node(top).keys;
        let (lowest, highest) = (keys[0], keys[keys.len() - 1]);
        let [rest_below, rest] = self.split(rest, lowest);
        let [among, rest_above] = self.split(rest, highest + 1);
        let middle = self.interleave(top, among, unite);
        let below = self.merge(below, rest_below, unite);
        let above = self.merge(above, rest_above, unite);
        let below = self.join(below, middle);
        self.join(below, above)
    }

    /// Merges a run with a curve that lies within it.
    fn interleave(&mut self, run: u32, curve: u32, unite: &mut impl FnMut(&Group, &Group) -> Group) -> u32 {
        if curve == NIL {
            return run;
        }
        let is_run = self.node(curve).children == [NIL; 2];
        let (count, others) = (self.node(run).keys.len(), self.node(curve).keys.len());
        // A curve within a run of one group is one group too, so what is cut here has more than one.
        if is_run && (count + others <= self.run_max || count == 1) {
            return self.merge_runs(run, curve, unite);
        }
        let [low, high] = self.cut(run, count / 2);
        let [curve_low, curve_high] = self.split(curve, self.node(high).keys[0]);
        let low = self.merge(low, curve_low, unite);
        let high = self.merge(high, curve_high, unite);
        self.join(low, high)
    }

    /// Merges two curves of one run each into one run.
    fn merge_runs(&mut self, one: u32, other: u32, unite: &mut impl FnMut(&Group, &Group) -> Group) -> u32 {
        let (mut keys, mut groups) = std::mem::take(&mut self.merged);
        let (first, second) = (self.node(one), self.node(other));
        let (mut at, mut other_at) = (0, 0);
        while let (Some(&key), Some(&other_key)) = (first.keys.get(at), second.keys.get(other_at)) {
            let (group, other_group) = (&first.groups[at], &second.groups[other_at]);
            if key == other_key {
                keys.push(key);
                groups.push(unite(group, other_group));
                (at, other_at) = (at + 1, other_at + 1);
                continue;
            }
            // Which is first cannot be foreseen: chosen without a branch.
            let is_first = key < other_key;
            keys.push(if is_first { key } else { other_key });
            groups.push(*if is_first { group } else { other_group });
            (at, other_at) = (at + usize::from(is_first), other_at + usize::from(!is_first));
        }
        keys.extend_from_slice(&first.keys[at..]);
        groups.extend_from_slice(&first.groups[at..]);
        keys.extend_from_slice(&second.keys[other_at..]);
        groups.extend_from_slice(&second.groups[other_at..]);
        let (wh, heat) = (first.wh + second.wh, first.heat.max(second.heat));
        self.release(other);
        let node = self.node_mut(one);
        (node.wh, node.sum, node.heat) = (wh, wh, heat);
        self.merged = (std::mem::replace(&mut node.keys, keys), std::mem::replace(&mut node.groups, groups));
        self.merged.0.clear();
        self.merged.1.clear();
        one
    }

    /// Splits a curve after `wh`: the groups that are wholly before, and the rest.
    pub(super) fn split_after(&mut self, curve: u32, wh: u128) -> [u32; 2] {
        if curve == NIL {
            return [NIL; 2];
        }
        self.settle(curve);
        let Node { ref groups, wh: own, children, .. } = *self.node(curve);
        let before = self.sum(children[BELOW]);
        if wh < before || wh >= before + own {
            let side = usize::from(wh >= before + own);
            let mut parts = self.split_after(children[side], if side == ABOVE { wh - before - own } else { wh });
            self.node_mut(curve).children[side] = parts[1 - side];
            parts[1 - side] = self.update(curve);
            return parts;
        }
        let count = position(groups, wh - before).0;
        if count > 0 {
            return self.cut(curve, count);
        }
        self.node_mut(curve).children[BELOW] = NIL;
        [children[BELOW], self.update(curve)]
    }

    /// Takes the first group off a curve.
    pub(super) fn pop_first(&mut self, curve: u32) -> (i64, Group, u32) {
        self.settle(curve);
        let [below, above] = self.node(curve).children;
        if below != NIL {
            let (key, group, rest) = self.pop_first(below);
            self.node_mut(curve).children[BELOW] = rest;
            return (key, group, self.update(curve));
        }
        let node = self.node_mut(curve);
        let (key, group) = (node.keys.remove(0), node.groups.remove(0));
        node.wh -= group.wh;
        if node.keys.is_empty() {
            self.release(curve);
            return (key, group, above);
        }
        (key, group, self.update(curve))
    }

    /// The keys of the units just before and just after the first `wh`, which are no more than all; none where there is
    /// no such unit.
    pub(super) fn keys_around(&self, curve: u32, mut wh: u128) -> (Option<i64>, Option<i64>) {
        let (mut at, mut added, mut passed) = (curve, 0, None);
        while at != NIL {
            let node = self.node(at);
            let before = self.sum(node.children[BELOW]);
            let key = |index: usize| node.keys.get(index).map(|key| key + added);
            if wh < before {
                at = node.children[BELOW];
            } else if wh < before + node.wh {
                let (index, passed_wh) = position(&node.groups, wh - before);
                let before_run = || self.last_key(node.children[BELOW], added + node.add).or(passed);
                return match index.checked_sub(1) {
                    _ if passed_wh < wh - before => (key(index), key(index)),
                    Some(last) => (key(last), key(index)),
                    None => (before_run(), key(index)),
                };
            } else {
                wh -= before + node.wh;
                passed = key(node.keys.len() - 1);
                at = node.children[ABOVE];
            }
            added += node.add;
        }
        (passed, None)
    }

    /// The highest key of a part of a curve, to whose keys this much is to be added.
    fn last_key(&self, mut at: u32, mut added: i64) -> Option<i64> {
        let mut last = None;
        while at != NIL {
            let node = self.node(at);
            last = node.keys.last().map(|key| key + added);
            added += node.add;
            at = node.children[ABOVE];
        }
        last
    }

    /// Ends a curve: visits every group of it, in no order, with a key whose last bit is right, for what is added is
    /// always even.
    pub(super) fn drain(&mut self, curve: u32, mut visit: impl FnMut(&Group, i64)) {
        let mut open = vec![curve];
        while let Some(at) = open.pop() {
            if at != NIL {
                let node = self.node(at);
                node.groups.iter().zip(&node.keys).for_each(|(group, key)| visit(group, *key));
                open.extend(node.children);
                self.release(at);
            }
        }
    }
}

/// How many groups of a run are wholly within its first `wh`, which are less than all, and how much those are.
fn position(groups: &[Group], wh: u128) -> (usize, u128) {
    let (mut count, mut passed) = (0, 0);
    while let Some(group) = groups.get(count)
        && passed + group.wh <= wh
    {
        (count, passed) = (count + 1, passed + group.wh);
    }
    (count, passed)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(number: u64) -> u32 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 32) as u32
}

#[cfg(test)]
mod tests;
