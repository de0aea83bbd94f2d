//! A member of the ledger: account, device and standing orders.

use market::{grid::BusIndex, settlement::Limits};
use minicbor::{Decode, Encode};
use protocol::{
    api::{MemberStatus, StandingOrder},
    cbor::{self, CborError},
    envelope::{Sealed, Signed},
    genesis::{GenesisMember, Technology},
    interval::Interval,
    key::DeviceId,
    member::MemberId,
    money::Amount,
    order::Order,
    reading::ChainHead,
};

use super::Refusal;

/// Most orders of one member that wait for their interval.
pub const ORDERS_PER_MEMBER_MAX: usize = 8;

/// A member: who measures for it, what it is owed, at which prices it trades.
#[derive(Debug, Clone)]
pub struct Member {
    device: DeviceId,
    rated_power_w: u64,
    bus: BusIndex,
    technology: Option<Technology>,
    record: Record,
}

/// The part of a member that changes: what the state's entry holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Record {
    #[n(0)]
    balance: Amount,
    #[n(1)]
    head: ChainHead,
    #[n(2)]
    order_sequence: u64,
    /// By ascending sequence number and ascending start; the last that has started stands.
    #[n(3)]
    orders: Vec<Order>,
    /// A reading after the head that every settlement must have.
    #[n(4)]
    committed: Option<Sealed>,
}

impl Member {
    /// A member as the genesis registers it; `before` is the interval before the first.
    pub(super) fn register(registered: &GenesisMember, bus: BusIndex, before: Interval) -> Member {
        let head = ChainHead {
            sequence: 0,
            hash: protocol::hash::Hash::ZERO,
            interval: before,
            registers: registered.registers(),
        };
        Member {
            device: registered.device,
            rated_power_w: registered.rated_power_w,
            bus,
            technology: registered.technology,
            record: Record { balance: Amount::ZERO, head, order_sequence: 0, orders: Vec::new(), committed: None },
        }
    }

    pub(super) fn entry(&self) -> Vec<u8> {
        cbor::encode(&self.record)
    }

    pub(super) fn restore(&mut self, entry: &[u8]) -> Result<(), CborError> {
        self.record = cbor::decode(entry)?;
        Ok(())
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

    /// Forgets the orders that another one has replaced when `open` is the next interval to settle.
    pub(super) fn retire_orders(&mut self, open: Interval) {
        let started = self.record.orders.iter().take_while(|order| order.valid_from <= open).count();
        self.record.orders.drain(..started.saturating_sub(1));
    }

    pub(super) fn book(&mut self, net: Amount) -> Result<(), Refusal> {
        self.record.balance = self.record.balance.checked_add(net).ok_or(Refusal::AmountOverflow)?;
        Ok(())
    }

    pub(super) fn advance(&mut self, head: ChainHead) {
        self.record.head = head;
        // It was the reading after the head before, and no settlement leaves it out.
        self.record.committed = None;
    }

    pub(super) fn commit(&mut self, reading: Sealed) {
        self.record.committed = Some(reading);
    }

    /// A reading that the next settlement must not leave out.
    pub fn committed(&self) -> Option<&Sealed> {
        self.record.committed.as_ref()
    }

    fn standing(&self, open: Interval) -> Option<&Order> {
        self.record.orders.iter().take_while(|order| order.valid_from <= open).last()
    }

    /// The price limits that stand for the interval `open`; without an order, none.
    pub fn limits(&self, open: Interval) -> Limits {
        match self.standing(open) {
            Some(Order { buy, sell, buy_cap, sell_cap, .. }) => {
                Limits { buy: *buy, sell: *sell, buy_cap: *buy_cap, sell_cap: *sell_cap }
            }
            None => Limits::default(),
        }
    }

    /// What the account holds.
    pub fn balance(&self) -> Amount {
        self.record.balance
    }

    /// Where the device's hash chain stands.
    pub fn head(&self) -> &ChainHead {
        &self.record.head
    }

    /// Rated power of the connection, W.
    pub fn rated_power_w(&self) -> u64 {
        self.rated_power_w
    }

    /// The bus it is connected to.
    pub fn bus(&self) -> BusIndex {
        self.bus
    }

    /// What it feeds in is made from, if certificates are minted for it.
    pub fn technology(&self) -> Option<Technology> {
        self.technology
    }

    /// All of it as the HTTP API shows it, while `open` is the next interval to settle.
    pub fn status(&self, member: MemberId, open: Interval) -> MemberStatus {
        let Record { balance, head, order_sequence, .. } = self.record;
        let order = self.standing(open).map(|order| StandingOrder {
            buy: order.buy,
            sell: order.sell,
            buy_cap: order.buy_cap,
            sell_cap: order.sell_cap,
        });
        MemberStatus {
            member,
            balance,
            device: self.device,
            sequence: head.sequence,
            reading: head.hash,
            read: head.interval,
            import_wh: head.registers.import_wh,
            export_wh: head.registers.export_wh,
            committed: self.record.committed.clone(),
            order,
            order_sequence,
        }
    }
}
