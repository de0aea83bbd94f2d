//! The report of a run: the same to the byte, complete, on its own, and readable by everyone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use simulator::{
    offline::{self, Community, Options},
    scenario::Scenario,
};
use testkit::{
    axe::Axe,
    chromium::{Chromium, Screen},
    page::{DESKTOP, DRAWN, SMALL_PHONE},
};

/// Runs a scenario in a directory of its own.
fn run(text: &str, directory: &Path, threads: usize) -> PathBuf {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    let options = Options { out: directory.to_owned(), threads, lines: false, details: BTreeSet::new(), report: true };
    offline::run(&scenario, &community, &options, &|_| ControlFlow::Continue(())).unwrap();
    directory.join("report.html")
}

/// Two weeks of a small community that has everything.
const SMALL: &str = "question = '</title><script>alert(1)</script> $ink & more?'
[community.drawn]
homes = 12
grid = true
[period]
from = '2016-05-30T00:00:00Z'
days = 14
[[strategies]]
share = 0.5
strategy = 'zi_c'
[[equipment]]
share = 0.5
battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9 }
[carbon]
intensity_g_per_kwh = 380
[faults.dishonest]
share = 0.25
hides = 0.2
";

/// What people and browsers read of the page, but for the library: what it is before it is drawn.
fn without_plotly(report: &str) -> String {
    let (before, rest) = report.split_once("<script>/**").expect("plotly.js");
    let (_, after) = rest.split_once("</script>").expect("its end");
    format!("{before}{after}")
}

/// A number of Wh, W, n€ or a ratio, as the page writes it, without its unit.
fn written(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, part) = text.split_once('.').map_or((text.as_str(), String::new()), |(a, b)| (a, format!(".{b}")));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 && text.contains(|digit| matches!(digit, '1'..='9')) { "−" } else { "" };
    format!("{sign}{grouped}{part}")
}

/// How a figure of the summary is written, by its key; none where it is no number that is shown by itself.
fn shown(key: &str, value: &Value, megawatts: bool) -> Option<String> {
    let number = value.as_f64()?;
    Some(match key {
        _ if key.ends_with("_nano") => written(number / 1e9, 2),
        _ if key.ends_with("_mg") => written(number / 1e6, 1),
        _ if key.ends_with("_micro_per_kwh") => written(number / 1e6, 4),
        _ if key.ends_with("_wh") && megawatts => written(number / 1e6, 2),
        _ if key.ends_with("_wh") => written(number / 1e3, 1),
        _ if key.ends_with("_w") || key.ends_with("_va") => written(number / 1e3, 2),
        "gini" | "quality_of_service" | "quality_of_experience" | "least_to_most" => written(number, 3),
        "intervals" | "members" | "dishonest_members" | "intervals_with_trade" => written(number, 0),
        _ => format!("{} %", written(number * 100.0, 2)),
    })
}

/// Whether something stands in the page as a word of its own.
fn stands_in(page: &str, text: &str) -> bool {
    let is_end = |letter: Option<char>| letter.is_some_and(|letter| letter.is_whitespace() || "<>;".contains(letter));
    page.match_indices(text)
        .any(|(at, _)| is_end(page[..at].chars().next_back()) && is_end(page[at + text.len()..].chars().next()))
}

/// Asserts that each figure is in the page, and counts them.
fn every_figure(figures: &Value, page: &str) -> usize {
    let figure = |(key, value): (&String, &Value)| match shown(key, value, false) {
        None => every_figure(value, page),
        Some(text) => {
            let in_megawatts = shown(key, value, true).is_some_and(|text| stands_in(page, &text));
            assert!(stands_in(page, &text) || in_megawatts, "{key}: {value} as {text}");
            1
        }
    };
    match figures {
        Value::Object(of) => of.iter().map(figure).sum(),
        Value::Array(of) => of.iter().map(|value| every_figure(value, page)).sum(),
        _ => 0,
    }
}

