//! How much of what an interval's orders are worth together is realised.
//!
//! Welfare is Σ limit × bought − Σ limit × sold, in n€: what the trades are worth to buyers and sellers by their own
//! limits, whoever has how much of it. Where a member has no limit, the supplier's price takes its place, as in the
//! market. Fees are no part of it.

use protocol::{genesis::Rules, money::Price, settlement::Line};

use crate::{
    economics::{Wish, wish},
    inputs::MeteredMember,
};

/// What the trades of an interval are worth, n€.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Welfare {
    /// By the trades that were made.
    pub realised_nano: i128,
    /// By the best ones between these orders, as if no line were in their way and none cost anything: the area between
    /// demand and supply, which the uniform-price double auction reaches.
    pub greatest_nano: i128,
}

/// The welfare of an interval: `lines` are what the market made of `members`, in the same order.
pub fn welfare(members: &[MeteredMember], lines: &[Line], rules: &Rules) -> Welfare {
    let mut realised_nano = 0;
    // The trades are the best ones exactly if some price bears them out (complementary slackness): no buyer who got
    // something bids less, none who lacks something bids more, and so for sellers the other way round.
    let (mut least, mut most) = (None::<Price>, None::<Price>);
    let mut at_least = |price: Price| least = Some(least.map_or(price, |least| least.max(price)));
    let mut at_most = |price: Price| most = Some(most.map_or(price, |most| most.min(price)));
    for (member, line) in members.iter().zip(lines) {
        match wish(member, rules) {
            Some(Wish::Buy(price, asked)) => {
                realised_nano += price.times(line.bought);
                if !line.bought.is_zero() {
                    at_most(price);
                }
                if line.bought < asked {
                    at_least(price);
                }
            }
            Some(Wish::Sell(price, offered)) => {
                realised_nano -= price.times(line.sold);
                if !line.sold.is_zero() {
                    at_least(price);
                }
                if line.sold < offered {
                    at_most(price);
                }
            }
            None => {}
        }
    }
    let is_best = least.zip(most).is_none_or(|(least, most)| least <= most);
    Welfare { realised_nano, greatest_nano: if is_best { realised_nano } else { greatest(members, rules) } }
}

/// The area between demand and supply: the highest bids with the lowest offers, as long as it gains something.
fn greatest(members: &[MeteredMember], rules: &Rules) -> i128 {
    let (mut bids, mut offers) = (Vec::new(), Vec::new());
    for member in members {
        match wish(member, rules) {
            Some(Wish::Buy(price, asked)) => bids.push((price, asked)),
            Some(Wish::Sell(price, offered)) => offers.push((price, offered)),
            None => {}
        }
    }
    bids.sort_unstable_by_key(|(price, _)| std::cmp::Reverse(*price));
    offers.sort_unstable_by_key(|(price, _)| *price);
    let mut offers = offers.into_iter();
    let (mut nano, mut offer) = (0, offers.next());
    for (worth, mut asked) in bids {
        while let Some((cost, offered)) = &mut offer
            && worth > *cost
            && !asked.is_zero()
        {
            let energy = asked.min(*offered);
            nano += worth.times(energy) - cost.times(energy);
            asked = asked.saturating_sub(energy);
            *offered = offered.saturating_sub(energy);
            if offered.is_zero() {
                offer = offers.next();
            }
        }
    }
    nano
}

#[cfg(test)]
mod tests {
    use protocol::{energy::Energy, member::MemberId, money::Amount, order::PriceLimits, reading::Flow};

    use super::*;
    use crate::{grid::Grid, metering::Metered};

    fn member(id: u8, import: u64, export: u64, limit: &str) -> MeteredMember {
        let limit = Some(limit.parse().unwrap());
        MeteredMember {
            quota: None,
            member: MemberId::from_bytes([id; 16]),
            bus: Grid::ROOT,
            limits: PriceLimits { buy: limit, sell: limit, ..PriceLimits::default() },
            metered: Metered {
                measured: Some(Flow { import: Energy::from_wh(import), export: Energy::from_wh(export) }),
                late: Flow::default(),
            },
            technology: None,
        }
    }

    fn line(member: &MeteredMember, bought: u64, sold: u64) -> Line {
        let [imported, exported] = [Energy::ZERO; 2];
        let [paid, earned, supply_cost, supply_revenue] = [Amount::ZERO; 4];
        let (member, bought, sold) = (member.member, Energy::from_wh(bought), Energy::from_wh(sold));
        Line { member, bought, sold, imported, exported, paid, earned, supply_cost, supply_revenue }
    }

    #[test]
    fn the_worked_number_of_the_documentation() {
        let members = [
            member(1, 1_000, 0, "0.30"),
            member(2, 1_000, 0, "0.20"),
            member(3, 0, 1_000, "0.10"),
            member(4, 0, 1_000, "0.25"),
        ];
        let rules = Rules::new("0.40".parse().unwrap(), "0.05".parse().unwrap(), "uniform");
        let of = |served: [u64; 4]| {
            let [first, second, third, fourth] = &members;
            let [b1, b2, s3, s4] = served;
            let lines = [line(first, b1, 0), line(second, b2, 0), line(third, 0, s3), line(fourth, 0, s4)];
            welfare(&members, &lines, &rules)
        };
        let greatest_nano = 200_000_000;
        for (served, realised_nano) in [
            ([1_000, 0, 1_000, 0], greatest_nano),
            ([0, 1_000, 1_000, 0], 100_000_000),
            // A trade too many, which costs the seller more than it is worth to the buyer.
            ([1_000, 1_000, 1_000, 1_000], 150_000_000),
            ([0; 4], 0),
        ] {
            assert_eq!(of(served), Welfare { realised_nano, greatest_nano }, "{served:?}");
        }
    }
}
