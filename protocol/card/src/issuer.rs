//! Who signs cards and status lists: a key that is its own name (`did:key`), or one that certificates name (`x5c`).

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::key::{PublicKey, SecretKey, Signature};

use crate::jose::{self, Algorithm, Header, SIGNATURE_BYTES};

/// Verifies ECDSA on P-256 with SHA-256: an uncompressed point, the message, `r` and `s`. The core has no such
/// arithmetic; whoever has none at all answers `false`.
pub type Es256 = fn(&[u8; 65], &[u8], &[u8; SIGNATURE_BYTES]) -> bool;

/// Signs a message with a key that is kept elsewhere; none where it cannot.
type Sign<'a> = dyn Fn(&[u8]) -> Option<[u8; SIGNATURE_BYTES]> + 'a;

/// Who signs.
pub enum Issuer<'a> {
    /// EdDSA; `iss` is the key's `did:key`.
    DidKey(&'a SecretKey),
    /// ES256; `iss` is an address that the first certificate is for.
    Certificates {
        /// The address.
        iss: String,
        /// DER: the signer's certificate, then those above it, without the anchor.
        chain: Vec<Vec<u8>>,
        /// Signs; none where it cannot.
        sign: &'a Sign<'a>,
    },
}

impl Issuer<'_> {
    /// The name that stands in what it signs.
    pub fn iss(&self) -> String {
        match self {
            Issuer::DidKey(key) => key.public().to_string(),
            Issuer::Certificates { iss, .. } => iss.clone(),
        }
    }

    /// Signs a payload as a JWS of this type; none where it cannot sign.
    pub(crate) fn sign(&self, typ: &str, payload: &impl serde::Serialize) -> Option<String> {
        let typ = typ.to_owned();
        let (header, sign): (Header, &Sign<'_>) = match self {
            Issuer::DidKey(key) => {
                let kid = Some(kid(&key.public()));
                (Header { alg: Algorithm::EdDsa, typ, kid, x5c: None }, &|message| Some(*key.sign(message).as_bytes()))
            }
            Issuer::Certificates { chain, sign, .. } => {
                let x5c = Some(chain.iter().map(|der| STANDARD.encode(der)).collect());
                (Header { alg: Algorithm::Es256, typ, kid: None, x5c }, sign)
            }
        };
        let message = jose::message(&header, payload);
        let signature = sign(message.as_bytes())?;
        Some(jose::signed(message, &signature))
    }
}

/// The one key of a `did:key`, as a DID URL.
fn kid(key: &PublicKey) -> String {
    format!("{key}#{}", key.multibase())
}

/// The issuer whose cards count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    /// A key by its `did:key`.
    DidKey(PublicKey),
    /// The key of a certificate that the verifier was given: the certificate itself is compared, no path is built.
    Certificate {
        /// The issuer's name in its cards.
        iss: String,
        /// DER.
        leaf: Vec<u8>,
        /// Its key, an uncompressed point of P-256.
        key: [u8; 65],
    },
}

impl Trusted {
    /// Its name in cards.
    pub fn iss(&self) -> String {
        match self {
            Trusted::DidKey(key) => key.to_string(),
            Trusted::Certificate { iss, .. } => iss.clone(),
        }
    }

    /// Whether a JWS with this header is to be verified with its key.
    pub(crate) fn is_named(&self, header: &Header) -> bool {
        match self {
            Trusted::DidKey(key) => {
                header.alg == Algorithm::EdDsa && header.x5c.is_none() && header.kid == Some(kid(key))
            }
            Trusted::Certificate { leaf, .. } => {
                let first = header.x5c.as_deref().and_then(<[String]>::first);
                header.alg == Algorithm::Es256 && first == Some(&STANDARD.encode(leaf))
            }
        }
    }

    /// Whether it has signed this.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES], es256: Es256) -> bool {
        match self {
            Trusted::DidKey(key) => key.verifies(message, &Signature::from_bytes(*signature)),
            Trusted::Certificate { key, .. } => es256(key, message, signature),
        }
    }
}
