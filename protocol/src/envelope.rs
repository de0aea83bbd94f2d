//! Signed messages: COSE_Sign1 (RFC 9052) over deterministic CBOR, Ed25519 (RFC 9053 §2.2).
//!
//! The protected header holds the algorithm (EdDSA) and the key id (the signer's 32 public bytes), the unprotected
//! header is empty, and `external_aad` is the message's domain: what kind of message, in which community. A signature
//! made for one domain is worth nothing in another.

use std::{collections::BTreeMap, fmt, marker::PhantomData, ops::Deref, str::FromStr, sync::Arc};

use coset::{CborSerializable, CoseSign1Builder, HeaderBuilder, iana};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder, bytes::ByteSlice, decode, encode};

use crate::{
    batch::Claims,
    cbor::{self, Element},
    hash::Hash,
    key::{Claim, KnownKey, PublicKey, SecretKey, Signature, all_hold},
    limits::SIGNED_BYTES_MIN,
    text::{ParseError, parse_hex_bytes, serde_as_text},
};

/// The community a message belongs to: the hash of its genesis.
pub type ChainId = Hash;

/// A message that is only ever sent signed.
pub trait Payload: for<'b> Decode<'b, ()> + Encode<()> {
    /// The kind of message and its version, such as `voisin/reading/v1`.
    const DOMAIN: &'static str;
    /// Most bytes of the whole signed message.
    const BYTES_MAX: usize;
}

/// Why bytes are not a signed message. In the order of the checks: nothing is parsed further than the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// More bytes than any such message has.
    #[error("expected at most {max} bytes, found {found}")]
    TooLarge {
        /// The limit.
        max: usize,
        /// What was found.
        found: usize,
    },
    /// Not a COSE_Sign1 message of the one accepted form.
    #[error("not a signed message: {0}")]
    Malformed(String),
    /// Signed by a key that is not expected here.
    #[error("signed by {0}, who is not known here")]
    UnknownSigner(PublicKey),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// Truly signed, but not a message of this kind.
    #[error("signed, but the content is not valid: {0}")]
    BadContent(String),
}

/// A message with its signature, verified when it was made or opened; equal when its bytes are.
#[derive(Clone)]
pub struct Signed<T> {
    payload: T,
    signer: PublicKey,
    sealed: Sealed,
}

/// `external_aad` of a message: its kind, then its community.
fn external_aad(domain: &str, chain: &ChainId) -> Vec<u8> {
    cbor::encode(&(domain, chain))
}

impl<T: Payload> Signed<T> {
    /// Signs `payload` for the community `chain`.
    pub fn sign(payload: T, chain: &ChainId, key: &SecretKey) -> Signed<T> {
        let signer = key.public();
        let protected =
            HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(signer.as_bytes().to_vec()).build();
        let sign1 = CoseSign1Builder::new()
            .protected(protected)
            .payload(cbor::encode(&payload))
            .create_signature(&external_aad(T::DOMAIN, chain), |message| key.sign(message).as_bytes().to_vec())
            .build();
        match sign1.to_vec() {
            Ok(bytes) => Signed { payload, signer, sealed: Sealed::from(bytes) },
            Err(error) => unreachable!("COSE encoding into memory failed: {error}"),
        }
    }

    /// Opens a message for the community `chain` if `is_known` says that its signer may send it.
    ///
    /// Size first, then the envelope, the signer, the signature; the content is parsed only when truly signed.
    pub fn open(
        bytes: &[u8],
        chain: &ChainId,
        is_known: impl FnOnce(&PublicKey) -> bool,
    ) -> Result<Signed<T>, EnvelopeError> {
        check_size::<T>(bytes)?;
        Sealed::from(bytes).open(chain, is_known)
    }

