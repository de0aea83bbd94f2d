//! The household's standing orders: when to sign a new one, and which limits stood for an interval. Pure.
//!
//! What the household wants says its strategy, for each interval by itself. An order stands until the next one does, so
//! one is signed wherever what is wanted changes, and ahead of that: so many intervals that it is sent again, and that
//! announcements are missed, before it comes too late.

use protocol::{
    answer::Refusal,
    energy::Energy,
    interval::Interval,
    order::{Order, PriceLimits},
    settlement::Tariffs,
};

use crate::{
    check::Limits,
    record::{OrderRecord, OrderState},
};

/// Every order ever signed, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    records: Vec<OrderRecord>,
    /// The highest sequence number that was ever signed: records may have been lost.
    signed: u64,
    /// How often in a row an order came too late: the next one stands from so much later.
    late: u32,
    /// Where the last order stands from that was put off: one for earlier would be too late again.
    put_off: Option<Interval>,
}

/// What an answer makes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    /// It is on the ledger.
    Standing,
    /// It came too late for its interval: another one is signed, for a later one.
    Late,
    /// There is no room for it now: the same is sent again.
    Waiting,
    /// It is refused for what it says: the same would be refused again.
    Refused,
}

impl Became {
    #[deny(clippy::wildcard_enum_match_arm, reason = "a new refusal is answered here, or does not compile")]
    fn of(refusal: Option<Refusal>) -> Became {
        let Some(refusal) = refusal else { return Became::Standing };
        match refusal {
            Refusal::Duplicate => Became::Standing,
            Refusal::OrderTooLate => Became::Late,
            // It may be enrolled before long, as its readings may be taken then.
            Refusal::TooManyOrders | Refusal::UnknownDevice => Became::Waiting,
            Refusal::Malformed
            | Refusal::BadSignature
            | Refusal::SequenceConflict
            | Refusal::ChainBroken
            | Refusal::RegisterWentBack
            | Refusal::ImplausiblePower
            | Refusal::IntervalClosed
            | Refusal::FutureDated
            | Refusal::Stale
            | Refusal::NoIslandPlan
            | Refusal::StatusImpossible
            | Refusal::StatusNotNewer
            | Refusal::ClassNotDecided => Became::Refused,
        }
    }
}

/// Most intervals that an order which keeps coming too late is put off.
const MARGIN_MAX: i64 = 64;
/// Intervals after the first that an order can stand from for which one is signed already: an hour of quarter hours. If
/// every one of them has an order, all of them still wait on the ledger together, beside the one that stands.
pub(crate) const AHEAD: i64 = 4;
const _: () = assert!(AHEAD as usize + 3 <= ledger::state::ORDERS_PER_MEMBER_MAX);

impl Orders {
    pub(crate) fn new(records: Vec<OrderRecord>, signed: u64) -> Orders {
        Orders { records, signed, late: 0, put_off: None }
    }

    /// The first interval that an order which is signed now can stand for, where orders may stand from `from` on: one
    /// more than needed, so that it is on the ledger for sure before that interval is cleared.
    pub(crate) fn first(&self, from: Interval) -> Option<Interval> {
        let margin = (1i64 << self.late.min(32)).min(MARGIN_MAX);
        from.offset(margin)
    }

    /// The order to sign now, which can stand for `first` at the earliest: of the first interval in which the household
    /// wants other limits than those that were placed for it. What it wants may not be known yet.
    pub(crate) fn wanted(&self, first: Interval, wants: impl Fn(Interval) -> Option<PriceLimits>) -> Option<Order> {
        let known = self.records.last().map_or(0, |record| record.order.sequence);
        // Of an order whose record was lost nobody knows here what it says, and it may stand.
        let lost = known < self.signed;
        let other = |interval, placed| wants(interval).is_some_and(|limits| limits != placed);
        let last = self.placed_orders().next();
        let changed_mind = last.is_some_and(|last| last.valid_from > first && other(last.valid_from, last.limits()));
        let valid_from = if lost || changed_mind {
            first
        } else {
            let mut soon = (0..=AHEAD).filter_map(|ahead| first.offset(ahead));
            soon.find(|interval| self.put_off <= Some(*interval) && other(*interval, self.placed(*interval)))?
        };
        let PriceLimits { buy, sell, buy_cap, sell_cap } = wants(valid_from)?;
        Some(Order { sequence: known.max(self.signed) + 1, valid_from, buy, sell, buy_cap, sell_cap })
    }

    /// The orders that stand or may, the last one first.
    fn placed_orders(&self) -> impl Iterator<Item = &Order> {
        let placed = self.records.iter().rev().filter(|record| record.state != OrderState::Refused);
        placed.map(|record| &record.order)
    }

    /// The limits that were placed for `interval`: the last order that has started stands, and whoever has none is a
    /// price taker.
    pub(crate) fn placed(&self, interval: Interval) -> PriceLimits {
        let standing = self.placed_orders().find(|order| order.valid_from <= interval);
        standing.map_or_else(PriceLimits::default, Order::limits)
    }

    /// The order that was signed last.
    pub(crate) fn last(&self) -> Option<&OrderRecord> {
        self.records.last()
    }

