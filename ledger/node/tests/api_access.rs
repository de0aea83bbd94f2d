//! Who may ask a node, over real sockets and real TLS.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod served;
mod support;

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use ledger_client::{
    Client,
    api::{ApiError, Node},
};
use ledger_node::api::Settings;
use protocol::{api::Status, member::MemberId, refusal::CallRefusal};
use public_http::{Tls, Tokens};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, WWW_AUTHENTICATE},
};
use served::{Answer, PATIENCE, Served, assert_refused, client, digest, token};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One token for each role, named after it.
fn tokens() -> Tokens {
    Tokens {
        read: vec![digest("read")],
        submit: vec![digest("submit")],
        metrics: vec![digest("metrics")],
        authority: vec![digest("authority")],
    }
}

/// Every documented call, and the tokens that are good for it; an open one needs none.
const CALLS: [(Method, &str, &[&str]); 29] = [
    (Method::POST, "/v1/transactions", &["submit"]),
    (Method::GET, "/v1/status", &["read", "submit"]),
    (Method::GET, "/v1/health", &["open"]),
    (Method::GET, "/v1/validators", &["read", "submit"]),
    (Method::GET, "/v1/blocks/{height}", &["read", "submit"]),
    (Method::GET, "/v1/members", &["read", "submit"]),
    (Method::GET, "/v1/members/{member}/statement", &["read", "submit"]),
    (Method::GET, "/v1/members/{member}/registration", &["read", "submit"]),
    (Method::GET, "/v1/members/{member}/standby", &["read", "submit"]),
    (Method::GET, "/v1/situation", &["authority", "read", "submit"]),
    (Method::GET, "/v1/situation/alert", &["authority", "read", "submit"]),
    (Method::GET, "/v1/members/{member}/accesses", &["read", "submit"]),
    (Method::GET, "/v1/community", &["read", "submit"]),
    (Method::GET, "/v1/sums", &["read", "submit"]),
    (Method::GET, "/v1/settlements", &["read", "submit"]),
    (Method::GET, "/v1/settlements/{start}/receipts", &["read", "submit"]),
    (Method::GET, "/v1/settlements/{start}/corrections", &["read", "submit"]),
    (Method::GET, "/v1/settlements/{start}/inputs", &["read", "submit"]),
    (Method::GET, "/v1/certificates", &["read", "submit"]),
    (Method::GET, "/v1/retirements/{start}/{device}/{number}", &["read", "submit"]),
    (Method::GET, "/v1/rules", &["read", "submit"]),
    (Method::GET, "/v1/decisions", &["read", "submit"]),
    (Method::GET, "/v1/drafts", &["read", "submit"]),
    (Method::POST, "/v1/withdrawals", &["submit"]),
    (Method::GET, "/v1/log/checkpoint", &["read", "submit"]),
    (Method::GET, "/v1/log/proof/{height}", &["read", "submit"]),
    (Method::GET, "/v1/log/consistency", &["read", "submit"]),
    (Method::GET, "/v1/log/tile/{*tile}", &["read", "submit"]),
    (Method::GET, "/metrics", &["metrics"]),
];

fn assert_challenged(headers: &HeaderMap, expected: &str) {
    let challenge = headers[WWW_AUTHENTICATE].to_str().unwrap();
    assert_eq!(challenge, format!("Bearer realm=\"voisin-ledger\"{expected}"));
}

