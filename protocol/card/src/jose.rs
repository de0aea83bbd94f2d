//! JWS in its compact form (RFC 7515 §3.1), with the headers that cards, their presentations and status lists have, and
//! no others: whatever else a header says is not understood here, and so not accepted.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Bytes of a signature, with Ed25519 and with ECDSA on P-256.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Base64url without padding (RFC 4648 §5).
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a text that [`encode`] writes; none of any other.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
}

/// The header of a JWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: Algorithm,
    pub(crate) typ: String,
    /// The key, as a DID URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<String>,
    /// The key's certificate and those above it, base64 of DER (RFC 7515 §4.1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) x5c: Option<Vec<String>>,
}

/// What is signed: header and payload.
pub(crate) fn message(header: &Header, payload: &impl Serialize) -> String {
    format!("{}.{}", encode(json(header)), encode(json(payload)))
}

/// The message with its signature.
pub(crate) fn signed(message: String, signature: &[u8; SIGNATURE_BYTES]) -> String {
    format!("{message}.{}", encode(signature))
}

/// The JSON of what is made here.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(json) => json,
        Err(error) => unreachable!("texts and numbers have a JSON: {error}"),
    }
}

/// A JWS that was taken apart. Nothing of it is verified.
#[derive(Debug, Clone)]
pub(crate) struct Jws<'a, T> {
    pub(crate) header: Header,
    pub(crate) payload: T,
    /// What the signature is over.
    pub(crate) message: &'a str,
    pub(crate) signature: [u8; SIGNATURE_BYTES],
}

impl<'a, T: DeserializeOwned> Jws<'a, T> {
    /// Takes a JWS apart; none where it is not one of the form, header and payload that are known here.
    pub(crate) fn read(text: &'a str) -> Option<Jws<'a, T>> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header = serde_json::from_slice(&decode(header)?).ok()?;
        let payload = serde_json::from_slice(&decode(payload)?).ok()?;
        let signature = decode(signature)?.try_into().ok()?;
        Some(Jws { header, payload, message, signature })
    }
}
