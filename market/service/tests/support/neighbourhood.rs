//! A made-up neighbourhood for the console's tests: 41 households, 16 of them with solar panels, a June day. Its
//! figures look like a real one's; how they come about is simple, and the same each time.

use market::settlement::{Curves, Picture, PriceStep};
use market_service::console::{CommunityInfo, MemberInfo};
use protocol::{
    api::Settled,
    energy::Energy,
    hash::Hash,
    interval::Interval,
    member::MemberId,
    money::{Amount, Price},
    settlement::{Line, Tariffs, Trade},
};

pub(crate) const HOUSEHOLDS: u64 = 41;
const PROSUMERS: u64 = 16;

/// The community.
pub(crate) fn community() -> CommunityInfo {
    CommunityInfo {
        community: "Semiurb 4".into(),
        currency: "EUR".into(),
        chain: Hash::of(b"a neighbourhood for tests"),
        mechanism: "uniform".into(),
        retail_price: price(300_000),
        feed_in_price: price(80_000),
        first_interval: first(),
        members: (0..HOUSEHOLDS)
            .map(|house| MemberInfo {
                member: member(house),
                name: format!("d{:03}", house + 1),
                bus: Some(format!("bus_{}", 1 + house * 7 % 19)),
                metered: true,
            })
            .collect(),
        names: [(member(HOUSEHOLDS), "d042".to_owned())].into(),
        broker: "mqtt://127.0.0.1:1883".into(),
        validators: Vec::new(),
    }
}

/// The first interval.
pub(crate) fn first() -> Interval {
    "2026-06-01T00:00:00Z/PT15M".parse().unwrap()
}

/// The settlement of the interval `number` after the first, and what is shown of it.
pub(crate) fn settled(number: u64) -> (Settled, Picture) {
    let interval = first().offset(number as i64).unwrap();
    let mut bids = Vec::new();
    let mut offers = Vec::new();
    for house in 0..HOUSEHOLDS {
        let net = net_wh(house, number);
        let wh = net.unsigned_abs();
        if net < 0 {
            bids.push((house, limit(house, net), wh));
        } else if net > 0 {
            offers.push((house, limit(house, net), wh));
        }
    }
    let curves = Curves { demand: steps(&bids), supply: steps(&offers) };
    (clear(interval, number, bids, offers), Picture { mechanism: "uniform".into(), curves, grid: Vec::new() })
}

/// What a household feeds in (draws, if negative) in the interval `number` after the first, Wh.
pub(crate) fn net_wh(house: u64, number: u64) -> i64 {
    let hour = (number % 96) as f64 / 4.0;
    production(house, number, hour) - consumption(house, number, hour)
}

/// Its limit price, to buy or to sell. Half of the households pay any price up to retail, the others name a limit.
pub(crate) fn limit(house: u64, net: i64) -> Price {
    price(match (net < 0, house.is_multiple_of(2)) {
        (true, true) => 300_000,
        (true, false) => 180_000 + 3_000 * (house as i64 * 11 % 37),
        (false, _) => 80_000 + 4_000 * (house as i64 * 5 % 23),
    })
}

fn steps(orders: &[(u64, Price, u64)]) -> Vec<PriceStep> {
    orders.iter().map(|(_, price, wh)| PriceStep { price: *price, energy: Energy::from_wh(*wh) }).collect()
}