#[tokio::test]
async fn each_role_may_make_its_calls_and_no_others() {
    let node = Served::start(Settings { tokens: tokens(), ..Settings::default() }).await;
    let http = client(HERE);
    let nobody = MemberId::from_bytes([0; 16]).to_string();
    let (mut missing, mut unknown, mut insufficient) = (0, 0, 0);
    for (method, template, good) in CALLS {
        let path = template.replace("{height}", "1").replace("{member}", &nobody);
        let path = path.replace("{start}", "2026-06-01T12:00:00Z");
        let open = good == ["open"];
        let granted = |(status, _, body): &Answer, who: &str| {
            let refused = status.is_server_error() || [401, 403, 429].contains(&status.as_u16());
            assert!(!refused, "{method} {path} as {who}: {status} {body}");
        };
        let answer = node.call(&http, method.clone(), &path, None).await;
        if open {
            granted(&answer, "nobody");
        } else {
            missing += 1;
            assert_refused(&answer, 401, "token_missing");
            assert_challenged(&answer.1, "");
        }
        let answer = node.call(&http, method.clone(), &path, Some(&token("stranger"))).await;
        if open {
            granted(&answer, "a stranger");
        } else {
            unknown += 1;
            assert_refused(&answer, 401, "token_unknown");
            assert_challenged(&answer.1, ", error=\"invalid_token\"");
            assert!(!answer.2.to_string().contains(&token("stranger")), "a token is repeated: {}", answer.2);
        }
        for role in ["read", "submit", "metrics", "authority"] {
            let answer = node.call(&http, method.clone(), &path, Some(&token(role))).await;
            if open || good.contains(&role) {
                granted(&answer, role);
            } else {
                insufficient += 1;
                assert_refused(&answer, 403, "role_insufficient");
                assert_challenged(&answer.1, &format!(", error=\"insufficient_scope\", scope=\"{}\"", good[0]));
            }
        }
    }
    let counted = ["token_missing", "token_unknown", "role_insufficient"].map(|name| node.count(name));
    assert_eq!(counted, [missing, unknown, insufficient]);
    assert!(counted.iter().all(|count| *count > 0));

    let (status, _, document) = node.call(&http, Method::GET, "/openapi.json", None).await;
    assert_eq!(status, StatusCode::OK);
    let mut documented = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            documented.push((method.to_uppercase(), path.clone()));
            let call =
                CALLS.iter().find(|(known, template, _)| known.as_str() == method.to_uppercase() && template == path);
            let (_, _, good) = call.unwrap_or_else(|| panic!("{method} {path} is not in the table above"));
            let answers = operation["responses"].as_object().unwrap();
            let described = ["401", "403", "429"].map(|status| answers.contains_key(status));
            let guarded = *good != ["open"];
            assert_eq!(described, [guarded, guarded, true], "{method} {path}");
            let role = &operation["security"][0]["token"][0];
            assert_eq!(role.as_str(), guarded.then_some(good[0]), "{method} {path}");
        }
    }
    assert_eq!(documented.len(), CALLS.len());
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    assert!(document["components"]["schemas"]["Problem"]["properties"]["refusal"].is_object());
}

