//! The key that a card is bound to: whoever presents the card shows that they have it. It is a new one for each card,
//! since a key that two verifiers see is a name.

use protocol::key::PublicKey;
use serde::{Deserialize, Serialize};

use crate::{issuer::Es256, jose};

/// Most bytes of a JWK that is read.
const JWK_BYTES_MAX: usize = 2_048;

/// A holder's public key, as a JWK (RFC 7517): Ed25519 (RFC 8037), or P-256 as wallets have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Jwk", into = "Jwk")]
pub enum HolderKey {
    /// An Ed25519 key.
    Ed25519(PublicKey),
    /// A point of P-256, uncompressed (SEC 1 §2.3.3). Whether it is on the curve is seen when it has signed something.
    P256([u8; 65]),
}

/// Why something is no holder's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HolderKeyError {
    /// No key of these two kinds.
    #[error("expected a public JWK of an Ed25519 key (kty OKP) or of a P-256 key (kty EC), found something else")]
    NotAKey,
    /// It has the secret half. That is nobody's but the holder's.
    #[error(
        "expected a public JWK, found one with the secret `d`: that key is not secret any more, so make another one, and \
         send its public half alone"
    )]
    Secret,
}

#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

impl From<HolderKey> for Jwk {
    fn from(key: HolderKey) -> Jwk {
        match key {
            HolderKey::Ed25519(key) => {
                Jwk { kty: "OKP".into(), crv: "Ed25519".into(), x: jose::encode(key.as_bytes()), y: None, d: None }
            }
            HolderKey::P256(point) => Jwk {
                kty: "EC".into(),
                crv: "P-256".into(),
                x: jose::encode(&point[1..33]),
                y: Some(jose::encode(&point[33..])),
                d: None,
            },
        }
    }
}

impl TryFrom<Jwk> for HolderKey {
    type Error = HolderKeyError;

    fn try_from(jwk: Jwk) -> Result<HolderKey, HolderKeyError> {
        if jwk.d.is_some() {
            return Err(HolderKeyError::Secret);
        }
        let bytes = |text: &str| <[u8; 32]>::try_from(jose::decode(text)?).ok();
        let key = match (jwk.kty.as_str(), jwk.crv.as_str(), &jwk.y) {
            ("OKP", "Ed25519", None) => bytes(&jwk.x).and_then(|x| PublicKey::from_bytes(&x)).map(HolderKey::Ed25519),
            ("EC", "P-256", Some(y)) => bytes(&jwk.x).zip(bytes(y)).map(|(x, y)| {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                HolderKey::P256(point)
            }),
            _ => None,
        };
        key.ok_or(HolderKeyError::NotAKey)
    }
}

impl HolderKey {
    /// Reads a JWK that somebody sent. What it says beside the key is left out.
    pub fn read(jwk: &[u8]) -> Result<HolderKey, HolderKeyError> {
        if jwk.len() > JWK_BYTES_MAX {
            return Err(HolderKeyError::NotAKey);
        }
        let jwk: Jwk = serde_json::from_slice(jwk).map_err(|_| HolderKeyError::NotAKey)?;
        jwk.try_into()
    }

    /// The JWK: one line of JSON.
    pub fn jwk(&self) -> String {
        match String::from_utf8(jose::json(self)) {
            Ok(text) => text,
            Err(error) => unreachable!("JSON is text: {error}"),
        }
    }

    pub(crate) fn algorithm(&self) -> jose::Algorithm {
        match self {
            HolderKey::Ed25519(_) => jose::Algorithm::EdDsa,
            HolderKey::P256(_) => jose::Algorithm::Es256,
        }
    }

    /// Whether the signature is this key's.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; jose::SIGNATURE_BYTES], es256: Es256) -> bool {
        match self {
            HolderKey::Ed25519(key) => key.verifies(message, &protocol::key::Signature::from_bytes(*signature)),
            HolderKey::P256(point) => es256(point, message, signature),
        }
    }
}
