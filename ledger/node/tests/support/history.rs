//! A ledger in which everything happens that can: settlements, transfers, retired certificates, corrections, two
//! changes of the validators, and a device that contradicts itself.

use std::{fs, path::Path};

use ledger::{
    chain::{Readings, Tip, build, execute},
    state::State,
};
use ledger_node::{
    node::{GENESIS_FILE, STORE_DIRECTORY, commit_of},
    store::{MemoryStore, SledStore, Store, StoredBlock},
};
use protocol::{
    block::{Block, Transaction},
    cbor,
    commit::Validator,
    correction::{Correction, Validated, Values, corrected},
    decision::Action,
    energy::Energy,
    instruction::{MemberAction, Portion},
    interval::Interval,
    key::SecretKey,
    member::AccountId,
    money::Amount,
    origin::{Bundle, Issue},
};

use super::{Community, settled};

/// For whom certificates are claimed.
pub(crate) const BAKERY: &str = "Café am Eck";

/// The community, its ledger, and the state after the last block.
pub(crate) struct History {
    pub(crate) community: Community,
    pub(crate) store: MemoryStore,
    pub(crate) state: State,
    tip: Tip,
}

impl History {
    pub(crate) fn new(members: usize, validators: usize) -> History {
        History::of(Community::new(members, validators))
    }

    /// A community's ledger before its first block.
    pub(crate) fn of(community: Community) -> History {
        let (state, tip) = (community.state(), Tip { height: 0, block: community.genesis.chain() });
        History { community, store: MemoryStore::default(), state, tip }
    }

    /// Eleven blocks with everything in them.
    pub(crate) fn eventful() -> History {
        let mut history = History::new(5, 4);
        let first = history.settle();
        let second = history.settle();
        let giver = history.community.members[0].id;
        let transfer = MemberAction::Transfer {
            to: AccountId::Member(history.community.members[1].id),
            amount: Amount::from_nano(1_000),
            reference: "for the ladder".into(),
        };
        history.block(vec![history.community.instruct(0, 1, transfer)]);
        history.replace_validator(1, 201);
        let third = history.settle();
        let issue = history.state.record(first).unwrap().issues.remove(0);
        let bundle = &issue.bundles[0];
        let holder = history.community.members.iter().position(|member| member.id == bundle.holder).unwrap();
        let certificates = Portion { interval: first, device: issue.device, first: 0, energy: bundle.energy };
        let retire =
            MemberAction::RetireCertificates { certificates, purpose: "own consumption".into(), beneficiary: None };
        history.block(vec![history.community.instruct(holder, if holder == 0 { 2 } else { 1 }, retire)]);
        history.correct(2, second, 1, &[(giver, Values { export: Energy::from_wh(400), ..Values::default() })]);
        history.replace_validator(3, 202);
        // Everything at once: the correction is corrected, and another interval is settled.
        history.correct(4, second, 2, &[(giver, Values { export: Energy::from_wh(650), ..Values::default() })]);
        history.settle();
        assert!(third < history.state.next());
        let reading = history.community.read(4, history.state.next(), 100);
        let other = history.community.contradict(4, &reading);
        history.block(vec![Transaction::report_conflict(reading.sealed(), Some(other.sealed()))]);
        history
    }

    /// An eventful ledger in which somebody gave certificates that it had bought away, and the receiver claimed four of
    /// them for a bakery.
    pub(crate) fn claimed() -> History {
        let mut history = History::eventful();
        let interval = history.community.genesis.first_interval;
        let issues = history.state.record(interval).unwrap().issues;
        let bundles =
            issues.iter().flat_map(|issue| issue.numbered().map(move |(first, bundle)| (issue, first, bundle)));
        let given = |(issue, _, bundle): &(&Issue, u64, &Bundle)| {
            bundle.retired.is_none() && bundle.holder != issue.producer && bundle.energy.wh() > 20
        };
        let (issue, first, bundle) = bundles.into_iter().find(given).unwrap();
        let portion = |first, wh| Portion { interval, device: issue.device, first, energy: Energy::from_wh(wh) };
        let giver = history.community.members.iter().position(|member| member.id == bundle.holder).unwrap();
        let receiver = (giver + 1) % history.community.members.len();
        let to = history.community.members[receiver].id;
        let give = MemberAction::TransferCertificates { certificates: portion(first + 5, 10), to };
        let claim = MemberAction::RetireCertificates {
            certificates: portion(first + 7, 4),
            purpose: "bread of \"June\"".into(),
            beneficiary: Some(BAKERY.into()),
        };
        history.instruct(giver, give);
        history.instruct(receiver, claim);
        history
    }

