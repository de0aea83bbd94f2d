//! Settlements: what an interval's clearing moves between accounts.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor,
    energy::Energy,
    envelope::{Payload, Signed},
    hash::Hash,
    interval::Interval,
    limits::TRANSACTION_BYTES_MAX,
    member::MemberId,
    money::{Amount, Price},
};

/// Energy from one seller to one buyer in one interval at a price. Derived, never signed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Trade {
    /// Who sold.
    #[n(0)]
    pub seller: MemberId,
    /// Who bought.
    #[n(1)]
    pub buyer: MemberId,
    /// How much, Wh.
    #[n(2)]
    pub energy: Energy,
    /// At what price per kWh.
    #[n(3)]
    pub price: Price,
}

/// One member's part of an interval's settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Line {
    /// Whose.
    #[n(0)]
    pub member: MemberId,
    /// Bought from neighbours, Wh.
    #[n(1)]
    pub bought: Energy,
    /// Sold to neighbours, Wh.
    #[n(2)]
    pub sold: Energy,
    /// Drawn from the supplier, Wh; with what came late from intervals already closed.
    #[n(3)]
    pub imported: Energy,
    /// Fed in to the supplier, Wh; with what came late from intervals already closed.
    #[n(4)]
    pub exported: Energy,
    /// Paid to neighbours for what was bought.
    #[n(5)]
    pub paid: Amount,
    /// Earned from neighbours for what was sold.
    #[n(6)]
    pub earned: Amount,
    /// Paid to the supplier for what was drawn.
    #[n(7)]
    pub supply_cost: Amount,
    /// Earned from the supplier for what was fed in.
    #[n(8)]
    pub supply_revenue: Amount,
}

impl Line {
    /// What the member's account gains (loses, if negative); `None` past the range of an [`Amount`].
    pub fn net(&self) -> Option<Amount> {
        self.earned.checked_add(self.supply_revenue)?.checked_sub(self.paid)?.checked_sub(self.supply_cost)
    }
}

/// Certificates that a settlement mints: one for every Wh that a renewable source fed in during the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Minted {
    /// Who fed it in.
    #[n(0)]
    pub member: MemberId,
    /// How much, Wh: sold to neighbours or to the supplier, without what came late.
    #[n(1)]
    pub energy: Energy,
}

/// The supplier's two prices, under which an interval was settled.
///
/// A settlement says them, and every entry of it: so a receipt proves under which tariffs it was booked, whatever was
/// decided since the genesis. They are no more the market's to say than the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Tariffs {
    /// What the supplier takes for a kWh.
    #[n(0)]
    pub retail_price: Price,
    /// What the supplier gives for a kWh.
    #[n(1)]
    pub feed_in_price: Price,
}

/// The settlement of one interval, as the market proposes it and every validator recomputes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Settlement {
    /// Which interval; at the same time the settlement's id.
    #[n(0)]
    pub interval: Interval,
    /// The hash of every reading that went in: by device, then by sequence number.
    #[n(1)]
    pub readings: Vec<Hash>,
    /// The uniform clearing price, where the mechanism has one and something was traded.
    #[n(2)]
    pub price: Option<Price>,
    /// One line per member that was read, in ascending order of member.
    #[n(3)]
    pub lines: Vec<Line>,
    /// Who sold to whom.
    #[n(4)]
    pub trades: Vec<Trade>,
    /// What the supplier's account gains.
    #[n(5)]
    pub supplier: Amount,
    /// What the grid operator's account gains.
    #[n(6)]
    pub operator: Amount,
    /// The certificates it mints, in ascending order of member.
    #[n(7)]
    pub minted: Vec<Minted>,
    /// Hash of [what it was computed from](crate::correction::inputs_hash), for whoever has to correct it.
    #[n(8)]
    pub inputs: Hash,
    /// The tariffs in force in the interval.
    #[n(9)]
    pub tariffs: Tariffs,
}

impl Payload for Settlement {
    const DOMAIN: &'static str = "voisin/settlement/v1";
    const BYTES_MAX: usize = TRANSACTION_BYTES_MAX;
}

/// A settlement as the market signs it.
pub type SignedSettlement = Signed<Settlement>;

/// One member's line with what a member needs to understand it: the leaf of a block's Merkle tree of lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Entry {
    /// The interval.
    #[n(0)]
    pub interval: Interval,
    /// Its clearing price per kWh.
    #[n(1)]
    pub price: Option<Price>,
    /// The member's line.
    #[n(2)]
    pub line: Line,
    /// 0 as first settled; then the number of the correction that puts this entry in the place of the one before.
    #[n(3)]
    pub correction: u32,
    /// The tariffs in force in the interval, which its supply cost and revenue follow from.
    #[n(4)]
    pub tariffs: Tariffs,
}

impl Settlement {
    /// The entries of this settlement, in the order of its lines: as first settled, or of a correction.
    pub fn entries(&self, correction: u32) -> impl Iterator<Item = Entry> + '_ {
        let Settlement { interval, price, tariffs, .. } = *self;
        self.lines.iter().map(move |line| Entry { interval, price, line: *line, correction, tariffs })
    }

    /// The hash of its content.
    pub fn content_hash(&self) -> Hash {
        Hash::of(&cbor::encode(self))
    }
}
