//! Deterministic CBOR (RFC 8949 §4.2.1): one value, one byte string.
//!
//! Every type on the wire encodes as definite-length arrays of shortest-form integers, so encoding is
//! deterministic by construction; decoding re-encodes and compares, so that no second spelling is accepted.

use minicbor::{Decode, Encode, encode::Write};

/// Bytes that are not the deterministic CBOR of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Not CBOR, or not of the expected shape.
    #[error("not the expected CBOR: {0}")]
    Malformed(#[from] minicbor::decode::Error),
    /// The same value spelled in another way, or bytes left over.
    #[error("not in deterministic form (RFC 8949 §4.2.1)")]
    NotDeterministic,
}

/// Encodes `value`.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes);
    bytes
}

/// Encodes `value` after what is there.
pub(crate) fn encode_into<T: Encode<()>>(value: &T, bytes: &mut Vec<u8>) {
    match minicbor::encode(value, bytes) {
        Ok(()) => {}
        // Writing to a Vec cannot fail, and no type of this crate has a refusing encoder.
        Err(error) => unreachable!("CBOR encoding into memory failed: {error}"),
    }
}

/// Whether a flag is not set: then it is left out at the end of an array, so that what has none is spelled as it was
/// before there was one.
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Decodes a value from its deterministic form, and from no other.
pub fn decode<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, CborError> {
    let value: T = minicbor::decode(bytes)?;
    let mut rest = Expected(bytes);
    match minicbor::encode(&value, &mut rest) {
        Ok(()) if rest.0.is_empty() => Ok(value),
        _ => Err(CborError::NotDeterministic),
    }
}

/// What must still be written: takes these bytes and no others.
struct Expected<'a>(&'a [u8]);

impl Write for Expected<'_> {
    type Error = CborError;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), CborError> {
        self.0 = self.0.strip_prefix(bytes).ok_or(CborError::NotDeterministic)?;
        Ok(())
    }
}
