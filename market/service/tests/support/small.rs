//! A settlement small enough to check by hand, and validators to list.

use market::settlement::{Curves, Picture, PriceStep};
use market_service::console::ValidatorView;
use protocol::{
    api::Settled,
    energy::Energy,
    hash::Hash,
    interval::Interval,
    money::Amount,
    settlement::{Line, Trade},
};

use super::neighbourhood;

pub(crate) fn interval(number: i64) -> Interval {
    neighbourhood::first().offset(number).unwrap()
}

pub(crate) fn line(house: u64, [bought, sold, imported, exported]: [u64; 4], amounts: [i64; 4]) -> Line {
    let [bought, sold, imported, exported] = [bought, sold, imported, exported].map(Energy::from_wh);
    let [paid, earned, supply_cost, supply_revenue] = amounts.map(Amount::from_nano);
    let member = neighbourhood::member(house);
    Line { member, bought, sold, imported, exported, paid, earned, supply_cost, supply_revenue }
}

/// Two households: the first buys 1,001 Wh of the second at 0.190001, and more from the supplier.
pub(crate) fn small_settlement(number: i64) -> (Settled, Picture) {
    let price = neighbourhood::price(190_001);
    let energy = Energy::from_wh(1_001);
    let step = |micro, wh| PriceStep { price: neighbourhood::price(micro), energy: Energy::from_wh(wh) };
    let settled = Settled {
        interval: interval(number),
        height: 7,
        settlement: Hash::of(b"small"),
        price: Some(price),
        lines: vec![
            line(0, [1_001, 0, 10, 0], [190_191_001, 0, 3_000_000, 0]),
            line(1, [0, 1_001, 0, 5], [0, 190_191_001, 0, 400_000]),
        ],
        trades: vec![Trade { seller: neighbourhood::member(1), buyer: neighbourhood::member(0), energy, price }],
        supplier: Amount::from_nano(2_600_000),
        operator: Amount::ZERO,
        provisional: None,
        corrections: 0,
        tariffs: neighbourhood::tariffs(),
    };
    let curves = Curves { demand: vec![step(300_000, 1_011)], supply: vec![step(80_001, 1_006)] };
    (settled, Picture { mechanism: "uniform".into(), curves, grid: Vec::new() })
}

pub(crate) fn validator(port: u16, height: u64, reachable: bool) -> ValidatorView {
    ValidatorView {
        url: format!("http://127.0.0.1:{port}"),
        key: Some("did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd".into()),
        height: Some(height),
        height_age_ms: Some(1_400),
        block: Some(Hash::of(&height.to_be_bytes()).to_string()),
        silence: (!reachable).then(|| format!("http://127.0.0.1:{port}: connection refused")),
        clock_off_s: reachable.then_some(0),
        equivocations: 0,
    }
}