    /// Opens many messages as [`open`](Self::open) does one, with their signatures verified together: all of them, or
    /// the position and fault of the first that cannot be opened. `known` finds the key of a signer who may send them
    /// by its bytes, so that a key that was found to be one before need not be looked at again; where anyone may send
    /// them, it is [`PublicKey::from_bytes`].
    pub fn open_all<'a>(
        messages: impl IntoIterator<Item = &'a Sealed>,
        chain: &ChainId,
        known: impl Fn(&[u8; 32]) -> Option<PublicKey>,
    ) -> Result<Vec<Signed<T>>, (usize, EnvelopeError)> {
        let (mut envelopes, mut claims) = (Vec::new(), Vec::new());
        let fault = read_all(messages, chain, known, &mut envelopes, &mut claims).err();
        // What is wrong with a message before the fault comes first.
        if !all_hold(&claims)
            && let Some(position) = claims.iter().position(|claim| !claim.holds())
        {
            return Err((position, EnvelopeError::BadSignature));
        }
        let content =
            |(position, envelope): (usize, Envelope<'_, T>)| envelope.content().map_err(|error| (position, error));
        let opened = envelopes.into_iter().enumerate().map(content).collect::<Result<Vec<_>, _>>()?;
        fault.map_or(Ok(opened), Err)
    }

    /// Opens each of many messages as [`open`](Self::open) does one, with their signatures verified together: for what
    /// strangers may have sent, where a bad message says nothing about the others. `known` finds the key of these bytes
    /// if its holder may send such messages. `batch` is for [`Claims::which_hold`].
    pub fn open_each<'a>(
        messages: impl IntoIterator<Item = &'a Sealed>,
        chain: &ChainId,
        known: impl Fn(&[u8; 32]) -> Option<KnownKey>,
        batch: usize,
    ) -> Vec<Result<Signed<T>, EnvelopeError>> {
        let aad = external_aad(T::DOMAIN, chain);
        let messages = messages.into_iter();
        let mut claims = Claims::with_room(messages.size_hint().0);
        let read = |sealed| {
            let (envelope, signer) = Envelope::<T>::read(sealed, |key| expected_signer(key, &known))?;
            claims.add(signer, &envelope.signature, |bytes| envelope.wire.write_signed(&aad, bytes));
            Ok(envelope)
        };
        let envelopes: Vec<Result<Envelope<'_, T>, EnvelopeError>> = messages.map(read).collect();
        let mut hold = claims.which_hold(batch).into_iter();
        let open = |envelope: Result<Envelope<'_, T>, EnvelopeError>| {
            let envelope = envelope?;
            if hold.next() == Some(true) { envelope.content() } else { Err(EnvelopeError::BadSignature) }
        };
        envelopes.into_iter().map(open).collect()
    }
}

/// The one accepted form of envelope: a COSE_Sign1 message, untagged. It is read here and not by `coset`, which signs:
/// a tree of values for each of thousands of messages would cost a tenth of verifying them.
#[derive(Encode, Decode, CborLen)]
#[cbor(array)]
struct Wire<'a> {
    #[b(0)]
    protected: &'a ByteSlice,
    #[n(1)]
    unprotected: NoHeader,
    #[b(2)]
    payload: &'a ByteSlice,
    #[b(3)]
    signature: &'a ByteSlice,
}

/// An empty map.
struct NoHeader;

impl<C> Encode<C> for NoHeader {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.map(0)?.ok()
    }
}

impl<C> CborLen<C> for NoHeader {
    fn cbor_len(&self, _: &mut C) -> usize {
        1
    }
}

impl<'b, C> Decode<'b, C> for NoHeader {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        match d.map()? {
            Some(0) => Ok(NoHeader),
            _ => Err(decode::Error::message("expected an empty unprotected header")),
        }
    }
}

/// The first byte of an envelope.
const ARRAY_OF_FOUR: u8 = 0x84;

/// What the protected header says before the key's 32 bytes: a map of two; the algorithm (1) is EdDSA (-8), the key id
/// (4) a byte string.
const PROTECTED: [u8; 6] = [0xa2, 0x01, 0x27, 0x04, 0x58, 0x20];

impl<'a> Wire<'a> {
    fn read(bytes: &'a [u8]) -> Result<(Wire<'a>, &'a [u8; 32]), EnvelopeError> {
        let malformed = |reason: String| EnvelopeError::Malformed(reason);
        // Of any other length, what is too much would be read to its end.
        if bytes.first() != Some(&ARRAY_OF_FOUR) {
            return Err(malformed("expected an array of four".into()));
        }
        let wire: Wire<'a> = minicbor::decode(bytes).map_err(|error| malformed(error.to_string()))?;
        let key = wire.protected.strip_prefix(&PROTECTED).and_then(|key| key.try_into().ok());
        let expected = "expected a protected header of EdDSA and a key id of 32 bytes, nothing else";
        let key = key.ok_or_else(|| malformed(expected.into()))?;
        // One spelling of the envelope too: what is hashed is all of its bytes. Any other one is longer.
        if minicbor::len(&wire) == bytes.len() {
            return Ok((wire, key));
        }
        Err(malformed("not in deterministic form (RFC 8949 §4.2.1)".into()))
    }

