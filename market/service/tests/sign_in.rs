//! Who may look at the console: over real sockets and real TLS, and in a real browser.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "support/neighbourhood.rs"]
#[allow(dead_code, reason = "this file uses its own part of it")]
mod neighbourhood;
#[path = "support/console.rs"]
mod served;
#[path = "support/small.rs"]
#[allow(dead_code, reason = "this file uses its own part of it")]
mod small;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use market_service::console::Board;
use protocol::hash::Hash;
use public_http::{Access, Tls, Tokens};
use reqwest::{Client, StatusCode, header, redirect::Policy};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use serde_json::json;
use served::Console;
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    page::{DESKTOP, LIVE, PHONE, click, text},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

fn tokens() -> Tokens {
    let digest = |token: &str| vec![Hash::of(token.as_bytes()).to_string()];
    Tokens { read: digest("reader's"), metrics: digest("scraper's"), ..Tokens::default() }
}

fn access(tls: Option<&Tls>) -> Access {
    Access::open("console", ([127, 0, 0, 1], 0).into(), tls, &tokens()).unwrap()
}

async fn console() -> Console {
    Console::serve_for("127.0.0.1:0", Board::new(neighbourhood::community()), access(None)).await
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

#[tokio::test]
async fn each_token_opens_what_it_is_for_and_nothing_else() {
    let console = console().await;
    let client = client();
    let status = async |path: &str, token: Option<&str>| {
        let request = client.get(format!("{}{path}", console.root));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    for path in [
        "/api/v1/state",
        "/api/v1/health",
        "/api/v1/households",
        "/api/v1/events",
        "/api/openapi.json",
        "/api/docs/",
        "/assets/console.js",
        "/",
    ] {
        assert_eq!(status(path, None).await, 401, "{path}");
        assert_eq!(status(path, Some("somebody else's")).await, 401, "{path}");
        assert_eq!(status(path, Some("scraper's")).await, 403, "{path}");
        assert_eq!(status(path, Some("reader's")).await, 200, "{path}");
    }
    for (token, expected) in [(None, 401), (Some("reader's"), 200), (Some("scraper's"), 200), (Some(""), 401)] {
        assert_eq!(status("/metrics", token).await, expected, "{token:?}");
    }
    for path in [
        "/sign-in",
        "/assets/console.css",
        "/assets/icon.svg",
        "/assets/language.js",
        "/assets/sign-in.js",
        "/assets/words.js",
        "/favicon.ico",
    ] {
        assert_eq!(status(path, None).await, 200, "{path}");
    }
    let refused = client.get(format!("{}/api/v1/state", console.root)).send().await.unwrap();
    assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"voisin-market\"");
    let said: serde_json::Value = refused.json().await.unwrap();
    let error = "expected a token (`Authorization: Bearer TOKEN`) of the role `read`, found none";
    assert_eq!(said, json!({ "error": error }));
}

#[tokio::test]
async fn who_signs_in_has_a_cookie_and_who_signs_out_has_none() {
    let console = console().await;
    let client = client();
    let at = |path: &str| format!("{}{path}", console.root);
    let opened = client.get(at("/")).header(header::ACCEPT, "text/html,*/*").send().await.unwrap();
    assert_eq!(
        (opened.status(), &opened.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/sign-in".parse().unwrap())
    );
    let post = |form: &'static str| {
        client.post(at("/sign-in")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
    };
    for (form, status, said) in [
        ("", 400, "Enter a token"),
        ("token=", 400, "Enter a token"),
        ("token=a&token=b", 400, "Enter a token"),
        ("key=a", 400, "Enter a token"),
        ("token=somebody%20else%27s", 401, "not known here"),
        ("token=scraper%27s", 403, "for the counters alone"),
    ] {
        let answer = post(form).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{said}");
        assert!(!answer.headers().contains_key(header::SET_COOKIE));
        let page = answer.text().await.unwrap();
        assert!(page.contains(said) && !page.contains("else"), "{page}");
    }
    let long = format!("token={}", "a".repeat(5_000));
    assert_eq!(client.post(at("/sign-in")).body(long).send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);

    let signed_in = post("token=+reader%27s%0A").send().await.unwrap();
    assert_eq!(
        (signed_in.status(), &signed_in.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().unwrap())
    );
    let set = signed_in.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let (cookie, rest) = set.split_once("; ").unwrap();
    assert_eq!(rest, "Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax");
    let status = async |path: &str, cookie: String| {
        client.get(at(path)).header(header::COOKIE, cookie).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("/api/v1/state", cookie.to_owned()).await, 200);
    assert_eq!(status("/api/v1/state", format!("theme=dark; {cookie}")).await, 200);
    assert_eq!(status("/sign-in", cookie.to_owned()).await, 303, "who is in already is sent on");
    assert_eq!(status("/api/v1/state", cookie.replace('=', "=00")).await, 401);
    assert_eq!(status("/api/v1/state", cookie.replace("__Host-", "")).await, 401);

    let signed_out = client.post(at("/sign-out")).send().await.unwrap();
    let set = signed_out.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-voisin=; Path=/; Max-Age=0"), "{set}");
}

#[tokio::test]
async fn over_tls_it_is_asked_by_https_alone() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let write = |name: &str, pem: String| {
        let path = directory.path().join(name);
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let tls = Tls {
        certificate_chain: write("console.pem", certified.cert.pem()),
        private_key: write("console.key", certified.key_pair.serialize_pem()),
    };
    let board = Board::new(neighbourhood::community());
    let console = Console::serve_for("127.0.0.1:0", board, access(Some(&tls))).await;
    assert!(console.root.starts_with("https://"));
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = console.root.trim_start_matches("https://");
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let head =
        "GET /api/v1/community HTTP/1.1\r\nhost: any.name\r\nauthorization: Bearer reader's\r\nconnection: close";
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"sign_in\":true"), "{answer}");
    let plain = console.root.replace("https://", "http://");
    let refused = reqwest::get(format!("{plain}/sign-in")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refused.text().await.unwrap(), "expected https, found plain http; ask at https://\n");
}

