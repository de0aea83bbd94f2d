//! Parts of a whole, exactly.

use std::fmt;

use market_files as files;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// A part of a whole, from 0 to 1, in parts per million. Written as a number or as text: `0.4`, `"0.4"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part(u32);

impl Part {
    /// So many parts per million.
    pub const fn from_ppm(ppm: u32) -> Part {
        Part(ppm)
    }

    /// In parts per million.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// So much of `whole` things, to the nearest.
    pub fn of(self, whole: u32) -> u32 {
        // At most the whole, because a part is at most 1.
        ((u64::from(whole) * u64::from(self.0) + 500_000) / 1_000_000) as u32
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::new(self.0.into(), 6).normalize().fmt(f)
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 to 1 with at most six decimals")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Part, E> {
                files::part(text).map(Part).map_err(E::custom)
            }

            // The shortest text that is this number is the text that was written.
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Part, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Part, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Written)
    }
}
