//! A member of the ledger: who it is, its account, its device's chain and its standing orders.

use std::sync::Arc;

use market::{
    inputs::{measuring, member_input},
    metering::Metered,
};
use minicbor::{Decode, Encode};
use protocol::{
    cbor::{self, CborError},
    correction::MemberInput,
    envelope::{Sealed, Signed},
    genesis::{GenesisMember, Technology},
    hash::Hash,
    interval::Interval,
    key::{DeviceId, PublicKey},
    member::MemberId,
    money::Amount,
    order::{Order, PriceLimits},
    reading::{ChainHead, Registers},
    registration::Registration,
};

use super::{Refusal, account::Account};

/// Most orders of one member that wait for their interval.
pub const ORDERS_PER_MEMBER_MAX: usize = 8;

/// A member: who measures for it, what it is owed, at which prices it trades.
#[derive(Debug, Clone)]
pub struct Member {
    registration: Arc<Registration>,
    record: Record,
    head: ChainHead,
    /// Whether the head is known by its hash alone, because the reading that it names was pruned.
    pruned: bool,
}

/// What changes with every settlement.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Record {
    #[n(0)]
    account: Account,
    /// Hash of the last settled reading: it covers the registers and hides them.
    #[n(1)]
    head: Hash,
    #[n(2)]
    order_sequence: u64,
    /// By ascending sequence number and ascending start; the last that has started stands.
    #[n(3)]
    orders: Vec<Order>,
    /// A reading after the head that every settlement must have.
    #[n(4)]
    committed: Option<Sealed>,
    #[n(5)]
    instruction_sequence: u64,
    /// Hash of the last instruction; zero before the first.
    #[n(6)]
    instruction: Hash,
}

impl Member {
    /// A new member, whose first reading comes after the interval `before`.
    pub(super) fn register(registered: &GenesisMember, before: Interval) -> Member {
        let registration = Registration {
            key: registered.key,
            device: Some(registered.device),
            rated_power_w: registered.rated_power_w,
            bus: registered.bus.clone(),
            technology: registered.technology,
            after: before,
            registers: registered.registers(),
        };
        let record = Record {
            account: Account::default(),
            head: Hash::ZERO,
            order_sequence: 0,
            orders: Vec::new(),
            committed: None,
            instruction_sequence: 0,
            instruction: Hash::ZERO,
        };
        let head = start(before, registered.registers());
        Member { registration: Arc::new(registration), record, head, pruned: false }
    }

    /// A member read back from its three entries.
    pub(super) fn restore(registration: &[u8], account: &[u8], head: &[u8]) -> Result<Member, CborError> {
        let registration = Arc::new(cbor::decode(registration)?);
        let record: Record = cbor::decode(account)?;
        let head: ChainHead = cbor::decode(head)?;
        let pruned = head.hash != record.head;
        Ok(Member { registration, record, head, pruned })
    }

    pub(super) fn write_registration(&self, bytes: &mut Vec<u8>) {
        cbor::encode_into(&*self.registration, bytes);
    }

    pub(super) fn write_account(&self, bytes: &mut Vec<u8>) {
        cbor::encode_into(&self.record, bytes);
    }

    /// Takes an order while `open` is the next interval to settle.
    pub(super) fn place(&mut self, order: &Signed<Order>, open: Interval) -> Result<(), Refusal> {
        let record = &mut self.record;
        if order.sequence == record.order_sequence && record.orders.last() == Some(order.payload()) {
            return Err(Refusal::Exists);
        }
        if order.sequence <= record.order_sequence {
            return Err(Refusal::OrderSequenceNotHigher { expected: record.order_sequence + 1, found: order.sequence });
        }
        if order.valid_from.since(open).is_none_or(|intervals| intervals < 1) {
            return Err(Refusal::OrderTooLate { open, found: order.valid_from });
        }
        let kept = record.orders.iter().take_while(|earlier| earlier.valid_from < order.valid_from).count();
        if kept == ORDERS_PER_MEMBER_MAX {
            return Err(Refusal::TooManyOrders);
        }
        record.orders.truncate(kept);
        record.orders.push(order.payload().clone());
        record.order_sequence = order.sequence;
        Ok(())
    }

    /// Forgets the orders that another one has replaced when `open` is the next interval to settle. Whether there were
    /// any.
    pub(super) fn retire_orders(&mut self, open: Interval) -> bool {
        let started = self.record.orders.iter().take_while(|order| order.valid_from <= open).count();
        self.record.orders.drain(..started.saturating_sub(1)).count() > 0
    }

    pub(super) fn account_mut(&mut self) -> &mut Account {
        &mut self.record.account
    }

