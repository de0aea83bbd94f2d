//! The console of the real programs in a real browser, as whoever starts them sees it: before the first interval, at
//! night, by day, over a restart, without half of the validators, without the broker, without anything. No alarm
//! without a cause, no complaint, no empty card, nothing busy for ever, and nothing that axe-core finds.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "support/spread.rs"]
mod spread;
#[path = "support/truth.rs"]
#[allow(dead_code, reason = "only the data are wanted")]
mod truth;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use spread::{Process, agents, profile_of_a_day, program, write_data};
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    mosquitto::Mosquitto,
    page::{DESKTOP, DRAWN, LIVE, MISSING, PHONE, count, text},
    ports::free_port,
};

const SCREENS: [(&str, Screen); 4] = [
    ("desktop-light", DESKTOP),
    ("desktop-dark", Screen { dark: true, ..DESKTOP }),
    ("phone-light", PHONE),
    ("phone-dark", Screen { dark: true, ..PHONE }),
];

/// Most that a browser that has nothing yet fetches before it shows the first picture, bytes.
const FIRST_BYTES_MAX: u64 = 600_000;

/// A browser on a console.
struct Visitor {
    chromium: Chromium,
    axe: Axe,
    root: String,
    pictures: PathBuf,
}

impl Visitor {
    fn start(root: String) -> Visitor {
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
        fs::create_dir_all(&pictures).unwrap();
        Visitor { chromium: Chromium::start(), axe: Axe::installed(env!("CARGO_TARGET_TMPDIR")), root, pictures }
    }

    /// Opens the page as soon as it is served, and waits until it shows what there is.
    fn open(&mut self, screen: Screen) {
        let root = self.root.clone();
        spread::eventually("the console answers", || spread::get(&format!("{root}/api/v1/state")));
        self.chromium.open(&root, screen);
        self.chromium.wait_for(DRAWN, "false");
    }

    /// The page is as it should be, where the badge says `word` and these things are the matter.
    fn check(&mut self, moment: &str, word: &str, troubles: &[&str]) {
        self.chromium.wait_for(LIVE, word);
        for (expression, expected) in [
            ("[...document.querySelectorAll('.trouble')].map((box) => box.dataset.trouble)", json!(troubles)),
            (MISSING, json!([])),
            ("document.getElementById('alarm').textContent", json!("")),
            ("document.documentElement.scrollWidth - innerWidth", json!(0)),
        ] {
            assert_eq!(self.chromium.eval(expression), expected, "{moment}: {expression}");
        }
        assert_eq!(self.chromium.complaints(), &[] as &[String], "{moment}");
    }

    /// The same by day and by night, on a desk and on a phone; axe-core looks at each, and takes a picture of it.
    fn check_everywhere(&mut self, moment: &str, word: &str, troubles: &[&str]) {
        for (name, screen) in SCREENS {
            self.open(screen);
            self.check(moment, word, troubles);
            assert_eq!(self.axe.faults(&mut self.chromium), [] as [String; 0], "{moment} on {name}");
            self.chromium.picture(&self.pictures.join(format!("{moment}-{name}.png")));
        }
    }

    /// Opens the page for the first time: what comes over the wire until its first picture is there, bytes. Each answer
    /// counts whole that was asked for before.
    fn first_picture(&mut self) -> u64 {
        self.open(DESKTOP);
        let drawn = "performance.getEntriesByName('first-picture').length";
        self.chromium.wait_for(drawn, 1);
        let at = "performance.timeOrigin + performance.getEntriesByName('first-picture')[0].startTime";
        let at_ms = self.chromium.eval(at).as_f64().unwrap();
        let picture = "document.getElementById('curves-first').naturalWidth";
        assert_ne!(self.chromium.eval(picture), 0, "it is a picture");
        let fetched = self.chromium.fetched();
        let library = fetched.iter().find(|one| one.url.contains("/assets/plotly.js?")).expect("plotly.js comes too");
        assert!(library.asked_ms > at_ms && library.bytes > FIRST_BYTES_MAX, "it is no part of this: {library:?}");
        let before: Vec<_> = fetched.into_iter().filter(|one| one.asked_ms <= at_ms).collect();
        assert!(before.iter().any(|one| one.url.ends_with("/curves.svg")), "{before:?}");
        before.iter().map(|one| one.bytes).sum()
    }