#[test]
fn the_report_is_the_same_to_the_byte_whole_and_on_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let report = fs::read_to_string(run(SMALL, &directory.path().join("one"), 1)).unwrap();
    assert!(fs::read_to_string(run(SMALL, &directory.path().join("two"), 2)).unwrap() == report, "for two threads");

    let page = without_plotly(&report);
    assert!(!page.contains("<script>alert") && !page.contains("</title><script"), "the question is text");
    assert!(page.contains("<h1>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; $ink &amp; more?</h1>"));
    for address in ["http:", "https:", " src=", "url(", "@import", "<link", "n€"] {
        assert!(!page.contains(address), "{address}");
    }
    assert!(page.contains("default-src 'none'"), "and nothing may be loaded");

    let summary = fs::read(directory.path().join("one/summary.json")).unwrap();
    let figures: Value = serde_json::from_slice(&summary).unwrap();
    let (words, _) = page.split_once("<script").unwrap();
    let found = every_figure(&figures, words);
    assert!(found > 75, "{found} figures");
    let manifest: Value =
        serde_json::from_slice(&fs::read(directory.path().join("one/manifest.json")).unwrap()).unwrap();
    for data in manifest["data"].as_array().unwrap() {
        assert!(page.contains(data["sha256"].as_str().unwrap()), "{data}");
    }

    let other = fs::read_to_string(run(&format!("seed = 2\n{SMALL}"), &directory.path().join("other"), 2)).unwrap();
    assert_ne!(without_plotly(&other), page);
    assert!(report.len() < 7_000_000, "{} bytes", report.len());
}

/// The page of three scenarios side by side, by the program.
fn compared(directory: &Path) -> PathBuf {
    let street = "[community.drawn]\nhomes = 15\npv_share = 0.5\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 5\n\
                  [[strategies]]\nshare = 1\nstrategy = 'zi_c'\n";
    let battery = "battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9 }";
    for (name, more) in [
        ("uniform", String::new()),
        ("pay-as-bid", "[market]\nmechanism = 'pay_as_bid'\n".to_owned()),
        (
            "uniform-with-batteries-under-half-of-the-roofs",
            format!("[[equipment]]\nshare = 0.5\nof = 'roofs'\n{battery}\n"),
        ),
    ] {
        fs::write(directory.join(name).with_extension("toml"), format!("question = 'Which of them?'\n{street}{more}"))
            .unwrap();
    }
    let mut compare = Command::new(env!("CARGO_BIN_EXE_simulator"));
    let names = ["uniform.toml", "pay-as-bid.toml", "uniform-with-batteries-under-half-of-the-roofs.toml"];
    let output = compare.current_dir(directory).arg("compare").args(names).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    directory.join("comparison/comparison.html")
}

/// The page of a sweep over mechanisms and something else, by the program, after [`compared`].
fn swept(directory: &Path, name: &str, vary: &[&str]) -> PathBuf {
    let mut sweep = Command::new(env!("CARGO_BIN_EXE_simulator"));
    sweep.current_dir(directory).args(["sweep", "uniform.toml", "--seeds", "3", "--out", name]);
    for vary in vary.iter().chain(&["market.mechanism=uniform,pay_as_bid,mid_market_rate"]) {
        sweep.args(["--vary", vary]);
    }
    let output = sweep.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    directory.join(name).join("sweep.html")
}

/// What is wrong with the charts: each shows something, or says why it does not.
const EMPTY: &str = "(() => {
    const missing = [];
    for (const card of document.querySelectorAll('.charts .card')) {
        const miss = (what) => missing.push(`${card.querySelector('h2').textContent}: ${what}`);
        const plot = card.querySelector('.plot');
        if (plot === null) {
            if (!card.querySelector('.empty')?.textContent) miss('nothing is drawn, and nothing is said');
            continue;
        }
        if (!card.querySelector('.caption')?.textContent) miss('no words');
        const drawn = '.scatterlayer .trace path, .barlayer .point path, .heatmaplayer image, .sankey-link';
        if (!plot.querySelector('.main-svg') || !plot.querySelector(drawn)) miss('nothing is drawn');
        for (const { name, type, x, y, z } of plot.data) {
            if (type !== 'sankey' && ((z ?? y ?? x)?.length ?? 0) === 0) miss(`${name} has no points`);
            if ((y?.length ?? 0) > 10000) miss(`${name} has ${y.length} points`);
        }
        for (const text of plot.querySelectorAll('svg text')) {
            const { left, right } = text.getBoundingClientRect();
            if (right - left > 0 && (left < 0 || right > innerWidth)) miss(`cut: ${text.textContent}`);
        }
    }
    return missing;
})()";

