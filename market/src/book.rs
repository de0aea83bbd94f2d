//! A book of orders as JSON in, its clearing out: what `market clear` does, for any mechanism.
//!
//! In: `{"bids":[{"id","price","quantity","bus"}],"offers":[…]}`: the price a decimal text per kWh, the quantity whole
//! Wh, the bus optional. No order has the id of another, on either side. Out: [`BookAnswer`].

mod parse;

use std::collections::{BTreeMap, HashMap};

use protocol::{
    energy::Energy,
    hash::Hash,
    limits::ENERGY_WH_MAX,
    money::{Price, PriceError},
};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::{
    clearing::{Book, BrokenClearing, Clearing, Context, FeederClearing, Order, Terms, UnknownMechanism, mechanism},
    grid::{BusIndex, Grid, GridError},
};
use parse::{NamedOrder, RawBook};

/// Most bytes of a book.
pub const BOOK_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Decimal places of an amount of currency: 1 µ€/kWh × 1 Wh = 1 n€.
const SURPLUS_DECIMALS: u32 = 9;

/// The side that an order is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It buys.
    Bid,
    /// It sells.
    Offer,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Bid => "bid",
            Side::Offer => "offer",
        })
    }
}

/// Why a book is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// More bytes than any book has.
    #[error("expected a book of at most {BOOK_BYTES_MAX} bytes, found {found}")]
    TooLarge {
        /// What was found.
        found: usize,
    },
    /// Not JSON at all, or a number that JSON readers cannot hold.
    #[error("expected a book in JSON, found something that cannot be read: {0}")]
    NotJson(String),
    /// JSON, but not of a book.
    #[error("expected a book {{\"bids\":[…],\"offers\":[…]}}, found another form: {0}")]
    NotABook(String),
    /// Something is wrong with one order.
    #[error("{side} {order}: {problem}")]
    Order {
        /// Its side.
        side: Side,
        /// Its id in quotation marks; where it has none, its place in the list, from 1, as `#3`.
        order: String,
        /// What is wrong.
        problem: OrderProblem,
    },
    /// Two orders have one id.
    #[error("{side} {order}: expected an id of its own, found the id of another {other}")]
    DuplicateId {
        /// The side of the later one.
        side: Side,
        /// The id in quotation marks.
        order: String,
        /// The side of the earlier one.
        other: Side,
    },
    /// There is no such mechanism.
    #[error(transparent)]
    UnknownMechanism(#[from] UnknownMechanism),
    /// The mechanism made a clearing that no mechanism may make: a bug.
    #[error("mechanism `{mechanism}` made a clearing that is none: {broken}")]
    BrokenClearing {
        /// Which one.
        mechanism: &'static str,
        /// What is wrong.
        broken: BrokenClearing,
    },
}

/// What is wrong with one order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderProblem {
    /// A field is missing.
    #[error("expected a field `{0}`, found none")]
    MissingField(&'static str),
    /// A field is there twice.
    #[error("expected the field `{0}` once, found it twice")]
    DuplicateField(String),
    /// A field that orders do not have.
    #[error("expected the fields `id`, `price`, `quantity` and `bus`, found `{0}`")]
    UnknownField(String),
    /// A field that must be text is none.
    #[error("{field}: expected a text in quotation marks{example}, found {found}")]
    NotText {
        /// The field.
        field: &'static str,
        /// What it could look like.
        example: &'static str,
        /// What was there.
        found: String,
    },
    /// An empty id.
    #[error("id: expected at least one character, found an empty text")]
    EmptyId,
    /// Not a price.
    #[error("price: {0}")]
    Price(#[from] PriceError),
    /// Not a whole number.
    #[error("quantity: expected whole Wh from 0 to {ENERGY_WH_MAX}, found {0}")]
    QuantityNotWhole(String),
    /// Less than nothing.
    #[error("quantity: expected whole Wh from 0 to {ENERGY_WH_MAX}, found {0}, which is negative")]
    QuantityNegative(i64),
    /// More than any order may have.
    #[error("quantity: expected at most {ENERGY_WH_MAX} Wh, found {0}")]
    QuantityTooLarge(u64),
    /// A bus that the grid does not have, or none where there is a grid.
    #[error("bus: {0}")]
    Bus(#[from] GridError),
}

/// One trade of a cleared book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BookTrade {
    /// Id of the bid.
    pub bid: String,
    /// Id of the offer.
    pub offer: String,
    /// Energy, Wh.
    pub quantity: Energy,
    /// What the buyer pays, per kWh.
    pub price: Price,
    /// What the seller receives, per kWh, where that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Price>,
}

/// A cleared book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BookAnswer {
    /// The mechanism that cleared it.
    pub mechanism: &'static str,
    /// Energy traded, Wh.
    pub quantity: u128,
    /// The one price per kWh, where there is one.
    pub price: Option<Price>,
    /// The lowest and the highest clearing price, where there are any.
    pub price_interval: Option<(Price, Price)>,
    /// Σ (bid − offer) of what is traded, in currency: exact.
    #[serde(with = "rust_decimal::serde::str")]
    pub surplus: Decimal,
    /// What every order trades, Wh; zero for those that do not.
    pub fills: BTreeMap<String, Energy>,
    /// Who trades with whom.
    pub trades: Vec<BookTrade>,
    /// What the trades do to the grid, where the mechanism knows.
    #[serde(flatten)]
    pub feeder: Option<FeederAnswer>,
}

/// What the trades of a cleared book do to the grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeederAnswer {
    /// The surplus less the fees of the lines, in currency: exact, and the most there is.
    #[serde(with = "rust_decimal::serde::str")]
    pub welfare: Decimal,
    /// Wh over every line and the transformer because of the trades, positive away from the transformer.
    pub flows: BTreeMap<String, i128>,
    /// Price per kWh at every bus; null where nothing trades.
    pub nodal_prices: BTreeMap<String, Option<Price>>,
}

