//! What a receipt must say: its entry, checked against what this meter measured and what this household ordered.
//!
//! The proof shows that the validators committed the entry; this shows that the entry is the right one. Pure.

use ledger::proof::ProofError;
use protocol::{
    energy::Energy,
    envelope::ChainId,
    interval::Interval,
    limits::READINGS_PER_DEVICE_MAX,
    member::MemberId,
    money::{Amount, Price},
    neighbour::Neighbour,
    reading::Flow,
    receipt::Receipt,
    settlement::{Entry, Line, Tariffs},
    text::ParseError,
};

/// A reading of one's own that no receipt covers yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnReading {
    /// Its place in the chain.
    pub sequence: u64,
    /// The interval that it ends.
    pub interval: Interval,
    /// The energy to settle: netted, if `consecutive`.
    pub flow: Flow,
    /// Whether the reading before ended the interval before.
    pub consecutive: bool,
}

/// The limits of one's own that stood for an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Highest price to buy at.
    pub buy: Price,
    /// Lowest price to sell at.
    pub sell: Price,
    /// Most energy to buy from neighbours.
    pub buy_cap: Option<Energy>,
    /// Most energy to sell to neighbours.
    pub sell_cap: Option<Energy>,
}

impl Limits {
    /// Where nobody knows what stood.
    pub const ANY: Limits = Limits { buy: Price::MAX, sell: Price::MIN, buy_cap: None, sell_cap: None };

    /// A price taker's: buys up to the retail price, sells down to the feed-in price.
    pub fn price_taker(tariffs: &Tariffs) -> Limits {
        Limits { buy: tariffs.retail_price, sell: tariffs.feed_in_price, buy_cap: None, sell_cap: None }
    }
}

