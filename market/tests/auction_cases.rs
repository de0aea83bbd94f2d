//! The mechanism `uniform` against 216 auctions with known solutions, through the JSON book that users hand in.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use market::book::clear_json;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

const CASES: &str = include_str!("data/auction_cases.json");
const CASE_COUNT: usize = 216;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    category: String,
    bids: Vec<Value>,
    offers: Vec<Value>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    max_quantity: u64,
    min_efficient_quantity: u64,
    price_interval: Option<[Decimal; 2]>,
    max_surplus_eur: Decimal,
    must_fill_bids: Vec<String>,
    must_fill_offers: Vec<String>,
    must_not_fill_bids: Vec<String>,
    must_not_fill_offers: Vec<String>,
}

/// The answer as a user reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    mechanism: String,
    quantity: u64,
    price: Option<Decimal>,
    price_interval: Option<[Decimal; 2]>,
    surplus: Decimal,
    fills: BTreeMap<String, u64>,
    trades: Vec<Trade>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trade {
    bid: String,
    offer: String,
    quantity: u64,
    price: Decimal,
}

fn clear(book: &Value) -> Answer {
    let answer = clear_json(&serde_json::to_vec(book).unwrap(), "uniform").unwrap();
    serde_json::from_slice(&serde_json::to_vec(&answer).unwrap()).unwrap()
}

/// Price and quantity of an order.
fn order(orders: &[Value], id: &str) -> (Decimal, u64) {
    let order = orders.iter().find(|order| order["id"] == id).unwrap();
    (order["price"].as_str().unwrap().parse().unwrap(), order["quantity"].as_u64().unwrap())
}

#[test]
fn all_cases_are_cleared_as_solved() {
    let cases: Cases = serde_json::from_str(CASES).unwrap();
    assert_eq!(cases.cases.len(), CASE_COUNT);
    for case in cases.cases {
        let name = format!("{} ({})", case.id, case.category);
        let answer = clear(&json!({"bids": case.bids, "offers": case.offers}));
        let expected = case.expected;
        assert_eq!(answer.mechanism, "uniform");
        assert!((expected.min_efficient_quantity..=expected.max_quantity).contains(&answer.quantity), "{name}");
        assert_eq!(answer.quantity, expected.max_quantity, "{name}: `uniform` trades the largest volume");
        assert_eq!(answer.price_interval, expected.price_interval, "{name}");
        assert_eq!(answer.surplus, expected.max_surplus_eur, "{name}");
        match (answer.price, expected.price_interval) {
            (Some(price), Some([low, high])) => assert!(low <= price && price <= high, "{name}"),
            (None, None) => {}
            other => panic!("{name}: {other:?}"),
        }

        assert_eq!(answer.fills.len(), case.bids.len() + case.offers.len(), "{name}");
        let must_fill = [(&expected.must_fill_bids, &case.bids), (&expected.must_fill_offers, &case.offers)];
        for (id, orders) in must_fill.iter().flat_map(|(ids, orders)| ids.iter().map(move |id| (id, orders))) {
            assert_eq!(answer.fills[id], order(orders, id).1, "{name}: {id}");
        }
        for id in expected.must_not_fill_bids.iter().chain(&expected.must_not_fill_offers) {
            assert_eq!(answer.fills[id], 0, "{name}: {id}");
        }
        check_trades(&name, &answer, &case.bids, &case.offers);
    }
}

/// The trades are within the limits, at the one price, and add up to the fills.
fn check_trades(name: &str, answer: &Answer, bids: &[Value], offers: &[Value]) {
    let mut sums: BTreeMap<&str, u64> = answer.fills.keys().map(|id| (id.as_str(), 0)).collect();
    for trade in &answer.trades {
        assert_eq!(Some(trade.price), answer.price, "{name}");
        assert!(order(offers, &trade.offer).0 <= trade.price, "{name}");
        assert!(trade.price <= order(bids, &trade.bid).0, "{name}");
        for id in [&trade.bid, &trade.offer] {
            *sums.get_mut(id.as_str()).unwrap() += trade.quantity;
        }
    }
    assert!(sums.iter().all(|(id, sum)| answer.fills[*id] == *sum), "{name}");
}