    pub(super) fn advance(&mut self, head: ChainHead) {
        self.advance_pruned(head.hash);
        self.head = head;
        self.pruned = false;
    }

    /// Advances to a reading of which only the hash is left.
    pub(super) fn advance_pruned(&mut self, head: Hash) {
        self.record.head = head;
        self.pruned = true;
        // It was the reading after the head before, and no settlement leaves it out.
        self.record.committed = None;
    }

    /// Says what the head is, where only its hash was known. Whether it is that one.
    pub(super) fn restore_head(&mut self, head: ChainHead) -> bool {
        let known = head.hash == self.record.head;
        if known {
            self.head = head;
            self.pruned = false;
        }
        known
    }

    pub(super) fn commit(&mut self, reading: Sealed) {
        self.record.committed = Some(reading);
    }

    pub(super) fn set_key(&mut self, key: PublicKey) {
        Arc::make_mut(&mut self.registration).key = key;
    }

    /// Another key signs the readings of the same meter; or none does any more.
    pub(super) fn set_device(&mut self, device: Option<DeviceId>) {
        Arc::make_mut(&mut self.registration).device = device;
        self.record.committed = None;
    }

    /// Another meter: a new hash chain begins after the interval `before`.
    pub(super) fn set_meter(
        &mut self,
        device: DeviceId,
        registers: Registers,
        rated_power_w: u64,
        technology: Option<Technology>,
        before: Interval,
    ) {
        self.set_device(Some(device));
        let registration = Arc::make_mut(&mut self.registration);
        (registration.rated_power_w, registration.technology) = (rated_power_w, technology);
        (registration.after, registration.registers) = (before, registers);
        self.advance(start(before, registers));
    }

    pub(super) fn instructed(&mut self, instruction: Hash) {
        self.record.instruction_sequence += 1;
        self.record.instruction = instruction;
    }

    /// Number and hash of the last instruction; 0 and zero before the first.
    pub(super) fn last_instruction(&self) -> (u64, Hash) {
        (self.record.instruction_sequence, self.record.instruction)
    }

    /// A reading that the next settlement must not leave out.
    pub fn committed(&self) -> Option<&Sealed> {
        self.record.committed.as_ref()
    }

    /// The order that stands for the interval `open`.
    pub fn standing(&self, open: Interval) -> Option<&Order> {
        self.record.orders.iter().take_while(|order| order.valid_from <= open).last()
    }

    /// The price limits that stand for the interval `open`; without an order, none.
    pub fn limits(&self, open: Interval) -> PriceLimits {
        self.standing(open).map(Order::limits).unwrap_or_default()
    }

    /// What the account holds.
    pub fn balance(&self) -> Amount {
        self.record.account.balance()
    }

    /// The account.
    pub fn account(&self) -> Account {
        self.record.account
    }

    /// Sequence number of the last placed order, standing or not yet; 0 before the first.
    pub fn order_sequence(&self) -> u64 {
        self.record.order_sequence
    }

    /// Sequence number of the last instruction; 0 before the first.
    pub fn instruction_sequence(&self) -> u64 {
        self.record.instruction_sequence
    }

    /// Where the device's hash chain stands.
    pub fn head(&self) -> &ChainHead {
        &self.head
    }

    /// Whether only the hash of the head is known.
    pub(super) fn is_pruned(&self) -> bool {
        self.pruned
    }

    /// Hash of the last settled reading.
    pub(super) fn head_hash(&self) -> Hash {
        self.record.head
    }

    /// Who it is.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The key that signs orders and instructions.
    pub fn key(&self) -> PublicKey {
        self.registration.key
    }

    /// The device that measures; none where it was revoked.
    pub fn device(&self) -> Option<DeviceId> {
        self.registration.device
    }

    /// Rated power of the connection, W.
    pub fn rated_power_w(&self) -> u64 {
        self.registration.rated_power_w
    }

    /// Name of the bus it is connected to, where the grid is known.
    pub fn bus(&self) -> Option<&str> {
        self.registration.bus.as_deref()
    }

    /// What it feeds in is made from, if certificates are minted for it.
    pub fn technology(&self) -> Option<Technology> {
        self.registration.technology
    }

    /// What the clearing of the interval `open` knows of it.
    pub(super) fn input(&self, member: MemberId, open: Interval, metered: Option<Metered>) -> MemberInput {
        let device = measuring(self.device(), self.head.interval, open);
        member_input(member, device, self.technology(), self.limits(open), metered)
    }
}

/// Where a chain starts whose first reading comes after the interval `before`.
fn start(before: Interval, registers: Registers) -> ChainHead {
    ChainHead { sequence: 0, hash: Hash::ZERO, interval: before, registers }
}