/// Why a receipt is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Not a receipt at all.
    #[error("not a receipt: {0}")]
    Malformed(#[from] ParseError),
    /// More bytes than a receipt has.
    #[error("expected a receipt of at most {max} bytes, found {found}")]
    TooLarge {
        /// The limit.
        max: usize,
        /// What was found.
        found: usize,
    },
    /// The validators did not commit it.
    #[error("it proves nothing: {0}")]
    NotProved(#[from] ProofError),
    /// It is of another community.
    #[error("expected a receipt of the chain {expected}, found one of {found}")]
    OtherCommunity {
        /// This community's.
        expected: ChainId,
        /// The receipt's.
        found: ChainId,
    },
    /// It is another member's.
    #[error("expected a receipt of member {expected}, found one of {found}")]
    OtherMember {
        /// Who this is.
        expected: MemberId,
        /// The receipt's.
        found: MemberId,
    },
    /// It is of an interval that is none here.
    #[error("expected an interval as long as {expected}, found {found}")]
    OtherLength {
        /// One of the community's intervals.
        expected: Interval,
        /// The receipt's.
        found: Interval,
    },
    /// A different entry under the same number of the same interval was proved before.
    #[error("{0} was settled before, with other figures: the validators committed two truths")]
    Contradiction(Interval),
    /// Energy that was never measured here.
    #[error("it settles {found} of {what} in {interval}, expected {expected} from what this meter signed")]
    EnergyBalance {
        /// The interval.
        interval: Interval,
        /// Import or export.
        what: &'static str,
        /// By this meter.
        expected: Energy,
        /// By the receipt.
        found: Energy,
    },
    /// More bought than was needed.
    #[error("bought {found} from neighbours, expected at most {expected}, what was drawn in the interval")]
    BoughtAboveDeficit {
        /// Measured deficit.
        expected: Energy,
        /// Bought.
        found: Energy,
    },
    /// More sold than there was.
    #[error("sold {found} to neighbours, expected at most {expected}, what was fed in in the interval")]
    SoldAboveSurplus {
        /// Measured surplus.
        expected: Energy,
        /// Sold.
        found: Energy,
    },
    /// More traded than its own cap.
    #[error("{what} {found} with neighbours, expected at most the cap of {expected}")]
    AboveCap {
        /// Bought or sold.
        what: &'static str,
        /// The cap.
        expected: Energy,
        /// Traded.
        found: Energy,
    },
    /// An amount that does not follow from the energy and the price.
    #[error("{what} of {found} for {energy}, expected {expected}")]
    WrongAmount {
        /// Which one.
        what: &'static str,
        /// For how much energy.
        energy: Energy,
        /// What it must be.
        expected: String,
        /// What it is.
        found: Amount,
    },
    /// Dearer than the limit of its order.
    #[error("paid {found} for {energy}, expected at most {limit} per kWh, the limit of its order")]
    PaidAboveLimit {
        /// Own limit.
        limit: Price,
        /// Bought.
        energy: Energy,
        /// Paid.
        found: Amount,
    },
    /// Cheaper than the limit of its order.
    #[error("earned {found} for {energy}, expected at least {limit} per kWh, the limit of its order")]
    EarnedBelowLimit {
        /// Own limit.
        limit: Price,
        /// Sold.
        energy: Energy,
        /// Earned.
        found: Amount,
    },
    /// Energy with neighbours that is no neighbour's, or more of theirs than there is.
    #[error("the neighbours add up to {found} {what}, expected {expected}, as the line says")]
    NeighboursDoNotAddUp {
        /// Bought or sold.
        what: &'static str,
        /// By the line.
        expected: Energy,
        /// By the neighbours.
        found: Energy,
    },
    /// Sums past every range.
    #[error("its amounts are beyond any range")]
    OutOfRange,
}

impl ReceiptFault {
    /// Its name, as it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            ReceiptFault::Malformed(_) => "Malformed",
            ReceiptFault::TooLarge { .. } => "TooLarge",
            ReceiptFault::NotProved(ProofError::OtherNeighbours { .. }) => "OtherNeighbours",
            ReceiptFault::NotProved(_) => "NotProved",
            ReceiptFault::OtherCommunity { .. } => "OtherCommunity",
            ReceiptFault::OtherMember { .. } => "OtherMember",
            ReceiptFault::OtherLength { .. } => "OtherLength",
            ReceiptFault::Contradiction(_) => "Contradiction",
            ReceiptFault::EnergyBalance { .. } => "EnergyBalance",
            ReceiptFault::BoughtAboveDeficit { .. } => "BoughtAboveDeficit",
            ReceiptFault::SoldAboveSurplus { .. } => "SoldAboveSurplus",
            ReceiptFault::AboveCap { .. } => "AboveCap",
            ReceiptFault::WrongAmount { .. } => "WrongAmount",
            ReceiptFault::PaidAboveLimit { .. } => "PaidAboveLimit",
            ReceiptFault::EarnedBelowLimit { .. } => "EarnedBelowLimit",
            ReceiptFault::NeighboursDoNotAddUp { .. } => "NeighboursDoNotAddUp",
            ReceiptFault::OutOfRange => "OutOfRange",
        }
    }
}

/// Checks an entry against the own `unsettled` readings, oldest first, and the own `limits`. Says which readings it
/// settles, by sequence number.
///
/// The tariffs are the entry's own: the validators committed to them with it, and they book under no others than those
/// that the genesis or a decision put in force. An entry that is not proved says nothing of them.
///
/// A settlement takes a run of readings, of which only the last can be the interval's own; the others came late. Which
/// run it took, an entry does not say: the energy does.
pub fn check_entry(
    entry: &Entry,
    member: MemberId,
    limits: &Limits,
    unsettled: &[OwnReading],
) -> Result<Vec<u64>, ReceiptFault> {
    let Entry { interval, price, line, tariffs, .. } = entry;
    if line.member != member {
        return Err(ReceiptFault::OtherMember { expected: member, found: line.member });
    }
    check_amounts(line, *price, tariffs)?;
    check_limits(line, limits)?;
    let candidates = unsettled.partition_point(|reading| reading.interval <= *interval);
    let candidates = &unsettled[..candidates];
    for (start, end) in runs(candidates, *interval) {
        let run = &candidates[start..end];
        if is_contiguous(run) && check_energy(line, *interval, run).is_ok() {
            return Ok(run.iter().map(|reading| reading.sequence).collect());
        }
    }
    // A run of idle intervals may have been taken for settled with an earlier receipt: then nothing is left for this
    // one. But nothing must not stand for what was measured.
    let own = candidates.last().filter(|last| last.interval == *interval);
    if own.is_none() && check_energy(line, *interval, &[]).is_ok() {
        return Ok(Vec::new());
    }
    // What a settlement of everything sent would have said, to name what is wrong.
    let sent = newest_run(candidates);
    check_energy(line, *interval, sent)?;
    Ok(sent.iter().map(|reading| reading.sequence).collect())
}

