//! Signed messages: COSE_Sign1 (RFC 9052) over deterministic CBOR, Ed25519 (RFC 9053 §2.2).
//!
//! The protected header holds the algorithm (EdDSA) and the key id (the signer's 32 public bytes), the unprotected
//! header is empty, and `external_aad` is the message's domain: what kind of message, in which community. A signature
//! made for one domain is worth nothing in another.

use std::{collections::BTreeMap, fmt, marker::PhantomData, ops::Deref};

use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor,
    hash::Hash,
    key::{Claim, PublicKey, SecretKey, Signature, all_hold},
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
    bytes: Vec<u8>,
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
            Ok(bytes) => Signed { payload, signer, bytes },
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
        let known = |bytes: &[u8; 32]| PublicKey::from_bytes(bytes).filter(is_known);
        let envelope = Envelope::<T>::read(bytes, chain, |bytes| expected_signer(bytes, known))?;
        if envelope.claim.holds() { envelope.content() } else { Err(EnvelopeError::BadSignature) }
    }

    /// Opens many messages as [`open`](Self::open) does one, with their signatures verified together: all of them, or
    /// the position and fault of the first that cannot be opened. `known` finds the key of a signer who may send them by
    /// its bytes, so that a key that was found to be one before need not be looked at again; where anyone may send them,
    /// it is [`PublicKey::from_bytes`].
    pub fn open_all<'a>(
        messages: impl IntoIterator<Item = &'a [u8]>,
        chain: &ChainId,
        known: impl Fn(&[u8; 32]) -> Option<PublicKey>,
    ) -> Result<Vec<Signed<T>>, (usize, EnvelopeError)> {
        let mut keys = BTreeMap::new();
        let mut signer =
            |bytes: &[u8; 32]| keys.entry(*bytes).or_insert_with(|| expected_signer(bytes, &known)).clone();
        let mut envelopes = Vec::new();
        let mut fault = None;
        for (position, bytes) in messages.into_iter().enumerate() {
            match Envelope::<T>::read(bytes, chain, &mut signer) {
                Ok(envelope) => envelopes.push(envelope),
                Err(error) => {
                    fault = Some((position, error));
                    break;
                }
            }
        }
        // What is wrong with a message before the fault comes first.
        if !all_hold(envelopes.iter().map(|envelope| &envelope.claim))
            && let Some(position) = envelopes.iter().position(|envelope| !envelope.claim.holds())
        {
            return Err((position, EnvelopeError::BadSignature));
        }
        let content =
            |(position, envelope): (usize, Envelope<'_, T>)| envelope.content().map_err(|error| (position, error));
        let opened = envelopes.into_iter().enumerate().map(content).collect::<Result<Vec<_>, _>>()?;
        fault.map_or(Ok(opened), Err)
    }
}

/// A message in the one accepted form of envelope, its signature not verified yet.
struct Envelope<'a, T> {
    claim: Claim,
    sign1: CoseSign1,
    bytes: &'a [u8],
    kind: PhantomData<T>,
}

impl<'a, T: Payload> Envelope<'a, T> {
    fn read(
        bytes: &'a [u8],
        chain: &ChainId,
        signer: impl FnOnce(&[u8; 32]) -> Result<PublicKey, EnvelopeError>,
    ) -> Result<Envelope<'a, T>, EnvelopeError> {
        if bytes.len() > T::BYTES_MAX {
            return Err(EnvelopeError::TooLarge { max: T::BYTES_MAX, found: bytes.len() });
        }
        let sign1 = CoseSign1::from_slice(bytes).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        let signer = signer(key_id(&sign1)?)?;
        let signature = sign1.signature.as_slice().try_into().map(Signature::from_bytes);
        let signature = signature.map_err(|_| EnvelopeError::BadSignature)?;
        let message = sign1.tbs_data(&external_aad(T::DOMAIN, chain));
        Ok(Envelope { claim: Claim { signer, message, signature }, sign1, bytes, kind: PhantomData })
    }

    /// The content, once it is known that the signature holds.
    fn content(self) -> Result<Signed<T>, EnvelopeError> {
        let content = self.sign1.payload.as_deref().unwrap_or_default();
        let payload = cbor::decode(content).map_err(|error| EnvelopeError::BadContent(error.to_string()))?;
        // One spelling of the envelope too: what is hashed is all of its bytes.
        match self.sign1.to_vec() {
            Ok(again) if again == self.bytes => Ok(Signed { payload, signer: self.claim.signer, bytes: again }),
            _ => Err(EnvelopeError::Malformed("not in deterministic form (RFC 8949 §4.2.1)".into())),
        }
    }
}

/// The bytes by which the protected header names the signer, if the headers have the one accepted form.
fn key_id(sign1: &CoseSign1) -> Result<&[u8; 32], EnvelopeError> {
    let malformed = |reason: &str| EnvelopeError::Malformed(reason.into());
    if !sign1.unprotected.is_empty() {
        return Err(malformed("expected an empty unprotected header"));
    }
    let header = &sign1.protected.header;
    let key: &[u8; 32] = header.key_id.as_slice().try_into().map_err(|_| malformed("expected a key id of 32 bytes"))?;
    let expected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(key.to_vec()).build();
    if *header != expected {
        return Err(malformed("expected a protected header of EdDSA and a key id, nothing else"));
    }
    Ok(key)
}

/// The key of these bytes, if it is that of a known signer.
fn expected_signer(
    bytes: &[u8; 32],
    known: impl FnOnce(&[u8; 32]) -> Option<PublicKey>,
) -> Result<PublicKey, EnvelopeError> {
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

    /// The whole message, as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash of the whole message: its name.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.bytes)
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
        self.bytes == other.bytes
    }
}

impl<T> Eq for Signed<T> {}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("signer", &self.signer).field("payload", &self.payload).finish()
    }
}

/// Bytes of a signed message that has not been opened yet; lowercase hex at the edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^([0-9a-f]{2})*$"))]
pub struct Sealed(#[serde(with = "hex::serde")] pub Vec<u8>);

impl Sealed {
    /// The hash of the message: its name.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.0)
    }
}

impl<T> From<&Signed<T>> for Sealed {
    fn from(signed: &Signed<T>) -> Sealed {
        Sealed(signed.bytes.clone())
    }
}

impl<C> Encode<C> for Sealed {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Sealed {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Sealed(d.bytes()?.to_vec()))
    }
}
