//! The household's page in a real browser: in each language, on a phone and a desk, by day and by night, in the first
//! minute, after a day, with alarms, and when the agent is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use household::local_time::LocalTime;
use meter_agent::{Running, start};
use protocol::{
    energy::Energy,
    genesis::Technology,
    hash::Hash,
    key::SecretKey,
    member::MemberId,
    money::Price,
    neighbour::Neighbour,
    settlement::{Entry, Line},
    topic::Topics,
};
use serde_json::{Value, json};
use support::{Home, Market, interval};
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    community::write_secret,
    mosquitto::Mosquitto,
    page::{DESKTOP, PHONE, click, count},
};

/// Quarters of an hour that are settled: from noon to two in the morning, in UTC.
const SETTLED: i64 = 56;
/// The one of which the market holds back who the neighbours were.
const NOT_TOLD: i64 = 3;
/// Those on the first day, in Vienna.
const FIRST_DAY: i64 = 40;

/// What the meter shows: sun until the evening, and people who come home.
fn meter() -> Vec<(u64, u64)> {
    let sun = |at: i64| u64::try_from((32 - at).max(0)).unwrap() * 40;
    let house = |at: i64| if (24..44).contains(&at) { 420 } else { 130 };
    (0..SETTLED + 1).map(|at| (house(at), sun(at))).collect()
}

/// What was settled of an interval: two thirds with neighbours, at a price that rises towards the evening.
fn entry(home: &Home, at: i64, (consumption, production): (u64, u64)) -> Entry {
    let (drawn, fed_in) = (consumption.saturating_sub(production), production.saturating_sub(consumption));
    let (bought, sold) = (2 * drawn / 3, 2 * fed_in / 3);
    let price = Price::from_micro(120_000 + 2_000 * at).unwrap();
    let tariffs = home.genesis.rules.tariffs();
    let cost = |price: Price, wh| price.cost_of(Energy::from_wh(wh)).unwrap();
    let line = Line {
        member: home.genesis.members[0].member,
        bought: Energy::from_wh(bought),
        sold: Energy::from_wh(sold),
        imported: Energy::from_wh(drawn - bought),
        exported: Energy::from_wh(fed_in - sold),
        paid: cost(price, bought),
        earned: cost(price, sold),
        supply_cost: cost(tariffs.retail_price, drawn - bought),
        supply_revenue: cost(tariffs.feed_in_price, fed_in - sold),
    };
    Entry {
        interval: interval(at),
        price: Some(price),
        line,
        correction: 0,
        tariffs,
        neighbours: None,
        provisional: false,
    }
}

/// Two thirds from one roof with a certificate, the rest from one without; and to two others, half each.
fn neighbours(line: &Line) -> Vec<Neighbour> {
    let (bought, sold) = (line.bought.wh(), line.sold.wh());
    let [first, half] = [2 * bought / 3, sold / 2];
    let of = |byte, bought, sold, technology| {
        let [bought, sold] = [bought, sold].map(Energy::from_wh);
        Neighbour { member: MemberId::from_bytes([byte; 16]), bought, sold, technology }
    };
    let solar = Some(Technology::Solar).filter(|_| first > 0);
    let all = [
        of(0xa1, first, 0, solar),
        of(0xb2, bought - first, 0, None),
        of(0xc3, 0, half, None),
        of(0xd4, 0, sold - half, None),
    ];
    all.into_iter().filter(|of| !(of.bought.is_zero() && of.sold.is_zero())).collect()
}

/// Who looks at the page.
struct Visitor {
    chromium: Chromium,
    axe: Axe,
    root: String,
    pictures: PathBuf,
}

impl Visitor {
    fn start(running: &Running) -> Visitor {
        Visitor::at(running.status_addr.unwrap())
    }

    fn at(address: SocketAddr) -> Visitor {
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent-page");
        std::fs::create_dir_all(&pictures).unwrap();
        let root = format!("http://{address}");
        Visitor { chromium: Chromium::start(), axe: Axe::installed(env!("CARGO_TARGET_TMPDIR")), root, pictures }
    }

