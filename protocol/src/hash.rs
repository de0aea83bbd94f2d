//! SHA-256 hashes, the one way Voisin names bytes.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::{
    cbor::Element,
    text::{ParseError, parse_hex, serde_as_text},
};

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

impl FromStr for Hash {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Hash, ParseError> {
        parse_hex(text, "64 lowercase hex digits").map(Hash)
    }
}

serde_as_text!(Hash, "32 bytes in 64 lowercase hex digits");
