//! What a subtree can export at which price: all its units of energy in order of price, whoever they belong to.
//!
//! A unit that a bid wants and a unit that an offer has are the same thing to the grid: something that can be had for
//! export above its price. So a curve is one ordered sequence. Its first `import` Wh are what the subtree draws from
//! above if nothing is exported; what follows is what it could send up.
//!
//! Equal prices of one side are one group: who of them gets how much is for [`super::groups`] to say. The sequence is a
//! treap: a search tree by price, a heap by random numbers. Adding to all prices of a part is one addition at its top,
//! and merging m groups into n takes m · log(n/m) steps, wherever they fall.

use super::groups::Group;

/// No node.
pub(super) const NIL: u32 = u32::MAX;

/// A group of units of one price: one line of the cache.
#[repr(align(64))]
struct Node {
    /// Doubled price, odd for bids; without what is still to be added by the nodes above.
    key: i64,
    /// To be added to all keys below this node.
    add: i64,
    /// Wh of the group.
    wh: u128,
    /// Wh of the whole part from here down.
    sum: u128,
    heat: u32,
    left: u32,
    right: u32,
}

/// All curves of a grid, in one piece of memory.
pub(super) struct Curves {
    nodes: Vec<Node>,
    /// The group of each node.
    groups: Vec<Group>,
    /// Nodes on the way of a walk, kept from walk to walk.
    open: Vec<u32>,
    /// Seed of the heap's random numbers, which only make it fast.
    seed: u64,
}

/// What [`Curves::split`] finds: what is below a price, what is at it, what is above.
struct Parts {
    below: u32,
    at: u32,
    above: u32,
}

impl Curves {
    pub(super) fn new(groups_max: usize, seed: u64) -> Curves {
        let (nodes, groups) = (Vec::with_capacity(groups_max), Vec::with_capacity(groups_max));
        Curves { nodes, groups, open: Vec::new(), seed }
    }

    /// A curve of one group.
    pub(super) fn single(&mut self, key: i64, group: Group) -> u32 {
        let index = self.nodes.len() as u32;
        let heat = mixed(self.seed.wrapping_add(index.into()));
        self.nodes.push(Node { key, add: 0, wh: group.wh, sum: group.wh, heat, left: NIL, right: NIL });
        self.groups.push(group);
        index
    }

