//! Why a strategy asks for what it does: a closed list with its data, so that whoever shows it says it in words of its
//! own. Its [`Display`](fmt::Display) is English, for logs and terminals.

use std::fmt;

use protocol::money::Price;
use serde::{Deserialize, Serialize};

/// Why limits are what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Why {
    /// A price taker limits nothing.
    PriceTaker,
    /// The same limits at all times.
    SameAtAllTimes,
    /// The interval is in a window of the day.
    InWindow {
        /// When that begins, as 17:00.
        from: String,
        /// When it ends.
        to: String,
        /// Whose clock on the wall counts: an IANA name.
        time_zone: String,
    },
    /// It is outside of all windows.
    OutsideWindows,
    /// Drawn by chance, between two prices per kWh.
    ByChance {
        /// The supplier's feed-in price.
        feed_in_price: Price,
        /// The supplier's retail price.
        retail_price: Price,
    },
    /// By what each of some limits has earned.
    Learned {
        /// How many there are to choose from.
        limits: usize,
        /// The lowest of them, per kWh.
        lowest: Price,
        /// The highest of them, per kWh.
        highest: Price,
    },
    /// By what neighbours' prices were within a day.
    PricesOfTheDay {
        /// The lowest of them, per kWh.
        lowest: Price,
        /// The highest of them, per kWh.
        highest: Price,
    },
    /// No price of the last day is proved, by which it would decide.
    NoPriceOfTheDay,
    /// The battery was nearly empty when it was known last: what is lacking cannot wait.
    BatteryEmpty,
    /// It was nearly full: what is left over cannot wait.
    BatteryFull,
    /// As it was agreed.
    Agreed {
        /// The name of those who agreed.
        coalition: String,
    },
    /// The supplier's prices, which it takes, are not proved yet.
    TariffsUnproved,
    /// So much below the supplier's price, per kWh.
    BelowSupplier {
        /// How much.
        discount: Price,
        /// The supplier's retail price.
        retail_price: Price,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::PriceTaker => write!(f, "a price taker"),
            Why::SameAtAllTimes => write!(f, "the same limits at all times"),
            Why::InWindow { from, to, time_zone } => write!(f, "in the window from {from} to {to} ({time_zone})"),
            Why::OutsideWindows => write!(f, "outside of all windows"),
            Why::ByChance { feed_in_price, retail_price } => {
                write!(f, "by chance, between {feed_in_price} and {retail_price}")
            }
            Why::Learned { limits, lowest, highest } => {
                write!(f, "by what each of {limits} limits from {lowest} to {highest} has earned")
            }
            Why::PricesOfTheDay { lowest, highest } => {
                write!(f, "neighbours' prices went from {lowest} to {highest} within a day")
            }
            Why::NoPriceOfTheDay => write!(f, "no price of the last day is proved yet"),
            Why::BatteryEmpty => write!(f, "the battery was nearly empty: what is lacking cannot wait"),
            Why::BatteryFull => write!(f, "the battery was nearly full: what is left over cannot wait"),
            Why::Agreed { coalition } => write!(f, "agreed in the coalition {coalition}"),
            Why::TariffsUnproved => write!(f, "the supplier's prices are not proved yet"),
            Why::BelowSupplier { discount, retail_price } => {
                write!(f, "{discount} below the supplier's {retail_price}")
            }
        }
    }
}
