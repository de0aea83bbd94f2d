//! The rule pack that a community follows: which country's law, in which version, until when.
//!
//! The pack itself is a file that people read (`config/rules/`). The rules have its hash, and of its words those that
//! every validator has to look at: what it is for, when it ends, which allocation keys it knows, and what the network
//! costs less among neighbours.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element},
    hash::Hash,
    interval::Interval,
    json,
    member::check_name,
    money::{Amount, Price},
    parameters::WHOLE_PPM,
    text::ParseError,
};

/// Days before its end from which on whoever runs a community is warned.
pub const WARNING_DAYS: i64 = 30;
const DAY_S: i64 = 86_400;
/// Most mechanisms that a pack names.
const MECHANISMS_MAX: usize = 16;

/// A rule pack, as rules state it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct RulePack {
    /// What it calls itself, such as `at-eeg-local-2026`.
    #[n(0)]
    pub id: String,
    /// SHA-256 of its file.
    #[n(1)]
    pub hash: Hash,
    /// The currency that its amounts are in (ISO 4217).
    #[n(2)]
    pub currency: String,
    /// The first interval that it holds in.
    #[n(3)]
    pub first: Interval,
    /// The last interval that it holds in.
    #[n(4)]
    pub last: Interval,
    /// The mechanisms that it allows.
    #[n(5)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, MECHANISMS_MAX>")]
    #[serde(deserialize_with = "json::list::<_, _, MECHANISMS_MAX>")]
    pub mechanisms: Vec<String>,
    /// What the network costs less for energy from neighbours; none where it costs the same.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkDiscount>,
}

impl Element for String {
    const BYTES_MIN: usize = 1;
}

/// What the grid operator takes less for a kWh from neighbours. It owes that to the member, and no neighbour does: so
/// it is a line of statements, and moves no balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct NetworkDiscount {
    /// What the network costs for a kWh from elsewhere.
    #[n(0)]
    pub price: Price,
    /// The part of it that is saved, in parts per million.
    #[n(1)]
    pub ppm: u32,
}

impl NetworkDiscount {
    /// The discount on so many Wh from neighbours, exactly: in millionths of a nano-unit of currency.
    pub fn on(self, bought_wh: u128) -> i128 {
        // A month of a city fits: 10^18 Wh at the highest price are 10^33.
        bought_wh as i128 * i128::from(self.price.micro()) * i128::from(self.ppm)
    }

    /// Sums of [`on`](NetworkDiscount::on) as an amount, rounded once: half a nano-unit up. None beyond all amounts.
    pub fn rounded(exact: i128) -> Option<Amount> {
        let whole = i128::from(WHOLE_PPM);
        i64::try_from((exact + whole / 2).div_euclid(whole)).ok().map(Amount::from_nano)
    }
}

/// Why a rule pack is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A name that cannot be used.
    #[error("{0}")]
    BadName(#[from] ParseError),
    /// It ends before it begins, or counts two kinds of intervals.
    #[error("expected a last interval from {first} on, of the same length, found {last}")]
    Period {
        /// The first.
        first: Interval,
        /// The last.
        last: Interval,
    },
    /// It allows nothing.
    #[error("expected at least one mechanism, found none")]
    NoMechanism,
    /// More than the network costs.
    #[error("network: expected at most {WHOLE_PPM} ppm, found {0}")]
    AboveWhole(u32),
    /// Somebody would be paid for using the network.
    #[error("network: expected a price of at least 0, found {0}")]
    NegativePrice(Price),
}

