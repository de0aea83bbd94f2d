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

use crate::hash::{ParseError, serde_as_text};

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
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(|_| PublicKey(*bytes))
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
        crate::hash::parse_hex(text, "128 lowercase hex digits").map(Signature)
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

/// Claims that are asked together when a larger batch has failed: few, so that a few forged ones spoil few batches.
const SMALL_BATCH: usize = 16;

/// Which claims hold, in their order: the same answers as asking each, at the price of [`all_hold`] where all do.
///
/// They are asked in batches of `batch`, which [`batch_where`] chooses. Where not all of a batch hold, it is asked in small
/// batches, and those of a small batch that fails one by one. So no claim is looked at more than three times, however many
/// are forged and wherever they are: whoever floods us with forged claims makes us work at most about twice as much as if
/// each were asked alone.
pub fn which_hold(claims: &[&Claim], batch: usize) -> Vec<bool> {
    let mut hold = vec![true; claims.len()];
    let mut all_hold = |claims: &[&Claim]| all_hold(claims.iter().copied());
    for (claims, hold) in claims.chunks(batch.max(1)).zip(hold.chunks_mut(batch.max(1))) {
        mark_forged(claims, hold, &mut all_hold);
    }
    hold
}

/// The size of batches of which few fail, where lately `forged` of `asked` claims did not hold: as large as can be where
/// none was, and never smaller than a small batch, because below that each claim costs nearly what it does alone.
pub fn batch_where(forged: usize, asked: usize) -> usize {
    asked.checked_div(BATCHES_PER_FORGED * forged).map_or(usize::MAX, |batch| batch.max(SMALL_BATCH))
}

/// Where claims are forged, batches for each forged one: so many that most batches have none.
const BATCHES_PER_FORGED: usize = 5;

fn mark_forged(claims: &[&Claim], hold: &mut [bool], all_hold: &mut impl FnMut(&[&Claim]) -> bool) {
    if claims.is_empty() || all_hold(claims) {
        return;
    }
    if let [forged] = hold {
        *forged = false;
        return;
    }
    let smaller = if claims.len() > SMALL_BATCH { SMALL_BATCH } else { 1 };
    for (claims, hold) in claims.chunks(smaller).zip(hold.chunks_mut(smaller)) {
        mark_forged(claims, hold, all_hold);
    }
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
    fn forged_claims_are_found_and_none_is_looked_at_more_than_three_times() {
        let claim = |number: usize, forged: bool| {
            let key = SecretKey::from_seed(&[number as u8; 32]);
            let message = number.to_be_bytes().to_vec();
            let signature = key.sign(if forged { b"something else" } else { &message });
            Claim { signer: key.public(), message, signature }
        };
        let kinds = [false, true].map(|forged| (0..200).map(|number| claim(number, forged)).collect::<Vec<_>>());
        let [honest, forged] = &kinds;
        let mut most_looks = 0;
        for count in [0, 1, 2, 15, 16, 17, 64, 200] {
            let forged_at: [(&str, &dyn Fn(usize) -> bool); 8] = [
                ("none", &|_| false),
                ("the first", &|number| number == 0),
                ("the last", &|number| number + 1 == count),
                ("one within", &|number| number == count / 3),
                ("two side by side", &|number| number / 2 == count / 4),
                ("the ends", &|number| number == 0 || number + 1 == count),
                ("every fifth", &|number| number % 5 == 0),
                ("all", &|_| true),
            ];
            for (case, is_forged) in forged_at {
                let claims: Vec<&Claim> =
                    (0..count).map(|n| if is_forged(n) { &forged[n] } else { &honest[n] }).collect();
                let expected: Vec<bool> = claims.iter().map(|claim| claim.holds()).collect();
                assert_eq!(expected, (0..count).map(|number| !is_forged(number)).collect::<Vec<_>>());
                for batch in [0, 1, 50, usize::MAX] {
                    assert_eq!(which_hold(&claims, batch), expected, "{case} of {count} by {batch}");
                }

                let (mut hold, mut looks) = (vec![true; count], vec![0; count]);
                mark_forged(&claims, &mut hold, &mut |claims: &[&Claim]| {
                    let numbers =
                        claims.iter().map(|claim| usize::from_be_bytes(claim.message.as_slice().try_into().unwrap()));
                    numbers.clone().for_each(|number| looks[number] += 1);
                    numbers.into_iter().all(|number| expected[number])
                });
                assert_eq!(hold, expected, "{case} of {count}");
                most_looks = most_looks.max(looks.into_iter().max().unwrap_or(0));
            }
        }
        assert_eq!(most_looks, 3);
    }

    #[test]
    fn batches_are_the_smaller_the_more_is_forged() {
        let cases = [(0, 0), (0, 2_000), (1, 2_000), (4, 2_000), (20, 2_000), (2_000, 2_000), (1, 1)];
        let batches = cases.map(|(forged, asked)| batch_where(forged, asked));
        assert_eq!(batches, [usize::MAX, usize::MAX, 400, 100, 20, SMALL_BATCH, SMALL_BATCH]);
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
