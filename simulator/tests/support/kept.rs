//! A small ledger on disk as a validator keeps it, made block by block with real keys.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ledger::{
    chain::{Tip, build},
    state::State,
};
use ledger_node::{
    node::{GENESIS_FILE, STORE_DIRECTORY, commit_of},
    store::{SledStore, Store, StoredBlock},
};
use market::{grid::Grid, inputs::Inputs};
use protocol::{
    block::Transaction,
    cbor,
    correction::{Correction, MemberInput, Validated, Values, corrected},
    decision::Action,
    energy::Energy,
    genesis::{GenesisMember, GridLine, GridPlan, Rules},
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    member::MemberId,
    order::Order,
    reading::{ChainHead, Registers, SignedReading},
    settlement::Settlement,
};
use tempfile::TempDir;
use testkit::community::{Community, TestMember, settled};

/// An interval as it was settled first, and what it was settled from.
pub(crate) struct FirstSettled {
    pub(crate) settlement: Settlement,
    pub(crate) inputs: Vec<MemberInput>,
    pub(crate) rules: Rules,
    pub(crate) tie_seed: Hash,
}

/// A ledger on disk.
pub(crate) struct Kept {
    pub(crate) community: Community,
    pub(crate) state: State,
    pub(crate) settled: Vec<FirstSettled>,
    tip: Tip,
    store: Option<SledStore>,
    directory: TempDir,
}

impl Kept {
    /// Before its first block: six members behind a transformer and two lines.
    pub(crate) fn new() -> Kept {
        let mut community = Community::new(6, 4);
        let line = |line: &str, from: &str, to: &str| GridLine {
            line: line.into(),
            from: from.into(),
            to: to.into(),
            rated_va: 4_000,
        };
        let lines = vec![line("north", "root", "a"), line("south", "root", "b")];
        let plan = GridPlan { transformer: "t".into(), transformer_va: 100_000, root: "root".into(), lines };
        community.genesis.grid = Some(plan);
        for (number, member) in community.genesis.members.iter_mut().enumerate() {
            member.bus = Some(if number % 2 == 0 { "a" } else { "b" }.into());
        }
        community.genesis.check().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let genesis = serde_json::to_vec(&community.genesis).unwrap();
        fs::write(directory.path().join(GENESIS_FILE), genesis).unwrap();
        let chain = community.genesis.chain();
        let store = SledStore::open(&directory.path().join(STORE_DIRECTORY), &chain).unwrap();
        let (state, tip) = (community.state(), Tip { height: 0, block: chain });
        Kept { community, state, settled: Vec::new(), tip, store: Some(store), directory }
    }

    /// With all that matters to a replay: orders, a reading that comes late, a member that is taken in later, rules
    /// that change, and a correction, which does not.
    pub(crate) fn eventful() -> Kept {
        let mut kept = Kept::new();
        let from = |kept: &Kept, count| kept.state.next().offset(count).unwrap();
        let order = |valid_from| Order {
            sequence: 1,
            valid_from,
            buy: Some("0.25".parse().unwrap()),
            sell: Some("0.12".parse().unwrap()),
            buy_cap: Some(Energy::from_wh(300)),
            sell_cap: None,
        };
        kept.settle(&[]);
        let second = from(&kept, 0);
        let orders = [1, 3].map(|member| kept.community.order(member, order(from(&kept, 1))));
        kept.block(orders.to_vec());
        kept.settle(&[]);
        // The third interval is not read of one member, and comes with the fourth.
        kept.settle(&[2]);
        let newcomer = kept.newcomer();
        kept.block(vec![kept.community.decide(1, Action::RegisterMember(Box::new(newcomer)))]);
        kept.settle(&[6]);
        let other = Rules::new("0.36".parse().unwrap(), "0.07".parse().unwrap(), "mid_market_rate");
        let rules = Action::SetRules { from: from(&kept, 1), rules: other, grid: None };
        kept.block(vec![kept.community.decide(2, rules)]);
        kept.settle(&[]);
        kept.settle(&[]);
        kept.correct(3, second);
        kept.settle(&[]);
        kept
    }

