//! Prices and amounts: integers, in units chosen so that their product needs no rounding.
//!
//! 1 µ€/kWh × 1 Wh = 1 n€ exactly.

use std::{fmt, iter::Sum, str::FromStr};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode, encode::Write};
use rust_decimal::Decimal;

use crate::{
    energy::Energy,
    limits::PRICE_MICRO_MAX,
    text::{ParseError, serde_as_text},
};

/// Decimal places of a price per kWh.
const PRICE_DECIMALS: u32 = 6;
/// Decimal places of an amount of currency.
const AMOUNT_DECIMALS: u32 = 9;

/// A price limit or clearing price: whole micro-units of currency per kWh, may be negative.
///
/// At the edges a decimal text per kWh (`0.085`), at most six decimals, at most ±1,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i32);

// Every price fits: what is compared and moved a million times is four bytes.
const _: () = assert!(PRICE_MICRO_MAX <= i32::MAX as i64);

/// A number that is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal number.
    #[error("expected a price per kWh such as 0.125, found `{0}`")]
    NotANumber(String),
    /// Finer than a micro-unit.
    #[error("expected at most {PRICE_DECIMALS} decimals in a price per kWh, found `{0}`")]
    TooManyDecimals(String),
    /// Beyond ±[`PRICE_MICRO_MAX`].
    #[error("expected a price from -1000 to 1000 per kWh, found `{0}`")]
    OutOfRange(String),
}

impl Price {
    /// Nothing at all.
    pub const ZERO: Price = Price(0);
    /// The lowest price there is.
    pub const MIN: Price = Price(-(PRICE_MICRO_MAX as i32));
    /// The highest price there is.
    pub const MAX: Price = Price(PRICE_MICRO_MAX as i32);

    /// A price of `micro` micro-units per kWh; `None` beyond ±[`PRICE_MICRO_MAX`].
    pub const fn from_micro(micro: i64) -> Option<Price> {
        if micro >= -PRICE_MICRO_MAX && micro <= PRICE_MICRO_MAX { Some(Price(micro as i32)) } else { None }
    }

    /// Micro-units per kWh.
    pub const fn micro(self) -> i64 {
        self.0 as i64
    }

    /// The midpoint of two prices, rounded down to a whole micro-unit: never outside the two.
    pub const fn midpoint(low: Price, high: Price) -> Price {
        Price((low.micro() + high.micro()).div_euclid(2) as i32)
    }

    /// What `energy` costs at this price: exact. `i128`, so that no energy overflows it.
    pub const fn times(self, energy: Energy) -> i128 {
        self.0 as i128 * energy.wh() as i128
    }

    /// What `energy` costs at this price; `None` past the range of an [`Amount`].
    pub fn cost_of(self, energy: Energy) -> Option<Amount> {
        i64::try_from(self.times(energy)).ok().map(Amount)
    }

    /// As a decimal per kWh.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.micro(), PRICE_DECIMALS)
    }
}

impl<C> Encode<C> for Price {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.i32(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Price {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Price, decode::Error> {
        let at = decoder.position();
        let out_of_range = || decode::Error::message("expected a price from -1000 to 1000 per kWh").at(at);
        Price::from_micro(decoder.i64()?).ok_or_else(out_of_range)
    }
}

impl TryFrom<Decimal> for Price {
    type Error = PriceError;

    fn try_from(decimal: Decimal) -> Result<Price, PriceError> {
        let limit = Decimal::from(PRICE_MICRO_MAX / 10i64.pow(PRICE_DECIMALS));
        if decimal.abs() > limit {
            return Err(PriceError::OutOfRange(decimal.to_string()));
        }
        let mut scaled = decimal.normalize();
        if scaled.scale() > PRICE_DECIMALS {
            return Err(PriceError::TooManyDecimals(decimal.to_string()));
        }
        scaled.rescale(PRICE_DECIMALS);
        let micro = i64::try_from(scaled.mantissa()).ok().and_then(Price::from_micro);
        micro.ok_or_else(|| PriceError::OutOfRange(decimal.to_string()))
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Price, PriceError> {
        let quoted = || text.chars().take(80).collect::<String>();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.len() <= NUMBER_BYTES_MAX
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.bytes().filter(|b| *b == b'.').count() <= 1;
        if !plain {
            return Err(PriceError::NotANumber(quoted()));
        }
        // Decimal rounds beyond 28 digits: what it cannot hold exactly is refused, not rounded.
        match Decimal::from_str_exact(text) {
            Ok(decimal) => Price::try_from(decimal),
            Err(rust_decimal::Error::Underflow) => Err(PriceError::TooManyDecimals(quoted())),
            Err(_) => Err(PriceError::OutOfRange(quoted())),
        }
    }
}

/// Longest text read as a number.
const NUMBER_BYTES_MAX: usize = 80;

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal().normalize(), f)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Price({self}/kWh)")
    }
}

serde_as_text!(Price, "Currency per kWh, exact, at most 6 decimals, such as 0.125");

