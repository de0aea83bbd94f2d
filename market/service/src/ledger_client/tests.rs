//! A node that speaks TLS, wants a token, and has more members than fit a page.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::Listener,
};
use protocol::{
    api::{MEMBERS_PER_PAGE_MAX, MemberStatus, StandingOrder},
    envelope::Sealed,
    genesis::Rules,
    hash::Hash,
    key::{PublicKey, SecretKey},
    member::MemberId,
    money::Amount,
};
use serde::Deserialize;
use testkit::community::write_secret;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

const MEMBERS: usize = 2 * MEMBERS_PER_PAGE_MAX + 5;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.0.accept().await.unwrap();
            // Whoever does not trust the certificate comes again, or not.
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn status() -> Status {
    let next = interval();
    Status {
        island_quorum: None,
        log_key: None,
        witnesses: Vec::new(),
        reach: None,
        chain: Hash::ZERO,
        validator: None,
        validators: 1,
        height: 0,
        block: Hash::ZERO,
        state_root: Hash::ZERO,
        height_age_ms: None,
        settled: None,
        next,
        tie_seed: Hash::ZERO,
        settlements: 0,
        balances_sum: Amount::ZERO,
        clock_s: None,
        equivocations: 0,
    }
}

fn interval() -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
}

fn id_seed(number: usize, kind: u8) -> [u8; 32] {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    seed
}

fn rules() -> RulesInForce {
    RulesInForce {
        interval: interval(),
        from: interval(),
        rules: Rules::new("0.30".parse().unwrap(), "0.08".parse().unwrap(), "uniform"),
        grid: None,
        market: market_of(Hash::ZERO),
        decision_sequence: 0,
    }
}

fn market_of(chain: ChainId) -> PublicKey {
    SecretKey::from_seed(chain.as_bytes()).public()
}

fn member(number: usize) -> MemberStatus {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    MemberStatus {
        member: MemberId::from_bytes(id),
        balance: Amount::ZERO,
        debits: Amount::ZERO,
        credits: Amount::ZERO,
        key: SecretKey::from_seed(&id_seed(number, 8)).public(),
        device: Some(SecretKey::from_seed(&id_seed(number, 7)).public()),
        rated_power_w: 10_000,
        bus: None,
        technology: None,
        sequence: 0,
        reading: Hash::ZERO,
        read: interval(),
        import_wh: 0,
        export_wh: 0,
        committed: None,
        order: Some(StandingOrder { buy: None, sell: None, buy_cap: None, sell_cap: None }),
        order_sequence: 1,
        instruction_sequence: 0,
        quotas: Vec::new(),
    }
}

#[derive(Deserialize)]
struct Page {
    after: Option<String>,
    limit: usize,
}

async fn members(State(all): State<Arc<Vec<MemberStatus>>>, Query(page): Query<Page>) -> Json<Vec<MemberStatus>> {
    let after = page.after.map(|after| after.parse::<MemberId>().unwrap());
    let rest = all.iter().filter(|found| after.is_none_or(|after| found.member > after));
    Json(rest.take(page.limit).cloned().collect())
}

