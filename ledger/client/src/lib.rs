//! Asks a ledger node over HTTP, or over HTTPS with a bearer token: who the node is, and who asks.
//!
//! In: an address, the certificates that its own must lead to, the file with its token, and the questions of [`api`].
//! Out: their answers. Certificates of the machine count for nothing here: a node is trusted by what its file says.

pub mod api;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
pub use hyper::{StatusCode, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{client::legacy, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use settings::owner_only::{SecretError, read_secret};
use zeroize::Zeroizing;

/// Most bytes of an answer: the receipts of 10,000 members fit.
pub const ANSWER_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Fewest characters of a token: 128 bits as hex digits. A shorter one could be guessed from its digest.
pub const TOKEN_CHARACTERS_MIN: usize = 32;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Less than a node waits for the next request before it hangs up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is nothing to ask with. One line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// There is no certificate in the file.
    #[error("{}: expected certificates in PEM, found {found}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What was there instead.
        found: String,
    },
    /// The token cannot be read, or others may.
    #[error("token file {}: {error}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SecretError,
    },
    /// There is no token in the file. What is there is not repeated: it may be a secret.
    #[error("{}: expected one line with a token of at least {TOKEN_CHARACTERS_MIN} letters and digits", .0.display())]
    Token(PathBuf),
    /// The TLS library does not accept what it was given.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A node is to be asked over HTTPS, and nothing says which certificate it may have.
    #[error("{0}: expected the certificates to trust (`ca`, a PEM file) beside an https address, found none")]
    NoAuthority(String),
    /// A token would be sent for everyone on the way to read.
    #[error("{0}: a token is sent over https only, or on this machine; use https, or leave out the token")]
    TokenInClear(String),
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Not an address that can be asked.
    #[error("expected an address such as http://127.0.0.1:26000, found {0}")]
    Address(String),
    /// Not reached, or cut off.
    #[error("{0}")]
    Unreachable(String),
    /// Not in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// More than anyone asked for.
    #[error("expected an answer of at most {0} bytes, found more")]
    TooLong(usize),
}

/// Asks one node. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    authorization: Option<HeaderValue>,
    url: String,
}