    /// Chooses a language of the page: `live` is what its badge says where all is well.
    fn speaks(&mut self, language: &str, live: &str) {
        self.open(DESKTOP);
        self.chromium.wait_for(LIVE, "Live");
        let choice = "document.getElementById('language')";
        let choose = format!("{choice}.value = '{language}'; {choice}.dispatchEvent(new Event('change')); true");
        self.chromium.eval(&choose);
        self.chromium.wait_for("document.documentElement?.lang", language);
        for (name, screen) in [("desktop", DESKTOP), ("phone", Screen { dark: true, ..PHONE })] {
            self.open(screen);
            let moment = format!("{language}-{name}");
            self.check(&moment, live, &[]);
            assert_eq!(self.axe.faults(&mut self.chromium), [] as [String; 0], "{moment}");
            self.chromium.picture(&self.pictures.join(format!("{moment}.png")));
        }
        self.chromium.eval("localStorage.clear(); true");
    }

    fn json(&self, path: &str) -> Option<Value> {
        spread::get(&format!("{}{path}", self.root))
    }

    /// Waits until so many intervals are settled.
    fn settled(&self, intervals: u64) {
        spread::eventually(&format!("{intervals} intervals settled"), || {
            self.json("/api/v1/state")
                .filter(|state| state["status"]["totals"]["intervals"].as_u64() >= Some(intervals))
        });
    }
}

/// An address for a console, which it has again after a restart.
fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[test]
#[ignore = "needs Chromium and axe-core, which .ci/run installs"]
fn the_first_minute_at_night_is_in_order_and_so_is_a_restart() {
    let address = free_address();
    let mut visitor = Visitor::start(format!("http://{address}"));
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let live = || {
        // Midnight in winter: dark for longer than anyone looks.
        let arguments = ["live", "--console", &address, "--profile", "winter", "--interval-ms", "4000", "--state"];
        let arguments = [&arguments[..], &[state.to_str().unwrap()]].concat();
        Process::start(&program("simulator"), &arguments, &directory.path().join("log"))
    };
    let neighbourhood = live();
    visitor.open(DESKTOP);
    let first = visitor.chromium.eval(LIVE);
    assert!(["Starting", "Live", "Connected"].iter().any(|word| first == *word), "{first}");
    assert_eq!(visitor.chromium.eval(MISSING), json!([]), "before anything is settled");
    visitor.settled(1);
    visitor.check("first", "Live", &[]);
    assert_eq!(visitor.chromium.eval(&text("price-note")), "No trade yet");
    visitor.settled(2);
    visitor.check_everywhere("night", "Live", &[]);
    visitor.open(DESKTOP);

    neighbourhood.stop();
    visitor.chromium.wait_for(LIVE, "Disconnected, trying again");
    visitor.chromium.wait_for(&(text("stale-note") + ".endsWith('they stand still.')"), true);
    assert_eq!(visitor.chromium.eval(MISSING), json!([]), "while nobody is there");
    let before = visitor.chromium.eval(&text("settled"));

    let neighbourhood = live();
    visitor.chromium.wait_for(LIVE, "Live");
    let before: u64 = before.as_str().unwrap().parse().unwrap();
    visitor.settled(before + 1);
    visitor.check_everywhere("restarted", "Live", &[]);
    neighbourhood.stop();
}

#[test]
#[ignore = "needs Chromium and axe-core, which .ci/run installs"]
fn noon_is_in_order() {
    let address = free_address();
    let mut visitor = Visitor::start(format!("http://{address}"));
    let directory = tempfile::tempdir().unwrap();
    let orders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/neighbourhood/orders.csv");
    let arguments = ["live", "--console", &address, "--from", "2016-07-04T11:30:00Z", "--mechanism", "feeder"];
    let arguments = [&arguments[..], &["--orders", orders.to_str().unwrap(), "--interval-ms", "2000"]].concat();
    let neighbourhood = Process::start(&program("simulator"), &arguments, &directory.path().join("log"));
    visitor.settled(3);
    let first = visitor.first_picture();
    println!("{first} bytes until the first picture");
    assert!((1_000..=FIRST_BYTES_MAX).contains(&first), "{first} bytes until the first picture");
    visitor.check_everywhere("noon", "Live", &[]);
    assert_ne!(visitor.chromium.eval(&text("price")), "–");
    visitor.speaks("de", "Läuft");
    visitor.speaks("fr", "En marche");
    neighbourhood.stop();
}

/// A neighbourhood of real processes around a real Mosquitto.
struct Spread {
    root: tempfile::TempDir,
    broker: Mosquitto,
    validators: Vec<Option<Process>>,
    market: Option<Process>,
    agents: Vec<Process>,
}