    fn signature(&self) -> Result<Signature, EnvelopeError> {
        let signature = (**self.signature).try_into().map(Signature::from_bytes);
        signature.map_err(|_| EnvelopeError::BadSignature)
    }

    /// Appends what is signed: the Sig_structure of RFC 9052 §4.4.
    fn write_signed(&self, aad: &[u8], bytes: &mut Vec<u8>) {
        let parts = ("Signature1", self.protected, <&ByteSlice>::from(aad), self.payload);
        bytes.reserve(minicbor::len(parts));
        cbor::encode_into(&parts, bytes);
    }
}

/// A message in the one accepted form of envelope, its signature not verified yet.
struct Envelope<'a, T> {
    signer: PublicKey,
    signature: Signature,
    wire: Wire<'a>,
    sealed: &'a Sealed,
    kind: PhantomData<T>,
}

impl<'a, T: Payload> Envelope<'a, T> {
    /// The envelope, with the key that `signer` finds for the bytes of its key id.
    fn read<K: Copy>(
        sealed: &'a Sealed,
        signer: impl FnOnce(&[u8; 32]) -> Result<K, EnvelopeError>,
    ) -> Result<(Envelope<'a, T>, K), EnvelopeError>
    where
        PublicKey: From<K>,
    {
        check_size::<T>(&sealed.bytes)?;
        let (wire, key) = Wire::read(&sealed.bytes)?;
        let key = signer(key)?;
        let signature = wire.signature()?;
        Ok((Envelope { signer: key.into(), signature, wire, sealed, kind: PhantomData }, key))
    }

    /// What the signature says.
    fn claim(&self, aad: &[u8]) -> Claim {
        let mut message = Vec::new();
        self.wire.write_signed(aad, &mut message);
        Claim { signer: self.signer, message, signature: self.signature }
    }

    /// The content, once it is known that the signature holds.
    fn content(self) -> Result<Signed<T>, EnvelopeError> {
        let payload = cbor::decode(self.wire.payload).map_err(|error| EnvelopeError::BadContent(error.to_string()))?;
        Ok(Signed { payload, signer: self.signer, sealed: self.sealed.clone() })
    }
}

/// Reads messages up to the first that is none, and what their signatures say.
fn read_all<'a, T: Payload>(
    messages: impl IntoIterator<Item = &'a Sealed>,
    chain: &ChainId,
    known: impl Fn(&[u8; 32]) -> Option<PublicKey>,
    envelopes: &mut Vec<Envelope<'a, T>>,
    claims: &mut Vec<Claim>,
) -> Result<(), (usize, EnvelopeError)> {
    let mut keys = BTreeMap::new();
    let mut signer = |bytes: &[u8; 32]| keys.entry(*bytes).or_insert_with(|| expected_signer(bytes, &known)).clone();
    let aad = external_aad(T::DOMAIN, chain);
    for (position, sealed) in messages.into_iter().enumerate() {
        let (envelope, _) = Envelope::<T>::read(sealed, &mut signer).map_err(|error| (position, error))?;
        claims.push(envelope.claim(&aad));
        envelopes.push(envelope);
    }
    Ok(())
}

/// Messages of two kinds, opened.
pub type OpenedPair<A, B> = (Vec<Signed<A>>, Vec<Signed<B>>);

/// Opens messages of two kinds that anyone may have signed as [`Signed::open_all`] does, with all their signatures and
/// some other `claims` verified in one batch: the larger it is, the less each costs. `None` if any of it is not as it
/// should be.
pub fn open_all_with<'a, A: Payload, B: Payload>(
    some: impl IntoIterator<Item = &'a Sealed>,
    others: impl IntoIterator<Item = &'a Sealed>,
    chain: &ChainId,
    mut claims: Vec<Claim>,
) -> Option<OpenedPair<A, B>> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    read_all::<A>(some, chain, PublicKey::from_bytes, &mut first, &mut claims).ok()?;
    read_all::<B>(others, chain, PublicKey::from_bytes, &mut second, &mut claims).ok()?;
    if !all_hold(&claims) {
        return None;
    }
    let first = first.into_iter().map(Envelope::content).collect::<Result<_, _>>().ok()?;
    let second = second.into_iter().map(Envelope::content).collect::<Result<_, _>>().ok()?;
    Some((first, second))
}