#[tokio::test]
async fn a_public_page_is_for_everyone_and_shows_of_nobody_what_they_consume() {
    let closed = Served::start(Settings { tokens: tokens(), ..Settings::default() }).await;
    let public = Served::start(Settings { tokens: tokens(), public: true, ..Settings::default() }).await;
    let start = "2026-06-01T12:00:00Z";
    let page = ["/", "/favicon.ico", "/v1/community", "/v1/sums", "/v1/decisions", "/v1/status"];
    let member = public.ledger.members(None, 1)[0].member.to_string();
    for path in page.into_iter().chain(["/v1/validators", "/v1/blocks/1", "/certificate"]) {
        assert_refused(&closed.ask(HERE, path).await, 401, "token_missing");
        let answer = reqwest::get(public.url(path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(!answer.text().await.unwrap().contains(&member), "{path} names a member");
    }
    // What is inside the program says nothing of the ledger.
    assert_eq!(closed.ask(HERE, "/assets/page.js").await.0, StatusCode::OK);
    // Certificates that nobody has claimed are as those that there are not: who holds them says who consumed what.
    let held = public.ledger.certificates(None, public.ledger.genesis().first_interval, 1).remove(0).portion;
    for number in [held.first, 1_000_000] {
        let path = format!("/v1/retirements/{start}/{}/{number}", held.device);
        assert_refused(&closed.ask(HERE, &path).await, 401, "token_missing");
        let answer = reqwest::get(public.url(&path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text().await.unwrap().contains("nobody has claimed it yet"), "{path}");
    }
    let rest =
        ["/v1/members", "/v1/settlements", "/v1/rules", "/v1/drafts", "/v1/certificates", "/metrics", "/v1/nothing"];
    let inputs = format!("/v1/settlements/{start}/inputs");
    for path in rest.into_iter().chain([inputs.as_str()]) {
        assert_refused(&public.ask(HERE, path).await, 401, "token_missing");
    }
    let posted = public.call(&client(HERE), Method::POST, "/", None).await;
    assert_refused(&posted, 401, "token_missing");
}

#[tokio::test]
async fn what_is_not_there_is_not_told_to_strangers() {
    let node = Served::start(Settings { tokens: tokens(), ..Settings::default() }).await;
    let http = client(HERE);
    for path in ["/v1/nothing", "/", "/docs/../v1/status", "/v1//status", "/V1/STATUS", "/%76%31/status"] {
        // A URL library would tidy these up before asking.
        let answer = raw(&node, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        let nothing_told = answer.starts_with("HTTP/1.1 401") || answer.starts_with("HTTP/1.1 404");
        assert!(nothing_told && !answer.contains("state_root"), "{path}: {answer}");
    }
    assert_refused(&node.call(&http, Method::GET, "/v1/nothing", Some(&token("read"))).await, 404, "not_found");
    let other = node.call(&http, Method::DELETE, "/v1/status", Some(&token("submit"))).await;
    assert_refused(&other, 405, "method_not_allowed");
    for value in ["Basic cmVhZDpyZWFk", "Bearer", "Bearer ", "bearerx", ""] {
        let answer = http.get(node.url("/v1/status")).header("authorization", value).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{value}");
    }
    let shouted = format!("BEARER {}", token("read"));
    let answer = http.get(node.url("/v1/status")).header("authorization", shouted).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "a scheme has no case");
}

async fn raw(node: &Served, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An authority and what it signed, as files.
struct Authority {
    directory: PathBuf,
    ca: PathBuf,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let ca = directory.join(format!("{name}.pem"));
        std::fs::write(&ca, certificate.pem()).unwrap();
        Authority { directory: directory.into(), ca, key, certificate }
    }

    /// Certificate and key of a node at `host`, valid until the end of `year`.
    fn sign(&self, host: &str, year: i32) -> Tls {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        let file = |end: &str| self.directory.join(format!("{host}-{year}-{end}.pem"));
        let tls = Tls { certificate_chain: file("chain"), private_key: file("key") };
        std::fs::write(&tls.certificate_chain, certificate.pem()).unwrap();
        support::write_secret(&tls.private_key, &key.serialize_pem());
        tls
    }
}

#[tokio::test]
async fn over_tls_a_node_proves_itself_and_so_does_who_asks() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(directory.path(), "ca"), Authority::new(directory.path(), "other"));
    let file = directory.path().join("read.token");
    support::write_secret(&file, &(token("read") + "\n"));
    let serve = async |tls| {
        let node = Served::start(Settings { tls: Some(tls), tokens: tokens(), ..Settings::default() }).await;
        let url = format!("https://{}", node.address);
        (node, url)
    };
    let (node, url) = serve(authority.sign("127.0.0.1", 2999)).await;
    let ask = async |url: &str, ca: &Path, token: Option<&Path>| {
        Node::new(Client::new(url, Some(ca), token).unwrap(), PATIENCE).status().await
    };
    let told = ask(&url, &authority.ca, Some(&file)).await.unwrap();
    assert_eq!(told.state_root, node.ledger.status().state_root);
    let refused = ask(&url, &authority.ca, None).await;
    assert!(matches!(refused, Err(ApiError::Refused { status: StatusCode::UNAUTHORIZED, .. })), "{refused:?}");

    let error = ask(&url, &stranger.ca, Some(&file)).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
    node.until_refused("handshake_failed").await;
    // Plain HTTP is told what is spoken here, and no more.
    assert_refused(&node.call(&client(HERE), Method::GET, "/v1/health", None).await, 400, "tls_expected");
    assert_eq!(node.count("tls_expected"), 1);

    for (tls, reason) in
        [(authority.sign("127.0.0.1", 2021), "xpired"), (authority.sign("127.0.0.9", 2999), "NotValid")]
    {
        let (_node, url) = serve(tls).await;
        let error = ask(&url, &authority.ca, Some(&file)).await.unwrap_err().to_string();
        assert!(error.contains(reason) || error.contains("not valid for name"), "{error}");
    }

    let status = async |ca: &Path, file: &Path| {
        let (url, ca, file) = (url.clone(), ca.to_owned(), file.to_owned());
        let run =
            move || ledger(&["status", "--url", &url, "--ca", ca.to_str().unwrap(), "--token", file.to_str().unwrap()]);
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let output = status(&authority.ca, &file).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(serde_json::from_slice::<Status>(&output.stdout).unwrap().state_root, told.state_root);
    std::fs::write(&file, token("stranger")).unwrap();
    assert_bad_input(&status(&authority.ca, &file).await, "token_unknown");
    assert_bad_input(&status(&stranger.ca, &file).await, "expected a node at https://127.0.0.1:");
}

fn ledger(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ledger")).args(arguments).output().unwrap()
}

/// One line, and exit code 2.
fn assert_bad_input(output: &Output, expected: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{error}\nexpected: {expected}");
}

#[test]
fn a_configuration_that_opens_too_much_or_cannot_be_served_is_bad_input() {
    let directory = tempfile::tempdir().unwrap();
    let community = support::Community::new(4, 4);
    std::fs::write(directory.path().join("genesis.json"), serde_json::to_string(&community.genesis).unwrap()).unwrap();
    support::write_secret(&directory.path().join("network.key"), &"7".repeat(64));
    let authority = Authority::new(directory.path(), "ca");
    let (one, other) = (authority.sign("a.example", 2999), authority.sign("b.example", 2999));
    let tls = |certificate: &Path, key: &Path| {
        format!("[api_tls]\ncertificate_chain = {certificate:?}\nprivate_key = {key:?}\n")
    };
    let (chain, key) = (&authority.ca, &other.private_key);
    let good = tls(&other.certificate_chain, key);
    let no_key = directory.path().join("no-key.pem");
    support::write_secret(&no_key, &std::fs::read_to_string(chain).unwrap());
    let open = directory.path().join("open.pem");
    std::fs::copy(key, &open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o640)).unwrap();
    let tokens = format!("[api_tokens]\nread = [\"{}\"]\n", digest("read"));
    for (api, rest, expected) in [
        ("0.0.0.0:26000", tokens.clone(), "0.0.0.0:26000 can be reached from other machines, which needs TLS"),
        ("[::]:26000", good.clone(), "[::]:26000 can be reached from other machines, which needs tokens"),
        ("127.0.0.1:0", format!("[api_tokens]\nread = [\"{}\"]\n", "secret"), "expected the SHA-256 of a token"),
        ("127.0.0.1:0", "[api_tokens]\nwrite = []\n".into(), "unknown field `write`"),
        (
            "127.0.0.1:0",
            "[api_limits]\nconnections_max = 0\n".into(),
            "`connections_max`: expected at least 1, found 0",
        ),
        ("127.0.0.1:0", "[api_limits]\nrequests_max = 7\n".into(), "unknown field `requests_max`"),
        ("127.0.0.1:0", tls(Path::new("gone.pem"), key), "gone.pem: No such file"),
        ("127.0.0.1:0", tls(key, key), "expected certificates in PEM, found none"),
        ("127.0.0.1:0", tls(chain, &no_key), "expected a private key in PEM"),
        ("127.0.0.1:0", tls(chain, Path::new("gone.pem")), "gone.pem: No such file"),
        (
            "127.0.0.1:0",
            tls(&other.certificate_chain, &open),
            "open.pem: expected that nobody but its owner may read or write it, found mode 0640; chmod 600 it",
        ),
        ("127.0.0.1:0", tls(&one.certificate_chain, key), "KeyMismatch"),
    ] {
        let config = directory.path().join("validator.toml");
        let text = format!(
            "genesis = \"genesis.json\"\nnetwork_key = \"network.key\"\nstate = \"state\"\nname = \"n\"\n\
             listen = \"/ip4/127.0.0.1/tcp/0\"\npeers = []\n\
             gossip_listen = \"/ip4/127.0.0.1/tcp/0\"\ngossip_peers = []\napi = \"{api}\"\n{rest}"
        );
        std::fs::write(&config, text).unwrap();
        assert_bad_input(&ledger(&["serve", "--config", config.to_str().unwrap()]), expected);
    }
}

#[test]
fn every_refusal_is_met_by_a_test() {
    let tests = [include_str!("api_access.rs"), include_str!("api_limits.rs")].concat();
    for name in CallRefusal::ALL {
        assert!(tests.contains(&format!("\"{name}\"")), "no test is refused as {name}");
    }
}

#[tokio::test]
async fn a_stopped_api_finishes_what_it_was_asked_and_takes_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path(), "ca");
    let mut community = support::Community::new(4, 4);
    let (store, _) = support::ledger_of(&mut community, 1, || {});
    let (ledger, _) =
        ledger_node::node::Ledger::open(community.genesis.clone(), std::sync::Arc::new(store), None).unwrap();
    let ledger = std::sync::Arc::new(ledger);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { tls: Some(authority.sign("127.0.0.1", 2999)), ..Settings::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let access = settings.open(address).unwrap();
    let stopped = async { drop(stopped.await) };
    let serving = tokio::spawn(ledger_node::api::serve(listener, ledger.clone(), u64::MAX, access, stopped));
    let client = Client::new(&format!("https://{address}"), Some(&authority.ca), None).unwrap();
    let asks = Node::new(client, PATIENCE);
    asks.status().await.unwrap();
    // It waits for an interval that is never settled, while the API stops.
    let waiting = asks.clone();
    let never = "2027-06-01T12:00:00Z/PT15M".parse().unwrap();
    let asked = tokio::spawn(async move { waiting.wait_settlements(never, 1, Duration::from_millis(300)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    // Asked before or after: an answer, or nobody there.
    let answer = asked.await.unwrap();
    assert!(matches!(answer, Ok(_) | Err(ApiError::Unanswered(_))), "{answer:?}");
    assert!(matches!(asks.status().await, Err(ApiError::Unanswered(_))));
    assert_eq!(std::sync::Arc::strong_count(&ledger), 1, "a connection still holds the ledger");
}
