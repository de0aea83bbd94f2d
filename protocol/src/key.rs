//! Ed25519 keys and signatures (RFC 8032), named by `did:key`.
//!
//! Validators must agree on every signature, whether they verify it alone or in a batch, so what counts as valid is
//! [ZIP 215](https://zips.z.cash/zip-0215), whose equation has the cofactor in both; the stricter rules of other
//! libraries differ between the two (Chalkias, Garillot and Nikolaenko, *Taming the many EdDSAs*, 2020). Keys of small
//! order, for which anyone could sign, are no keys here.

use std::{borrow::Borrow, fmt, str::FromStr};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha256};

use crate::{
    cbor,
    hash::Hash,
    text::{ParseError, serde_as_text},
};

/// Multicodec prefix of an Ed25519 public key (0xed, varint), as `did:key` has it.
const ED25519_MULTICODEC: [u8; 2] = [0xed, 0x01];
const DID_PREFIX: &str = "did:key:z";
const DID_EXPECTED: &str = "an Ed25519 did:key (did:key:z6Mk…)";

/// A public key that is a valid point of the curve and not of small order; named `did:key:z6Mk…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// A device is named by its public key.
pub type DeviceId = PublicKey;

/// A validator is named by its public key.
pub type ValidatorId = PublicKey;

impl PublicKey {
    /// Reads a key from its 32 bytes; `None` if they are no usable key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<PublicKey> {
        KnownKey::from_bytes(bytes).map(PublicKey::from)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        VerificationKey::try_from(self.0)
            .is_ok_and(|key| key.verify(&ed25519_zebra::Signature::from(signature.0), message).is_ok())
    }

    /// The key's multibase text (`z6Mk…`): its `did:key` without the scheme, fit for an MQTT topic level.
    pub fn multibase(&self) -> String {
        let mut bytes = ED25519_MULTICODEC.to_vec();
        bytes.extend_from_slice(self.as_bytes());
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// Reads the multibase text that [`multibase`](Self::multibase) writes.
    pub fn from_multibase(text: &str) -> Result<PublicKey, ParseError> {
        let error = || ParseError::new(DID_EXPECTED, text);
        // 34 bytes are at most 47 base58 digits: a longer text is not worth decoding.
        let digits = text.strip_prefix('z').filter(|digits| digits.len() <= 47).ok_or_else(error)?;
        let bytes = bs58::decode(digits).into_vec().map_err(|_| error())?;
        let key = bytes.strip_prefix(&ED25519_MULTICODEC).and_then(|key| key.try_into().ok()).ok_or_else(error)?;
        PublicKey::from_bytes(key).ok_or_else(error)
    }
}

/// So that a map of keys can be asked by bytes that may be none.
impl Borrow<[u8; 32]> for PublicKey {
    fn borrow(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:key:{}", self.multibase())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<PublicKey, ParseError> {
        if !text.starts_with(DID_PREFIX) {
            return Err(ParseError::new(DID_EXPECTED, text));
        }
        PublicKey::from_multibase(&text[DID_PREFIX.len() - 1..])
    }
}

serde_as_text!(PublicKey, "An Ed25519 key as did:key:z6Mk…");

/// A public key with its point of the curve, which to work out from the key's bytes is a fifth of verifying a
/// signature. For keys that are asked often: it takes six times their memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KnownKey(pub(crate) VerifyingKey);

impl KnownKey {
    /// Reads a key from its 32 bytes; `None` if they are no usable key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<KnownKey> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(KnownKey)
    }
}

impl From<&PublicKey> for KnownKey {
    fn from(key: &PublicKey) -> KnownKey {
        match KnownKey::from_bytes(&key.0) {
            Some(known) => known,
            None => unreachable!("a public key was made of usable bytes"),
        }
    }
}

impl From<KnownKey> for PublicKey {
    fn from(known: KnownKey) -> PublicKey {
        PublicKey(known.0.to_bytes())
    }
}

impl fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&PublicKey::from(*self), f)
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?.try_into().map_err(|_| decode::Error::message("a public key has 32 bytes"))?;
        PublicKey::from_bytes(bytes).ok_or_else(|| decode::Error::message("not an Ed25519 public key"))
    }
}

/// An Ed25519 signature: 64 bytes, lowercase hex at the edges.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Signature(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; 64],
);

impl Signature {
    /// A signature read from 64 bytes; whether it is valid only a key can tell.
    pub const fn from_bytes(bytes: [u8; 64]) -> Signature {
        Signature(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signature {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Signature, ParseError> {
        crate::text::parse_hex(text, "128 lowercase hex digits").map(Signature)
    }
}

serde_as_text!(Signature, "64 bytes in 128 lowercase hex digits");

/// A signature that is claimed to be a key's over a message.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose it is said to be.
    pub signer: PublicKey,
    /// What is said to be signed.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

impl Claim {
    /// Whether the signature is the signer's.
    pub fn holds(&self) -> bool {
        self.signer.verifies(&self.message, &self.signature)
    }
}

/// Whether every claim holds: the same answer as asking each, several times faster when there are many, most of all
/// when they have few signers.
///
/// The factors of the batch equation are drawn from a hash of all the claims, as its randomness need only be unknown to
/// whoever made the signatures before they were made; so the core needs no source of randomness.
pub fn all_hold<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> bool {
    let mut seed = Sha256::new();
    let mut batch = batch::Verifier::new();
    for Claim { signer, message, signature } in claims {
        seed.update(signer.0);
        seed.update(signature.0);
        seed.update((message.len() as u64).to_be_bytes());
        seed.update(message);
        batch.queue((VerificationKeyBytes::from(signer.0), ed25519_zebra::Signature::from(signature.0), message));
    }
    batch.verify(ChaCha20Rng::from_seed(seed.finalize().into())).is_ok()
}

/// A secret key. Zeroed when dropped; never shown by `Debug`.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed. Randomness is the caller's.
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored where only the owner reads.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The key that this one leads to for one purpose: its seed is the SHA-256 of the CBOR `[purpose, seed]`. It tells
    /// nothing of this one, nor of that for another purpose.
    pub fn derive(&self, purpose: &str) -> SecretKey {
        SecretKey::from_seed(Hash::of(&cbor::encode(&(purpose, Hash::from_bytes(self.seed())))).as_bytes())
    }

    /// Signs `message`, deterministically.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn did_key_round_trips_and_refuses_other_texts() {
        let key = SecretKey::from_seed(&[7; 32]).public();
        let text = key.to_string();
        assert!(text.starts_with("did:key:z6Mk"), "{text}");
        assert_eq!(text.parse::<PublicKey>(), Ok(key));
        for wrong in ["", "did:key:", "did:web:example.org", &text[..text.len() - 1], &text.replace("z6", "z7")] {
            assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_small_order_is_no_key() {
        let identity = {
            let mut b = [0; 32];
            b[0] = 1;
            b
        };
        assert_eq!(PublicKey::from_bytes(&identity), None);
    }
}