/// How far the page is wider than the screen.
const TOO_WIDE: &str = "document.documentElement.scrollWidth - innerWidth";

#[test]
#[ignore = "needs Chromium and axe-core, which .ci/run installs"]
fn the_report_can_be_read_by_day_and_night_on_a_desk_and_a_phone() {
    let summer = "question = 'Does a neighbour market raise self-sufficiency?'
        community = { profile = 'summer', orders = 'built-in' }
        market = { mechanism = 'feeder' }";
    let batteries = "community = { drawn = { homes = 60 } }
        period = { days = 200 }
        strategies = [{ share = 1, strategy = 'zi_c' }]
        equipment = [{ share = 0.5, battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9 } }]";
    let dark = "question = 'What is left without roofs?'
        community = { drawn = { homes = 8, pv_share = 0 } }
        period = { days = 2 }";
    let prices = "community = { drawn = { homes = 20 } }
        period = { from = '2016-06-06T00:00:00Z', days = 3 }
        strategies = [{ share = 1, strategy = 'zi_c' }]
        [[equipment]]
        share = 0.5
        [equipment.battery]
        capacity_wh = 8000
        power_w = 4000
        round_trip_efficiency = 0.9
        dispatch = 'price_driven'
        charge_below = '0.12'
        discharge_above = '0.2'
        export = true";
    let directory = tempfile::tempdir().unwrap();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&pictures).unwrap();
    let (mut chromium, axe) = (Chromium::start(), Axe::installed(env!("CARGO_TARGET_TMPDIR")));
    // How many charts there are, and how many of them say why nothing is drawn.
    let mut reports: Vec<(&str, PathBuf, i64, i64)> =
        [("summer", summer, 9, 0), ("batteries", batteries, 10, 0), ("dark", dark, 8, 3), ("prices", prices, 10, 0)]
            .map(|(name, text, charts, silent)| (name, run(text, &directory.path().join(name), 2), charts, silent))
            .into();
    reports.push(("compared", compared(directory.path()), 5, 0));
    reports.push(("lines", swept(directory.path(), "lines", &["community.drawn.pv_share=0.2,0.4,0.6"]), 8, 0));
    reports.push(("bars", swept(directory.path(), "bars", &["community.drawn.homes=8,12"]), 8, 0));
    for (name, report, charts, silent) in reports {
        for (screen_name, screen) in [
            ("desk-light", DESKTOP),
            ("desk-dark", Screen { dark: true, ..DESKTOP }),
            ("phone-light", SMALL_PHONE),
            ("phone-dark", Screen { dark: true, ..SMALL_PHONE }),
        ] {
            let moment = format!("{name} on {screen_name}");
            chromium.open(&format!("file://{}", report.display()), screen);
            chromium.wait_for(DRAWN, "false");
            for (expression, expected) in [
                ("document.querySelectorAll('.charts .card').length", json!(charts)),
                ("document.querySelectorAll('.charts .empty').length", json!(silent)),
                (EMPTY, json!([])),
                (TOO_WIDE, json!(0)),
            ] {
                assert_eq!(chromium.eval(expression), expected, "{moment}: {expression}");
            }
            chromium.picture(&pictures.join(format!("{name}-{screen_name}.png")));
            assert_eq!(chromium.complaints(), &[] as &[String], "{moment}");
            // All formulas and tables, too.
            chromium.eval("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
            assert_eq!(chromium.eval(TOO_WIDE), 0, "{moment}, all open");
            chromium.picture(&pictures.join(format!("{name}-{screen_name}-open.png")));
            // axe-core is no part of the page.
            assert_eq!(axe.faults(&mut chromium), [] as [String; 0], "{moment}");
        }
    }
}