    pub(crate) fn push(&mut self, record: OrderRecord) {
        let from = record.order.valid_from;
        self.put_off = if self.late > 0 { Some(from) } else { self.put_off.filter(|earlier| *earlier <= from) };
        self.records.push(record);
    }

    /// The last order, if it was not answered yet.
    pub(crate) fn open(&self) -> Option<&OrderRecord> {
        self.records.last().filter(|record| record.state == OrderState::Open)
    }

    /// Notes the market's answer to the order whose message has this hash; says what it means, and which order that
    /// was.
    pub(crate) fn answered(
        &mut self,
        message: &protocol::hash::Hash,
        refusal: Option<Refusal>,
    ) -> Option<(Became, &OrderRecord)> {
        let record = self.records.iter_mut().rev().find(|record| record.message.hash() == *message)?;
        let became = Became::of(refusal);
        record.state = match became {
            Became::Standing => OrderState::Accepted,
            Became::Waiting => record.state,
            Became::Late | Became::Refused => OrderState::Refused,
        };
        self.late = if became == Became::Late { self.late + 1 } else { 0 };
        Some((became, record))
    }

    /// The limits that stood for `interval`, where `tariffs` were in force. An order that was not answered may stand or
    /// not: the wider limit counts, so that no receipt is refused for an answer that was lost. One whose record was
    /// lost may stand with any limits, until one that was signed after it does.
    pub(crate) fn limits(&self, interval: Interval, tariffs: &Tariffs) -> Limits {
        let mut wide: Option<Limits> = None;
        let standing = self.records.iter().rev().filter(|record| record.order.valid_from <= interval);
        for record in standing.filter(|record| record.state != OrderState::Refused) {
            let limits = limits_of(&record.order, tariffs);
            wide = Some(wide.map_or(limits, |wide| wider(wide, limits)));
            if record.state == OrderState::Accepted {
                let known = wide.unwrap_or(limits);
                return if self.is_lost_after(record.order.sequence) { Limits::ANY } else { known };
            }
        }
        let taker = Limits::price_taker(tariffs);
        if self.is_lost_after(0) { Limits::ANY } else { wide.map_or(taker, |wide| wider(wide, taker)) }
    }

    /// Whether the record of an order was lost that was signed after the one of this number.
    fn is_lost_after(&self, sequence: u64) -> bool {
        let later = self.records.iter().map(|record| record.order.sequence).filter(|later| *later > sequence);
        let last = self.records.last().map_or(0, |record| record.order.sequence).max(self.signed);
        (later.count() as u64) < last.saturating_sub(sequence)
    }
}

fn limits_of(order: &Order, tariffs: &Tariffs) -> Limits {
    let PriceLimits { buy, sell, buy_cap, sell_cap } = order.limits();
    Limits { buy: buy.unwrap_or(tariffs.retail_price), sell: sell.unwrap_or(tariffs.feed_in_price), buy_cap, sell_cap }
}