    /// The block after the last one.
    pub(crate) fn block(&mut self, transactions: Vec<Transaction>) {
        let (block, stored, executed) = self.proposed(transactions);
        let tip = Tip { height: block.header.height, block: block.header.hash() };
        self.store.commit(&commit_of(&self.state, &block, &stored, &executed)).unwrap();
        assert_eq!(executed.state.balances_sum(), 0);
        (self.state, self.tip) = (executed.state, tip);
    }

    fn proposed(&self, transactions: Vec<Transaction>) -> (Block, StoredBlock, ledger::chain::Executed) {
        let transactions = transactions.into_iter().map(|transaction| (transaction, Vec::new()));
        let (block, executed, refused) = build(&self.state, self.tip, transactions);
        assert!(refused.is_empty(), "{refused:?}");
        let certificate = self.community.certificate(block.header.height, block.header.hash());
        let stored = StoredBlock { body: cbor::encode(&block), certificate, pruned: None };
        (block, stored, executed)
    }

    /// A block that settles the next interval.
    pub(crate) fn settle(&mut self) -> Interval {
        let interval = self.state.next();
        let readings = self.community.read_all(interval);
        let settlement = self.community.settlement(&self.state, &readings);
        self.block(vec![self.community.transaction(settlement, &readings)]);
        interval
    }

    /// A block after which another validator is in the place of one.
    pub(crate) fn replace_validator(&mut self, decision: u64, seed: u8) {
        let mut keys = self.community.validators.clone();
        keys[0] = SecretKey::from_seed(&[seed; 32]);
        let mut validators: Vec<Validator> = keys.iter().map(|key| Validator { key: key.public(), power: 1 }).collect();
        validators.sort_by_key(|validator| validator.key);
        self.block(vec![self.community.decide(decision, Action::SetValidators { validators })]);
        self.community.validators = keys;
    }

    /// The correction of an interval, as an honest operator makes it.
    pub(crate) fn correction(
        &self,
        interval: Interval,
        number: u32,
        values: &[(protocol::member::MemberId, Values)],
    ) -> Correction {
        let (reversed, inputs) = self.in_force(interval);
        let values: Vec<Validated> = values.iter().map(|&(member, values)| Validated { member, values }).collect();
        let after = corrected(&inputs, &values).unwrap();
        let tie_seed = self.state.record(interval).unwrap().tie_seed;
        let settlement = settled(&self.state, interval, &tie_seed, &after, reversed.readings.clone());
        Correction { reversed, inputs, values, settlement, number }
    }

    /// A block with a correction.
    pub(crate) fn correct(
        &mut self,
        decision: u64,
        interval: Interval,
        number: u32,
        values: &[(protocol::member::MemberId, Values)],
    ) {
        let correction = self.correction(interval, number, values);
        self.block(vec![self.community.decide(decision, Action::Correct(Box::new(correction)))]);
    }

    /// Brings the ledger to the disk, block by block: the state directory of a stopped node.
    pub(crate) fn keep(&self, directory: &Path) {
        let genesis = &self.community.genesis;
        fs::create_dir(directory).unwrap();
        fs::write(directory.join(GENESIS_FILE), serde_json::to_string(genesis).unwrap()).unwrap();
        let disk = SledStore::open(&directory.join(STORE_DIRECTORY), &genesis.chain()).unwrap();
        let (mut state, mut tip) = (self.community.state(), Tip { height: 0, block: genesis.chain() });
        for height in 1..=self.tip.height {
            let stored = self.store.block(height).unwrap().unwrap();
            let block: Block = cbor::decode(&stored.body).unwrap();
            let executed = execute(&state, tip, &block, Readings::Sealed).unwrap();
            disk.commit(&commit_of(&state, &block, &stored, &executed)).unwrap();
            tip = Tip { height, block: block.header.hash() };
            state = executed.state;
        }
    }

    /// A block with the next instruction of a member, by its place in the community.
    pub(crate) fn instruct(&mut self, member: usize, action: MemberAction) {
        let id = self.community.members[member].id;
        let (_, before) = self.state.members().find(|(other, _)| **other == id).unwrap();
        let sequence = before.instruction_sequence() + 1;
        self.block(vec![self.community.instruct(member, sequence, action)]);
    }

    fn in_force(
        &self,
        interval: Interval,
    ) -> (protocol::settlement::Settlement, Vec<protocol::correction::MemberInput>) {
        let chain = self.community.genesis.chain();
        let found = (1..=self.tip.height).rev().find_map(|height| {
            let block: Block = cbor::decode(&self.store.block(height).unwrap().unwrap().body).unwrap();
            let settled = ledger::chain::settlements(&chain, &block).unwrap();
            settled.into_iter().find(|settled| settled.settlement.interval == interval)
        });
        (found.unwrap().settlement, self.store.inputs(interval).unwrap().unwrap())
    }
}
