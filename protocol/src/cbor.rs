//! Deterministic CBOR (RFC 8949 §4.2.1): one value, one byte string.
//!
//! Every type on the wire encodes as definite-length arrays of shortest-form integers, so encoding is
//! deterministic by construction; decoding re-encodes and compares, so that no second spelling is accepted.
//!
//! What is decoded may have been sent by anyone. So the [form](check_form) of a message is checked first, without any
//! memory; and a [`list`] takes memory only for as many elements as it may have and as there are bytes for.

use std::marker::PhantomData;

use minicbor::{
    Decode, Decoder, Encode, Encoder, data::Type, decode::Error as DecodeError, encode::Error as EncodeError,
    encode::Write,
};

use crate::limits::MEMORY_PER_BYTE_MAX;

/// Bytes that are not the deterministic CBOR of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Not CBOR, or not of the expected shape.
    #[error("not the expected CBOR: {0}")]
    Malformed(#[from] DecodeError),
    /// The same value spelled in another way, or bytes left over.
    #[error("not in deterministic form (RFC 8949 §4.2.1)")]
    NotDeterministic,
}

/// Room for most of what is encoded: to grow piece by piece costs as much as all else about a small value.
const MOST_BYTES: usize = 256;

/// Encodes `value`.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MOST_BYTES);
    encode_into(value, &mut bytes);
    bytes
}

/// Encodes `value` after what is there.
pub fn encode_into<T: Encode<()>>(value: &T, bytes: &mut Vec<u8>) {
    match minicbor::encode(value, bytes) {
        Ok(()) => {}
        // Writing to a Vec cannot fail, and no type of this crate has a refusing encoder.
        Err(error) => unreachable!("CBOR encoding into memory failed: {error}"),
    }
}

/// How many bytes `value` encodes to.
pub fn encoded_len<T: Encode<()>>(value: &T) -> usize {
    let mut counted = Counted(0);
    match minicbor::encode(value, &mut counted) {
        Ok(()) => counted.0,
        Err(error) => unreachable!("counting bytes failed: {error}"),
    }
}

/// Whether a flag is not set: then it is left out at the end of an array, so that what has none is spelled as it was
/// before there was one.
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Decodes a value from its deterministic form, and from no other.
pub fn decode<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, CborError> {
    check_form(bytes)?;
    let value: T = minicbor::decode(bytes)?;
    let mut rest = Expected(bytes);
    match minicbor::encode(&value, &mut rest) {
        Ok(()) if rest.0.is_empty() => Ok(value),
        _ => Err(CborError::NotDeterministic),
    }
}

/// Checks that bytes are one item of the forms that our types have, and nothing else: integers, strings, arrays,
/// booleans and null, with every length in the shortest form. It takes no memory, and what it lets through has none of
/// the forms (lists without an end, nested in each other) for which reading past them would.
pub fn check_form(bytes: &[u8]) -> Result<(), CborError> {
    match item(&mut Decoder::new(bytes))?.len() {
        len if len == bytes.len() => Ok(()),
        _ => Err(CborError::NotDeterministic),
    }
}

/// The bytes of the next item, in which nothing is decoded.
pub(crate) fn item<'b>(d: &mut Decoder<'b>) -> Result<&'b [u8], CborError> {
    let (bytes, start) = (d.input(), d.position());
    let (mut at, mut items) = (start, 1_u64);
    while items > 0 {
        let (major, argument, head) = head(bytes.get(at..).unwrap_or_default())?;
        at += head;
        let left = (bytes.len() - at) as u64;
        let content = match major {
            UNSIGNED | NEGATIVE | SIMPLE => 0,
            BYTES | TEXT if argument <= left => argument as usize,
            // An element has at least a byte.
            ARRAY if argument <= left => {
                items += argument;
                0
            }
            BYTES | TEXT | ARRAY => return Err(DecodeError::end_of_input().into()),
            _ => return Err(CborError::NotDeterministic),
        };
        at += content;
        items -= 1;
    }
    d.set_position(at);
    Ok(&bytes[start..at])
}

// Major types (RFC 8949 §3.1).
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const SIMPLE: u8 = 7;