    /// What the next [`single`](Self::single) will be.
    pub(super) fn next_node(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// The curve of all groups from `first` on, each a curve of its own, in ascending order of their keys.
    pub(super) fn of_singles(&mut self, first: u32) -> u32 {
        // The right edge of the tree so far. What leaves it is complete.
        let mut edge = std::mem::take(&mut self.open);
        for node in first..self.next_node() {
            let heat = self.nodes[node as usize].heat;
            let mut below = NIL;
            while let Some(top) = edge.pop_if(|top| self.nodes[*top as usize].heat < heat) {
                below = self.update(top);
            }
            self.nodes[node as usize].left = below;
            if let Some(&parent) = edge.last() {
                self.nodes[parent as usize].right = node;
            }
            edge.push(node);
        }
        let mut root = NIL;
        while let Some(top) = edge.pop() {
            root = self.update(top);
        }
        self.open = edge;
        root
    }

    pub(super) fn sum(&self, curve: u32) -> u128 {
        if curve == NIL { 0 } else { self.nodes[curve as usize].sum }
    }

    pub(super) fn group(&self, node: u32) -> &Group {
        &self.groups[node as usize]
    }

    /// Replaces the group of a curve of one node.
    pub(super) fn replace(&mut self, node: u32, group: Group) {
        self.groups[node as usize] = group;
        let node = &mut self.nodes[node as usize];
        (node.wh, node.sum) = (group.wh, group.wh);
    }

    /// The key of a curve of one node.
    pub(super) fn key(&self, node: u32) -> i64 {
        self.nodes[node as usize].key
    }

    /// Adds to every key of a curve.
    pub(super) fn shift(&mut self, curve: u32, by: i64) {
        if curve != NIL {
            let node = &mut self.nodes[curve as usize];
            node.key += by;
            node.add += by;
        }
    }

    /// Passes on what was left to add.
    fn settle(&mut self, curve: u32) {
        let Node { add, left, right, .. } = self.nodes[curve as usize];
        if add != 0 {
            self.nodes[curve as usize].add = 0;
            self.shift(left, add);
            self.shift(right, add);
        }
    }

    fn update(&mut self, curve: u32) -> u32 {
        let Node { left, right, wh, .. } = self.nodes[curve as usize];
        self.nodes[curve as usize].sum = wh + self.sum(left) + self.sum(right);
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
        if self.nodes[low as usize].heat >= self.nodes[high as usize].heat {
            self.settle(low);
            let right = self.nodes[low as usize].right;
            self.nodes[low as usize].right = self.join(right, high);
            self.update(low)
        } else {
            self.settle(high);
            let left = self.nodes[high as usize].left;
            self.nodes[high as usize].left = self.join(low, left);
            self.update(high)
        }
    }

    fn split(&mut self, curve: u32, key: i64) -> Parts {
        if curve == NIL {
            return Parts { below: NIL, at: NIL, above: NIL };
        }
        self.settle(curve);
        let Node { key: own, left, right, .. } = self.nodes[curve as usize];
        if own < key {
            let parts = self.split(right, key);
            self.nodes[curve as usize].right = parts.below;
            Parts { below: self.update(curve), ..parts }
        } else if own > key {
            let parts = self.split(left, key);
            self.nodes[curve as usize].left = parts.above;
            Parts { above: self.update(curve), ..parts }
        } else {
            let node = &mut self.nodes[curve as usize];
            (node.left, node.right) = (NIL, NIL);
            self.update(curve);
            Parts { below: left, at: curve, above: right }
        }
    }

    /// Merges two curves; groups of one price are put together by `unite`.
    pub(super) fn merge(&mut self, one: u32, other: u32, unite: &mut impl FnMut(&Group, &Group) -> Group) -> u32 {
        if one == NIL {
            return other;
        }
        if other == NIL {
            return one;
        }
        let (top, rest) =
            if self.nodes[one as usize].heat >= self.nodes[other as usize].heat { (one, other) } else { (other, one) };
        self.settle(top);
        let Node { key, left, right, .. } = self.nodes[top as usize];
        let parts = self.split(rest, key);
        if parts.at != NIL {
            let united = unite(self.group(top), self.group(parts.at));
            self.nodes[top as usize].wh = united.wh;
            self.groups[top as usize] = united;
        }
        self.nodes[top as usize].left = self.merge(left, parts.below, unite);
        self.nodes[top as usize].right = self.merge(right, parts.above, unite);
        self.update(top)
    }

    /// Splits a curve after `wh`: the groups that are wholly before, and the rest.
    pub(super) fn split_after(&mut self, curve: u32, wh: u128) -> (u32, u32) {
        if curve == NIL {
            return (NIL, NIL);
        }
        self.settle(curve);
        let Node { left, right, wh: own, .. } = self.nodes[curve as usize];
        let through = self.sum(left) + own;
        if through <= wh {
            let (before, rest) = self.split_after(right, wh - through);
            self.nodes[curve as usize].right = before;
            (self.update(curve), rest)
        } else {
            let (before, rest) = self.split_after(left, wh);
            self.nodes[curve as usize].left = rest;
            (before, self.update(curve))
        }
    }

    /// Takes the first group off a curve.
    pub(super) fn pop_first(&mut self, curve: u32) -> (u32, u32) {
        self.settle(curve);
        let Node { left, right, .. } = self.nodes[curve as usize];
        if left == NIL {
            self.nodes[curve as usize].right = NIL;
            return (self.update(curve), right);
        }
        let (first, rest) = self.pop_first(left);
        self.nodes[curve as usize].left = rest;
        (first, self.update(curve))
    }

    /// The keys of the units just before and just after the first `wh`, which are no more than all; none where there is no
    /// such unit.
    pub(super) fn keys_around(&self, curve: u32, mut wh: u128) -> (Option<i64>, Option<i64>) {
        let (mut at, mut added, mut passed) = (curve, 0, None);
        while at != NIL {
            let node = &self.nodes[at as usize];
            let before = self.sum(node.left);
            let key = node.key + added;
            if wh < before {
                at = node.left;
            } else if wh == before {
                return (self.last_key(node.left, added + node.add).or(passed), Some(key));
            } else if wh < before + node.wh {
                return (Some(key), Some(key));
            } else {
                wh -= before + node.wh;
                passed = Some(key);
                at = node.right;
            }
            added += node.add;
        }
        (passed, None)
    }

    /// The highest key of a part of a curve, to whose keys this much is to be added.
    fn last_key(&self, mut at: u32, mut added: i64) -> Option<i64> {
        let mut last = None;
        while at != NIL {
            let node = &self.nodes[at as usize];
            last = Some(node.key + added);
            added += node.add;
            at = node.right;
        }
        last
    }

    /// Every group of a curve, in no order, with a key whose last bit is right: what is added is always even.
    pub(super) fn each(&mut self, curve: u32, mut visit: impl FnMut(&Group, i64)) {
        self.open.push(curve);
        while let Some(at) = self.open.pop() {
            if at != NIL {
                let node = &self.nodes[at as usize];
                visit(&self.groups[at as usize], node.key);
                self.open.extend([node.left, node.right]);
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(number: u64) -> u32 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 32) as u32
}