fn wider(a: Limits, b: Limits) -> Limits {
    let cap = |a: Option<Energy>, b: Option<Energy>| Some(a?.max(b?));
    Limits {
        buy: a.buy.max(b.buy),
        sell: a.sell.min(b.sell),
        buy_cap: cap(a.buy_cap, b.buy_cap),
        sell_cap: cap(a.sell_cap, b.sell_cap),
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use household::strategy::{FixedLimits, Situation, Strategy};
    use protocol::{envelope::Sealed, money::Price};

    use super::*;

    fn interval(count: i64) -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse::<Interval>().unwrap().offset(count).unwrap()
    }

    fn price(micro: i64) -> Price {
        Price::from_micro(micro).unwrap()
    }

    fn record(order: Order, state: OrderState) -> OrderRecord {
        OrderRecord { message: Sealed::from(order.sequence.to_be_bytes().to_vec()), order, state }
    }

    fn tariffs() -> Tariffs {
        Tariffs { retail_price: price(300_000), feed_in_price: price(80_000) }
    }

    fn buy(micro: i64) -> FixedLimits {
        FixedLimits { buy: Some(price(micro)), ..FixedLimits::default() }
    }

    fn wanted(orders: &Orders, strategy: &FixedLimits, from: Interval) -> Option<Order> {
        orders.wanted(orders.first(from).unwrap(), |interval| Some(strategy.limits(&Situation::new(interval, None))))
    }

    #[test]
    fn an_order_is_signed_when_the_household_changes_its_mind_and_later_when_it_was_too_late() {
        let mut orders = Orders::default();
        assert_eq!(wanted(&orders, &FixedLimits::default(), interval(1)), None);
        let mut from = Vec::new();
        for _ in 0..9 {
            let order = wanted(&orders, &buy(200_000), interval(0)).unwrap();
            from.push(order.valid_from.since(interval(0)).unwrap());
            let record = record(order, OrderState::Open);
            let hash = record.message.hash();
            orders.push(record);
            assert_eq!(wanted(&orders, &buy(200_000), interval(0)), None, "one at a time");
            assert_eq!(orders.answered(&hash, Some(Refusal::OrderTooLate)).unwrap().0, Became::Late);
        }
        assert_eq!(from, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        let order = wanted(&orders, &buy(200_000), interval(0)).unwrap();
        assert_eq!(order.sequence, 10);
        let accepted = record(order, OrderState::Open);
        let hash = accepted.message.hash();
        orders.push(accepted);
        let answer = |orders: &mut Orders, refusal| {
            orders.answered(&hash, refusal).map(|(became, record)| (became, record.state)).unwrap()
        };
        // No room for it passes: nothing is decided, and nothing else is signed.
        let full = Some(Refusal::TooManyOrders);
        assert_eq!(answer(&mut orders, full), (Became::Waiting, OrderState::Open));
        assert!(orders.open().is_some() && wanted(&orders, &buy(200_000), interval(0)).is_none());
        assert_eq!(answer(&mut orders, None), (Became::Standing, OrderState::Accepted));
        assert_eq!(answer(&mut orders, full), (Became::Waiting, OrderState::Accepted), "it stands already");
        assert!(orders.open().is_none());
        let earlier = wanted(&orders, &buy(200_000), interval(2));
        assert_eq!(earlier, None, "it was put off, and one for earlier would be too late again");
        // Back to a price taker: that is an order too, for the old one stands.
        let order = wanted(&orders, &FixedLimits::default(), interval(5)).unwrap();
        assert_eq!((order.sequence, order.buy, order.valid_from), (11, None, interval(6)));
    }

    #[test]
    fn an_order_whose_record_was_lost_is_replaced_also_where_the_one_before_says_what_is_wanted() {
        let order = Order {
            sequence: 1,
            valid_from: interval(0),
            buy: Some(price(200_000)),
            sell: None,
            buy_cap: None,
            sell_cap: None,
        };
        let mut orders = Orders::new(vec![record(order, OrderState::Accepted)], 2);
        let signed = wanted(&orders, &buy(200_000), interval(5)).unwrap();
        assert_eq!((signed.sequence, signed.buy), (3, Some(price(200_000))));
        orders.push(record(signed, OrderState::Open));
        assert_eq!(wanted(&orders, &buy(200_000), interval(5)), None, "one at a time");
        let nothing_left = wanted(&Orders::new(Vec::new(), 2), &FixedLimits::default(), interval(5)).unwrap();
        assert_eq!((nothing_left.sequence, nothing_left.buy), (3, None));
    }

    #[test]
    fn an_order_whose_record_was_lost_may_stand_with_any_limits_until_a_later_one_does() {
        let order = |sequence, from| Order {
            sequence,
            valid_from: interval(from),
            buy: Some(price(200_000)),
            sell: Some(price(100_000)),
            buy_cap: None,
            sell_cap: None,
        };
        let before = record(order(1, 0), OrderState::Accepted);
        let mut orders = Orders::new(vec![before.clone()], 2);
        assert_eq!(orders.limits(interval(9), &tariffs()), Limits::ANY, "the second may stand by now");
        orders.push(record(order(3, 10), OrderState::Open));
        assert_eq!(orders.limits(interval(10), &tariffs()), Limits::ANY, "the third may not");
        orders.records[1].state = OrderState::Accepted;
        assert_eq!(orders.limits(interval(10), &tariffs()).buy, price(200_000));
        assert_eq!(orders.limits(interval(9), &tariffs()), Limits::ANY, "before it stood");
        // A gap before the one that stands says nothing.
        let recovered = Orders::new(vec![record(order(7, 0), OrderState::Accepted)], 7);
        assert_eq!(recovered.limits(interval(0), &tariffs()).buy, price(200_000));
        assert_eq!(Orders::new(Vec::new(), 1).limits(interval(0), &tariffs()), Limits::ANY);
    }

    #[test]
    fn the_limits_are_those_that_may_have_stood() {
        let order = |sequence, from, micro| Order {
            sequence,
            valid_from: interval(from),
            buy: Some(price(micro)),
            sell: Some(price(100_000)),
            buy_cap: Some(Energy::from_wh(sequence)),
            sell_cap: None,
        };
        let orders = Orders::new(
            vec![
                record(order(1, 10, 200_000), OrderState::Accepted),
                record(order(2, 20, 150_000), OrderState::Refused),
                record(order(3, 30, 250_000), OrderState::Open),
                record(order(4, 40, 120_000), OrderState::Accepted),
            ],
            4,
        );
        let limits = |at| orders.limits(interval(at), &tariffs());
        assert_eq!(limits(9), Limits::price_taker(&tariffs()));
        assert_eq!((limits(10).buy, limits(10).sell), (price(200_000), price(100_000)));
        assert_eq!(limits(25).buy, price(200_000), "a refused order never stands");
        assert_eq!((limits(30).buy, limits(30).buy_cap), (price(250_000), Some(Energy::from_wh(3))));
        assert_eq!(limits(40).buy, price(120_000));
        let only_open = Orders::new(vec![record(order(1, 0, 100_000), OrderState::Open)], 1);
        assert_eq!(only_open.limits(interval(0), &tariffs()), Limits::price_taker(&tariffs()));
    }
}