/// Major type, argument and length of the head of an item. Only in the forms that our types have: no tags, no maps, no
/// floating-point numbers, nothing of indefinite length, and every argument in the shortest form.
fn head(bytes: &[u8]) -> Result<(u8, u64, usize), CborError> {
    let (first, rest) = bytes.split_first().ok_or_else(DecodeError::end_of_input)?;
    let (major, info) = (first >> 5, first & 0x1f);
    let extra = match info {
        0..24 => 0,
        24..28 => 1 << (info - 24),
        _ => return Err(CborError::NotDeterministic),
    };
    let extra = rest.get(..extra).ok_or_else(DecodeError::end_of_input)?;
    let argument = extra.iter().fold(0, |argument, byte| argument << 8 | u64::from(*byte));
    let (argument, least) = match extra.len() {
        0 => (u64::from(info), 0),
        1 => (argument, 24),
        half => (argument, 1 << (half * 4)),
    };
    let known = match major {
        // False, true and null.
        SIMPLE => matches!(first & 0x1f, 20..=22),
        UNSIGNED | NEGATIVE | BYTES | TEXT | ARRAY => argument >= least,
        _ => false,
    };
    if known { Ok((major, argument, 1 + extra.len())) } else { Err(CborError::NotDeterministic) }
}

/// An element of a [`list`].
pub trait Element {
    /// Least bytes of its encoding: no value has fewer.
    const BYTES_MIN: usize;
}

/// Decodes a list of at most `MAX` elements, for `#[cbor(decode_with = "cbor::list::<_, _, MAX>")]`.
///
/// The head of the list is not believed: room is made for as many elements as it may have and as the bytes that follow
/// can hold. An element that takes more memory than [`MEMORY_PER_BYTE_MAX`] times its least bytes does not compile.
pub fn list<'b, C, T: Decode<'b, C> + Element, const MAX: usize>(
    d: &mut Decoder<'b>,
    context: &mut C,
) -> Result<Vec<T>, DecodeError> {
    const { assert!(size_of::<T>() <= MEMORY_PER_BYTE_MAX * T::BYTES_MIN) };
    sparse_list::<C, T, MAX>(d, context)
}

/// Decodes a list as [`list`] does, or null.
pub(crate) fn optional_list<'b, C, T: Decode<'b, C> + Element, const MAX: usize>(
    d: &mut Decoder<'b>,
    context: &mut C,
) -> Result<Option<Vec<T>>, DecodeError> {
    if d.datatype()? == Type::Null {
        return d.null().map(|()| None);
    }
    list::<C, T, MAX>(d, context).map(Some)
}

/// Decodes a list as [`list`] does, whose elements may take more memory for their bytes: for what is read only after
/// validators have signed it.
pub(crate) fn sparse_list<'b, C, T: Decode<'b, C> + Element, const MAX: usize>(
    d: &mut Decoder<'b>,
    context: &mut C,
) -> Result<Vec<T>, DecodeError> {
    let at = d.position();
    let refused = |reason: &str| DecodeError::message(reason).at(at);
    let count = d.array()?.ok_or_else(|| refused("expected an array of definite length"))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > MAX {
        return Err(refused(&format!("expected at most {MAX} elements, found {count}")));
    }
    if count > (d.input().len() - d.position()) / T::BYTES_MIN {
        return Err(refused(&format!("expected at least {} bytes for each of {count} elements", T::BYTES_MIN)));
    }
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(T::decode(d, context)?);
    }
    Ok(list)
}

/// A value in its encoding, which is decoded where it is looked at: after whoever answers for it was.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded<T> {
    bytes: Box<[u8]>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Encoded<T> {
    /// The encoding.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T: for<'b> Decode<'b, ()> + Encode<()>> Encoded<T> {
    /// Encodes a value.
    pub fn of(value: &T) -> Encoded<T> {
        Encoded { bytes: encode(value).into(), kind: PhantomData }
    }

    /// The value, if the bytes are the deterministic form of one.
    pub fn open(&self) -> Result<T, CborError> {
        decode(&self.bytes)
    }
}

impl<T> std::fmt::Debug for Encoded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoded({})", hex::encode(&self.bytes))
    }
}

impl<C, T> Encode<C> for Encoded<T> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.writer_mut().write_all(&self.bytes).map_err(EncodeError::write)
    }
}

impl<'b, C, T> Decode<'b, C> for Encoded<T> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let at = d.position();
        let bytes = item(d).map_err(|error| match error {
            CborError::Malformed(error) => error,
            CborError::NotDeterministic => DecodeError::message("not in deterministic form").at(at),
        })?;
        Ok(Encoded { bytes: bytes.into(), kind: PhantomData })
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

/// How much was written.
struct Counted(usize);

impl Write for Counted {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), std::convert::Infallible> {
        self.0 += bytes.len();
        Ok(())
    }
}
