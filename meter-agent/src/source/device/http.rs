//! Devices that answer an HTTP request with JSON.

use std::{collections::BTreeSet, error::Error, sync::Arc, time::Duration};

use digest_auth::{AuthContext, WwwAuthenticateHeader};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;
use settings::address::Address;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    super::sampler::NoSample,
    documents::{Documents, Place},
    login::Login,
    points::Points,
    tls::{self, TrustProblem},
};

/// How long a device may take to answer one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer: many times the longest seen.
const ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// Whose password it is where nobody says: most devices know nobody else.
const USER: &str = "admin";

/// A device's address, and who asks it.
#[derive(Debug, Clone)]
pub(super) struct HttpDevice {
    pub(super) address: Address,
    /// Whom it has to be, where it is asked over TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) login: Login,
    /// The name to log in with, where the configuration says none.
    pub(super) user: Option<String>,
}

/// Connections that are used again.
pub(super) struct Connection {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// What the device asked the last time, so that it need not ask each time (RFC 7616, section 3.3).
    challenge: Option<WwwAuthenticateHeader>,
}

impl Connection {
    /// To a device; nothing is sent yet.
    pub(super) fn new(device: &HttpDevice) -> Result<Connection, TrustProblem> {
        let tls = device.tls.as_deref().cloned().map_or_else(tls::nobody, Ok)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Connection { client: Client::builder(TokioExecutor::new()).build(connector), challenge: None })
    }

    /// Asks for every document once.
    pub(super) async fn ask(&mut self, device: &HttpDevice, points: &Points<Place>) -> Result<Documents, NoSample> {
        let mut documents = Documents::default();
        let paths: BTreeSet<&String> = points.fields().map(|place| &place.document).collect();
        for path in paths {
            let answer = timeout(PATIENCE, self.document(device, path)).await;
            let late = || NoSample::Lost(format!("no answer within {} s", PATIENCE.as_secs()));
            documents.0.insert(path.clone(), answer.map_err(|_| late())??);
        }
        Ok(documents)
    }

    async fn document(&mut self, device: &HttpDevice, path: &str) -> Result<serde_json::Value, NoSample> {
        let unusable = |problem: String| NoSample::Unusable(format!("{path}: {problem}"));
        let mut response = self.request(device, path).await?;
        // Asked for the first time, or anew since the last answer has expired.
        if response.status() == StatusCode::UNAUTHORIZED && self.take_challenge(&device.login, &response) {
            response = self.request(device, path).await?;
        }
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED if matches!(device.login, Login::Nobody) => {
                let advice = "the device asks who you are: add `token_file`, or `user` and `password_file`";
                return Err(unusable(advice.into()));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                self.challenge = None;
                return Err(unusable("the device does not take this password or token".into()));
            }
            StatusCode::NOT_FOUND => {
                return Err(unusable("the device has no such page: is it the one that the template is of?".into()));
            }
            status => return Err(unusable(format!("expected 200 OK, found {status}"))),
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => unusable(format!("expected an answer of at most {ANSWER_BYTES_MAX} bytes, found more")),
            None => NoSample::Lost(innermost(&*error)),
        })?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| unusable(format!("expected JSON: {error}")))
    }

    async fn request(&mut self, device: &HttpDevice, path: &str) -> Result<Response<Incoming>, NoSample> {
        let unusable = |error: &dyn Error| NoSample::Unusable(format!("{path}: {error}"));
        let scheme = if device.tls.is_some() { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{}{path}", device.address).parse().map_err(|error| unusable(&error))?;
        let mut request = Request::get(uri).header(ACCEPT, "application/json");
        if let Some(authorization) = self.authorization(device, path)? {
            let mut authorization = HeaderValue::from_str(&authorization).map_err(|error| unusable(&error))?;
            authorization.set_sensitive(true);
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|error| unusable(&error))?;
        let lost = |error| NoSample::Lost(tls::why(&error).unwrap_or_else(|| innermost(&error)));
        self.client.request(request).await.map_err(lost)
    }

    /// Who asks, as far as it can be said before the device asks for it.
    fn authorization(&mut self, device: &HttpDevice, path: &str) -> Result<Option<Zeroizing<String>>, NoSample> {
        match (&device.login, &mut self.challenge) {
            (Login::Nobody, _) | (Login::Password { .. }, None) => Ok(None),
            (Login::Token(token), _) => Ok(Some(Zeroizing::new(format!("Bearer {}", **token)))),
            (Login::Password { user, password }, Some(challenge)) => {
                let user = user.as_deref().or(device.user.as_deref()).unwrap_or(USER);
                let answer = challenge.respond(&AuthContext::new(user, password.as_str(), path));
                let answer =
                    answer.map_err(|error| NoSample::Unusable(format!("{path}: the login failed: {error}")))?;
                Ok(Some(Zeroizing::new(answer.to_header_string())))
            }
        }
    }

    /// Keeps how the device wants a password to be proved; false where it says nothing that can be answered.
    fn take_challenge(&mut self, login: &Login, response: &Response<Incoming>) -> bool {
        let mut asked = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let has_password = matches!(login, Login::Password { .. });
        self.challenge = asked.find_map(|value| digest_auth::parse(value).ok()).filter(|_| has_password);
        self.challenge.is_some()
    }
}

fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
