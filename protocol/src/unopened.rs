//! A transaction as it comes in, from whoever sent it: whose it claims to be, before anything in it is decoded.

use minicbor::{Decoder, decode};

use crate::{
    block::conflict_id,
    cbor::{self, CborError},
    decision,
    envelope::sealed_bytes,
    hash::Hash,
};

/// The signed messages of a [`Transaction`](crate::block::Transaction) that say who stands behind it, found in its
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened<'a> {
    /// A settlement, without the readings beside it.
    Settle(&'a [u8]),
    /// An order.
    PlaceOrder(&'a [u8]),
    /// A reading.
    CommitReading(&'a [u8]),
    /// An instruction.
    Instruct(&'a [u8]),
    /// A decision, without its approvals.
    Decide(&'a [u8]),
    /// One reading, or two that contradict each other.
    ReportConflict(&'a [u8], Option<&'a [u8]>),
    /// A status.
    ReportStatus(&'a [u8]),
}

impl<'a> Unopened<'a> {
    /// Finds them. It takes no memory, whatever the bytes say; whether they are a transaction is not known yet.
    pub fn read(bytes: &'a [u8]) -> Result<Unopened<'a>, CborError> {
        cbor::check_form(bytes)?;
        let mut d = Decoder::new(bytes);
        let malformed = |expected: &str| CborError::from(decode::Error::message(expected));
        if d.array()? != Some(2) {
            return Err(malformed("expected a transaction: an array of its kind and its fields"));
        }
        let kind = d.u32()?;
        let fields = d.array()?.unwrap_or_default();
        Ok(match (kind, fields) {
            (0, 2) => Unopened::Settle(sealed_bytes(&mut d)?),
            (1, 1) => Unopened::PlaceOrder(sealed_bytes(&mut d)?),
            (2, 1) => Unopened::CommitReading(sealed_bytes(&mut d)?),
            (3, 1) => Unopened::Instruct(sealed_bytes(&mut d)?),
            (4, 2) => Unopened::Decide(cbor::item(&mut d)?),
            (5, 1) => Unopened::ReportConflict(sealed_bytes(&mut d)?, None),
            (5, 2) => Unopened::ReportConflict(sealed_bytes(&mut d)?, Some(sealed_bytes(&mut d)?)),
            (6, 1) => Unopened::ReportStatus(sealed_bytes(&mut d)?),
            _ => return Err(malformed("expected a transaction of a known kind, with all its fields")),
        })
    }

    /// Whether bytes, if they are a transaction at all, are a decision: all that can be told at no cost.
    pub fn is_decision(bytes: &[u8]) -> bool {
        bytes.starts_with(&[0x82, 4])
    }

    /// The id of the transaction that these messages are of.
    pub fn id(&self) -> Hash {
        match self {
            Unopened::Settle(message)
            | Unopened::PlaceOrder(message)
            | Unopened::CommitReading(message)
            | Unopened::Instruct(message)
            | Unopened::ReportStatus(message) => Hash::of(message),
            Unopened::Decide(decision) => decision::id(decision),
            Unopened::ReportConflict(first, second) => conflict_id(Hash::of(first), second.map(Hash::of)),
        }
    }
}