/// Checks an entry that corrects an interval: it is this member's, and its amounts follow from its energy.
///
/// The energy is what the grid operator validated, which may be other than what this meter signed, and the orders of an
/// interval so long ago may be forgotten here. More than two thirds of the validators computed it and stand for it.
pub fn check_correction(entry: &Entry, member: MemberId) -> Result<(), ReceiptFault> {
    let Entry { price, line, tariffs, .. } = entry;
    if line.member != member {
        return Err(ReceiptFault::OtherMember { expected: member, found: line.member });
    }
    check_amounts(line, *price, tariffs)
}

/// Checks an entry of the transformer's meter, which measures what the members settle: its own line is empty, and says
/// that it was read. Says which of its readings it settles, by sequence number.
pub fn check_transformer_entry(
    entry: &Entry,
    member: MemberId,
    unsettled: &[OwnReading],
) -> Result<Vec<u64>, ReceiptFault> {
    let Entry { interval, price, line, tariffs, .. } = entry;
    if line.member != member {
        return Err(ReceiptFault::OtherMember { expected: member, found: line.member });
    }
    check_amounts(line, *price, tariffs)?;
    check_energy(line, *interval, &[])?;
    Ok(unsettled.iter().filter(|reading| reading.interval <= *interval).map(|reading| reading.sequence).collect())
}

/// Checks that each Wh traded with neighbours is one neighbour's, where the receipt lists them.
pub fn check_neighbours(receipt: &Receipt) -> Result<(), ReceiptFault> {
    if receipt.lacks_neighbours() {
        return Ok(());
    }
    let Line { bought, sold, .. } = receipt.entry.line;
    let sum = |of: fn(&Neighbour) -> Energy| {
        let wh: u128 = receipt.neighbours.iter().map(|neighbour| u128::from(of(neighbour).wh())).sum();
        Energy::from_wh(u64::try_from(wh).unwrap_or(u64::MAX))
    };
    for (what, expected, found) in [("bought", bought, sum(|of| of.bought)), ("sold", sold, sum(|of| of.sold))] {
        if found != expected {
            return Err(ReceiptFault::NeighboursDoNotAddUp { what, expected, found });
        }
    }
    Ok(())
}

/// The newest readings that are links next to each other, as many as one settlement takes.
fn newest_run(candidates: &[OwnReading]) -> &[OwnReading] {
    let mut starts =
        (candidates.len().saturating_sub(READINGS_PER_DEVICE_MAX)..candidates.len()).map(|start| &candidates[start..]);
    starts.find(|run| is_contiguous(run)).unwrap_or_default()
}

/// The runs a settlement may have taken, the likeliest first: everything up to the interval's own reading; without the
/// oldest, whose receipts are still to come; late ones alone. With more readings than one settlement takes, the oldest
/// are settled first.
fn runs(candidates: &[OwnReading], interval: Interval) -> impl Iterator<Item = (usize, usize)> {
    let count = candidates.len();
    let own = candidates.last().is_some_and(|last| last.interval == interval) && count <= READINGS_PER_DEVICE_MAX;
    let to_own = (0..if own { count } else { 0 }).map(move |start| (start, count));
    let longest = move |start: usize| count.min(start + READINGS_PER_DEVICE_MAX);
    let others = (0..count).flat_map(move |start| (start + 1..=longest(start)).rev().map(move |end| (start, end)));
    to_own.chain(others)
}

