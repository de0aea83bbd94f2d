//! Members and accounts.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::Element,
    hash::Hash,
    money::Amount,
    text::{ParseError, parse_hex, serde_as_text},
};

/// A member of the community, as the ledger knows it: a pseudonym of 16 bytes, lowercase hex at the edges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MemberId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; 16],
);

impl MemberId {
    /// The pseudonym of the participant `name`: whoever deletes `salt` and `name` makes it anonymous for good.
    pub fn pseudonym(salt: &[u8; 16], name: &str) -> MemberId {
        let hash = Hash::of_parts(&[b"voisin/member/v1", salt, name.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        MemberId(bytes)
    }

    /// A member id read from 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> MemberId {
        MemberId(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Element for MemberId {
    const BYTES_MIN: usize = 17;
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MemberId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<MemberId, ParseError> {
        parse_hex(text, "a member id of 32 lowercase hex digits").map(MemberId)
    }
}

serde_as_text!(MemberId, "16 bytes in 32 lowercase hex digits");

/// Who is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccountId {
    /// The supplier that covers and absorbs what the neighbourhood cannot.
    #[n(0)]
    Supplier,
    /// The grid operator: fees and congestion rent.
    #[n(1)]
    Operator,
    /// A member.
    #[n(2)]
    Member(#[n(0)] MemberId),
}

/// Money on its way from one account to another, beside what an interval's settlement books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement<'a> {
    /// Whose account gives.
    pub from: AccountId,
    /// Whose account gets.
    pub to: AccountId,
    /// How much.
    pub amount: Amount,
    /// What for; may be empty.
    pub reference: &'a str,
}

/// A name of the outside world: a community, participant, bus or line. 1 to 64 bytes, usable as a file name.
///
/// Refused are control characters, slashes, surrounding spaces, and a leading dot.
pub fn check_name(name: &str) -> Result<(), ParseError> {
    let usable = !name.is_empty()
        && name.len() <= crate::limits::NAME_BYTES_MAX
        && name.trim() == name
        && !name.starts_with('.')
        && !name.contains(|c: char| c.is_control() || c == '/' || c == '\\');
    if usable {
        Ok(())
    } else {
        Err(ParseError::new("a name of 1 to 64 bytes without slashes, control characters or a leading dot", name))
    }
}
