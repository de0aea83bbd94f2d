//! The state machine: pure, deterministic, the same on every validator.
//!
//! In: a [`Genesis`] and [`Transaction`]s in the order of the blocks. Out: accounts whose balances sum to zero, the chain
//! heads of all devices, the orders that stand; or a named [`Refusal`], and then nothing has changed.
//!
//! Everything that a clearing depends on, except the readings themselves, is in the state before the interval before it
//! is settled: an order placed now stands from the interval after the open one. So the market and every validator
//! compute a clearing from the same inputs, whatever else happens meanwhile.

mod commit;
mod member;
mod refusal;
mod settle;

use std::{collections::BTreeMap, sync::Arc};

use market::grid::{Grid, GridError};
use minicbor::{Decode, Encode};
use protocol::{
    block::Transaction,
    cbor,
    certificate::Validator,
    envelope::{ChainId, Signed},
    genesis::{Genesis, Rules},
    hash::Hash,
    interval::Interval,
    key::{DeviceId, PublicKey},
    member::{AccountId, MemberId},
    merkle::{MerkleRoot, MerkleTree},
    money::Amount,
    order::Order,
    reading::SignedReading,
    settlement::Settlement,
};

pub use self::{
    member::{Member, ORDERS_PER_MEMBER_MAX},
    refusal::Refusal,
};

/// What the genesis fixes and no transaction changes.
#[derive(Debug)]
struct Community {
    chain: ChainId,
    market: PublicKey,
    rules: Rules,
    grid: Grid,
    devices: BTreeMap<DeviceId, MemberId>,
    member_keys: BTreeMap<PublicKey, MemberId>,
}

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
    supplier: Amount,
    #[n(5)]
    operator: Amount,
    #[n(6)]
    validators: Vec<Validator>,
}

/// The state of the ledger after some block.
#[derive(Debug, Clone)]
pub struct State {
    community: Arc<Community>,
    totals: Totals,
    members: BTreeMap<MemberId, Member>,
}

/// What a transaction did.
#[derive(Debug, Clone)]
pub enum Applied {
    /// An interval was settled.
    Settled(Box<Signed<Settlement>>),
    /// An order was placed.
    Ordered(MemberId),
    /// A reading was committed.
    Committed(MemberId),
}

