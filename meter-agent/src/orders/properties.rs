//! Whatever the windows, the day and the intervals: what stands on the ledger is what the strategy wants.

use std::{collections::BTreeSet, sync::Arc};

use household::strategy::{Situation, Strategy, read};
use ledger::state::ORDERS_PER_MEMBER_MAX;
use proptest::prelude::*;
use protocol::{envelope::Sealed, interval::IntervalLength, money::Price};

use super::*;

/// A member's orders as the ledger keeps them: the last one that has started stands.
#[derive(Default)]
struct Ledger {
    sequence: u64,
    orders: Vec<Order>,
}

impl Ledger {
    /// Takes an order while `open` is the next interval to settle.
    fn place(&mut self, order: &Order, open: Interval) {
        assert!(order.sequence > self.sequence, "the number is new");
        assert!(order.valid_from > open, "not too late");
        self.orders.retain(|earlier| earlier.valid_from < order.valid_from);
        assert!(self.orders.len() < ORDERS_PER_MEMBER_MAX, "there is room");
        self.orders.push(order.clone());
        self.sequence = order.sequence;
    }

    /// The limits for the open interval, which is settled now.
    fn settle(&mut self, open: Interval) -> PriceLimits {
        let started = self.orders.iter().take_while(|order| order.valid_from <= open).count();
        self.orders.drain(..started.saturating_sub(1));
        let standing = self.orders.first().filter(|order| order.valid_from <= open);
        standing.map_or_else(PriceLimits::default, Order::limits)
    }
}

/// Limits by the time of day, with windows between every other of these times, given in steps of five minutes.
fn time_of_use(time_zone: &str, times: &BTreeSet<u32>, prices: &[u32], days: &[&str]) -> Arc<dyn Strategy> {
    let times: Vec<String> =
        times.iter().map(|step| format!("\"{:02}:{:02}\"", step * 5 / 60, step * 5 % 60)).collect();
    // The last one may cross midnight.
    let (first, others) = times.split_at(1);
    let ends = [others, first].concat();
    let mut text = format!("time_zone = \"{time_zone}\"\nbuy = \"0.2\"\n");
    for (window, (from, to)) in times.iter().zip(&ends).enumerate().filter(|(count, _)| count % 2 == 0) {
        let price = prices[window / 2 % prices.len()];
        text += &format!("[[windows]]\nfrom = {from}\nto = {to}\nbuy = \"0.3{price}\"\ndays = {days:?}\n");
    }
    read("time_of_use", toml::Deserializer::parse(&text).unwrap()).unwrap()
}

const ZONES: [&str; 4] = ["UTC", "Europe/Vienna", "Asia/Kathmandu", "America/St_Johns"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LENGTHS: [IntervalLength; 4] =
    [IntervalLength::Minutes5, IntervalLength::Minutes15, IntervalLength::Minutes30, IntervalLength::Minutes60];
/// 2026-03-27 and 2026-10-23: the clocks of Europe change two days later.
const SPRING_S: i64 = 1_774_569_600;
const AUTUMN_S: i64 = 1_792_713_600;

proptest! {
    #[test]
    fn from_the_second_interval_on_there_stands_what_the_strategy_wants_with_one_order_a_change(
        zone in prop::sample::select(&ZONES[..]),
        days in prop::sample::subsequence(&DAYS[..], 1..=7),
        times in prop::collection::btree_set(0..288_u32, 2..9),
        prices in prop::collection::vec(0..3_u32, 1..5),
        length in prop::sample::select(&LENGTHS[..]),
        start_s in prop_oneof![0..4_000_000_000_i64, Just(SPRING_S), Just(AUTUMN_S)],
        missed in prop::collection::vec(0..=AHEAD, 1..20),
        restarts in any::<bool>(),
    ) {
        let strategy = time_of_use(zone, &times, &prices, &days);
        let wants = |interval| strategy.limits(&Situation::new(interval, None));
        let before = Interval::containing(start_s, length).unwrap();
        let count = 4 * 86_400 / length.seconds();
        let (mut ledger, mut orders) = (Ledger::default(), Orders::default());
        let mut changes = Vec::new();
        // Announcements that are heard are so far apart.
        let mut heard = missed.iter().cycle();
        let mut next = 0;
        for at in 0..count {
            let open = before.offset(at).unwrap();
            if at == next {
                next += 1 + heard.next().unwrap();
                let first = |orders: &Orders| orders.first(open.next().unwrap()).unwrap();
                while let Some(order) = orders.wanted(first(&orders), |interval| Some(wants(interval))) {
                    ledger.place(&order, open);
                    changes.push(order.valid_from);
                    let message = Sealed::from(order.sequence.to_be_bytes().to_vec());
                    orders.push(OrderRecord { message: message.clone(), order, state: OrderState::Open });
                    orders.answered(&message.hash(), None);
                }
                if restarts {
                    orders = Orders::new(orders.records, orders.signed);
                }
            }
            let stands = ledger.settle(open);
            if at >= 2 {
                prop_assert_eq!(stands, wants(open), "in {}", open);
                let tariffs = Tariffs { retail_price: Price::MAX, feed_in_price: Price::MIN };
                let checked = orders.limits(open, &tariffs);
                prop_assert_eq!(checked.buy, stands.buy.unwrap_or(Price::MAX), "the receipt of {} is checked", open);
            }
        }
        // The first order may be for any time; every other one is for a change, and none has two.
        for pair in changes.windows(2) {
            prop_assert!(pair[0] < pair[1]);
            prop_assert!(wants(pair[1]) != wants(pair[1].offset(-1).unwrap()), "nothing changes in {}", pair[1]);
        }
    }
}
