//! Clearing: who trades how much with whom, and at which price.
//!
//! A mechanism is a pure function from a book of orders to a [`Clearing`]; each has a file of its own and one line in
//! [`mechanisms`]. To add one, copy `template.rs`. All of them are described in `docs/mechanisms.md`.

mod cascading_key;
mod crossing;
mod dynamic_key;
pub(crate) mod equal_awards;
mod feeder;
mod islanded;
mod mcafee;
mod mid_market_rate;
mod network;
mod pairing;
mod pay_as_bid;
mod posted;
mod priority_key;
mod rationing;
mod static_key;
#[cfg(test)]
mod template;
mod terms;
mod uniform;

use protocol::{energy::Energy, hash::Hash, money::Price};

use crate::grid::{BusIndex, Grid};

pub use network::{Edge, Network, TermsError};
pub use terms::{Terms, member_by_name};

/// Every mechanism, the default first.
pub fn mechanisms() -> &'static [&'static dyn Mechanism] {
    &[
        &uniform::Uniform,
        &pay_as_bid::PayAsBid,
        &mcafee::McAfee,
        &feeder::Feeder,
        &mid_market_rate::MidMarketRate,
        &static_key::StaticKey,
        &dynamic_key::DynamicKey,
        &cascading_key::CascadingKey,
        &priority_key::PriorityKey,
        &islanded::Islanded,
    ]
}

/// A rule that turns a book into a clearing.
///
/// The result depends on the book's orders, not on the order in which they come, and holds what
/// [`Clearing::check`] checks.
pub trait Mechanism: Sync {
    /// The name by which rules and command lines choose it.
    fn name(&self) -> &'static str;
    /// What it does, in one line.
    fn summary(&self) -> &'static str;
    /// How an interval that it cleared is drawn.
    fn picture(&self) -> PictureKind;
    /// Clears a book.
    fn clear(&self, book: &Book<'_>, context: &Context<'_>) -> Clearing;
}

/// What decides who is served and where prices come from, and so what there is to draw. Whoever draws goes by this, and
/// knows no mechanism by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// The highest bids and the lowest offers trade: the gain from trade lies between the curves, up to the volume.
    MeritOrder,
    /// A price is set for the community, and a key says who is served: the curves need not cross there, and the
    /// households' shares are the picture.
    CommunityPrice,
    /// The grid decides with the limits, and a price belongs to a bus: the map is the picture.
    NodalPrices,
}

/// One side's wish: to buy at most, or sell at least, at a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<'a> {
    /// What names the order; no two orders of one side have the same.
    pub id: &'a [u8],
    /// Highest price of a bid, lowest of an offer.
    pub price: Price,
    /// Most energy; any part of it, down to 1 Wh, may be traded.
    pub quantity: Energy,
    /// Where on the grid.
    pub bus: BusIndex,
}

/// The orders of one interval.
#[derive(Debug, Clone, Default)]
pub struct Book<'a> {
    /// Who wants to buy.
    pub bids: Vec<Order<'a>>,
    /// Who wants to sell.
    pub offers: Vec<Order<'a>>,
}

/// What a clearing depends on beside the orders.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The grid that the orders' buses are of.
    pub grid: &'a Grid,
    /// Decides who gets a Wh that cannot be shared; nobody could know it when the orders were placed.
    pub tie_seed: &'a Hash,
    /// What the rules say beside the mechanism's name.
    pub terms: &'a Terms<'a>,
}

/// Energy from an offer to a bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Index of the bid in its book.
    pub bid: u32,
    /// Index of the offer in its book.
    pub offer: u32,
    /// How much, at least 1 Wh.
    pub energy: Energy,
    /// What the buyer pays, per kWh.
    pub price: Price,
    /// What the seller receives, per kWh: the difference, if there is one, is the grid operator's.
    pub received: Price,
}

/// The result of clearing a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearing {
    /// Energy traded, Wh. A sum, so wider than an [`Energy`].
    pub quantity: u128,
    /// The one price, where the mechanism has one and something was traded.
    pub price: Option<Price>,
    /// Every price at which this clearing is an equilibrium, from lowest to highest, where there is such a price.
    pub price_interval: Option<(Price, Price)>,
    /// How much each bid gets, in the order of the book.
    pub bids: Vec<Energy>,
    /// How much each offer gives, in the order of the book.
    pub offers: Vec<Energy>,
    /// Who trades with whom: fewer matches than orders.
    pub trades: Vec<Match>,
    /// What only the mechanism `feeder` knows.
    pub feeder: Option<FeederClearing>,
}