/// Money: whole nano-units of currency, of either sign. Sums are checked: past ±9.2 billion units there is no amount.
///
/// At the edges a decimal text (`-12.5`), at most nine decimals.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Amount(#[n(0)] i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// `nano` nano-units.
    pub const fn from_nano(nano: i64) -> Amount {
        Amount(nano)
    }

    /// Nano-units.
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// The sum, or `None` past the type's range.
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(nano) => Some(Amount(nano)),
            None => None,
        }
    }

    /// The difference, or `None` past the type's range.
    pub const fn checked_sub(self, other: Amount) -> Option<Amount> {
        match self.0.checked_sub(other.0) {
            Some(nano) => Some(Amount(nano)),
            None => None,
        }
    }

    /// The opposite amount, or `None` past the type's range.
    pub const fn checked_neg(self) -> Option<Amount> {
        match self.0.checked_neg() {
            Some(nano) => Some(Amount(nano)),
            None => None,
        }
    }

    /// As a decimal of currency.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, AMOUNT_DECIMALS)
    }
}

impl Sum<Amount> for i128 {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> i128 {
        amounts.map(|amount| i128::from(amount.0)).sum()
    }
}

impl FromStr for Amount {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Amount, ParseError> {
        let error = || ParseError::new("an amount with at most nine decimals", text);
        let mut decimal = Decimal::from_str_exact(text).map_err(|_| error())?.normalize();
        if decimal.scale() > AMOUNT_DECIMALS {
            return Err(error());
        }
        decimal.rescale(AMOUNT_DECIMALS);
        i64::try_from(decimal.mantissa())
            .ok()
            .filter(|_| decimal.scale() == AMOUNT_DECIMALS)
            .map(Amount)
            .ok_or_else(error)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal().normalize(), f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

serde_as_text!(Amount, "Currency, exact, at most 9 decimals, such as -0.0396");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_reads_exactly_or_says_why_not() {
        let cases = [
            ("0.3", Ok(300_000)),
            ("0.300000", Ok(300_000)),
            ("0.3000000000", Ok(300_000)),
            ("-0.000001", Ok(-1)),
            ("1000", Ok(1_000_000_000)),
            ("-1000", Ok(-1_000_000_000)),
            ("1000.000001", Err(PriceError::OutOfRange("1000.000001".into()))),
            ("0.1234567", Err(PriceError::TooManyDecimals("0.1234567".into()))),
            ("1e3", Err(PriceError::NotANumber("1e3".into()))),
            ("NaN", Err(PriceError::NotANumber("NaN".into()))),
            ("", Err(PriceError::NotANumber("".into()))),
            ("0,3", Err(PriceError::NotANumber("0,3".into()))),
            (
                "99999999999999999999999999999999999999",
                Err(PriceError::OutOfRange("99999999999999999999999999999999999999".into())),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Price>().map(Price::micro), expected, "{text}");
        }
    }

    #[test]
    fn one_micro_per_kwh_times_one_watt_hour_is_one_nano() {
        let price = Price::from_micro(1).unwrap();
        assert_eq!(price.cost_of(Energy::from_wh(1)), Some(Amount::from_nano(1)));
        assert_eq!(Price::MAX.times(Energy::from_wh(u64::MAX)), 18_446_744_073_709_551_615_000_000_000);
    }

    #[test]
    fn a_price_of_bytes_is_an_integer_within_the_limits_or_no_price() {
        for micro in [0, 1, -1, 23, 24, 300_000, PRICE_MICRO_MAX, -PRICE_MICRO_MAX] {
            let bytes = minicbor::to_vec(micro).unwrap();
            assert_eq!(minicbor::to_vec(Price::from_micro(micro).unwrap()).unwrap(), bytes);
            assert_eq!(minicbor::decode::<Price>(&bytes).unwrap().micro(), micro);
        }
        for micro in [PRICE_MICRO_MAX + 1, -PRICE_MICRO_MAX - 1, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let error = minicbor::decode::<Price>(&minicbor::to_vec(micro).unwrap()).unwrap_err().to_string();
            assert!(error.contains("expected a price from -1000 to 1000"), "{error}");
        }
    }

    #[test]
    fn the_midpoint_lies_between() {
        assert_eq!(Price::midpoint(Price::MAX, Price::MAX), Price::MAX);
        let [low, high] = [-3, 0].map(|micro| Price::from_micro(micro).unwrap());
        assert_eq!(Price::midpoint(low, high).micro(), -2);
        assert_eq!(Price::midpoint(high, high), high);
    }

    #[test]
    fn amounts_round_trip_as_text() {
        for nano in [0, 1, -1, 1_500_000_000, i64::MAX, i64::MIN] {
            let amount = Amount::from_nano(nano);
            assert_eq!(amount.to_string().parse(), Ok(amount));
        }
        assert!("0.0000000001".parse::<Amount>().is_err());
        assert!("9223372036.854775808".parse::<Amount>().is_err());
    }
}
