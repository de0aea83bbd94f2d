//! How a server proves that it is the one that was asked.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use settings::owner_only::{self, SecretError};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{refusal::Refusal, serve::Greeted};

/// The first byte of a TLS connection: a record of a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// A certificate and its key, in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file: the server's certificate, then those between it and its authority's.
    pub certificate_chain: PathBuf,
    /// PEM file: the certificate's private key.
    pub private_key: PathBuf,
}

/// Why TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Others may read the private key, or it cannot be read.
    #[error("private key {}: {error}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why it is no secret.
        error: SecretError,
    },
    /// Something else is in the file.
    #[error("{}: expected {expected} in PEM, found {found}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not known.
    #[error("{}: {error}", path.display())]
    Unfit {
        /// The certificate's file.
        path: PathBuf,
        /// What the TLS library says.
        error: rustls::Error,
    },
}

impl Tls {
    /// The same files, where they are relative to `directory`.
    pub fn resolve(&mut self, directory: &Path) {
        for path in [&mut self.certificate_chain, &mut self.private_key] {
            *path = directory.join(&*path);
        }
    }

    /// Reads the files. TLS 1.3 and HTTP/1.1 only.
    pub fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let path = &self.certificate_chain;
        let expected = "certificates";
        let bad = |found: String| TlsError::Pem { path: path.clone(), expected, found };
        let pem = fs::read(path).map_err(|error| TlsError::Read { path: path.clone(), error })?;
        let chain = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad(error.to_string()))?;
        if chain.is_empty() {
            return Err(bad("none".into()));
        }
        let secret = owner_only::read_secret(&self.private_key)
            .map_err(|error| TlsError::Secret { path: self.private_key.clone(), error })?;
        let key = PrivateKeyDer::from_pem_slice(&secret).map_err(|error| TlsError::Pem {
            path: self.private_key.clone(),
            expected: "a private key",
            found: error.to_string(),
        })?;
        let unfit = |error| TlsError::Unfit { path: path.clone(), error };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Shakes hands with a client that just connected, and tells one that speaks plain HTTP what is spoken here. The error
/// is a handshake that failed.
pub async fn greet(tls: Arc<ServerConfig>, stream: TcpStream) -> Result<Greeted<Refusal>, Refusal> {
    let failed = |error: io::Error| Refusal::HandshakeFailed(error.to_string());
    let mut first = [0];
    match stream.peek(&mut first).await.map_err(failed)? {
        // Came to see whether the port is open.
        0 => Ok(Greeted::Gone),
        _ if first == [TLS_HANDSHAKE] => {
            let stream = TlsAcceptor::from(tls).accept(stream).await.map_err(failed)?;
            Ok(Greeted::Speaks(Box::new(stream)))
        }
        _ => Ok(Greeted::Refused(Box::new(stream), Refusal::TlsExpected)),
    }
}
