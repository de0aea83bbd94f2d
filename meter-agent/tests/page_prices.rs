//! Prices that are changed on the page: by the real program, from this page and with the PIN, and by nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{Home, Market, PATIENCE, interval};
use testkit::mosquitto::Mosquitto;

/// The real program, killed when it is dropped.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(home: &Home) -> Program {
        let said = home.path("state/status.addr");
        let _ = fs::remove_file(&said);
        let child = meter_agent(home, &["run"]).spawn().unwrap();
        let began = Instant::now();
        let address = loop {
            match fs::read_to_string(&said) {
                Ok(address) if address.ends_with('\n') => break address.trim_end().to_owned(),
                _ => assert!(began.elapsed() < PATIENCE, "no page"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        Program { child, address }
    }

    /// Asks, and returns the status, the head and the body of the answer.
    fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> String {
        let (status, _, body) =
            self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What the agent says of what was chosen.
    fn chosen(&self) -> Value {
        serde_json::from_str::<Value>(&self.get("/status")).unwrap()["chosen"].clone()
    }

    /// The token of the form that posts to `path`, on a page.
    fn token(&self, page: &str, path: &str) -> String {
        let body = self.get(page);
        let form = body.split_once(&format!("action=\"{path}\"")).expect(&body).1;
        let token = form.split_once("name=\"token\" value=\"").unwrap().1;
        token.split_once('"').unwrap().0.to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn meter_agent(home: &Home, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
    command.args(args).arg("--config").arg(home.path("agent.toml"));
    command
}

fn says(home: &Home, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = meter_agent(home, args).output().unwrap();
    assert!(status.success(), "{args:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Has a PIN drawn.
fn drawn(home: &Home) -> String {
    let said = says(home, &["pin", "--draw"]);
    let pin = said.strip_prefix("The PIN is ").and_then(|rest| rest.split_once('.')).expect(&said).0;
    assert_eq!(pin.len(), 8);
    pin.to_owned()
}

/// What a browser posts.
struct Post {
    path: &'static str,
    origin: String,
    content_type: &'static str,
    more: &'static str,
    body: String,
}

const FORM: &str = "application/x-www-form-urlencoded";
/// A question, what it would set, and where.
const QUESTION: &str = "strategy=fixed&buy=0.25&sell=0%2C11&buy_cap_wh=&sell_cap_wh=1500";
const SET: &str = "/prices/set";
const TAKE_BACK: &str = "/prices/take-back";

impl Post {
    fn new(program: &Program, path: &'static str, body: String) -> Post {
        Post { path, origin: format!("http://{}", program.address), content_type: FORM, more: "", body }
    }

    /// The form for the question, as the page that was just served has it.
    fn set(program: &Program, pin: &str) -> Post {
        let token = program.token(&format!("/prices?{QUESTION}"), SET);
        Post::new(program, SET, format!("{QUESTION}&pin={pin}&token={token}"))
    }

    fn send(&self, program: &Program) -> (u16, String, String) {
        let Post { path, origin, content_type, more, body } = self;
        program.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\ncontent-type: {content_type}\r\n{more}\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            program.address,
            body.len()
        ))
    }

    #[track_caller]
    fn is_refused(&self, program: &Program, status: u16, name: &str) {
        let (found, head, body) = self.send(program);
        assert_eq!(found, status, "{name}: {head}\n{body}");
        assert!(body.contains(name), "{name}: {body}");
        assert!(!body.contains("pin=") && !head.contains("location:"), "{body}");
    }

    #[track_caller]
    fn is_taken(&self, program: &Program) {
        let (status, head, body) = self.send(program);
        assert_eq!(status, 303, "{head}\n{body}");
        assert!(head.contains("location: /prices"), "{head}");
    }
}

#[test]
fn nothing_but_this_page_with_the_pin_sets_prices_and_what_is_set_survives_a_kill() {
    let home = Home::new(1, &[(300, 100)]);
    let program = Program::start(&home);
    let kept = home.path("state/order.toml");
    let without = program.get(&format!("/prices?{QUESTION}"));
    assert!(!without.contains("<form") && without.contains("meter-agent pin"), "{without}");
    let pin = drawn(&home);
    let file = fs::read_to_string(home.path("state/page.pin")).unwrap();
    assert!(!file.contains(&pin), "{file}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(home.path("state/page.pin")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    // Each refusal by its name, and nothing changes.
    let good = || Post::set(&program, &pin);
    let bad = |change: &dyn Fn(Post) -> Post, status, name| {
        change(good()).is_refused(&program, status, name);
        assert_eq!(program.chosen(), Value::Null, "{name}");
        assert!(!kept.exists(), "{name}");
    };
    for origin in ["http://evil.example", "null", "http://localhost:8787"] {
        bad(&|post| Post { origin: origin.into(), ..post }, 403, "ForeignOrigin");
    }
    bad(&|post| Post { more: "sec-fetch-site: cross-site\r\n", ..post }, 403, "ForeignOrigin");
    bad(&|post| Post { content_type: "text/plain", ..post }, 415, "NotAForm");
    bad(&|post| Post { content_type: "application/json", ..post }, 415, "NotAForm");
    bad(&|post| Post { body: format!("{}&pin=again", post.body), ..post }, 415, "NotAForm");
    bad(&|post| Post { body: format!("{}&more={}", post.body, "x".repeat(5_000)), ..post }, 413, "at most 4096 bytes");
    let with =
        |from: &'static str, to: &'static str| move |post: Post| Post { body: post.body.replacen(from, to, 1), ..post };
    bad(&with("strategy=fixed", "strategy=zi_c"), 422, "UnknownStrategy");
    bad(&with("buy=0.25", "buy=cheap"), 422, "NotAPrice");
    bad(&with("sell_cap_wh=1500", "sell_cap_wh=-1"), 422, "NotWattHours");
    bad(&with("token=", "tokn="), 409, "OldPage");
    bad(&with("buy=0.25", "buy=0.26"), 409, "OldPage");
    bad(&|post| Post { path: TAKE_BACK, ..post }, 409, "OldPage");
    bad(&|post| Post { body: post.body.replace(&pin, "00000000"), ..post }, 403, "WrongPin");
    bad(&|post| Post { body: post.body.replace(&pin, ""), ..post }, 403, "WrongPin");
    // What only looks changes nothing, and another method is none.
    program.get(&format!("/prices?{QUESTION}&pin={pin}&token={}", program.token(&format!("/prices?{QUESTION}"), SET)));
    let (status, ..) = program.ask(&format!("PUT {SET} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    assert_eq!((status, program.chosen()), (405, Value::Null));

    let once = good();
    once.is_taken(&program);
    let chosen = serde_json::json!({"strategy": "fixed", "buy": "0.25", "sell": "0.11", "sell_cap_wh": 1500});
    assert_eq!(program.chosen(), chosen);
    once.is_refused(&program, 409, "OldPage");
    let page = program.get("/prices?lang=en");
    assert!(page.contains("set on this page, in the place of price_taker in agent.toml"), "{page}");
    let status = says(&home, &["status"]);
    assert!(status.contains("fixed, set on the page in the place of agent.toml (price_taker)"), "{status}");
    let check = home.check();
    assert!(check.contains("prices as set on the page (fixed), in the place of agent.toml (price_taker)"), "{check}");
    let other = Post { body: once.body.replace("0.25", "0.2"), ..good() };
    drop(program);

    let program = Program::start(&home);
    assert_eq!(program.chosen(), chosen);
    other.is_refused(&program, 403, "ForeignOrigin");
    Post { origin: format!("http://{}", program.address), ..other }.is_refused(&program, 409, "OldPage");
    let token = program.token("/prices", TAKE_BACK);
    Post::new(&program, TAKE_BACK, format!("pin={pin}&token={token}")).is_taken(&program);
    assert_eq!((program.chosen(), kept.exists()), (Value::Null, false));
    assert!(says(&home, &["status"]).contains("price_taker, as in agent.toml"));
    assert!(home.check().contains("prices as in agent.toml (price_taker)"));
}

#[test]
fn guessing_a_pin_ends_in_a_pause_that_no_restart_ends_and_another_pin_does() {
    let home = Home::new(1, &[(300, 100)]);
    let program = Program::start(&home);
    let pin = drawn(&home);
    let guess = if pin == "00000000" { "00000001" } else { "00000000" };
    for left in [4, 3, 2, 1, 0] {
        let (status, _, body) = Post::set(&program, guess).send(&program);
        assert!(status == 403 && body.contains(&format!("before a pause: {left}.")), "{body}");
    }
    let (status, head, body) = Post::set(&program, &pin).send(&program);
    assert!(status == 429 && head.contains("retry-after: 60") && body.contains("PinPaused"), "{head}\n{body}");
    drop(program);
    let program = Program::start(&home);
    Post::set(&program, &pin).is_refused(&program, 429, "PinPaused");
    assert_eq!(program.chosen(), Value::Null);

    let another = drawn(&home);
    if another != pin {
        Post::set(&program, &pin).is_refused(&program, 403, "WrongPin");
    }
    let post = Post::set(&program, &another);
    says(&home, &["pin", "--remove"]);
    post.is_refused(&program, 403, "NoPin");
    let pin = drawn(&home);
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        let (file, post) = (home.path("state/page.pin"), Post::set(&program, &pin));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        post.is_refused(&program, 500, "PinUnusable");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
    // What cannot be kept does not stand.
    fs::create_dir(home.path("state/order.toml.new")).unwrap();
    Post::set(&program, &pin).is_refused(&program, 503, "NotKept");
    assert_eq!(program.chosen(), Value::Null);
}

#[test]
fn a_pin_is_asked_for_in_a_terminal_only_and_needs_a_state() {
    let home = Home::new(1, &[(300, 100)]);
    let refused = |args: &[&str], expected: &str| {
        let output = meter_agent(&home, args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.trim_end().lines().count() == 1, "{said}");
        assert!(!home.path("state/page.pin").exists());
    };
    refused(&["pin"], "expected a terminal to ask in, found none: let one be drawn with --draw");
    refused(&["pin", "--draw", "--remove"], "--remove");
    fs::remove_dir_all(home.path("state")).unwrap();
    refused(&["pin", "--draw"], "`meter-agent init` makes it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Mosquitto, which .ci/run installs"]
async fn prices_that_are_set_go_out_as_an_order_and_taken_back_as_another() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &[(300, 100), (50, 150)]);
    let pin = drawn(&home);
    let mut market = Market::connect(&home, broker.port).await;
    let program = Program::start(&home);
    market.announce(0).await;
    market.reading().await;
    tokio::task::block_in_place(|| Post::set(&program, &pin).is_taken(&program));
    let order = market.order().await;
    assert_eq!((order.buy, order.sell), ("0.25".parse().ok(), "0.11".parse().ok()));
    assert_eq!((order.sequence, order.valid_from), (1, interval(2)));
    market.answer(order.hash(), None).await;
    let page = tokio::task::block_in_place(|| {
        loop {
            let page = program.get("/?lang=en");
            if page.contains("taken in by the market") {
                break page;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(page.contains("buy up to €0.25 per kWh, sell from €0.11 per kWh"), "{page}");
    // Killed, it wants the same: nothing is signed but what is taken back.
    drop(program);
    let program = Program::start(&home);
    tokio::task::block_in_place(|| {
        let token = program.token("/prices", TAKE_BACK);
        Post::new(&program, TAKE_BACK, format!("pin={pin}&token={token}")).is_taken(&program);
    });
    let order = loop {
        if let support::Heard::Order(order) = market.heard().await {
            break order;
        }
    };
    assert_eq!((order.sequence, order.buy, order.sell), (2, None, None));
}