/// Why a rule pack is not for these rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackUnfit {
    /// It has ended before.
    #[error("expected rule pack {id} to be in force in {from}, found that it ends with {last}")]
    Ended {
        /// Its name.
        id: String,
        /// The first interval of the rules.
        from: Interval,
        /// Its last.
        last: Interval,
    },
    /// It begins later.
    #[error("expected rule pack {id} to be in force in {from}, found that it begins with {first}")]
    NotBegun {
        /// Its name.
        id: String,
        /// The first interval of the rules.
        from: Interval,
        /// Its first.
        first: Interval,
    },
    /// Its law counts other intervals.
    #[error("expected rule pack {id} to be for intervals of {expected} minutes, found {found}")]
    OtherInterval {
        /// Its name.
        id: String,
        /// Of the community.
        expected: u32,
        /// Of the pack.
        found: u32,
    },
    /// Its amounts are in another currency.
    #[error("expected rule pack {id} to be in {expected}, found {found}")]
    OtherCurrency {
        /// Its name.
        id: String,
        /// Of the community.
        expected: String,
        /// Of the pack.
        found: String,
    },
    /// Its law knows no such way to share.
    #[error("expected a mechanism that rule pack {id} allows ({allowed}), found `{found}`")]
    OtherMechanism {
        /// Its name.
        id: String,
        /// What it allows.
        allowed: String,
        /// The mechanism of the rules.
        found: String,
    },
}

impl RulePack {
    /// Checks what a pack can get wrong by itself.
    pub fn check(&self) -> Result<(), PackError> {
        check_name(&self.id)?;
        check_name(&self.currency)?;
        if self.last.since(self.first).is_none_or(|intervals| intervals < 0) {
            return Err(PackError::Period { first: self.first, last: self.last });
        }
        if self.mechanisms.is_empty() {
            return Err(PackError::NoMechanism);
        }
        self.mechanisms.iter().try_for_each(|mechanism| check_name(mechanism))?;
        match self.network {
            Some(NetworkDiscount { ppm, .. }) if ppm > WHOLE_PPM => Err(PackError::AboveWhole(ppm)),
            Some(NetworkDiscount { price, .. }) if price.micro() < 0 => Err(PackError::NegativePrice(price)),
            _ => Ok(()),
        }
    }

    /// Checks that rules that begin with `from`, in a community that counts in `currency`, may follow it.
    pub fn check_fit(&self, currency: &str, from: Interval, mechanism: &str) -> Result<(), PackUnfit> {
        let id = || self.id.clone();
        if self.first.length() != from.length() {
            let [expected, found] = [from, self.first].map(|interval| interval.length().minutes());
            return Err(PackUnfit::OtherInterval { id: id(), expected, found });
        }
        if self.currency != currency {
            let found = self.currency.clone();
            return Err(PackUnfit::OtherCurrency { id: id(), expected: currency.into(), found });
        }
        if from > self.last {
            return Err(PackUnfit::Ended { id: id(), from, last: self.last });
        }
        if from < self.first {
            return Err(PackUnfit::NotBegun { id: id(), from, first: self.first });
        }
        if !self.mechanisms.iter().any(|allowed| allowed == mechanism) {
            let (allowed, found) = (self.mechanisms.join(", "), mechanism.chars().take(80).collect());
            return Err(PackUnfit::OtherMechanism { id: id(), allowed, found });
        }
        Ok(())
    }

    /// Whole days from a moment, in seconds after 1970, until it ends; negative after that.
    pub fn days_left(&self, time_s: i64) -> i64 {
        (self.last.end_s() - time_s).div_euclid(DAY_S)
    }

    /// Whether it is time to look for what comes after it.
    pub fn is_about_to_end(&self, time_s: i64) -> bool {
        self.days_left(time_s) < WARNING_DAYS
    }