    /// Opens a page in a language, and waits until it is there.
    fn open(&mut self, path: &str, language: &str, screen: Screen) {
        let sign = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{sign}lang={language}", self.root);
        self.chromium.open(&url, screen);
        let is_there = format!("location.href === {} && document.readyState", json!(url));
        self.chromium.wait_for(&is_there, "complete");
        assert_eq!(self.chromium.eval("document.documentElement.lang"), language, "{url}");
    }

    /// Opens a page in a language on every screen: nothing is wider than it, axe-core finds nothing, nothing complains.
    fn looks_at(&mut self, moment: &str, path: &str, language: &str) {
        let screens = [
            ("phone", PHONE),
            ("phone-dark", Screen { dark: true, ..PHONE }),
            ("desk", DESKTOP),
            ("desk-dark", Screen { dark: true, ..DESKTOP }),
        ];
        for (name, screen) in screens {
            let what = format!("{moment}-{language}-{name}");
            self.open(path, language, screen);
            self.chromium.picture(&self.pictures.join(format!("{what}.png")));
            assert_eq!(self.chromium.eval("document.documentElement.scrollWidth"), json!(screen.width), "{what}");
            assert_eq!(self.axe.faults(&mut self.chromium), [] as [String; 0], "{what}");
            assert_eq!(self.chromium.complaints(), [] as [String; 0], "{what}");
        }
    }

    /// Looks at the page that is open.
    fn looks_at_it(&mut self, what: &str) {
        self.chromium.picture(&self.pictures.join(format!("{what}.png")));
        assert_eq!(self.axe.faults(&mut self.chromium), [] as [String; 0], "{what}");
    }

    fn sees(&mut self, expression: &str) -> Value {
        self.chromium.eval(expression)
    }
}

/// Between two pages there is none.
const MAIN: &str = "document.getElementById('main')?.innerText";

fn says(text: &str) -> String {
    format!("{MAIN}?.replace(/[\\u202f\\s]+/g, ' ').includes({})", json!(text))
}

