//! SHA-256 hashes, the one way Voisin names bytes.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::cbor::Element;

/// A SHA-256 hash (FIPS 180-4). Lowercase hex at the edges, 32 bytes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Hash(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; 32],
);

impl Hash {
    /// The hash before the first: what a chain's first link points to.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Hashes `bytes` as they are.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// Hashes several fixed-length or self-delimiting parts, one after the other.
    pub fn of_parts(parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    /// A hash read from 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Element for Hash {
    const BYTES_MIN: usize = 34;
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not the canonical form of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct ParseError {
    /// What would have been right.
    pub expected: &'static str,
    /// What was there, cut to 80 characters.
    pub found: String,
}

impl ParseError {
    /// A parse error that quotes at most 80 characters of what was found.
    pub fn new(expected: &'static str, found: &str) -> ParseError {
        ParseError { expected, found: found.chars().take(80).collect() }
    }
}

/// Reads exactly `N` bytes of lowercase hex: one text per value, so that a changed letter is a changed value.
pub(crate) fn parse_hex<const N: usize>(text: &str, expected: &'static str) -> Result<[u8; N], ParseError> {
    parse_hex_bytes(text, expected)?.try_into().map_err(|_| ParseError::new(expected, text))
}

/// Reads any number of bytes of lowercase hex.
pub(crate) fn parse_hex_bytes(text: &str, expected: &'static str) -> Result<Vec<u8>, ParseError> {
    let lowercase = !text.bytes().any(|b| b.is_ascii_uppercase());
    hex::decode(text).ok().filter(|_| lowercase).ok_or_else(|| ParseError::new(expected, text))
}

impl FromStr for Hash {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Hash, ParseError> {
        parse_hex(text, "64 lowercase hex digits").map(Hash)
    }
}

/// serde as the `Display` and `FromStr` text of a type.
macro_rules! serde_as_text {
    ($type:ty, $described:literal $(, $pattern:literal)?) => {
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                text.description(Some($described))$(.pattern(Some($pattern)))?.into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $type {}

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

serde_as_text!(Hash, "32 bytes in 64 lowercase hex digits");