/// Submits a token to the page that asks for it, once it is there whole.
fn submit(chromium: &mut Chromium, token: &str) {
    chromium.wait_for("document.readyState === 'complete' && location.pathname === '/sign-in'", true);
    let enter = format!("document.getElementById('token').value = `{token}`");
    chromium.eval(&format!("{enter}; document.forms[0].requestSubmit(); true"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn a_person_signs_in_and_out_in_a_browser() {
    let mut chromium = Chromium::start();
    let axe = Axe::installed(env!("CARGO_TARGET_TMPDIR"));
    let console = console().await;
    // Beside the other results of the build, where a person finds them.
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sign-in");
    fs::create_dir_all(&pictures).unwrap();
    for (name, screen) in [
        ("desktop-light", DESKTOP),
        ("desktop-dark", Screen { dark: true, ..DESKTOP }),
        ("phone-light", PHONE),
        ("phone-dark", Screen { dark: true, ..PHONE }),
    ] {
        chromium.open(&console.root, screen);
        chromium.wait_for("document.readyState === 'complete' && location.pathname === '/sign-in'", true);
        chromium.wait_for("document.title", "Sign in – Voisin market");
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        submit(&mut chromium, "somebody else's");
        chromium.wait_for(
            "String(document.querySelector('.alarm')?.textContent.startsWith('This token is not known'))",
            "true",
        );
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.picture(&pictures.join(format!("{name}.png")));
        submit(&mut chromium, "reader's");
        // The page before this one has no state to ask for.
        chromium.wait_for("document.readyState === 'complete' && location.pathname === '/'", true);
        chromium.wait_for(LIVE, "Starting");
        chromium.wait_for(&text("community"), "Semiurb 4");
        chromium.wait_for("String(document.getElementById('sign-out').hidden)", "false");
        // Whose token counts no longer is sent to sign in, by the history too.
        chromium.open(&format!("{}/history", console.root), screen);
        let without = "document.getElementById('said')?.textContent.includes('this console has no ledger behind it')";
        chromium.wait_for(without, true);
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{name}");
        chromium.eval("fetch('/sign-out', {method: 'POST', redirect: 'manual'}).then(() => { document.getElementById('date').value = '2026-06-01'; document.getElementById('after').click(); })");
        chromium.wait_for("location.pathname", "/sign-in");
        submit(&mut chromium, "reader's");
        chromium.wait_for("document.readyState === 'complete' && location.pathname === '/'", true);
        chromium.wait_for("String(document.getElementById('sign-out').hidden)", "false");
        chromium.eval(&click("#sign-out button"));
        chromium.wait_for("location.pathname", "/sign-in");
    }

    // In German, with what the market answers; and after signing in, too.
    for (code, title, refused) in [
        ("de", "Anmelden – Voisin-Markt", "Dieser Token ist hier nicht bekannt."),
        ("fr", "Se connecter – Marché Voisin", "Ce jeton n’est pas connu ici."),
    ] {
        chromium.open(&format!("{}/sign-in", console.root), PHONE);
        let choice = "document.getElementById('language')";
        chromium.wait_for(&format!("{choice}?.length"), 3);
        chromium.eval(&format!("{choice}.value = '{code}'; {choice}.dispatchEvent(new Event('change')); true"));
        chromium.wait_for("document.title", title);
        submit(&mut chromium, "x");
        chromium.wait_for(&format!("document.querySelector('.alarm')?.textContent.startsWith('{refused}')"), true);
        assert_eq!(axe.faults(&mut chromium), Vec::<String>::new(), "{code}");
        chromium.picture(&pictures.join(format!("{code}-phone.png")));
    }
}
