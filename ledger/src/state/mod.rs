//! The state machine: pure, deterministic, the same on every validator.
//!
//! In: a [`Genesis`] and [`Transaction`]s in the order of the blocks. Out: accounts whose balances sum to zero, the
//! chain heads of all devices, the orders that stand, the rules, who holds which certificates, who validates; or a
//! named [`Refusal`], and then nothing has changed.
//!
//! Everything that a clearing depends on, except the readings themselves, is in the state before the interval before it
//! is settled: an order placed now, or a key changed, stands from the interval after the open one. So the market and
//! every validator compute a clearing from the same inputs, whatever else happens meanwhile.

mod account;
mod certificates;
mod commit;
mod conflict;
mod correct;
mod decide;
mod directory;
mod entries;
mod in_order;
mod instruct;
mod island;
mod member;
mod records;
mod refusal;
mod replay;
mod rulebook;
mod schedule;
mod settle;

use std::{collections::BTreeMap, convert::identity, sync::Arc};

use litemap::LiteMap;
use market::grid::{Grid, GridError};
use minicbor::{Decode, Encode};
use protocol::{
    block::Transaction,
    cbor,
    commit::Validator,
    envelope::{ChainId, Sealed},
    genesis::Genesis,
    hash::Hash,
    interval::Interval,
    island::Standby,
    key::{KnownKey, PublicKey},
    member::{AccountId, MemberId},
    merkle::{MerkleProof, MerkleRoot},
    money::Amount,
    order::Order,
    registration::Registration,
};

pub use self::{
    account::Account,
    entries::{Changed, Changes},
    island::Island,
    member::{Member, ORDERS_PER_MEMBER_MAX},
    records::Record,
    refusal::Refusal,
    rulebook::Version,
    settle::{Booked, Opened, OpenedReadings, compare},
};
use self::{
    directory::Directory,
    entries::{Key, Leaves},
    island::{Standbys, Watch},
    records::Records,
    rulebook::Rulebook,
    schedule::{Change, Schedule},
};

/// What the state says of the market as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Totals {
    #[n(0)]
    settled: Option<Interval>,
    #[n(1)]
    next: Interval,
    #[n(2)]
    tie_seed: Hash,
    #[n(3)]
    settlements: u64,
    #[n(4)]
    supplier: Account,
    #[n(5)]
    operator: Account,
    #[n(6)]
    validators: Vec<Validator>,
    #[n(7)]
    market: PublicKey,
    #[n(8)]
    decision_sequence: u64,
    /// Id of the last decision; zero before the first.
    #[n(9)]
    decision: Hash,
    #[n(10)]
    corrections: u64,
}

/// The state of the ledger after some block.
#[derive(Debug, Clone)]
pub struct State {
    chain: ChainId,
    /// The community's, as the genesis has it: that a rule pack is in it.
    currency: Arc<str>,
    totals: Totals,
    members: LiteMap<MemberId, Member>,
    directory: Arc<Directory>,
    rulebook: Arc<Rulebook>,
    schedule: Schedule,
    records: Records,
    watch: Watch,
    standbys: Standbys,
    leaves: Leaves,
}

/// What a transaction did.
#[derive(Debug, Clone)]
pub enum Applied {
    /// An interval was settled, or settled again.
    Booked(Box<Booked>),
    /// Several intervals were settled again.
    TruedUp(Vec<Booked>),
    /// An order was placed.
    Ordered(MemberId),
    /// A reading was committed.
    Committed(MemberId),
    /// A member's instruction was carried out.
    Instructed(MemberId),
    /// A decision that settles nothing was carried out.
    Decided,
    /// A device said what stands behind its meter.
    Reported(MemberId),
    /// A member's device was suspended.
    Suspended(MemberId),
}