/// Whether a book can be read: its form, and each order by itself.
pub fn check_json(json: &[u8]) -> Result<(), BookError> {
    let raw = RawBook::read(json)?;
    accept(Side::Bid, raw.bids)?;
    accept(Side::Offer, raw.offers).map(drop)
}

/// Clears a book where no grid is known: orders of the same bus are paired first, all others are equally near.
///
/// A book has no block before it, so ties are decided with a seed of zeros.
pub fn clear_json(json: &[u8], mechanism: &str) -> Result<BookAnswer, BookError> {
    clear_json_on(json, mechanism, None, &Terms::default())
}

/// Clears a book on a grid, if there is one: then every order names its bus.
pub fn clear_json_on(
    json: &[u8],
    mechanism_name: &str,
    grid: Option<&Grid>,
    terms: &Terms<'_>,
) -> Result<BookAnswer, BookError> {
    let mechanism = mechanism(mechanism_name)?;
    let raw = RawBook::read(json)?;
    let (bids, offers) = (accept(Side::Bid, raw.bids)?, accept(Side::Offer, raw.offers)?);
    check_ids(&bids, &offers)?;

    let star;
    let places = match grid {
        Some(grid) => Places { grid, all_named: true },
        None => {
            star = Grid::star(bids.iter().chain(&offers).filter_map(|order| order.bus.as_deref()));
            Places { grid: &star, all_named: false }
        }
    };
    let book = Book { bids: places.orders(Side::Bid, &bids)?, offers: places.orders(Side::Offer, &offers)? };
    let clearing = mechanism.clear(&book, &Context { grid: places.grid, tie_seed: &Hash::ZERO, terms });
    clearing.check(&book).map_err(|broken| BookError::BrokenClearing { mechanism: mechanism.name(), broken })?;

    let trades = clearing.trades.iter().map(|trade| BookTrade {
        bid: bids[trade.bid as usize].id.to_string(),
        offer: offers[trade.offer as usize].id.to_string(),
        quantity: trade.energy,
        price: trade.price,
        received: (trade.received != trade.price).then_some(trade.received),
    });
    Ok(BookAnswer {
        mechanism: mechanism.name(),
        quantity: clearing.quantity,
        price: clearing.price,
        price_interval: clearing.price_interval,
        surplus: currency(clearing.surplus(&book)),
        feeder: feeder_answer(&clearing, places.grid),
        trades: trades.collect(),
        fills: (bids.iter().zip(&clearing.bids))
            .chain(offers.iter().zip(&clearing.offers))
            .map(|(order, fill)| (order.id.to_string(), *fill))
            .collect(),
    })
}

/// Nano-units as a decimal of currency.
fn currency(nano: i128) -> Decimal {
    // The largest book has less than 10^7 orders of at most 10^18 nano-units: a Decimal holds 7 × 10^28.
    Decimal::from_i128_with_scale(nano, SURPLUS_DECIMALS).normalize()
}

fn feeder_answer(clearing: &Clearing, grid: &Grid) -> Option<FeederAnswer> {
    let FeederClearing { welfare, flows, nodal_prices } = clearing.feeder.as_ref()?;
    let named = |(bus, flow): (usize, &i128)| Some((grid.line_above(bus)?.name.clone(), *flow));
    Some(FeederAnswer {
        welfare: currency(*welfare),
        flows: flows.iter().enumerate().filter_map(named).collect(),
        nodal_prices: grid.bus_names().map(|(name, bus)| (name.to_owned(), nodal_prices.get(bus).copied())).collect(),
    })
}

/// The orders of one side, or what is wrong with the first bad one.
fn accept<'a>(side: Side, orders: parse::Orders<'a>) -> Result<Vec<NamedOrder<'a>>, BookError> {
    orders.0.map_err(|(index, bad)| BookError::Order {
        side,
        order: bad.id.map_or_else(|| format!("#{}", index + 1), |id| quoted(&id)),
        problem: bad.problem,
    })
}

/// An id as messages quote it: one line, not longer than a line.
fn quoted(id: &str) -> String {
    format!("{:?}", id.chars().take(80).collect::<String>())
}

fn check_ids(bids: &[NamedOrder<'_>], offers: &[NamedOrder<'_>]) -> Result<(), BookError> {
    let mut seen: HashMap<&str, Side> = HashMap::with_capacity(bids.len() + offers.len());
    let sides = bids.iter().map(|bid| (Side::Bid, bid)).chain(offers.iter().map(|offer| (Side::Offer, offer)));
    for (side, order) in sides {
        if let Some(other) = seen.insert(&order.id, side) {
            return Err(BookError::DuplicateId { side, order: quoted(&order.id), other });
        }
    }
    Ok(())
}

/// Where a book's orders are.
struct Places<'a> {
    grid: &'a Grid,
    /// Whether every order has to name its bus.
    all_named: bool,
}

impl Places<'_> {
    fn bus(&self, name: Option<&str>) -> Result<BusIndex, GridError> {
        if name.is_none() && !self.all_named { Ok(Grid::ROOT) } else { self.grid.bus(name) }
    }

    fn orders<'b>(&self, side: Side, orders: &'b [NamedOrder<'_>]) -> Result<Vec<Order<'b>>, BookError> {
        let placed = orders.iter().map(|order| {
            let bus = self.bus(order.bus.as_deref()).map_err(|error| BookError::Order {
                side,
                order: quoted(&order.id),
                problem: error.into(),
            })?;
            Ok(Order { id: order.id.as_bytes(), price: order.price, quantity: order.quantity, bus })
        });
        placed.collect()
    }
}

#[cfg(test)]
mod tests;