/// Why a genesis, or stored entries, are no state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The grid is not a tree, or a member is on no bus of it.
    #[error("grid: {0}")]
    Grid(#[from] GridError),
    /// The rules name a mechanism that does not exist.
    #[error("rules: {0}")]
    Mechanism(#[from] market::clearing::UnknownMechanism),
    /// The first interval has none before it.
    #[error("expected a first interval after 1970, found {0}")]
    FirstInterval(Interval),
    /// One key signs for two members.
    #[error("member key {0} appears twice")]
    DuplicateKey(PublicKey),
    /// A stored entry cannot be read.
    #[error("state entry {key}: {reason}")]
    Entry {
        /// The entry's key, in hex where it is not text.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Key of the entry of [`Totals`].
const TOTALS_KEY: &[u8] = b"totals";
/// First bytes of the key of a member's entry; the member's 16 bytes follow.
const MEMBER_KEY: &[u8] = b"member/";

impl State {
    /// The state before the first block.
    pub fn genesis(genesis: &Genesis) -> Result<State, StateError> {
        let grid = Grid::from_genesis(genesis)?;
        market::clearing::mechanism(&genesis.rules.mechanism)?;
        let before = genesis.first_interval.offset(-1).ok_or(StateError::FirstInterval(genesis.first_interval))?;
        let mut members = BTreeMap::new();
        let mut devices = BTreeMap::new();
        let mut member_keys = BTreeMap::new();
        for registered in &genesis.members {
            let bus = grid.bus(registered.bus.as_deref())?;
            members.insert(registered.member, Member::register(registered, bus, before));
            devices.insert(registered.device, registered.member);
            if member_keys.insert(registered.key, registered.member).is_some() {
                return Err(StateError::DuplicateKey(registered.key));
            }
        }
        let chain = genesis.chain();
        let community =
            Community { chain, market: genesis.market, rules: genesis.rules.clone(), grid, devices, member_keys };
        let totals = Totals {
            settled: None,
            next: genesis.first_interval,
            tie_seed: chain,
            settlements: 0,
            supplier: Amount::ZERO,
            operator: Amount::ZERO,
            validators: genesis.validators.clone(),
        };
        Ok(State { community: Arc::new(community), totals, members })
    }

    /// The state that [`entries`](Self::entries) wrote.
    pub fn from_entries<'a>(
        genesis: &Genesis,
        entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<State, StateError> {
        let mut state = State::genesis(genesis)?;
        for (key, value) in entries {
            let error = |reason: String| StateError::Entry { key: String::from_utf8_lossy(key).into_owned(), reason };
            if key == TOTALS_KEY {
                state.totals = cbor::decode(value).map_err(|e| error(e.to_string()))?;
                continue;
            }
            let id = key.strip_prefix(MEMBER_KEY).and_then(|id| id.try_into().ok()).map(MemberId::from_bytes);
            let id = id.ok_or_else(|| error("expected a member or the totals".into()))?;
            let member = state.members.get_mut(&id).ok_or_else(|| error("no such member in the genesis".into()))?;
            member.restore(value).map_err(|e| error(e.to_string()))?;
        }
        Ok(state)
    }

    /// Everything in the state as sorted keys and values: what is stored, and what the root is made of.
    pub fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let members = self.members.iter().map(|(id, member)| ([MEMBER_KEY, id.as_bytes()].concat(), member.entry()));
        members.chain([(TOTALS_KEY.to_vec(), cbor::encode(&self.totals))]).collect()
    }

    /// The Merkle root of the entries, each a leaf `[key, value]` in order of key.
    pub fn root(&self) -> MerkleRoot {
        let leaf = |(key, value): (Vec<u8>, Vec<u8>)| {
            cbor::encode(&(minicbor::bytes::ByteVec::from(key), minicbor::bytes::ByteVec::from(value)))
        };
        self.entries().into_iter().map(leaf).collect::<MerkleTree>().root()
    }

    /// Applies a transaction, or refuses it and changes nothing.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Applied, Refusal> {
        self.apply_opened(transaction, Vec::new())
    }

    /// Applies a transaction whose readings were [opened](Signed::open_all) before, for this very chain: their
    /// signatures are not verified again. Readings that are not the transaction's own count for nothing.
    pub fn apply_opened(&mut self, transaction: &Transaction, opened: Vec<SignedReading>) -> Result<Applied, Refusal> {
        match transaction {
            Transaction::Settle { settlement, readings } => {
                let settled = self.settle(settlement, readings, opened)?;
                Ok(Applied::Settled(Box::new(settled)))
            }
            Transaction::PlaceOrder(order) => self.place_order(&order.0).map(Applied::Ordered),
            Transaction::CommitReading(reading) => self.commit_reading(reading).map(Applied::Committed),
        }
    }

    fn place_order(&mut self, bytes: &[u8]) -> Result<MemberId, Refusal> {
        let keys = &self.community.member_keys;
        let order = Signed::<Order>::open(bytes, &self.community.chain, |key| keys.contains_key(key))?;
        let id = keys.get(&order.signer()).copied().ok_or(Refusal::UnknownMember(order.signer()))?;
        let member = self.members.get_mut(&id).ok_or(Refusal::UnknownMember(order.signer()))?;
        member.place(&order, self.totals.next)?;
        Ok(id)
    }

    /// The chain: the hash of the genesis.
    pub fn chain(&self) -> ChainId {
        self.community.chain
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

    /// The validators of the next height.
    pub fn validators(&self) -> &[Validator] {
        &self.totals.validators
    }

    /// The members, in ascending order of pseudonym.
    pub fn members(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        self.members.iter()
    }

    /// Every account and what it holds: the supplier's, the grid operator's, then the members'.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, Amount)> {
        let others = [(AccountId::Supplier, self.totals.supplier), (AccountId::Operator, self.totals.operator)];
        others.into_iter().chain(self.members.iter().map(|(id, member)| (AccountId::Member(*id), member.balance())))
    }

    /// Sum of all balances, in nano-units: zero, or it is a bug.
    pub fn balances_sum(&self) -> i128 {
        self.accounts().map(|(_, balance)| balance).sum()
    }
}
