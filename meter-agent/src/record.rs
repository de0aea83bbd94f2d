//! What is kept of each reading and order, and of the day: small CBOR records, one per key of the store.

use minicbor::{Decode, Encode};
use protocol::{energy::Energy, envelope::Sealed, interval::Interval, reading::Flow};

use crate::{check::OwnReading, source::Gross, totals::Totals};

const DAY_S: i64 = 86_400;

/// A signed reading, with what the household needs to check its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ReadingRecord {
    /// The message, as it is sent.
    #[n(0)]
    pub(crate) message: Sealed,
    /// The interval that it ends.
    #[n(1)]
    pub(crate) interval: Interval,
    /// Whether the reading before it ended the interval before: only then is its energy measured in `interval`.
    #[n(2)]
    pub(crate) consecutive: bool,
    /// Import to settle, Wh.
    #[n(3)]
    pub(crate) import: Energy,
    /// Export to settle, Wh.
    #[n(4)]
    pub(crate) export: Energy,
    /// Consumption and production, Wh, if the meter knows them.
    #[n(5)]
    pub(crate) gross: Option<(Energy, Energy)>,
    /// Whether a verified receipt covers it.
    #[n(6)]
    pub(crate) settled: bool,
    /// What the home's battery held at the end, µWh, if the meter knows it.
    #[n(7)]
    pub(crate) stored_uwh: Option<u64>,
}

impl ReadingRecord {
    pub(crate) fn own(&self, sequence: u64) -> OwnReading {
        OwnReading {
            sequence,
            interval: self.interval,
            flow: Flow { import: self.import, export: self.export },
            consecutive: self.consecutive,
        }
    }

    pub(crate) fn gross(&self) -> Option<Gross> {
        let stored_uwh = self.stored_uwh;
        self.gross.map(|(consumption, production)| Gross { consumption, production, stored_uwh })
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum OrderState {
    /// Not answered yet: it may stand or not.
    #[n(0)]
    Open,
    /// Taken in by the market.
    #[n(1)]
    Accepted,
    /// Refused: it never stands.
    #[n(2)]
    Refused,
}

/// A signed order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct OrderRecord {
    /// The message, as it is sent.
    #[n(0)]
    pub(crate) message: Sealed,
    /// Its content.
    #[n(1)]
    pub(crate) order: protocol::order::Order,
    /// What became of it.
    #[n(2)]
    pub(crate) state: OrderState,
}

/// The totals of one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Today {
    #[n(0)]
    pub(crate) day: u64,
    #[n(1)]
    pub(crate) totals: Totals,
    /// The last interval that a verified receipt covers.
    #[n(2)]
    pub(crate) settled_until: Option<Interval>,
}

/// The UTC day that an interval begins in, days after 1970.
pub(crate) fn day_of(interval: Interval) -> u64 {
    interval.start_s().div_euclid(DAY_S).unsigned_abs()
}