fn check_size<T: Payload>(bytes: &[u8]) -> Result<(), EnvelopeError> {
    let (max, found) = (T::BYTES_MAX, bytes.len());
    if found > max { Err(EnvelopeError::TooLarge { max, found }) } else { Ok(()) }
}

/// Checks that a message of the kind `T` names a signer who may send it: all that can be told without verifying,
/// copying or decoding anything.
pub fn check_signer<T: Payload>(
    bytes: &[u8],
    is_known: impl FnOnce(&PublicKey) -> bool,
) -> Result<PublicKey, EnvelopeError> {
    check_size::<T>(bytes)?;
    let (_, key) = Wire::read(bytes)?;
    expected_signer(key, |bytes| PublicKey::from_bytes(bytes).filter(is_known))
}

/// Checks that a message of the kind `T` is signed, for the community `chain`, by someone who may send it: all that is
/// checked before its content is decoded.
pub fn check_signature<T: Payload>(
    bytes: &[u8],
    chain: &ChainId,
    is_known: impl FnOnce(&PublicKey) -> bool,
) -> Result<PublicKey, EnvelopeError> {
    let signer = check_signer::<T>(bytes, is_known)?;
    let (wire, _) = Wire::read(bytes)?;
    let signature = wire.signature()?;
    let mut message = Vec::new();
    wire.write_signed(&external_aad(T::DOMAIN, chain), &mut message);
    if signer.verifies(&message, &signature) { Ok(signer) } else { Err(EnvelopeError::BadSignature) }
}

/// The key of these bytes, if it is that of a known signer.
fn expected_signer<K>(bytes: &[u8; 32], known: impl FnOnce(&[u8; 32]) -> Option<K>) -> Result<K, EnvelopeError> {
    known(bytes).ok_or_else(|| match PublicKey::from_bytes(bytes) {
        Some(key) => EnvelopeError::UnknownSigner(key),
        None => EnvelopeError::Malformed("the key id is not an Ed25519 public key".into()),
    })
}

impl<T> Signed<T> {
    /// The content.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Who signed.
    pub fn signer(&self) -> PublicKey {
        self.signer
    }

    /// What the signer's key made of it.
    pub fn signature(&self) -> Signature {
        match Wire::read(&self.sealed.bytes).and_then(|(wire, _)| wire.signature()) {
            Ok(signature) => signature,
            Err(error) => unreachable!("it was read when it was opened, or written here: {error}"),
        }
    }

    /// The whole message, as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.sealed.bytes
    }

    /// The hash of the whole message: its name.
    pub fn hash(&self) -> Hash {
        self.sealed.hash
    }

    /// The hash of the content alone, as it is encoded.
    pub fn content_hash(&self) -> Hash {
        match Wire::read(&self.sealed.bytes) {
            Ok((wire, _)) => Hash::of(wire.payload),
            Err(error) => unreachable!("it was read when it was opened, or written here: {error}"),
        }
    }

    /// The whole message, to be opened again elsewhere.
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }
}

impl<T> Deref for Signed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sealed == other.sealed
    }
}

impl<T> Eq for Signed<T> {}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("signer", &self.signer).field("payload", &self.payload).finish()
    }
}

/// Bytes of a signed message that has not been opened yet, and their hash; lowercase hex at the edges. Shared when
/// cloned, because a message is in many hands on its way: a book, a settlement, a pool, a block.
#[derive(Clone)]
pub struct Sealed {
    bytes: Arc<[u8]>,
    hash: Hash,
}

impl Sealed {
    /// The message, as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash of the message: its name.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The message that has these parts. Whether the signature is the signer's shows when it is opened.
    pub fn of_parts<T: Payload>(payload: &T, signer: &PublicKey, signature: &Signature) -> Sealed {
        let (protected, payload) = ([&PROTECTED[..], signer.as_bytes()].concat(), cbor::encode(payload));
        let wire = Wire {
            protected: protected.as_slice().into(),
            unprotected: NoHeader,
            payload: payload.as_slice().into(),
            signature: signature.as_bytes().as_slice().into(),
        };
        Sealed::from(cbor::encode(&wire))
    }