    /// The discount on the network in an interval: none where the pack has ended.
    pub fn network_in(&self, interval: Interval) -> Option<NetworkDiscount> {
        self.network.filter(|_| self.first <= interval && interval <= self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> Interval {
        text.parse().unwrap()
    }

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn pack() -> RulePack {
        RulePack {
            id: "at-eeg-local-2026".into(),
            hash: Hash::of(b"pack"),
            currency: "EUR".into(),
            first: interval("2025-12-31T23:00:00Z/PT15M"),
            last: interval("2026-12-31T22:45:00Z/PT15M"),
            mechanisms: vec!["dynamic_key".into(), "static_key".into()],
            network: Some(NetworkDiscount { price: price("0.07"), ppm: 570_000 }),
        }
    }

    #[test]
    fn each_way_to_get_a_pack_wrong_is_named() {
        assert_eq!(pack().check(), Ok(()));
        assert_eq!(cbor::decode::<RulePack>(&cbor::encode(&pack())).unwrap(), pack());
        let network = |price, ppm| RulePack { network: Some(NetworkDiscount { price, ppm }), ..pack() };
        let (first, last) = (pack().first, pack().last);
        let cases = [
            (RulePack { mechanisms: vec![], ..pack() }, PackError::NoMechanism),
            (RulePack { first: last, last: first, ..pack() }, PackError::Period { first: last, last: first }),
            (
                RulePack { last: interval("2026-12-31T22:00:00Z/PT1H"), ..pack() },
                PackError::Period { first, last: interval("2026-12-31T22:00:00Z/PT1H") },
            ),
            (network(price("0.07"), 1_000_001), PackError::AboveWhole(1_000_001)),
            (network(price("-0.07"), 1), PackError::NegativePrice(price("-0.07"))),
        ];
        for (pack, expected) in cases {
            assert_eq!(pack.check(), Err(expected));
        }
        for id in ["", "at/eeg", "x\n"] {
            assert!(matches!(RulePack { id: id.into(), ..pack() }.check(), Err(PackError::BadName(_))), "{id:?}");
        }
    }

    #[test]
    fn a_pack_is_for_its_time_its_intervals_its_currency_and_its_keys() {
        let fits = |from: &str| pack().check_fit("EUR", interval(from), "static_key");
        for good in ["2025-12-31T23:00:00Z/PT15M", "2026-12-31T22:45:00Z/PT15M"] {
            assert_eq!(fits(good), Ok(()));
        }
        assert!(matches!(fits("2026-12-31T23:00:00Z/PT15M"), Err(PackUnfit::Ended { .. })));
        assert!(matches!(fits("2025-12-31T22:45:00Z/PT15M"), Err(PackUnfit::NotBegun { .. })));
        assert!(matches!(
            fits("2026-06-01T12:00:00Z/PT1H"),
            Err(PackUnfit::OtherInterval { expected: 60, found: 15, .. })
        ));
        let from = interval("2026-06-01T12:00:00Z/PT15M");
        assert!(matches!(pack().check_fit("CHF", from, "static_key"), Err(PackUnfit::OtherCurrency { .. })));
        assert!(matches!(pack().check_fit("EUR", from, "uniform"), Err(PackUnfit::OtherMechanism { .. })));
    }

    #[test]
    fn a_discount_is_exact_rounded_once_and_ends_with_the_pack() {
        // 20,000 kWh at 10 Rp., less 40 %: 800 less of 2,000, so that 1,200 remain.
        let leg = NetworkDiscount { price: price("0.10"), ppm: 400_000 };
        assert_eq!(NetworkDiscount::rounded(leg.on(20_000_000)), Some(Amount::from_nano(800_000_000_000)));
        // A Wh at 1 µ/kWh is a nano-unit: half of it, four times, is two, and rounded one by one it would be four.
        let half = NetworkDiscount { price: Price::from_micro(1).unwrap(), ppm: 500_000 };
        assert_eq!(NetworkDiscount::rounded(4 * half.on(1)), Some(Amount::from_nano(2)));
        assert_eq!(NetworkDiscount::rounded(half.on(1)), Some(Amount::from_nano(1)));
        assert_eq!(NetworkDiscount::rounded(i128::MAX / 2), None);
        let pack = pack();
        let end_s = pack.last.end_s();
        assert_eq!([end_s, end_s - 1, end_s + 1].map(|time_s| pack.days_left(time_s)), [0, 0, -1]);
        let before = |days: i64| pack.is_about_to_end(end_s - days * DAY_S);
        assert_eq!([before(30), before(29), before(0), before(-1)], [false, true, true, true]);
        assert!(pack.is_about_to_end(end_s - 30 * DAY_S + 1), "less than 30 days");
        assert_eq!(pack.network_in(pack.last), pack.network);
        assert_eq!(pack.network_in(pack.last.next().unwrap()), None);
    }
}