/// Whether the readings are links next to each other.
fn is_contiguous(run: &[OwnReading]) -> bool {
    run.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1)
}

/// The amounts follow from the energies: exactly, where the price is known.
fn check_amounts(line: &Line, price: Option<Price>, tariffs: &Tariffs) -> Result<(), ReceiptFault> {
    exactly("supply cost", line.supply_cost, line.imported, tariffs.retail_price)?;
    exactly("supply revenue", line.supply_revenue, line.exported, tariffs.feed_in_price)?;
    // Where there is one price for all, everything is paid at it; without it, nothing traded is nothing paid.
    if let Some(price) = price {
        exactly("payment to neighbours", line.paid, line.bought, price)?;
        exactly("payment from neighbours", line.earned, line.sold, price)?;
    } else {
        if line.bought.is_zero() {
            exactly("payment to neighbours", line.paid, line.bought, tariffs.retail_price)?;
        }
        if line.sold.is_zero() {
            exactly("payment from neighbours", line.earned, line.sold, tariffs.feed_in_price)?;
        }
    }
    line.net().map(|_| ()).ok_or(ReceiptFault::OutOfRange)
}

fn exactly(what: &'static str, found: Amount, energy: Energy, price: Price) -> Result<(), ReceiptFault> {
    if i128::from(found.nano()) == price.times(energy) {
        return Ok(());
    }
    let expected = price.cost_of(energy).map_or_else(|| "less".to_string(), |amount| amount.to_string());
    Err(ReceiptFault::WrongAmount { what, energy, expected, found })
}

/// Nobody pays more than their limit or receives less.
fn check_limits(line: &Line, limits: &Limits) -> Result<(), ReceiptFault> {
    if i128::from(line.paid.nano()) > limits.buy.times(line.bought) {
        return Err(ReceiptFault::PaidAboveLimit { limit: limits.buy, energy: line.bought, found: line.paid });
    }
    if i128::from(line.earned.nano()) < limits.sell.times(line.sold) {
        return Err(ReceiptFault::EarnedBelowLimit { limit: limits.sell, energy: line.sold, found: line.earned });
    }
    for (what, cap, found) in [("bought", limits.buy_cap, line.bought), ("sold", limits.sell_cap, line.sold)] {
        if let Some(expected) = cap.filter(|cap| found > *cap) {
            return Err(ReceiptFault::AboveCap { what, expected, found });
        }
    }
    Ok(())
}

/// Every measured Wh is settled once: with neighbours up to what was measured in the interval, the rest with the
/// supplier.
fn check_energy(line: &Line, interval: Interval, run: &[OwnReading]) -> Result<(), ReceiptFault> {
    let own = run.last().filter(|last| last.interval == interval && last.consecutive);
    let measured = own.map(|own| own.flow).unwrap_or_default();
    let (mut import, mut export) = (0, 0);
    for reading in run {
        import += u128::from(reading.flow.import.wh());
        export += u128::from(reading.flow.export.wh());
    }
    if line.bought > measured.import {
        return Err(ReceiptFault::BoughtAboveDeficit { expected: measured.import, found: line.bought });
    }
    if line.sold > measured.export {
        return Err(ReceiptFault::SoldAboveSurplus { expected: measured.export, found: line.sold });
    }
    let sums = [
        ("import", import, u128::from(line.bought.wh()) + u128::from(line.imported.wh())),
        ("export", export, u128::from(line.sold.wh()) + u128::from(line.exported.wh())),
    ];
    for (what, expected, found) in sums {
        if expected != found {
            let energy = |wh: u128| Energy::from_wh(u64::try_from(wh).unwrap_or(u64::MAX));
            let (expected, found) = (energy(expected), energy(found));
            return Err(ReceiptFault::EnergyBalance { interval, what, expected, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
