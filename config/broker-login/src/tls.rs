//! TLS to a broker: rustls with `ring`, named here, so that there is no default that somebody has to have installed.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use settings::secret::SecretFile;

use super::error::LoginError;

/// A client that trusts what leads to a certificate in the file `ca`, and shows its own certificate, if it has one; and
/// that certificate.
pub(super) fn client(
    ca: &Path,
    own: Option<(&Path, &SecretFile)>,
) -> Result<(ClientConfig, Option<CertificateDer<'static>>), LoginError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates("ca", ca)? {
        let bad =
            |error: rustls::Error| LoginError::Certificates { key: "ca", path: ca.into(), found: error.to_string() };
        roots.add(certificate).map_err(bad)?;
    }
    // TLS 1.2 as well: brokers in appliances are older than servers.
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots);
    let Some((certificate, file)) = own else { return Ok((client.with_no_client_auth(), None)) };
    let chain = read_certificates("certificate", certificate)?;
    let key = read_key(file)?;
    let first = chain.first().cloned();
    let client = client.with_client_auth_cert(chain, key);
    Ok((client.map_err(|error| LoginError::OtherKey { file: file.clone(), error })?, first))
}

fn read_certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, LoginError> {
    let pem = fs::read(path).map_err(|error| LoginError::Read { key, path: path.into(), error })?;
    let bad = |found: String| LoginError::Certificates { key, path: path.into(), found };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| bad(error.to_string()))?;
    if certificates.is_empty() { Err(bad("none".into())) } else { Ok(certificates) }
}

fn read_key(file: &SecretFile) -> Result<PrivateKeyDer<'static>, LoginError> {
    let key = "certificate_key";
    let pem = file.read().map_err(|error| LoginError::Secret { key, file: file.clone(), error })?;
    // What the library says of it is not repeated: it may quote the file.
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| LoginError::Key(file.clone()))
}
