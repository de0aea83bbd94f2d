//! What stands between a market and its node: it passes on what is asked and what is answered, or not, as a test says.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use protocol::{api::Submitted, block::Transaction, cbor, hash::Hash, limits::TRANSACTION_BYTES_MAX};
use tokio::{net::TcpListener, sync::watch};

/// What becomes of calls, from the next transaction on. Before it, all is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All is passed on.
    Open,
    /// The node cannot be reached.
    Away,
    /// Nothing arrives, and nothing is answered.
    Deaf,
    /// All arrives, and nothing is answered.
    Mute,
    /// Transactions wait on their way, and whoever asks for anything else waits for the answer.
    Slow,
}

#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    node: SocketAddr,
    /// The mode, and whether a transaction has come since.
    mode: watch::Sender<(Mode, bool)>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    handed_in: Vec<(Hash, Bytes)>,
    answers: Vec<Submitted>,
}

impl Relay {
    pub(crate) async fn start(node: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Relay { address, node, mode: watch::Sender::new((Mode::Open, false)), seen: Arc::default() };
        let router = Router::new().fallback(pass).layer(DefaultBodyLimit::max(2 * TRANSACTION_BYTES_MAX));
        let router = router.with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        relay
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace((mode, false));
    }

    /// Every transaction that came here from the market, whatever became of it.
    pub(crate) fn handed_in(&self) -> Vec<(Hash, Bytes)> {
        self.seen.lock().unwrap().handed_in.clone()
    }

    /// What the node said to those that reached it, whether or not the market heard it.
    pub(crate) fn answers(&self) -> Vec<Submitted> {
        self.seen.lock().unwrap().answers.clone()
    }

    /// How calls are treated now.
    fn now(&self) -> Mode {
        let (mode, begun) = *self.mode.borrow();
        if begun { mode } else { Mode::Open }
    }

    async fn until_not(&self, mode: Mode) {
        self.mode.subscribe().wait_for(|(now, begun)| !begun || *now != mode).await.unwrap();
    }

    /// Asks the node, once the way is free, and remembers what it says to a transaction.
    async fn ask(self, method: Method, uri: Uri, body: Bytes) -> Response {
        if method == Method::POST {
            self.until_not(Mode::Slow).await;
        }
        let url = format!("http://{}{uri}", self.node);
        let request = reqwest::Client::new().request(method.clone(), url).body(body);
        let answer = request.header(header::CONTENT_TYPE.as_str(), "application/cbor").send().await.unwrap();
        let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
        if method == Method::POST {
            self.seen.lock().unwrap().answers.push(serde_json::from_slice(&bytes).unwrap());
        }
        (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
    }
}

async fn pass(State(relay): State<Relay>, method: Method, uri: Uri, body: Bytes) -> Response {
    if method == Method::POST {
        relay.mode.send_modify(|(_, begun)| *begun = true);
        let id = cbor::decode::<Transaction>(&body).unwrap().id();
        relay.seen.lock().unwrap().handed_in.push((id, body.clone()));
    }
    match relay.now() {
        Mode::Away => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mode::Deaf => pending().await,
        Mode::Open | Mode::Mute | Mode::Slow => {}
    }
    // It arrives also where the one who sent it no longer listens.
    let answer = tokio::spawn(relay.clone().ask(method, uri, body)).await.unwrap();
    match relay.now() {
        Mode::Mute => pending().await,
        _ => {
            relay.until_not(Mode::Slow).await;
            answer
        }
    }
}
