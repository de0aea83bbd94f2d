//! A node's API, served over a real socket as a configuration says, for the tests of who may ask it and how much.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ledger_node::{api, node::Ledger};
use protocol::hash::Hash;
use reqwest::{Method, StatusCode, header::HeaderMap};
use tokio::net::TcpListener;

use crate::support::{Community, ledger_of};

/// Only ends tests that hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A token by name: long enough, and another one for each name.
pub(crate) fn token(name: &str) -> String {
    Hash::of(name.as_bytes()).to_string()
}

/// What a configuration says of it.
pub(crate) fn digest(name: &str) -> String {
    Hash::of(token(name).as_bytes()).to_string()
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
}

/// Status, head, and the body as JSON; null where it is none.
pub(crate) type Answer = (StatusCode, HeaderMap, serde_json::Value);

impl Served {
    /// The API of a ledger with a settled interval.
    pub(crate) async fn start(settings: api::Settings) -> Served {
        let mut community = Community::new(4, 4);
        let (store, _) = ledger_of(&mut community, 1, || {});
        let (ledger, _) = Ledger::open(community.genesis.clone(), Arc::new(store), None).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Arc::new(ledger);
        let access = settings.open(address).unwrap();
        tokio::spawn(api::serve(listener, ledger.clone(), u64::MAX, access, std::future::pending()));
        Served { address, ledger }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks without a token, on a connection of its own.
    pub(crate) async fn ask(&self, from: IpAddr, path: &str) -> Answer {
        self.call(&client(from), Method::GET, path, None).await
    }

    pub(crate) async fn call(
        &self,
        client: &reqwest::Client,
        method: Method,
        path: &str,
        token: Option<&str>,
    ) -> Answer {
        let mut request = client.request(method, self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        (status, headers, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// How often something was refused by this name.
    pub(crate) fn count(&self, refusal: &str) -> u64 {
        let metrics = self.ledger.metrics_text().unwrap();
        let line = format!("voisin_ledger_api_refusals_total{{refusal=\"{refusal}\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until something is refused by this name.
    pub(crate) async fn until_refused(&self, refusal: &str) {
        let counted = async {
            while self.count(refusal) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("nothing is refused as {refusal}"));
    }
}

/// A client with an address of its own: all of 127.0.0.0/8 is this machine.
pub(crate) fn client(from: IpAddr) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().local_address(from).build().unwrap()
}

/// Asserts that an answer is a refusal by this name.
pub(crate) fn assert_refused(answer: &Answer, status: u16, refusal: &str) {
    let (found, _, body) = answer;
    assert_eq!((found.as_u16(), body["refusal"].as_str()), (status, Some(refusal)), "{body}");
    assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
}
