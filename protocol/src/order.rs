//! Standing orders: a member's price limits.

use minicbor::{Decode, Encode};

use crate::{
    energy::Energy,
    envelope::{Payload, Signed},
    interval::Interval,
    limits::MESSAGE_BYTES_MAX,
    money::Price,
};

/// A member's price limits and caps for one interval; without any it is a price taker. What carries them on the wire
/// spells them out in its own encoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PriceLimits {
    /// Highest price to buy at, µ€/kWh; without it, the retail price.
    pub buy: Option<Price>,
    /// Lowest price to sell at, µ€/kWh; without it, the feed-in price.
    pub sell: Option<Price>,
    /// Most energy to buy from neighbours, Wh; the rest comes from the supplier.
    pub buy_cap: Option<Energy>,
    /// Most energy to sell to neighbours, Wh; the rest goes to the supplier.
    pub sell_cap: Option<Energy>,
}

/// A member's standing price limits, signed with the member's key. The quantities come from the meter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Order {
    /// 1 for the member's first order, then one more each time; the highest valid one stands.
    #[n(0)]
    pub sequence: u64,
    /// First interval for which it stands.
    #[n(1)]
    pub valid_from: Interval,
    /// Highest price to buy at; without it, the retail price.
    #[n(2)]
    pub buy: Option<Price>,
    /// Lowest price to sell at; without it, the feed-in price.
    #[n(3)]
    pub sell: Option<Price>,
    /// Most energy to buy from neighbours in one interval; the rest comes from the supplier.
    #[n(4)]
    pub buy_cap: Option<Energy>,
    /// Most energy to sell to neighbours in one interval; the rest goes to the supplier.
    #[n(5)]
    pub sell_cap: Option<Energy>,
}

impl Order {
    /// What it limits.
    pub fn limits(&self) -> PriceLimits {
        let Order { buy, sell, buy_cap, sell_cap, .. } = *self;
        PriceLimits { buy, sell, buy_cap, sell_cap }
    }
}

impl Payload for Order {
    const DOMAIN: &'static str = "voisin/order/v1";
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;
}

/// An order as it travels.
pub type SignedOrder = Signed<Order>;