impl Spread {
    /// Eight households from the morning on, which trade; their console at `address`.
    fn start(broker: Mosquitto, address: &str) -> Spread {
        let root = tempfile::tempdir().unwrap();
        write_data(&root.path().join("data"), &profile_of_a_day(&truth::built_in("summer")));
        let url = format!("mqtt://127.0.0.1:{}", broker.port);
        let init = Command::new(program("simulator"))
            .args([
                "init",
                "--profile",
                "day",
                "--interval-ms",
                "2000",
                "--console",
                address,
                "--broker",
                &url,
                "--data",
            ])
            .arg(root.path().join("data"))
            .arg("--state")
            .arg(root.path().join("run"))
            .output()
            .unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let mut spread = Spread { root, broker, validators: Vec::new(), market: None, agents: Vec::new() };
        for number in 0..4 {
            let validator = spread.validator(number);
            spread.validators.push(Some(validator));
        }
        spread.market = Some(spread.market());
        let run = |config: &PathBuf| spread.run("meter-agent", "run", config);
        spread.agents = agents(&spread.root.path().join("run")).iter().map(run).collect();
        spread
    }

    fn run(&self, name: &str, subcommand: &str, config: &Path) -> Process {
        let arguments = [subcommand, "--config", config.to_str().unwrap()];
        Process::start(&program(name), &arguments, &self.root.path().join(format!("{name}.log")))
    }

    fn validator(&self, number: usize) -> Process {
        self.run("ledger", "serve", &self.root.path().join(format!("run/validator-{number}/validator.toml")))
    }

    fn market(&self) -> Process {
        self.run("market", "serve", &self.root.path().join("run/market/market.toml"))
    }
}

#[test]
#[ignore = "needs Chromium, axe-core and Mosquitto, which .ci/run installs"]
fn who_is_away_is_named_and_what_stands_still_is_not_called_live() {
    let broker = Mosquitto::start();
    let address = free_address();
    let mut visitor = Visitor::start(format!("http://{address}"));
    let mut spread = Spread::start(broker, &address);
    visitor.settled(2);
    visitor.check_everywhere("day", "Live", &[]);
    assert_ne!(visitor.chromium.eval(&text("price")), "–");

    // Two of four validators are gone.
    for number in [2, 3] {
        spread.validators[number].take().unwrap().kill();
    }
    visitor.chromium.wait_for(LIVE, "Settlement stopped");
    visitor.check_everywhere("two-validators-gone", "Settlement stopped", &["no_quorum"]);
    let said = visitor.chromium.eval(&text("troubles"));
    let said = said.as_str().unwrap();
    assert!(said.starts_with("Settlement has stopped: 2 of 4 validators answer, 3 are needed. Since 20"), "{said}");
    let health = visitor.json("/api/v1/health").unwrap();
    let since = health["troubles"][0]["since"].as_str().unwrap();
    assert!(said.contains(since), "{said}");
    assert_eq!(
        visitor.chromium.eval(&text("stale-note")),
        format!("These figures are as they were at {since}: they stand still.")
    );
    for number in [2, 3] {
        spread.validators[number] = Some(spread.validator(number));
    }
    visitor.chromium.wait_for(LIVE, "Live");
    let settled = visitor.json("/api/v1/state").unwrap()["status"]["totals"]["intervals"].as_u64().unwrap();
    visitor.settled(settled + 1);
    visitor.check("both back", "Live", &[]);

    // The broker is gone.
    spread.broker.kill();
    visitor.check_everywhere("broker-gone", "No broker", &["broker_lost"]);
    let said = visitor.chromium.eval(&text("troubles"));
    let named = format!("The broker mqtt://127.0.0.1:{} is not connected: ", spread.broker.port);
    assert!(said.as_str().unwrap().starts_with(&named), "{said}");
    spread.broker.restart();
    visitor.chromium.wait_for(LIVE, "Live");

    // Nothing is left but a market that has just started.
    spread.market.take().unwrap().stop();
    spread.agents.drain(..).for_each(Process::stop);
    spread.validators.drain(..).flatten().for_each(Process::stop);
    spread.broker.kill();
    spread.market = Some(spread.market());
    spread::eventually("the market misses its ledger", || {
        visitor.json("/api/v1/health").filter(|health| health["word"] == "No ledger")
    });
    visitor.check_everywhere("alone", "No ledger", &["ledger_silent"]);
    let page = visitor.chromium.eval("document.body.innerText");
    let page = page.as_str().unwrap();
    assert!(!page.contains("exactly 0") && !page.contains("Live\n"), "{page}");
    assert_eq!(visitor.chromium.eval(&text("settled")), "–");
    assert_eq!(visitor.chromium.eval(&count("#rows .number:not(.zero)")), 0);
    assert!(page.contains(&spread.broker.port.to_string()), "the broker is named: {page}");
    spread.market.take().unwrap().stop();
}