/// What a clearing does to the grid. Both lists are by the bus's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeederClearing {
    /// What trading is worth less the fees of the lines it uses, in nano-units: no trades reach more.
    pub welfare: i128,
    /// What the trades send over the edge above each bus, Wh: positive towards the bus.
    pub flows: Vec<i128>,
    /// What a Wh costs at each bus, per kWh; empty where nothing trades.
    pub nodal_prices: Vec<Price>,
}

/// A name that no mechanism has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a mechanism ({}), found `{found}`", known_names())]
pub struct UnknownMechanism {
    /// The name.
    pub found: String,
}

fn known_names() -> String {
    mechanisms().iter().map(|mechanism| format!("`{}`", mechanism.name())).collect::<Vec<_>>().join(", ")
}

/// The mechanism of this name.
pub fn mechanism(name: &str) -> Result<&'static dyn Mechanism, UnknownMechanism> {
    let known = mechanisms().iter().find(|mechanism| mechanism.name() == name);
    known.copied().ok_or_else(|| UnknownMechanism { found: name.chars().take(80).collect() })
}

/// A clearing that breaks what every clearing must hold: a bug of its mechanism.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenClearing {
    /// Not one fill for each order.
    #[error("expected {expected} fills, found {found}")]
    FillMissing {
        /// Orders of that side.
        expected: usize,
        /// Fills of that side.
        found: usize,
    },
    /// An order got more than it asked for.
    #[error("expected a fill of at most {quantity}, found {fill}")]
    Overfilled {
        /// The order's quantity.
        quantity: Energy,
        /// Its fill.
        fill: Energy,
    },
    /// The two sides, or the total, disagree.
    #[error("expected as much bought as sold, found {bought} Wh bought, {sold} Wh sold, {quantity} Wh in all")]
    Unbalanced {
        /// All bids' fills, Wh.
        bought: u128,
        /// All offers' fills, Wh.
        sold: u128,
        /// The clearing's total, Wh.
        quantity: u128,
    },
    /// A trade beyond a limit price.
    #[error("expected a price from {offer} (offer) to {bid} (bid), found {price}")]
    LimitBroken {
        /// The seller's limit.
        offer: Price,
        /// The buyer's limit.
        bid: Price,
        /// The trade's price.
        price: Price,
    },
    /// A seller receives more than the buyer pays.
    #[error("expected a seller to receive at most the {price} that the buyer pays, found {received}")]
    Subsidised {
        /// What the buyer pays.
        price: Price,
        /// What the seller receives.
        received: Price,
    },
    /// The trades do not add up to the fills.
    #[error("expected trades that add up to the fills, found {found} Wh left over")]
    TradesDiffer {
        /// Energy in fills but not in trades, or the other way round, Wh.
        found: u128,
    },
}

impl Clearing {
    /// The clearing of a book in which nothing trades.
    pub fn nothing(book: &Book<'_>) -> Clearing {
        Clearing {
            quantity: 0,
            price: None,
            price_interval: None,
            bids: vec![Energy::ZERO; book.bids.len()],
            offers: vec![Energy::ZERO; book.offers.len()],
            trades: Vec::new(),
            feeder: None,
        }
    }

    /// What trading is worth to all together: Σ bid − Σ offer, each limit times its fill, in nano-units.
    pub fn surplus(&self, book: &Book<'_>) -> i128 {
        let worth = |orders: &[Order<'_>], fills: &[Energy]| -> i128 {
            orders.iter().zip(fills).map(|(order, fill)| order.price.times(*fill)).sum()
        };
        worth(&book.bids, &self.bids) - worth(&book.offers, &self.offers)
    }

    /// Checks what every clearing must hold: nobody gets more than asked for, as much is bought as sold, every trade
    /// is within both limits and needs no subsidy, and the trades add up to the fills.
    pub fn check(&self, book: &Book<'_>) -> Result<(), BrokenClearing> {
        let bought = check_fills(&book.bids, &self.bids)?;
        let sold = check_fills(&book.offers, &self.offers)?;
        if bought != self.quantity || sold != self.quantity {
            return Err(BrokenClearing::Unbalanced { bought, sold, quantity: self.quantity });
        }
        let mut bids_left: Vec<u64> = self.bids.iter().map(|fill| fill.wh()).collect();
        let mut offers_left: Vec<u64> = self.offers.iter().map(|fill| fill.wh()).collect();
        for trade in &self.trades {
            let (bid, offer) = (book.bids[trade.bid as usize].price, book.offers[trade.offer as usize].price);
            for price in [trade.price, trade.received] {
                if price > bid || price < offer {
                    return Err(BrokenClearing::LimitBroken { offer, bid, price });
                }
            }
            if trade.received > trade.price {
                return Err(BrokenClearing::Subsidised { price: trade.price, received: trade.received });
            }
            for left in [&mut bids_left[trade.bid as usize], &mut offers_left[trade.offer as usize]] {
                let excess = trade.energy.wh().saturating_sub(*left);
                if excess > 0 {
                    return Err(BrokenClearing::TradesDiffer { found: excess.into() });
                }
                *left -= trade.energy.wh();
            }
        }
        match bids_left.iter().chain(&offers_left).map(|left| u128::from(*left)).sum() {
            0 => Ok(()),
            found => Err(BrokenClearing::TradesDiffer { found }),
        }
    }
}