const LANGUAGES: [&str; 3] = ["en", "fr", "de"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium, axe-core and Mosquitto, which .ci/run installs"]
async fn a_household_looks_at_its_day_in_every_language_and_on_every_screen() {
    let broker = Mosquitto::start();
    let meter = meter();
    let home = Home::new(broker.port, &meter);
    home.configure(broker.port, "[battery]\ncapacity_wh = 10000\npower_w = 3000\nround_trip_efficiency = 0.9\n");
    let mut config = home.config();
    config.time_zone = Some(LocalTime::try_from("Europe/Vienna".to_owned()).unwrap());
    let mut market = Market::connect(&home, broker.port).await;
    let mut running = start(config).await.unwrap();
    let mut visitor = Visitor::start(&running);

    // The first minute: nothing is settled, and nothing is made up.
    for (language, nothing) in LANGUAGES.into_iter().zip(["nothing yet", "rien encore", "noch nichts"]) {
        visitor.looks_at("first-minute", "/", language);
        assert_eq!(visitor.sees(&says(nothing)), true, "{language}");
        assert_eq!(visitor.sees(&count("#main svg")), 0, "{language}");
        visitor.looks_at("never-asked", "/accesses", language);
    }

    // It follows what happens without being loaded again.
    visitor.open("/", "en", PHONE);
    visitor.sees("window.loadedOnce = true");
    market.announce(SETTLED).await;
    for _ in 0..=SETTLED {
        market.reading().await;
    }
    for at in 0..SETTLED {
        let entry = entry(&home, at, meter[usize::try_from(at).unwrap()]);
        let mut receipt = home.receipt_among(entry.clone(), at, neighbours(&entry.line));
        if at == NOT_TOLD {
            receipt.neighbours.clear();
        }
        market.forward(receipt.to_json()).await;
    }
    visitor.chromium.wait_for(&says("Receipts verified 56"), true);
    assert_eq!(visitor.sees("window.loadedOnce"), true);
    assert!(running.wait_for(|status| status.totals.receipts_verified == SETTLED as u64).await);

    // After midnight in Vienna it is the second day; the first one has its own page.
    let worth = ["What your neighbours were worth", "Ce que vos voisins ont valu", "Was Ihre Nachbarn wert waren"];
    for (language, worth) in LANGUAGES.into_iter().zip(worth) {
        visitor.looks_at("second-day", "/", language);
        assert_eq!(visitor.sees(&says(worth)), true, "{language}");
        visitor.looks_at("first-day", "/day/2026-06-01", language);
        assert_eq!(visitor.sees(&count("#main table:not(.neighbours) tbody > tr")), FIRST_DAY, "{language}");
        assert_eq!(visitor.sees(&count("table.neighbours tbody > tr")), 5, "{language}");
        assert_eq!(visitor.sees(&count("#main .chart")), 2, "{language}");
        visitor.looks_at("month", "/month/2026-06", language);
        assert_eq!(visitor.sees(&count("#main tbody > tr")), 2, "{language}");
        visitor.looks_at("proof", "/proof/2026-06-01T12:00:00Z", language);
        assert_eq!(visitor.sees(&count(".checked > li")), 5, "{language}");
        visitor.looks_at("empty-day", "/day/2026-05-31", language);
    }
    // Who looked it up, as `meter-agent accesses` leaves it: one node answered, another took something back.
    let looked_up = json!({
        "https://node.example:26000": {"asked_s": 1_780_000_000, "fault": null, "accesses": [
            {"hour": "2026-06-01T10:00:00Z", "who": "5f2c9a01", "role": "read", "call": "statement",
             "member": home.genesis.members[0].member},
            {"hour": "2026-06-01T12:00:00Z", "who": "00c0ffee", "role": "submit", "call": "receipts"},
        ]},
        "https://other.example:26000": {"asked_s": 1_780_000_000, "fault": "some were taken back", "accesses": []},
    });
    std::fs::write(home.path("state/looked-up.json"), looked_up.to_string()).unwrap();
    for language in LANGUAGES {
        visitor.looks_at("accesses", "/accesses", language);
        assert_eq!(visitor.sees(&count("#main tbody > tr")), 2, "{language}");
        assert_eq!(visitor.sees(&count("#main .alarm")), 1, "{language}");
    }
    // Whose roof it came from, to the last Wh, and what is not told beside it.
    let first_day = (0..FIRST_DAY).map(|at| (at, entry(&home, at, meter[usize::try_from(at).unwrap()]).line));
    let (mut solar_wh, mut untold_wh) = (0, 0);
    for (at, line) in first_day {
        match at {
            NOT_TOLD => untold_wh += line.sold.wh(),
            _ => {
                solar_wh +=
                    neighbours(&line).iter().filter(|of| of.technology.is_some()).map(|of| of.bought.wh()).sum::<u64>()
            }
        }
    }
    let kwh = |wh: u64, point| format!("{}{point}{:03} kWh", wh / 1_000, wh % 1_000);
    let (sun, untold) = (["sun", "soleil", "Sonne"], ["not told", "non communiqué", "nicht mitgeteilt"]);
    for ((language, sun), untold) in LANGUAGES.into_iter().zip(sun).zip(untold) {
        let point = if language == "en" { '.' } else { ',' };
        visitor.open("/day/2026-06-01", language, DESKTOP);
        let first = format!("{} {} – {sun}", "a1".repeat(16), kwh(solar_wh, point));
        assert_eq!(visitor.sees(&says(&first)), true, "{first}");
        let last = format!("{untold} – {}", kwh(untold_wh, point));
        assert_eq!(visitor.sees(&says(&last)), true, "{last}");
    }
    // Money is what the receipts say, to the last unit, and rounded to cents once.
    let saved: i128 = (0..SETTLED).map(|at| saved_nano(&entry(&home, at, meter[usize::try_from(at).unwrap()]))).sum();
    let cents = (saved + 5_000_000) / 10_000_000;
    visitor.open("/", "de", DESKTOP);
    assert_eq!(visitor.sees(&says(&format!("{},{:02} €", cents / 100, cents % 100))), true);
    // From the interval to its proof and the receipt itself.
    visitor.open("/day/2026-06-01", "de", DESKTOP);
    assert_eq!(visitor.sees("document.querySelector('tbody a').textContent"), "14:00–14:15");
    visitor.sees(&click("tbody a"));
    visitor.chromium.wait_for("document.querySelectorAll('.checked > li').length", 5);

    // A lie, and the broker gone: each alarm with what to do.
    let mut forged = home.receipt_of(entry(&home, SETTLED, (130, 0)), SETTLED);
    forged.entry.line.imported = Energy::from_wh(7);
    market.forward(forged.to_json()).await;
    assert!(running.wait_for(|status| status.receipts_refused == 1).await);
    drop((market, broker));
    assert!(running.wait_for(|status| status.alarms.len() == 2).await);
    for (language, remedy) in LANGUAGES.into_iter().zip(["What to do:", "Que faire :", "Was zu tun ist:"]) {
        visitor.looks_at("alarms", "/", language);
        assert_eq!(visitor.sees(&count("#main .alarm")), 2, "{language}");
        assert_eq!(visitor.sees(&says(remedy)), true, "{language}");
    }

    // The agent is gone, and the page that is open says so.
    visitor.open("/", "fr", PHONE);
    running.stop().await;
    visitor.chromium.wait_for("document.getElementById('not-live').hidden", false);
    visitor.chromium.picture(&visitor.pictures.join("gone-fr-phone.png"));
    println!("pictures are in {}", visitor.pictures.display());
}

/// What neighbours were worth, as a person would work it out.
fn saved_nano(entry: &Entry) -> i128 {
    let Entry { line, tariffs, .. } = entry;
    let wh = |energy: Energy| i128::from(energy.wh());
    let micro = |price: Price| i128::from(price.micro());
    let price = micro(entry.price.unwrap());
    wh(line.bought) * (micro(tariffs.retail_price) - price) + wh(line.sold) * (price - micro(tariffs.feed_in_price))
}

/// What somebody enters and clicks on the page of prices.
fn enters(fields: &[(&str, &str)], form: &str) -> String {
    let entered = fields.iter().map(|(name, value)| {
        format!("document.querySelector('form[action=\"{form}\"] [name={name}]').value = {};", json!(value))
    });
    format!("{}{}", entered.collect::<String>(), click(&format!("form[action=\"{form}\"] button")))
}

/// A program that dies with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium, axe-core and Mosquitto, which .ci/run installs"]
async fn a_household_that_nobody_has_registered_is_told_what_to_do_in_every_language() {
    let broker = Mosquitto::start();
    let home = Home::new(broker.port, &meter());
    for (key, seed) in [("device", 51), ("member", 52)] {
        fs::remove_file(home.path(&format!("state/{key}.key"))).unwrap();
        write_secret(
            &home.path(&format!("state/{key}.key")),
            &format!(
                "{}
",
                Hash::from_bytes([seed; 32])
            ),
        );
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
    let _program = Program(command.args(["run", "--config"]).arg(home.path("agent.toml")).spawn().unwrap());
    let address = loop {
        match fs::read_to_string(home.path("state/status.addr")).ok().and_then(|text| text.trim().parse().ok()) {
            Some(address) => break address,
            None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    let mut visitor = Visitor::at(address);
    let titles = ["Not registered yet", "Pas encore inscrit", "Noch nicht registriert"];
    while !support::get(address, "/status").await.contains("\"connected\":true") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for (language, title) in LANGUAGES.into_iter().zip(titles) {
        visitor.looks_at("not-registered", "/", language);
        assert_eq!(visitor.sees(&says(title)), true, "{language}");
    }
    // What is no proof is told, and nothing else happens.
    let mut market = Market::connect(&home, broker.port).await;
    let device = SecretKey::from_seed(&[51; 32]).public();
    market.retain(Topics::new(&home.genesis.chain()).registration(&device), b"you are welcome".to_vec()).await;
    visitor.chromium.wait_for(&says("Malformed"), true);
    visitor.looks_at("not-registered-refused", "/", "de");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium, axe-core and Mosquitto, which .ci/run installs"]
async fn a_household_changes_its_prices_in_every_language_with_and_without_scripts() {
    let broker = Mosquitto::start();
    let meter = meter();
    let home = Home::new(broker.port, &meter);
    home.configure(broker.port, "[order]\nbuy = \"0.29\"\n");
    let mut market = Market::connect(&home, broker.port).await;
    let running = start(home.config()).await.unwrap();
    let mut visitor = Visitor::start(&running);
    for language in LANGUAGES {
        visitor.looks_at("prices-without-pin", "/prices", language);
        assert_eq!(visitor.sees(&count("#main form")), 0, "{language}");
        assert_eq!(visitor.sees(&says("meter-agent pin --config agent.toml")), true, "{language}");
    }
    let config = home.path("agent.toml");
    let program = env!("CARGO_BIN_EXE_meter-agent");
    let drawn = std::process::Command::new(program).args(["pin", "--draw", "--config"]).arg(&config).output().unwrap();
    let pin: String = String::from_utf8(drawn.stdout).unwrap().chars().filter(char::is_ascii_digit).collect();
    assert_eq!(pin.len(), 8);
    market.announce(0).await;
    let order = market.order().await;
    market.reading().await;
    market.answer(order.hash(), None).await;
    market.forward(home.receipt_of(entry(&home, 0, meter[0]), 0).to_json()).await;
    visitor.open("/", "en", PHONE);
    visitor.chromium.wait_for(&says("Receipts verified 1"), true);

    // From the first page to that of prices, where what stands is entered already.
    visitor.sees(&click("a[href^=\"/prices\"]"));
    visitor.chromium.wait_for("document.querySelector('[name=buy]')?.value", "0.29");
    let (question, set) = ("/prices", "/prices/set");
    visitor.sees(&enters(&[("buy", "cheap")], question));
    visitor.chromium.wait_for(&says("found “cheap”"), true);
    for language in LANGUAGES {
        let comma = if language == "en" { "0.25" } else { "0,25" };
        visitor.open(question, language, DESKTOP);
        visitor.sees(&enters(&[("buy", comma), ("sell", ""), ("sell_cap_wh", "1500")], question));
        visitor.chromium.wait_for(&count("form[action=\"/prices/set\"]"), 1);
        visitor.looks_at("prices", "/prices?strategy=fixed&buy=0.25&sell=&buy_cap_wh=&sell_cap_wh=1500", language);
        assert_eq!(visitor.sees(&count("#main section ul > li")), 2, "{language}");
        visitor.sees(&enters(&[("pin", "00000000")], set));
        visitor.chromium.wait_for(&says("WrongPin"), true);
        visitor.looks_at_it(&format!("prices-wrong-pin-{language}"));
        // Who corrects the PIN need not enter the rest again.
        assert_eq!(visitor.sees("document.querySelector('[name=buy]').value"), comma, "{language}");
        if language == "de" {
            visitor.chromium.block(&["*page.js*"]);
        }
        visitor.sees(&enters(&[("pin", &pin)], set));
        visitor.chromium.wait_for(&count("form[action=\"/prices/take-back\"]"), 1);
        assert_eq!(visitor.sees("location.pathname"), "/prices", "{language}");
        let order = loop {
            if let support::Heard::Order(order) = market.heard().await {
                break order;
            }
        };
        assert_eq!((order.buy, order.sell_cap), ("0.25".parse().ok(), Some(Energy::from_wh(1_500))), "{language}");
        market.answer(order.hash(), None).await;
        visitor.looks_at("prices-set", question, language);
        visitor.sees(&enters(&[("pin", &pin)], "/prices/take-back"));
        visitor.chromium.wait_for(&count("form[action=\"/prices/take-back\"]"), 0);
        let order = market.order().await;
        assert_eq!((order.buy, order.sell_cap), ("0.29".parse().ok(), None), "{language}");
        market.answer(order.hash(), None).await;
    }
    running.stop().await;
}