    /// Opens it as [`Signed::open`] does its bytes.
    pub fn open<T: Payload>(
        &self,
        chain: &ChainId,
        is_known: impl FnOnce(&PublicKey) -> bool,
    ) -> Result<Signed<T>, EnvelopeError> {
        let known = |bytes: &[u8; 32]| PublicKey::from_bytes(bytes).filter(is_known);
        let aad = external_aad(T::DOMAIN, chain);
        let (envelope, _) = Envelope::<T>::read(self, |bytes| expected_signer(bytes, known))?;
        if envelope.claim(&aad).holds() { envelope.content() } else { Err(EnvelopeError::BadSignature) }
    }
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Sealed {}

impl From<&[u8]> for Sealed {
    fn from(bytes: &[u8]) -> Sealed {
        Sealed { hash: Hash::of(bytes), bytes: bytes.into() }
    }
}

impl From<Vec<u8>> for Sealed {
    fn from(bytes: Vec<u8>) -> Sealed {
        Sealed::from(bytes.as_slice())
    }
}

impl<T> From<&Signed<T>> for Sealed {
    fn from(signed: &Signed<T>) -> Sealed {
        signed.sealed.clone()
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.bytes))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({self})")
    }
}

impl FromStr for Sealed {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Sealed, ParseError> {
        parse_hex_bytes(text, "bytes in lowercase hex digits").map(Sealed::from)
    }
}

serde_as_text!(Sealed, "A signed message: bytes in lowercase hex digits", "^([0-9a-f]{2})*$");

impl<C> Encode<C> for Sealed {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.bytes)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Sealed {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        sealed_bytes(d).map(Sealed::from)
    }
}

/// The bytes of a signed message in a larger one. None is shorter than its frame, its key and its signature.
pub(crate) fn sealed_bytes<'b>(d: &mut Decoder<'b>) -> Result<&'b [u8], decode::Error> {
    let at = d.position();
    let bytes = d.bytes()?;
    if bytes.len() >= SIGNED_BYTES_MIN {
        return Ok(bytes);
    }
    let expected = format!("expected a signed message of at least {SIGNED_BYTES_MIN} bytes, found {}", bytes.len());
    Err(decode::Error::message(expected).at(at))
}

impl Element for Sealed {
    const BYTES_MIN: usize = SIGNED_BYTES_MIN + 2;
}

#[cfg(test)]
mod tests {
    use coset::CoseSign1;
    use rand_chacha::{
        ChaCha20Rng,
        rand_core::{RngCore, SeedableRng},
    };

    use super::*;
    use crate::reading::{Reading, Registers};

    /// What `coset` says of the same bytes: what is signed, if they are in the one accepted form.
    fn by_coset(bytes: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let sign1 = CoseSign1::from_slice(bytes).ok()?;
        let header = &sign1.protected.header;
        let key: &[u8; 32] = header.key_id.as_slice().try_into().ok()?;
        let expected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(key.to_vec()).build();
        let accepted = sign1.unprotected.is_empty() && *header == expected && sign1.payload.is_some();
        let signed = sign1.tbs_data(aad);
        (accepted && sign1.to_vec().ok()? == bytes).then_some(signed)
    }

    #[test]
    fn an_envelope_is_read_as_coset_reads_it_whatever_is_wrong_with_it() {
        let (seed, aad) = (7, external_aad(Reading::DOMAIN, &Hash::ZERO));
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
        let reading = Reading {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            sequence: 1,
            previous: Hash::ZERO,
            registers: Registers::default(),
            salt: [5; 16],
        };
        let message = Signed::sign(reading, &Hash::ZERO, &SecretKey::from_seed(&[1; 32])).bytes().to_vec();
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..50_000 {
            let mut bytes = message.clone();
            // Most of what matters is at the beginning, and any payload or signature is as good as another here.
            for _ in 0..round % 3 {
                let end = [60, bytes.len()][below(2)];
                let place = below(end);
                match below(4) {
                    0 => bytes[place] ^= 1 << below(8),
                    1 => bytes[place] = below(256) as u8,
                    2 => bytes.insert(place, below(256) as u8),
                    _ => drop(bytes.remove(place)),
                }
            }
            let expected = by_coset(&bytes, &aad);
            let found = Wire::read(&bytes).ok().map(|(wire, _)| {
                let mut signed = Vec::new();
                wire.write_signed(&aad, &mut signed);
                signed
            });
            assert_eq!(found, expected, "seed {seed}, round {round}: {}", hex::encode(&bytes));
            *(if expected.is_some() { &mut accepted } else { &mut refused }) += 1;
        }
        assert!(accepted > 10_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
    }
}
