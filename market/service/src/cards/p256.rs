//! ES256 (RFC 7518 §3.4) by `ring`, and the certificates that name its keys (`x5c`).

use std::path::{Path, PathBuf};

use member_card::Trusted;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject};
use settings::owner_only;
use webpki::EndEntityCert;

/// Most certificates of a chain.
const CHAIN_MAX: usize = 5;
/// What an uncompressed point of P-256 has before it in a certificate (RFC 5480 §2): an algorithm and a length.
const POINT_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Why certificates and a key make no issuer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// Not a file of them.
    #[error("{}: expected PEM with the issuer's certificate and those above it, without the anchor, 1 to {CHAIN_MAX}: {reason}", path.display())]
    Chain { path: PathBuf, reason: String },
    /// No key of this kind.
    #[error("{}: expected a P-256 key as PEM in PKCS#8 (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256): {reason}", path.display())]
    Key { path: PathBuf, reason: String },
    /// The certificate is another key's.
    #[error("{}: expected the certificate of the key in {}, found another's", chain.display(), key.display())]
    OtherKey { chain: PathBuf, key: PathBuf },
    /// It vouches for itself, which no wallet takes.
    #[error("{}: expected a certificate that somebody else signed, found a self-signed one (HAIP 1.0)", .0.display())]
    SelfSigned(PathBuf),
    /// It is for another address.
    #[error("{}: expected a certificate for the host of {base}, found another", path.display())]
    OtherHost { path: PathBuf, base: String },
}

/// A key of P-256 with its certificates.
pub(crate) struct CertifiedKey {
    pub(crate) chain: Vec<Vec<u8>>,
    key: EcdsaKeyPair,
}

impl CertifiedKey {
    /// Reads both, and looks whether they belong together, and to this address.
    pub(crate) fn read(chain: &Path, key: &Path, base: &str) -> Result<CertifiedKey, CertificateError> {
        let certificates = read_chain(chain)?;
        let wrong_key = |reason: String| CertificateError::Key { path: key.into(), reason };
        let pem = owner_only::read_secret(key).map_err(|error| wrong_key(error.to_string()))?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|error| wrong_key(error.to_string()))?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der(), &SystemRandom::new());
        let pair = pair.map_err(|error| wrong_key(error.to_string()))?;
        let wrong = |reason: String| CertificateError::Chain { path: chain.into(), reason };
        let leaf = CertificateDer::from(certificates[0].as_slice());
        let leaf = EndEntityCert::try_from(&leaf).map_err(|error| wrong(error.to_string()))?;
        if point(&leaf).is_none_or(|point| point.as_slice() != pair.public_key().as_ref()) {
            return Err(CertificateError::OtherKey { chain: chain.into(), key: key.into() });
        }
        if leaf.issuer() == leaf.subject() {
            return Err(CertificateError::SelfSigned(chain.into()));
        }
        let host = base.strip_prefix("https://").and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
        let is_named =
            ServerName::try_from(host).is_ok_and(|host| leaf.verify_is_valid_for_subject_name(&host).is_ok());
        if !is_named {
            return Err(CertificateError::OtherHost { path: chain.into(), base: base.into() });
        }
        Ok(CertifiedKey { chain: certificates, key: pair })
    }

    /// Signs; none where the system has no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.key.sign(&SystemRandom::new(), message).ok()?.as_ref().try_into().ok()
    }
}

/// Whether a key, an uncompressed point, has signed this.
pub(crate) fn verifies(key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature).is_ok()
}

/// The issuer whose certificate this is.
pub(crate) fn certificate(path: &Path, iss: &str) -> Result<Trusted, CertificateError> {
    let wrong = |reason: String| CertificateError::Chain { path: path.into(), reason };
    let leaf = read_chain(path)?.swap_remove(0);
    let der = CertificateDer::from(leaf.as_slice());
    let key = EndEntityCert::try_from(&der).map_err(|error| wrong(error.to_string()))?;
    let key = point(&key).ok_or_else(|| wrong("the first is not of a P-256 key".into()))?;
    Ok(Trusted::Certificate { iss: iss.to_owned(), leaf, key })
}

fn point(certificate: &EndEntityCert<'_>) -> Option<[u8; 65]> {
    certificate.subject_public_key_info().strip_prefix(&POINT_PREFIX)?.try_into().ok()
}

/// The certificates of a file; at least one.
fn read_chain(path: &Path) -> Result<Vec<Vec<u8>>, CertificateError> {
    let wrong = |reason: String| CertificateError::Chain { path: path.into(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let read: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(&pem).take(CHAIN_MAX + 1).collect();
    let chain = read.map_err(|error| wrong(error.to_string()))?;
    if !(1..=CHAIN_MAX).contains(&chain.len()) {
        return Err(wrong(format!("found {}", chain.len())));
    }
    Ok(chain.into_iter().map(|der| der.to_vec()).collect())
}
