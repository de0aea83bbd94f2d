//! Values in Modbus registers: 16-bit words, most significant byte first (Modbus Application Protocol 1.1b3, section
//! 4.2). Pure.

use std::{collections::BTreeMap, fmt};

use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    super::modbus::Table,
    points::Said,
    unreadable::{Unreadable, cut},
};

/// How words are a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Encoding {
    /// How many words it takes.
    pub(crate) fn words(self) -> u16 {
        match self {
            Encoding::U16 | Encoding::I16 => 1,
            Encoding::U32 | Encoding::I32 | Encoding::F32 => 2,
            Encoding::U64 | Encoding::I64 | Encoding::F64 => 4,
        }
    }
}

/// A number in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) table: Table,
    /// Of the first word, as it is sent: from 0 on.
    pub(crate) address: u16,
    pub(crate) encoding: Encoding,
    /// The least significant word is the first.
    pub(crate) low_first: bool,
    /// All its bits where the device has no value.
    pub(crate) absent: Option<u64>,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} register {}", self.table, self.address)
    }
}

impl Words {
    /// The number in `words`; none where the device has no value. A floating-point number is the decimal that it is
    /// exactly: what it stands for, nobody knows.
    fn decode(&self, words: &[u16]) -> Result<Option<Decimal>, Unreadable> {
        let shift = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
        let bits = if self.low_first { words.iter().rev().fold(0, shift) } else { words.iter().fold(0, shift) };
        if self.absent == Some(bits) {
            return Ok(None);
        }
        // As many bits as the encoding has were read.
        let (low_16, low_32) = (bits as u16, bits as u32);
        let decimal = match self.encoding {
            Encoding::U16 | Encoding::U32 | Encoding::U64 => Some(bits.into()),
            Encoding::I16 => Some(low_16.cast_signed().into()),
            Encoding::I32 => Some(low_32.cast_signed().into()),
            Encoding::I64 => Some(bits.cast_signed().into()),
            Encoding::F32 => return self.float(f32::from_bits(low_32).into()),
            Encoding::F64 => return self.float(f64::from_bits(bits)),
        };
        Ok(decimal)
    }

    fn float(&self, float: f64) -> Result<Option<Decimal>, Unreadable> {
        if float.is_nan() {
            return Ok(None);
        }
        let no_number = || Unreadable::NoNumber { at: self.to_string(), found: cut(&float.to_string()) };
        Decimal::from_f64_retain(float).map(Some).ok_or_else(no_number)
    }
}

/// What a device said in one round: the words from each address on.
#[derive(Debug, Default)]
pub(crate) struct Registers(pub(crate) BTreeMap<(Table, u16), Vec<u16>>);

impl Said<Words> for Registers {
    fn number(&self, field: &Words) -> Result<Option<Decimal>, Unreadable> {
        let count = usize::from(field.encoding.words());
        let words = self.0.get(&(field.table, field.address)).and_then(|words| words.get(..count));
        words.map_or(Ok(None), |words| field.decode(words))
    }

    fn text(&self, field: &Words) -> Result<Option<String>, Unreadable> {
        Ok(self.number(field)?.map(|number| number.normalize().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(
        encoding: Encoding,
        low_first: bool,
        absent: Option<u64>,
        words: &[u16],
    ) -> Result<Option<String>, String> {
        let field = Words { table: Table::Input, address: 72, encoding, low_first, absent };
        let decoded = field.decode(words).map_err(|error| error.to_string())?;
        Ok(decoded.map(|number| number.normalize().to_string()))
    }

    fn number(encoding: Encoding, words: &[u16]) -> String {
        decode(encoding, false, None, words).unwrap().unwrap()
    }

    #[test]
    fn every_encoding_is_read_in_both_orders_of_words() {
        assert_eq!(number(Encoding::U16, &[0xfffe]), "65534");
        assert_eq!(number(Encoding::I16, &[0xfffe]), "-2");
        assert_eq!(number(Encoding::U32, &[0x0001, 0x0002]), "65538");
        assert_eq!(number(Encoding::I32, &[0xffff, 0xfffe]), "-2");
        assert_eq!(number(Encoding::U64, &[0xffff; 4]), u64::MAX.to_string());
        assert_eq!(number(Encoding::I64, &[0xffff; 4]), "-1");
        assert_eq!(number(Encoding::F32, &[0x3fc0, 0]), "1.5");
        assert_eq!(number(Encoding::F64, &[0xbff8, 0, 0, 0]), "-1.5");
        assert_eq!(decode(Encoding::U32, true, None, &[2, 1]), Ok(Some("65538".into())));
        assert_eq!(decode(Encoding::F32, true, None, &[0, 0x3fc0]), Ok(Some("1.5".into())));
        assert_eq!(decode(Encoding::U64, true, None, &[4, 3, 2, 1]), Ok(Some(0x1_0002_0003_0004_u64.to_string())));
    }

    #[test]
    fn a_float_is_what_it_is_and_not_what_it_looks_like() {
        let bits = 12_345.678_f32.to_bits();
        assert_eq!(number(Encoding::F32, &[(bits >> 16) as u16, bits as u16]), "12345.677734375");
    }

    #[test]
    fn no_value_is_none_and_never_nought() {
        let nan = f32::NAN.to_bits();
        assert_eq!(decode(Encoding::F32, false, None, &[(nan >> 16) as u16, nan as u16]), Ok(None));
        assert_eq!(decode(Encoding::U32, false, Some(0xffff_ffff), &[0xffff; 2]), Ok(None));
        assert_eq!(decode(Encoding::I16, false, Some(0x8000), &[0x8000]), Ok(None));
        let infinite = f32::INFINITY.to_bits();
        let error = decode(Encoding::F32, false, None, &[(infinite >> 16) as u16, 0]).unwrap_err();
        assert_eq!(error, "expected a number in the input register 72, found `inf`");
        let nothing = Registers::default();
        let field = Words { table: Table::Input, address: 1, encoding: Encoding::U16, low_first: false, absent: None };
        assert_eq!(nothing.number(&field), Ok(None));
    }
}