/// The sum of one side's fills, none above its order's quantity.
fn check_fills(orders: &[Order<'_>], fills: &[Energy]) -> Result<u128, BrokenClearing> {
    if orders.len() != fills.len() {
        return Err(BrokenClearing::FillMissing { expected: orders.len(), found: fills.len() });
    }
    if let Some((order, fill)) = orders.iter().zip(fills).find(|(order, fill)| **fill > order.quantity) {
        return Err(BrokenClearing::Overfilled { quantity: order.quantity, fill: *fill });
    }
    Ok(fills.iter().map(|fill| u128::from(fill.wh())).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wh(wh: u64) -> Energy {
        Energy::from_wh(wh)
    }

    fn order(id: &[u8], micro: i64, quantity: u64) -> Order<'_> {
        Order { id, price: Price::from_micro(micro).unwrap(), quantity: wh(quantity), bus: Grid::ROOT }
    }

    #[test]
    fn mechanisms_are_found_by_their_names_and_the_names_are_unique() {
        for known in mechanisms() {
            assert_eq!(mechanism(known.name()).unwrap().summary(), known.summary());
        }
        let names: std::collections::BTreeSet<_> = mechanisms().iter().map(|known| known.name()).collect();
        assert_eq!(names.len(), mechanisms().len());
        let error = mechanism("unifrom").err().unwrap().to_string();
        assert!(error.contains("`uniform`") && error.ends_with("found `unifrom`"), "{error}");
    }

    #[test]
    fn every_way_to_break_a_clearing_is_named() {
        let book = Book { bids: vec![order(b"b", 20, 10)], offers: vec![order(b"o", 10, 10)] };
        let price = Price::from_micro(15).unwrap();
        let trade = Match { bid: 0, offer: 0, energy: wh(6), price, received: price };
        let good = Clearing {
            quantity: 6,
            price: Some(price),
            price_interval: None,
            bids: vec![wh(6)],
            offers: vec![wh(6)],
            trades: vec![trade],
            feeder: None,
        };
        assert_eq!(good.check(&book), Ok(()));
        assert_eq!(good.surplus(&book), 60);

        let price_of = |micro| Price::from_micro(micro).unwrap();
        let limit =
            |micro| BrokenClearing::LimitBroken { offer: price_of(10), bid: price_of(20), price: price_of(micro) };
        let match_at = |pays, receives, energy| {
            vec![Match { bid: 0, offer: 0, energy: wh(energy), price: price_of(pays), received: price_of(receives) }]
        };
        let traded = |micro, energy| match_at(micro, micro, energy);
        let cases = [
            (Clearing { bids: vec![], ..good.clone() }, BrokenClearing::FillMissing { expected: 1, found: 0 }),
            (
                Clearing { offers: vec![wh(11)], ..good.clone() },
                BrokenClearing::Overfilled { quantity: wh(10), fill: wh(11) },
            ),
            (
                Clearing { bids: vec![wh(7)], ..good.clone() },
                BrokenClearing::Unbalanced { bought: 7, sold: 6, quantity: 6 },
            ),
            (Clearing { quantity: 7, ..good.clone() }, BrokenClearing::Unbalanced { bought: 6, sold: 6, quantity: 7 }),
            (Clearing { trades: traded(21, 6), ..good.clone() }, limit(21)),
            (Clearing { trades: traded(9, 6), ..good.clone() }, limit(9)),
            (Clearing { trades: match_at(21, 15, 6), ..good.clone() }, limit(21)),
            (Clearing { trades: match_at(15, 9, 6), ..good.clone() }, limit(9)),
            (
                Clearing { trades: match_at(14, 15, 6), ..good.clone() },
                BrokenClearing::Subsidised { price: price_of(14), received: price_of(15) },
            ),
            (Clearing { trades: traded(15, 7), ..good.clone() }, BrokenClearing::TradesDiffer { found: 1 }),
            (Clearing { trades: traded(15, 5), ..good.clone() }, BrokenClearing::TradesDiffer { found: 2 }),
            (Clearing { trades: vec![], ..good }, BrokenClearing::TradesDiffer { found: 12 }),
        ];
        for (clearing, expected) in cases {
            assert_eq!(clearing.check(&book), Err(expected));
        }
    }
}
