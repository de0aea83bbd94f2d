//! Settlements: what an interval's clearing moves between accounts.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element},
    energy::Energy,
    envelope::{Payload, Signed},
    hash::Hash,
    interval::Interval,
    limits::{MEMBERS_MAX, SETTLEMENT_READINGS_MAX, SETTLEMENT_TRADES_MAX, TRANSACTION_BYTES_MAX},
    member::MemberId,
    money::{Amount, Price},
    neighbour::{Neighbour, neighbours_hash},
    reading::Flow,
    technology::Technology,
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

impl Element for Trade {
    const BYTES_MIN: usize = 37;
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

impl Element for Line {
    const BYTES_MIN: usize = 26;
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
    /// What it was made from.
    #[n(2)]
    pub technology: Technology,
}

impl Element for Minted {
    const BYTES_MIN: usize = 20;
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

/// What the transformer's meter says of an interval, and what the members' meters add up to. Both are net, in Wh: what
/// came from the grid above, less what went there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Balance {
    /// By the transformer's meter, Wh; none where it was not read.
    #[n(0)]
    pub expected_wh: Option<i64>,
    /// By the members' meters together, Wh.
    #[n(1)]
    pub found_wh: i64,
    /// How far the two may be apart, Wh.
    #[n(2)]
    pub tolerance_wh: u64,
}

impl Balance {
    /// How much more the transformer's meter says than the members' meters, Wh; none where it was not read.
    pub fn difference_wh(&self) -> Option<i64> {
        Some(self.expected_wh?.saturating_sub(self.found_wh))
    }

    /// Whether the two agree within the tolerance.
    pub fn closes(&self) -> bool {
        self.difference_wh().is_some_and(|difference| difference.unsigned_abs() <= self.tolerance_wh)
    }
}

/// Why a settlement is provisional: not all that flowed in the interval was measured, or not all that was measured can
/// be right. What was measured is settled all the same, and nothing else: it is never scaled to fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Provisional {
    /// The members, in ascending order, whose device did not measure this very interval.
    #[n(0)]
    #[cbor(decode_with = "cbor::list::<_, _, MEMBERS_MAX>")]
    pub unread: Vec<MemberId>,
    /// The members' sum beside the transformer's meter, where there is one.
    #[n(1)]
    pub balance: Option<Balance>,
}

impl Provisional {
    /// Whether the members' sum disagrees with what the transformer's meter says.
    pub fn is_unbalanced(&self) -> bool {
        self.balance.is_some_and(|balance| balance.expected_wh.is_some() && !balance.closes())
    }
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
    #[cbor(decode_with = "cbor::list::<_, _, SETTLEMENT_READINGS_MAX>")]
    pub readings: Vec<Hash>,
    /// The uniform clearing price, where the mechanism has one and something was traded.
    #[n(2)]
    pub price: Option<Price>,
    /// One line per member that was read, in ascending order of member.
    #[n(3)]
    #[cbor(decode_with = "cbor::list::<_, _, MEMBERS_MAX>")]
    pub lines: Vec<Line>,
    /// Who sold to whom.
    #[n(4)]
    #[cbor(decode_with = "cbor::list::<_, _, SETTLEMENT_TRADES_MAX>")]
    pub trades: Vec<Trade>,
    /// What the supplier's account gains.
    #[n(5)]
    pub supplier: Amount,
    /// What the grid operator's account gains.
    #[n(6)]
    pub operator: Amount,
    /// The certificates it mints, in ascending order of member.
    #[n(7)]
    #[cbor(decode_with = "cbor::list::<_, _, MEMBERS_MAX>")]
    pub minted: Vec<Minted>,
    /// Hash of [what it was computed from](crate::correction::inputs_hash), for whoever has to correct it.
    #[n(8)]
    pub inputs: Hash,
    /// The tariffs in force in the interval.
    #[n(9)]
    pub tariffs: Tariffs,
    /// Why it is provisional, until a correction takes its place; none where the interval closes.
    #[n(10)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<Provisional>,
    /// What the transformer's meter says, where an island would begin or end by it; none where it was not read.
    #[n(11)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Flow>,
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
    /// Hash of [whom the member traded with](Settlement::neighbours); none where it traded with nobody.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Hash>,
    /// Whether the settlement is provisional: values are missing or in doubt, and a correction may follow.
    #[n(6)]
    #[cbor(skip_if = "cbor::is_false")]
    #[serde(default, skip_serializing_if = "cbor::is_false")]
    pub provisional: bool,
}