async fn with_token(request: Request, next: Next) -> Response {
    let expected = format!("Bearer {TOKEN}");
    match request.headers().get("authorization") {
        Some(found) if found.as_bytes() == expected.as_bytes() => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// The node's entry in a configuration.
async fn start(directory: &std::path::Path) -> LedgerNode {
    start_for(Hash::ZERO, directory).await
}

/// A node of some chain; each has another market.
async fn start_for(chain: ChainId, directory: &std::path::Path) -> LedgerNode {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().self_signed(&key).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).try_into().unwrap();
    let all = Arc::new((0..MEMBERS).map(member).collect::<Vec<_>>());
    let router = Router::new()
        .route("/v1/status", get(move || async move { Json(Status { chain, ..status() }) }))
        .route("/v1/members", get(members))
        .route("/v1/rules", get(move || async move { Json(RulesInForce { market: market_of(chain), ..rules() }) }))
        .route("/v1/settlements", get(|| async { Json(Vec::<Settled>::new()) }))
        .layer(from_fn(with_token))
        .with_state(all);
    let listener = Tls(listener, TlsAcceptor::from(Arc::new(tls)));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let file = |name: &str, text: &str| -> PathBuf {
        let path = directory.join(name);
        write_secret(&path, text);
        path
    };
    LedgerNode { url, ca: Some(file("ca.pem", &certificate.pem())), token: Some(file("token", TOKEN)) }
}

#[tokio::test]
async fn a_node_is_asked_over_tls_with_its_own_token_for_all_its_members() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path()).await;
    let client = |node: LedgerNode| LedgerClient::new(Hash::ZERO, &[node], MEMBERS).unwrap();
    let asked = client(node.clone());
    assert_eq!(asked.status(0).await.unwrap(), status());
    let snapshot = asked.snapshot(None, None).await.unwrap();
    assert_eq!((snapshot.orders.len(), snapshot.heads.len()), (MEMBERS, MEMBERS));

    let error = client(LedgerNode { token: None, ..node.clone() }).status(0).await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    let stranger = start(tempfile::tempdir().unwrap().path()).await;
    assert!(LedgerClient::new(Hash::ZERO, &[stranger], 1).is_err(), "its files are gone");
    let other = tempfile::tempdir().unwrap();
    let other = start(other.path()).await;
    let error = client(LedgerNode { ca: other.ca.clone(), ..node }).status(0).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_node_of_another_chain_is_not_believed_whatever_it_is_asked() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let found = Hash::of(b"another chain");
    let other = start_for(found, directories[0].path()).await;
    let ours = start(directories[1].path()).await;

    let alone = LedgerClient::new(Hash::ZERO, std::slice::from_ref(&other), 1).unwrap();
    let errors = [
        alone.rules().await.unwrap_err(),
        alone.snapshot(None, None).await.unwrap_err(),
        alone.settlements(interval(), 1).await.unwrap_err(),
        alone.receipts(interval()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, LedgerError::OtherChain { found: theirs, .. } if theirs == found), "{error}");
    }
    let both = LedgerClient::new(Hash::ZERO, &[other, ours], 1).unwrap();
    for _ in 0..20 {
        assert_eq!(both.rules().await.unwrap().market, market_of(Hash::ZERO));
    }
}

#[tokio::test]
async fn a_node_whose_members_have_no_end_is_named_and_asked_no_more() {
    let some = Arc::new(member(0));
    let endless = move |Query(page): Query<Page>| async move {
        let after = page.after.map_or(0, |after| u128::from_str_radix(&after, 16).unwrap());
        let ids = (after + 1..).take(page.limit).map(|id| MemberId::from_bytes(id.to_be_bytes()));
        Json(ids.map(|id| MemberStatus { member: id, ..(*some).clone() }).collect::<Vec<_>>())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).try_into().unwrap();
    let router = Router::new().route("/v1/status", get(|| async { Json(status()) })).route("/v1/members", get(endless));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let client = LedgerClient::new(Hash::ZERO, &[LedgerNode { url, ca: None, token: None }], 1).unwrap();
    let error = client.snapshot(None, None).await.unwrap_err().to_string();
    assert!(error.contains("no more members than a community may have, found more than 10000"), "{error}");
}

#[tokio::test]
async fn a_node_without_room_is_asked_again_and_one_that_refuses_for_good_is_not() {
    let asked = Arc::new(AtomicUsize::new(0));
    let refused =
        |refusal: &str| Submitted::Refused { transaction: Hash::ZERO, refusal: refusal.into(), detail: String::new() };
    let answers = [refused("pool_full"), Submitted::Pending { transaction: Hash::ZERO }, refused("order_too_late")];
    let (count, known) = (asked.clone(), answers.clone());
    let answer = move || async move { Json(known[count.fetch_add(1, Ordering::Relaxed)].clone()) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).try_into().unwrap();
    let router = Router::new().route("/v1/transactions", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let client = LedgerClient::new(Hash::ZERO, &[LedgerNode { url, ca: None, token: None }], 1).unwrap();
    let transaction = Transaction::PlaceOrder(Sealed::from(vec![0]));
    assert_eq!(client.hand_in(&transaction).await, answers[1]);
    assert_eq!(client.hand_in(&transaction).await, answers[2]);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}