/// Why a genesis, or stored entries, are no state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The grid is not a tree, or a member is on no bus of it.
    #[error("grid: {0}")]
    Grid(#[from] GridError),
    /// The rules name a mechanism that does not exist, or parameters that do not fit the grid.
    #[error(transparent)]
    Rules(Refusal),
    /// The first interval has none before it.
    #[error("expected a first interval after 1970, found {0}")]
    FirstInterval(Interval),
    /// One key signs for two members.
    #[error("member key {0} appears twice")]
    DuplicateKey(PublicKey),
    /// A stored entry cannot be read.
    #[error("state entry {key}: {reason}")]
    Entry {
        /// The entry's key, escaped where it is not text.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl State {
    /// The state before the first block.
    pub fn genesis(genesis: &Genesis) -> Result<State, StateError> {
        let first = genesis.first_interval;
        let before = first.offset(-1).ok_or(StateError::FirstInterval(first))?;
        let version = Version { from: first, rules: genesis.rules.clone(), plan: genesis.grid.clone() };
        let mut members = LiteMap::new_vec();
        let mut directory = Directory::default();
        let grid = Grid::of(genesis.grid.as_ref())?;
        for registered in &genesis.members {
            grid.bus(registered.bus.as_deref())?;
            if directory.member_of_key(&registered.key).is_some() {
                return Err(StateError::DuplicateKey(registered.key));
            }
            let member = Member::register(registered, before);
            directory.add(registered.member, &member);
            members.insert(registered.member, member);
        }
        let chain = genesis.chain();
        let totals = Totals {
            settled: None,
            next: first,
            tie_seed: chain,
            settlements: 0,
            supplier: Account::default(),
            operator: Account::default(),
            validators: genesis.validators.clone(),
            market: genesis.market,
            decision_sequence: 0,
            decision: Hash::ZERO,
            corrections: 0,
        };
        let mut state = State {
            chain,
            currency: genesis.currency.as_str().into(),
            totals,
            members,
            directory: Arc::new(directory),
            rulebook: Arc::new(Rulebook::new(vec![version])?),
            schedule: Schedule::default(),
            records: Records::default(),
            watch: Watch::default(),
            standbys: Standbys::default(),
            leaves: Leaves::default(),
        };
        state.touch_all();
        Ok(state)
    }

    /// The state that the [changes](Changes) of all blocks, in their order, lead to. Before the first block it is the
    /// genesis'.
    pub fn from_entries<'a>(
        genesis: &Genesis,
        entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<State, StateError> {
        let error = |key: &[u8], reason: String| StateError::Entry { key: printable(key), reason };
        let mut state = State::genesis(genesis)?;
        let mut parts: BTreeMap<MemberId, [Option<&[u8]>; 3]> = BTreeMap::new();
        for (key, value) in entries {
            let named = |reason: cbor::CborError| error(key, reason.to_string());
            match Key::stored(key).ok_or_else(|| error(key, "expected the key of an entry".into()))? {
                Key::Member(id) => parts.entry(id).or_default()[0] = Some(value),
                Key::Account(id) => parts.entry(id).or_default()[1] = Some(value),
                Key::Head(id) => parts.entry(id).or_default()[2] = Some(value),
                Key::Interval(interval) => state.records.restore(interval, value).map_err(named)?,
                Key::Rules => {
                    let versions = cbor::decode::<Vec<Version>>(value).map_err(named)?;
                    state.rulebook = Arc::new(Rulebook::new(versions)?);
                }
                Key::Island => {
                    state.watch = cbor::decode(value).map_err(named)?;
                    state.watch.check()?;
                }
                Key::Standby(id) => {
                    let standby = cbor::decode(value).map_err(named)?;
                    Arc::make_mut(&mut state.standbys).insert(id, standby);
                }
                Key::Schedule => state.schedule = Schedule::from_list(cbor::decode(value).map_err(named)?),
                Key::Totals => state.totals = cbor::decode(value).map_err(named)?,
                // Not stored.
                Key::Day(_) => {}
            }
        }
        for (id, parts) in parts {
            let [Some(registration), Some(account), Some(head)] = parts else {
                return Err(error(&Key::Member(id).bytes(), "expected a member, its account and its head".into()));
            };
            let member = Member::restore(registration, account, head)
                .map_err(|reason| error(&Key::Member(id).bytes(), reason.to_string()))?;
            state.members.insert(id, member);
        }
        state.directory = Arc::new(Directory::of(&state.members));
        state.touch_all();
        Ok(state)
    }

    /// The keys of all entries, in no order, some more than once.
    fn keys(&self) -> impl Iterator<Item = Key> {
        let of_member = |id: &MemberId| [Key::Account(*id), Key::Head(*id), Key::Member(*id)];
        let of_interval = |interval| [Key::Interval(interval), Key::Day(records::day_of(interval))];
        let members = self.members.keys().flat_map(of_member);
        let intervals = self.records.intervals().flat_map(of_interval);
        let island = (self.watch != Watch::default()).then_some(Key::Island);
        let standbys = self.standbys.keys().map(|id| Key::Standby(*id));
        members.chain(intervals).chain(island).chain(standbys).chain([Key::Rules, Key::Schedule, Key::Totals])
    }

    fn touch_all(&mut self) {
        let mut leaves = std::mem::take(&mut self.leaves);
        self.keys().for_each(|key| leaves.touch(key));
        self.leaves = leaves;
    }

    /// Whether entries are all that the store keeps of this very state. If so, it would be [read](Self::from_entries)
    /// back from them.
    pub fn is_stored_as(&self, entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> bool {
        let mut value = Vec::new();
        let mut same = |key: Key| {
            value.clear();
            self.write_value(key, &mut value);
            entries.get(&key.bytes()) == Some(&value)
        };
        let stored = || self.keys().filter(|key| key.is_stored());
        stored().count() == entries.len() && stored().all(&mut same)
    }

    /// Appends the value of an entry; `false` if there is no such entry.
    fn write_value(&self, key: Key, bytes: &mut Vec<u8>) -> bool {
        let written = |value: Option<()>| value.is_some();
        let member = |id| self.members.get(&id);
        match key {
            Key::Account(id) => written(member(id).map(|member| member.write_account(bytes))),
            Key::Head(id) => written(member(id).map(|member| cbor::encode_into(member.head(), bytes))),
            Key::Member(id) => written(member(id).map(|member| member.write_registration(bytes))),
            Key::Day(day) => written(self.records.root(day).map(|root| cbor::encode_into(&root, bytes))),
            Key::Interval(interval) => {
                written(self.records.bytes(interval).map(|record| bytes.extend_from_slice(record)))
            }
            Key::Island => written((self.watch != Watch::default()).then(|| cbor::encode_into(&self.watch, bytes))),
            Key::Standby(id) => written(self.standbys.get(&id).map(|standby| cbor::encode_into(standby, bytes))),
            Key::Rules => {
                cbor::encode_into(&self.rulebook.versions().cloned().collect::<Vec<_>>(), bytes);
                true
            }
            Key::Schedule => {
                cbor::encode_into(&self.schedule.list(), bytes);
                true
            }
            Key::Totals => {
                cbor::encode_into(&self.totals, bytes);
                true
            }
        }
    }

    /// Ends a block: makes the root, and says which entries changed since the last time. The first time, that is all of
    /// them.
    pub fn seal(&mut self) -> (MerkleRoot, Changed) {
        let mut leaves = std::mem::take(&mut self.leaves);
        let sealed = leaves.seal(|key, bytes| self.write_value(key, bytes));
        self.leaves = leaves;
        sealed
    }

    /// These entries as they are in this state, for the store.
    pub fn changes(&self, changed: &Changed) -> Changes {
        let entry = |key: Key| {
            let mut value = Vec::with_capacity(256);
            (key.bytes(), self.write_value(key, &mut value).then_some(value))
        };
        changed.stored().map(entry).collect()
    }

    /// The Merkle root of the state: over its entries in order of key, each a leaf of key and hash of value.
    pub fn root(&self) -> MerkleRoot {
        self.leaves.root().unwrap_or_else(|| self.clone().seal().0)
    }

    /// How a member is registered, and the way from that to the root; none of who is no member, or where something has
    /// changed since the block ended.
    pub fn prove_registration(&self, member: MemberId) -> Option<(&Registration, MerkleProof)> {
        Some((self.members.get(&member)?.registration(), self.leaves.prove(Key::Member(member))?))
    }

    /// What is known of a member for an island, and the way from that to the root; none where nothing is, or something
    /// has changed since the block ended.
    pub fn prove_standby(&self, member: MemberId) -> Option<(&Standby, MerkleProof)> {
        Some((self.standby(member)?, self.leaves.prove(Key::Standby(member))?))
    }

    /// Applies a transaction, or refuses it and changes nothing.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Applied, Refusal> {
        self.apply_opened(transaction, &Opened::default())
    }

    /// Applies a transaction as [`apply`](Self::apply) does, where some of its signatures were verified before.
    pub fn apply_opened(&mut self, transaction: &Transaction, opened: &Opened) -> Result<Applied, Refusal> {
        match transaction {
            Transaction::Settle { settlement, readings } => {
                let booked = self.settle(settlement, readings, opened)?;
                Ok(Applied::Booked(Box::new(booked)))
            }
            Transaction::PlaceOrder(order) => self.place_order(order).map(Applied::Ordered),
            Transaction::CommitReading(reading) => self.commit_reading(reading).map(Applied::Committed),
            Transaction::Instruct(instruction) => self.instruct(instruction).map(Applied::Instructed),
            Transaction::Decide { decision, approvals } => self.decide(decision, approvals),
            Transaction::ReportConflict { first, second } => {
                self.report_conflict(first, second.as_ref()).map(Applied::Suspended)
            }
            Transaction::ReportStatus(status) => self.report_status(status).map(Applied::Reported),
        }
    }

    fn place_order(&mut self, sealed: &Sealed) -> Result<MemberId, Refusal> {
        let directory = self.directory.clone();
        let order = sealed.open::<Order>(&self.chain, |key| directory.member_of_key(key).is_some())?;
        let unknown = Refusal::UnknownSigner(order.signer());
        let Some(id) = directory.member_of_key(&order.signer()) else { return Err(unknown) };
        let next = self.totals.next;
        self.members.get_mut(&id).ok_or(unknown)?.place(&order, next)?;
        self.leaves.touch(Key::Account(id));
        Ok(id)
    }

    /// Moves money between accounts: all of it, or nothing.
    fn post(&mut self, mut postings: Vec<(AccountId, Amount)>) -> Result<(), Refusal> {
        postings.sort_by_key(|(id, _)| *id);
        let mut accounts = Vec::with_capacity(postings.len());
        for postings in postings.chunk_by(|a, b| a.0 == b.0) {
            let id = postings[0].0;
            let mut account = self.account(id)?;
            postings.iter().try_for_each(|(_, net)| account.post(*net))?;
            accounts.push((id, account));
        }
        for (id, account) in accounts {
            match id {
                AccountId::Supplier => self.totals.supplier = account,
                AccountId::Operator => self.totals.operator = account,
                AccountId::Member(id) => {
                    if let Some(member) = self.members.get_mut(&id) {
                        *member.account_mut() = account;
                        self.leaves.touch(Key::Account(id));
                    }
                }
            }
        }
        self.leaves.touch(Key::Totals);
        Ok(())
    }

    fn account(&self, id: AccountId) -> Result<Account, Refusal> {
        match id {
            AccountId::Supplier => Ok(self.totals.supplier),
            AccountId::Operator => Ok(self.totals.operator),
            AccountId::Member(id) => self.member(id).map(Member::account),
        }
    }

    fn member(&self, id: MemberId) -> Result<&Member, Refusal> {
        self.find_member(&id).ok_or(Refusal::UnknownMember(id))
    }

    /// The chain: the hash of the genesis.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// The last settled interval.
    pub fn settled(&self) -> Option<Interval> {
        self.totals.settled
    }

    /// The next interval to settle.
    pub fn next(&self) -> Interval {
        self.totals.next
    }

    /// Seed of the next clearing's tie-breaks.
    pub fn tie_seed(&self) -> Hash {
        self.totals.tie_seed
    }

    /// How many intervals were settled.
    pub fn settlements(&self) -> u64 {
        self.totals.settlements
    }

    /// How often a settled interval was corrected.
    pub fn corrections(&self) -> u64 {
        self.totals.corrections
    }

    /// The validators of the next height.
    pub fn validators(&self) -> &[Validator] {
        &self.totals.validators
    }

    /// The key that signs the next settlement.
    pub fn market(&self) -> PublicKey {
        self.totals.market
    }

    /// Sequence number of the last decision; 0 before the first.
    pub fn decision_sequence(&self) -> u64 {
        self.totals.decision_sequence
    }

    /// The key of a member's device, found by its bytes.
    pub fn known_device(&self, key: &[u8; 32]) -> Option<KnownKey> {
        self.directory.known_device(key)
    }

    /// Whether a key signs orders and instructions of a member.
    pub fn is_members_key(&self, key: &PublicKey) -> bool {
        self.directory.member_of_key(key).is_some()
    }

    /// The members, in ascending order of pseudonym.
    pub fn members(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        self.members.iter()
    }

    /// A member, if there is one of this pseudonym.
    pub fn find_member(&self, member: &MemberId) -> Option<&Member> {
        self.members.get(member)
    }

    /// The members after one of this pseudonym, in ascending order; all without one.
    pub fn members_after(&self, last: Option<MemberId>) -> impl Iterator<Item = (&MemberId, &Member)> {
        let after = |after| self.members.find_index(after).map_or_else(identity, |found| found + 1);
        self.members.iter().skip(last.as_ref().map_or(0, after))
    }

    /// The rules of an interval, as far as they are known, and its grid.
    pub fn rules_at(&self, interval: Interval) -> (&Version, &Grid) {
        match self.rulebook.at(interval) {
            Some((version, grid)) => (version, grid),
            None => unreachable!("the genesis has rules, and the last rules are never forgotten"),
        }
    }

    /// What is remembered of a settled interval; none if it is not settled, or too long ago.
    pub fn record(&self, interval: Interval) -> Option<Record> {
        self.records.get(interval)
    }

    /// The intervals that are remembered, from the oldest to the newest.
    pub fn recorded(&self) -> impl Iterator<Item = Interval> + '_ {
        self.records.intervals()
    }

    /// Every account, in the order of their ids.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, Account)> {
        let others = [(AccountId::Supplier, self.totals.supplier), (AccountId::Operator, self.totals.operator)];
        others.into_iter().chain(self.members.iter().map(|(id, member)| (AccountId::Member(*id), member.account())))
    }

    /// Sum of all balances, in nano-units: zero, or it is a bug.
    pub fn balances_sum(&self) -> i128 {
        self.accounts().map(|(_, account)| account.balance()).sum()
    }
}

fn printable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