impl Settlement {
    /// The entries of this settlement, in the order of its lines: as first settled, or of a correction.
    pub fn entries(&self, correction: u32) -> impl Iterator<Item = Entry> + '_ {
        let Settlement { interval, price, tariffs, .. } = *self;
        let provisional = self.provisional.is_some();
        let everybodys = self.neighbours();
        self.lines.iter().map(move |line| {
            let neighbours = everybodys.get(&line.member).and_then(|neighbours| neighbours_hash(neighbours));
            Entry { interval, price, line: *line, correction, tariffs, neighbours, provisional }
        })
    }

    /// Whom each member traded with, in ascending order of neighbour, and what their certificates say that it was made
    /// from. Each of a line's traded Wh is some neighbour's.
    pub fn neighbours(&self) -> BTreeMap<MemberId, Vec<Neighbour>> {
        let technologies: BTreeMap<MemberId, Technology> =
            self.minted.iter().map(|minted| (minted.member, minted.technology)).collect();
        let mut sides = Vec::with_capacity(2 * self.trades.len());
        for &Trade { seller, buyer, energy, .. } in &self.trades {
            let technology = technologies.get(&seller).copied();
            sides.push((buyer, Neighbour { member: seller, bought: energy, sold: Energy::ZERO, technology }));
            sides.push((seller, Neighbour { member: buyer, bought: Energy::ZERO, sold: energy, technology: None }));
        }
        sides.sort_unstable_by_key(|(member, neighbour)| (*member, neighbour.member));
        let of_one = |sides: &[(MemberId, Neighbour)]| {
            let mut neighbours: Vec<Neighbour> = Vec::with_capacity(sides.len());
            for (_, next) in sides {
                match neighbours.last_mut().filter(|last| last.member == next.member) {
                    Some(last) => last.add(next),
                    None => neighbours.push(*next),
                }
            }
            neighbours
        };
        sides.chunk_by(|one, other| one.0 == other.0).map(|sides| (sides[0].0, of_one(sides))).collect()
    }

    /// The hash of its content.
    pub fn content_hash(&self) -> Hash {
        Hash::of(&cbor::encode(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settlement(provisional: Option<Provisional>) -> Settlement {
        let line = Line {
            member: MemberId::from_bytes([1; 16]),
            bought: Energy::ZERO,
            sold: Energy::ZERO,
            imported: Energy::ZERO,
            exported: Energy::ZERO,
            paid: Amount::ZERO,
            earned: Amount::ZERO,
            supply_cost: Amount::ZERO,
            supply_revenue: Amount::ZERO,
        };
        Settlement {
            exchange: None,
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            readings: Vec::new(),
            price: None,
            lines: vec![line],
            trades: Vec::new(),
            supplier: Amount::ZERO,
            operator: Amount::ZERO,
            minted: Vec::new(),
            inputs: Hash::ZERO,
            tariffs: Tariffs { retail_price: "0.3".parse().unwrap(), feed_in_price: "0.08".parse().unwrap() },
            provisional,
        }
    }

    #[test]
    fn what_closes_is_spelled_as_before_and_what_is_provisional_says_so_in_every_entry() {
        let closed = settlement(None);
        let bytes = cbor::encode(&closed);
        assert_eq!(bytes[0], 0x8a, "an array of ten");
        let entry = closed.entries(0).next().unwrap();
        assert_eq!(cbor::encode(&entry)[0], 0x85, "an array of five");
        assert!(!serde_json::to_string(&entry).unwrap().contains("provisional"));

        let balance = Balance { expected_wh: Some(-40), found_wh: 10, tolerance_wh: 49 };
        let open = settlement(Some(Provisional { unread: Vec::new(), balance: Some(balance) }));
        assert_eq!(cbor::decode::<Settlement>(&cbor::encode(&open)).unwrap(), open);
        let entry = open.entries(0).next().unwrap();
        assert!(entry.provisional);
        let bytes = cbor::encode(&entry);
        let ending = &bytes[bytes.len() - 2..];
        assert_eq!((bytes[0], ending), (0x87, &[0xf6, 0xf5][..]), "an array of seven, the last of them null and true");
        assert_eq!(cbor::decode::<Entry>(&bytes).unwrap(), entry);
        // There is no second way to say that it is not.
        let mut spelled_out = bytes;
        *spelled_out.last_mut().unwrap() = 0xf4;
        assert!(matches!(cbor::decode::<Entry>(&spelled_out), Err(cbor::CborError::NotDeterministic)));
    }

    #[test]
    fn each_traded_wh_has_a_neighbour_on_both_sides_in_whatever_order_the_trades_are() {
        let member = |byte| MemberId::from_bytes([byte; 16]);
        let trade = |seller, buyer, wh| {
            let (seller, buyer) = (member(seller), member(buyer));
            Trade { seller, buyer, energy: Energy::from_wh(wh), price: "0.19".parse().unwrap() }
        };
        let neighbour = |byte, bought, sold, technology| {
            let [bought, sold] = [bought, sold].map(Energy::from_wh);
            Neighbour { member: member(byte), bought, sold, technology }
        };
        let trades = vec![trade(1, 3, 500), trade(2, 3, 40), trade(2, 4, 7), trade(1, 3, 1)];
        let minted = vec![Minted { member: member(1), energy: Energy::from_wh(600), technology: Technology::Solar }];
        let mut settled = Settlement { trades, minted, ..settlement(None) };
        let expected = BTreeMap::from([
            (member(1), vec![neighbour(3, 0, 501, None)]),
            (member(2), vec![neighbour(3, 0, 40, None), neighbour(4, 0, 7, None)]),
            (member(3), vec![neighbour(1, 501, 0, Some(Technology::Solar)), neighbour(2, 40, 0, None)]),
            (member(4), vec![neighbour(2, 7, 0, None)]),
        ]);
        assert_eq!(settled.neighbours(), expected);
        settled.trades.reverse();
        assert_eq!(settled.neighbours(), expected);
        let entry = settled.entries(0).next().unwrap();
        assert_eq!(entry.neighbours, neighbours_hash(&expected[&member(1)]));
        assert_eq!(cbor::decode::<Entry>(&cbor::encode(&entry)).unwrap(), entry);
    }

    #[test]
    fn a_balance_closes_within_its_tolerance() {
        let balance = |expected_wh, found_wh, tolerance_wh| Balance { expected_wh, found_wh, tolerance_wh };
        assert!(balance(Some(-40), 10, 50).closes());
        assert!(balance(Some(60), 10, 50).closes());
        assert!(!balance(Some(61), 10, 50).closes());
        assert_eq!(balance(Some(-40), 10, 50).difference_wh(), Some(-50));
        assert!(!balance(None, 0, u64::MAX).closes(), "what was not read closes nothing");
        assert!(!balance(Some(i64::MAX), i64::MIN, 5).closes());
    }
}