impl Client {
    /// A client for the node at `url`, which proves itself with a certificate that leads to one in the file `ca`. The
    /// file `token` says who asks; without it, nobody does.
    pub fn new(url: &str, ca: Option<&Path>, token: Option<&Path>) -> Result<Client, ClientError> {
        let mut roots = RootCertStore::empty();
        let trusted = ca.map(read_certificates).transpose()?;
        let https = url.starts_with("https://");
        if https && trusted.is_none() {
            return Err(ClientError::NoAuthority(url.into()));
        }
        if token.is_some() && !https && !on_this_machine(url) {
            return Err(ClientError::TokenInClear(url.into()));
        }
        for certificate in trusted.into_iter().flatten() {
            let path = ca.unwrap_or(Path::new("")).into();
            roots.add(certificate).map_err(|error| ClientError::Certificates { path, found: error.to_string() })?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Client { http, authorization: token.map(read_token).transpose()?, url: url.trim_end_matches('/').into() })
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for `path`, which starts with a slash.
    async fn get(&self, path: &str, timeout: Duration) -> Result<(StatusCode, Bytes), AskError> {
        self.ask(Method::GET, path, None, timeout).await
    }

    /// Hands in CBOR at `path`, which starts with a slash.
    async fn post_cbor(&self, path: &str, body: Bytes, timeout: Duration) -> Result<(StatusCode, Bytes), AskError> {
        self.ask(Method::POST, path, Some(("application/cbor", body)), timeout).await
    }

    /// Posts JSON to somebody who is no node, at `path`, which starts with a slash: the status of the answer, of which
    /// nothing else is read.
    pub async fn post_json(&self, path: &str, body: Bytes, timeout: Duration) -> Result<StatusCode, AskError> {
        let request = self.request(Method::POST, path, Some(("application/json", body)))?;
        let answer = tokio::time::timeout(timeout, self.http.request(request)).await;
        let answer = answer.map_err(|_| AskError::TooSlow(timeout))?;
        answer.map(|answer| answer.status()).map_err(|error| AskError::Unreachable(innermost(&error)))
    }

    /// Posts text to somebody who is no node, at `path`, which starts with a slash: the answer, of at most `bytes_max`.
    pub async fn post_text(
        &self,
        path: &str,
        body: String,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), AskError> {
        self.ask_within(Method::POST, path, Some(("text/plain; charset=utf-8", body.into())), timeout, bytes_max).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), AskError> {
        self.ask_within(method, path, body, timeout, ANSWER_BYTES_MAX).await
    }

    async fn ask_within(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), AskError> {
        let request = self.request(method, path, body)?;
        let answer = async {
            let answer = self.http.request(request).await.map_err(|error| AskError::Unreachable(innermost(&error)))?;
            let status = answer.status();
            match Limited::new(answer.into_body(), bytes_max).collect().await {
                Ok(body) => Ok((status, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => Err(AskError::TooLong(bytes_max)),
                Err(error) => Err(AskError::Unreachable(innermost(&*error))),
            }
        };
        tokio::time::timeout(timeout, answer).await.unwrap_or(Err(AskError::TooSlow(timeout)))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Request<Full<Bytes>>, AskError> {
        let url = format!("{}{path}", self.url);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((content_type, _)) = &body {
            request = request.header(CONTENT_TYPE, *content_type);
        }
        let body = body.map(|(_, body)| body).unwrap_or_default();
        request.body(Full::new(body)).map_err(|_| AskError::Address(url))
    }
}

/// Whether what is sent to `url` leaves this machine. A name may lead anywhere, but for the one that never does.
pub fn on_this_machine(url: &str) -> bool {
    let Ok(address) = url.parse::<hyper::Uri>() else { return false };
    let host = address.host().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let pem = fs::read(path).map_err(|error| ClientError::Read { path: path.into(), error })?;
    let bad = |found: String| ClientError::Certificates { path: path.into(), found };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| bad(error.to_string()))?;
    if certificates.is_empty() { Err(bad("none".into())) } else { Ok(certificates) }
}

fn read_token(path: &Path) -> Result<HeaderValue, ClientError> {
    let text = read_secret(path).map_err(|error| ClientError::TokenFile { path: path.into(), error })?;
    let token = str::from_utf8(&text).map_err(|_| ClientError::Token(path.into()))?.trim_end();
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    if !plain || token.len() < TOKEN_CHARACTERS_MIN {
        return Err(ClientError::Token(path.into()));
    }
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(&bearer).map_err(|_| ClientError::Token(path.to_path_buf()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        set_mode(&path, 0o600);
        path
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_token_that_others_may_read_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let token = file(directory.path(), "read.token", &format!("{}\n", "7".repeat(64)));
        let client = || Client::new("http://127.0.0.1:26000", None, Some(&token));
        assert!(client().is_ok());
        for mode in [0o644, 0o640, 0o604] {
            set_mode(&token, mode);
            let error = client().unwrap_err().to_string();
            for expected in ["read.token", &format!("found mode {mode:04o}"), "chmod 600"] {
                assert!(error.contains(expected), "{error}");
            }
            assert!(!error.contains("777"), "{error}");
        }
    }

    #[test]
    fn a_token_leaves_this_machine_only_over_https() {
        let directory = tempfile::tempdir().unwrap();
        let token = file(directory.path(), "token", &format!("{}\n", "7".repeat(64)));
        for (url, fine) in [
            ("http://127.0.0.1:26000", true),
            ("http://[::1]:26000", true),
            ("http://localhost:26000", true),
            ("http://192.0.2.7:26000", false),
            ("http://localhost.example:26000", false),
            ("http://127.0.0.1.example:26000", false),
        ] {
            let client = Client::new(url, None, Some(&token));
            assert_eq!(client.is_ok(), fine, "{url}");
            assert!(fine || matches!(client, Err(ClientError::TokenInClear(_))), "{url}");
            assert!(Client::new(url, None, None).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_named_and_not_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let url = "https://127.0.0.1:26000";
        let short = file(directory.path(), "short", "hunter2");
        let two = file(directory.path(), "two", &format!("{}\n{}\n", "7".repeat(64), "8".repeat(64)));
        let none = file(directory.path(), "none.pem", "no certificate\n");
        for (ca, token, expected) in [
            (None, None, "expected the certificates to trust"),
            (Some(none.as_path()), None, "none.pem: expected certificates in PEM, found none"),
            (Some(Path::new("/nowhere/ca.pem")), None, "cannot read /nowhere/ca.pem"),
        ] {
            let error = Client::new(url, ca, token).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
        for token in [short, two] {
            let error = Client::new("http://127.0.0.1:26000", None, Some(&token)).unwrap_err().to_string();
            assert!(error.contains("expected one line with a token"), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("777"), "{error}");
        }
    }
}
