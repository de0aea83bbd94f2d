//! TLS to a device at home: its certificate leads to one that the household trusts, or is the very one whose
//! fingerprint the household has read off the device. Certificates of the machine count for nothing here, unless `ca`
//! names them.

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use protocol::hash::Hash;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serde::Deserialize;

/// The SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` prints it: digits with or without colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Fingerprint(Hash);

/// A text that is no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("expected a fingerprint of SHA-256, 64 hex digits with or without colons, found `{0}`")]
pub(super) struct NoFingerprint(String);

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Fingerprint, NoFingerprint> {
        let digits = text.replace(':', "").to_ascii_lowercase();
        Hash::from_str(&digits).map(Fingerprint).map_err(|_| NoFingerprint(text.chars().take(100).collect()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

/// Why there is no TLS to a device.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustProblem {
    /// Nothing says which certificate the device may have.
    #[error(
        "expected `ca` (a PEM file with the certificates to trust) or `fingerprint` (of the device's own certificate) beside \
         an https address, found neither; add one"
    )]
    Neither,
    /// Two ways to trust.
    #[error("expected either `ca` or `fingerprint`, found both; leave one out")]
    Both,
    /// The file cannot be read.
    #[error("`ca`: cannot read {}: {error}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no certificate in it.
    #[error("`ca`, {}: expected certificates in PEM, found {found}", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
        /// What was there instead.
        found: String,
    },
    /// The TLS library does not accept what it was given.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A client that trusts what the household trusts.
pub(super) fn client(ca: Option<&Path>, fingerprint: Option<Fingerprint>) -> Result<ClientConfig, TrustProblem> {
    let provider = Arc::new(ring::default_provider());
    // TLS 1.2 as well: devices are older than servers.
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions)?;
    match (ca, fingerprint) {
        (None, None) => Err(TrustProblem::Neither),
        (Some(_), Some(_)) => Err(TrustProblem::Both),
        (Some(ca), None) => Ok(builder.with_root_certificates(roots(ca)?).with_no_client_auth()),
        (None, Some(expected)) => {
            let pinned = Arc::new(Pinned { expected, provider });
            Ok(builder.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth())
        }
    }
}

/// A client that trusts nobody: of a device that is asked without TLS.
pub(super) fn nobody() -> Result<ClientConfig, TrustProblem> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn roots(path: &Path) -> Result<RootCertStore, TrustProblem> {
    let pem = fs::read(path).map_err(|error| TrustProblem::Unread { path: path.into(), error })?;
    let bad = |found: String| TrustProblem::NoCertificates { path: path.into(), found };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() { Err(bad("none".into())) } else { Ok(roots) }
}

/// The device has another certificate than the household named.
#[derive(Debug, thiserror::Error)]
#[error(
    "its certificate has the fingerprint {found}, and `fingerprint` is {expected}; look at the device which is right, and \
     trust no other"
)]
struct OtherFingerprint {
    expected: Fingerprint,
    found: Fingerprint,
}

/// Trusts one certificate, whoever issued it, for whatever name and time: it is compared as a whole.
#[derive(Debug)]
struct Pinned {
    expected: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (expected, found) = (self.expected, Fingerprint(Hash::of(end_entity)));
        if found == expected {
            return Ok(ServerCertVerified::assertion());
        }
        let other = OtherError(Arc::new(OtherFingerprint { expected, found }));
        Err(CertificateError::Other(other).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with TLS to the device, and what to do, if an error is of that.
pub(super) fn why(error: &(dyn Error + 'static)) -> Option<String> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext, Other,
        UnknownIssuer,
    };
    let tls = std::iter::successors(Some(error), |error| inner(*error)).find_map(|error| error.downcast_ref())?;
    Some(match tls {
        rustls::Error::InvalidCertificate(Other(OtherError(other))) => other.to_string(),
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            "its certificate leads to none that `ca` trusts; where the device made it itself, name its `fingerprint` instead"
                .into()
        }
        rustls::Error::InvalidCertificate(
            found @ (Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }),
        ) => format!(
            "its certificate has expired, or is not valid yet ({found}); renew it, or set this machine's clock; or name its \
             `fingerprint` instead of `ca`"
        ),
        rustls::Error::InvalidCertificate(found @ (NotValidForName | NotValidForNameContext { .. })) => format!(
            "its certificate is for another name ({found}); correct `address`, or name its `fingerprint` instead of `ca`"
        ),
        rustls::Error::InvalidMessage(_) => {
            "what answers there speaks no TLS; correct the port, or write http://".into()
        }
        other => format!("no TLS with it: {other}"),
    })
}

/// What an error is about; one of input or output hides what it was made of.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    hidden.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_openssl_prints_it_and_in_any_case() {
        let printed = (0..32).map(|byte| format!("{:02X}", byte * 7)).collect::<Vec<_>>().join(":");
        let fingerprint = Fingerprint::try_from(printed.clone()).unwrap();
        assert_eq!(fingerprint.to_string(), printed);
        for text in [printed.to_lowercase(), printed.replace(':', "")] {
            assert_eq!(Fingerprint::try_from(text).unwrap(), fingerprint);
        }
        for text in ["", "00:11", &printed.replace('0', "g"), &format!("{printed}:00")] {
            let error = Fingerprint::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains("64 hex digits"), "{error}");
        }
    }
}