/// Maximum volume at one price, halfway between the last bid and the last offer that trade.
fn clear(
    interval: Interval,
    number: u64,
    mut bids: Vec<(u64, Price, u64)>,
    mut offers: Vec<(u64, Price, u64)>,
) -> Settled {
    bids.sort_by_key(|(house, price, _)| (std::cmp::Reverse(*price), *house));
    offers.sort_by_key(|(house, price, _)| (*price, *house));
    let mut lines = (0..HOUSEHOLDS).map(empty_line).collect::<Vec<_>>();
    let mut matched = Vec::new();
    let mut margin = None;
    let (mut b, mut o) = (0, 0);
    while b < bids.len() && o < offers.len() && bids[b].1 >= offers[o].1 {
        let wh = bids[b].2.min(offers[o].2);
        matched.push((offers[o].0, bids[b].0, wh));
        margin = Some((offers[o].1, bids[b].1));
        bids[b].2 -= wh;
        offers[o].2 -= wh;
        b += usize::from(bids[b].2 == 0);
        o += usize::from(offers[o].2 == 0);
    }
    let clearing = margin.map(|(low, high)| Price::midpoint(low, high));
    let mut trades = Vec::new();
    for (seller, buyer, wh) in matched {
        let (energy, price) = (Energy::from_wh(wh), clearing.unwrap());
        trades.push(Trade { seller: member(seller), buyer: member(buyer), energy, price });
        let cost = price.cost_of(energy).unwrap();
        let line = &mut lines[buyer as usize];
        line.bought = line.bought.checked_add(energy).unwrap();
        line.paid = line.paid.checked_add(cost).unwrap();
        let line = &mut lines[seller as usize];
        line.sold = line.sold.checked_add(energy).unwrap();
        line.earned = line.earned.checked_add(cost).unwrap();
    }
    let mut supplier = Amount::ZERO;
    for (house, _, wh) in bids {
        let line = &mut lines[house as usize];
        line.imported = Energy::from_wh(wh);
        line.supply_cost = price(300_000).cost_of(line.imported).unwrap();
        supplier = supplier.checked_add(line.supply_cost).unwrap();
    }
    for (house, _, wh) in offers {
        let line = &mut lines[house as usize];
        line.exported = Energy::from_wh(wh);
        line.supply_revenue = price(80_000).cost_of(line.exported).unwrap();
        supplier = supplier.checked_sub(line.supply_revenue).unwrap();
    }
    lines.sort_by_key(|line| line.member);
    Settled {
        interval,
        height: 2 * number + 3,
        settlement: Hash::of(&number.to_be_bytes()),
        price: clearing,
        lines,
        trades,
        supplier,
        operator: Amount::ZERO,
        provisional: None,
        corrections: 0,
        tariffs: tariffs(),
    }
}

/// The supplier's.
pub(crate) fn tariffs() -> Tariffs {
    Tariffs { retail_price: price(300_000), feed_in_price: price(80_000) }
}

fn empty_line(house: u64) -> Line {
    Line {
        member: member(house),
        bought: Energy::ZERO,
        sold: Energy::ZERO,
        imported: Energy::ZERO,
        exported: Energy::ZERO,
        paid: Amount::ZERO,
        earned: Amount::ZERO,
        supply_cost: Amount::ZERO,
        supply_revenue: Amount::ZERO,
    }
}

/// Solar production in a quarter of an hour, Wh: a bell over the day, with clouds.
fn production(house: u64, number: u64, hour: f64) -> i64 {
    if house % 5 > 1 || house / 5 * 2 + house % 5 >= PROSUMERS {
        return 0;
    }
    let kwp = 3.5 + (house * 13 % 7) as f64;
    let sun = (std::f64::consts::PI * (hour - 4.5) / 15.5).sin().max(0.0).powf(1.4);
    let clouds = if (36..60).contains(&(number % 96)) { 1.0 } else { 0.75 + 0.25 * noise(number, 1_000) };
    (kwp * 180.0 * sun * clouds) as i64
}

/// Consumption in a quarter of an hour, Wh: a base, a morning and an evening.
fn consumption(house: u64, number: u64, hour: f64) -> i64 {
    let peak = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    let size = 0.6 + (house * 17 % 11) as f64 / 8.0;
    let shape = 45.0 + 110.0 * peak(6.5, 1.3) + 90.0 * peak(11.5, 1.6) + 190.0 * peak(18.5, 2.2);
    (size * shape * (0.6 + 0.8 * noise(number, house))) as i64
}

/// A number from 0 to 1 that depends on both and on nothing else.
fn noise(number: u64, house: u64) -> f64 {
    let hash = Hash::of_parts(&[&number.to_be_bytes(), &house.to_be_bytes()]);
    f64::from(hash.as_bytes()[0]) / 255.0
}

/// The pseudonym of a household.
pub(crate) fn member(house: u64) -> MemberId {
    MemberId::pseudonym(&[7; 16], &format!("d{:03}", house + 1))
}

/// A price of so many micro-units.
pub(crate) fn price(micro: i64) -> Price {
    Price::from_micro(micro).unwrap()
}