    /// Someone whom the genesis doesn't know, with keys.
    fn newcomer(&mut self) -> GenesisMember {
        let (id, next) = (MemberId::from_bytes([0x7f; 16]), self.state.next());
        let [key, device] = [77, 78].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let registered = GenesisMember {
            member: id,
            key: key.public(),
            device: device.public(),
            ..self.community.genesis.members[0].clone()
        };
        let head = ChainHead { sequence: 0, hash: Hash::ZERO, interval: next, registers: Registers::default() };
        self.community.members.push(TestMember { id, key, device, head });
        registered
    }

    /// A block that settles the next interval, of which some are not read.
    pub(crate) fn settle(&mut self, unread: &[usize]) {
        let interval = self.state.next();
        let mut readings = Vec::new();
        for member in 0..self.community.members.len() {
            if unread.contains(&member) {
                continue;
            }
            let missed = interval.since(self.community.members[member].head.interval).unwrap();
            for ago in (0..missed).rev() {
                let flow = if member % 3 == 0 { -(700 + 13 * member as i64) } else { 400 + 7 * member as i64 };
                let flow = flow + 10 * ago + 3 * self.settled.len() as i64;
                readings.push(self.community.read(member, interval.offset(-ago).unwrap(), flow));
            }
        }
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        self.settle_from(&readings);
    }

    fn settle_from(&mut self, readings: &[SignedReading]) {
        let settlement = self.community.settlement(&self.state, readings);
        self.settled.push(FirstSettled {
            inputs: self.community.inputs(&self.state, readings),
            rules: self.state.rules_at(settlement.interval).0.rules.clone(),
            tie_seed: self.state.tie_seed(),
            settlement: settlement.clone(),
        });
        self.block(vec![self.community.transaction(settlement, readings)]);
    }

    fn correct(&mut self, decision: u64, interval: Interval) {
        let FirstSettled { settlement: reversed, inputs, tie_seed, .. } =
            self.settled.iter().find(|it| it.settlement.interval == interval).unwrap();
        let values = Values { export: Energy::from_wh(1_234), ..Values::default() };
        let values = vec![Validated { member: inputs[0].member, values }];
        let after = corrected(inputs, &values).unwrap();
        let settlement = settled(&self.state, interval, tie_seed, &after, reversed.readings.clone());
        let correction =
            Correction { reversed: reversed.clone(), inputs: inputs.clone(), values, settlement, number: 1 };
        self.block(vec![self.community.decide(decision, Action::Correct(Box::new(correction)))]);
    }

    /// The block after the last one.
    fn block(&mut self, transactions: Vec<Transaction>) {
        let transactions = transactions.into_iter().map(|transaction| (transaction, Vec::new()));
        let (block, executed, refused) = build(&self.state, self.tip, transactions);
        assert!(refused.is_empty(), "{refused:?}");
        let (height, hash) = (block.header.height, block.header.hash());
        let certificate = self.community.certificate(height, hash);
        let stored = StoredBlock { body: cbor::encode(&block), certificate, pruned: None };
        self.store.as_ref().unwrap().commit(&commit_of(&self.state, &block, &stored, &executed)).unwrap();
        (self.state, self.tip) = (executed.state, Tip { height, block: hash });
    }

    /// Forgets the readings of the first blocks.
    pub(crate) fn prune(&mut self, blocks: usize) {
        for _ in 0..blocks {
            ledger_node::node::prune_next(self.store.as_ref().unwrap(), &self.community.genesis).unwrap();
        }
    }

    /// The validator's directory, once it has stopped.
    pub(crate) fn stopped(&mut self) -> PathBuf {
        self.store = None;
        self.path().to_owned()
    }

    /// The validator's directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The members that were read in an interval, as the clearing takes them.
    pub(crate) fn inputs(&self, first: &FirstSettled) -> (Grid, Inputs) {
        let (_, grid) = self.state.rules_at(first.settlement.interval);
        let bus = |input: &MemberInput| {
            let (_, member) = self.state.members().find(|(id, _)| **id == input.member).unwrap();
            grid.bus(member.bus())
        };
        (grid.clone(), Inputs::new(first.inputs.clone(), bus).unwrap())
    }
}
