//! The console in a real browser: on every screen, in its hands, and over a restart, without a complaint.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/neighbourhood.rs"]
mod neighbourhood;
#[path = "support/console.rs"]
mod served;
#[path = "support/small.rs"]
mod small;

use std::path::Path;

use market_service::console::Board;
use protocol::answer::Refusal;
use serde_json::json;
use served::Console;
use small::{interval, small_settlement, validator};
use testkit::{
    chromium::{Chromium, Screen},
    page::{DESKTOP, DRAWN, LIVE, PHONE, SMALL_PHONE, click, count, text},
};

/// Almost two days of the neighbourhood, and the next interval open.
fn lived_in() -> Board {
    const SETTLED: u64 = 164;
    let board = Board::new(neighbourhood::community());
    for number in 0..SETTLED {
        let (settled, picture) = neighbourhood::settled(number);
        board.settled(&settled, Some(&picture));
    }
    board.opened(Some(interval(SETTLED as i64)));
    board.reading_taken(29, 41);
    board.receipts_forwarded(SETTLED as usize * 41);
    for (refusal, count) in [(Refusal::Duplicate, 17), (Refusal::IntervalClosed, 3), (Refusal::BadSignature, 1)] {
        (0..count).for_each(|_| board.refused(refusal));
    }
    let heights = [332, 332, 331, 332];
    board.validators((26_000..).zip(heights).map(|(port, height)| validator(port, height, true)).collect());
    board
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn a_browser_draws_the_day_on_every_screen() {
    let mut chromium = Chromium::start();
    let console = Console::serve(lived_in()).await;
    let state = console.json("/api/v1/state").await;
    let price = state["status"]["last_price"]["price"].as_str().unwrap().parse::<f64>().unwrap();
    // Beside the other results of the build, where a person finds them.
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&pictures).unwrap();
    for (name, screen) in [
        ("desktop-light", DESKTOP),
        ("desktop-dark", Screen { dark: true, ..DESKTOP }),
        ("phone-light", PHONE),
        ("phone-dark", Screen { dark: true, ..PHONE }),
        ("small-phone-light", SMALL_PHONE),
    ] {
        chromium.open(&console.root, screen);
        chromium.wait_for(DRAWN, "false");
        chromium.wait_for(LIVE, "Live");
        for (expression, expected) in [
            (text("community"), json!("Semiurb 4")),
            (text("open"), json!("17:00Z")),
            (text("open-note"), json!("2026-06-02, 29 of 41 read")),
            (text("price"), json!(format!("{price:.4}"))),
            (text("settled"), json!("164")),
            (text("accounts") + ".includes('exactly 0')", json!(true)),
            (count("#rows > tr"), json!(41)),
            (count("#validators > tr"), json!(4)),
            (count("#refusals > div"), json!(Refusal::ALL.len())),
            (count("#interval > option"), json!(164)),
            // Both charts are drawn: supply, demand, the gain between them and their crossing; price, two references,
            // and three bars for each of the last 96 intervals.
            (count("#curves .main-svg .scatterlayer .trace"), json!(4)),
            (count("#curves .main-svg .scatterlayer .point"), json!(1)),
            (count("#history .main-svg .scatterlayer .trace"), json!(3)),
            (count("#history .main-svg .barlayer .point"), json!(3 * 96)),
            (count("#alarm[hidden]"), json!(1)),
            ("document.documentElement.scrollWidth".into(), json!(screen.width)),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{name}: {expression}");
        }
        let ground = chromium.eval("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground, if screen.dark { "rgb(15, 20, 19)" } else { "rgb(244, 245, 242)" }, "{name}");
        chromium.picture(&pictures.join(format!("{name}.png")));
        assert_eq!(chromium.complaints(), &[] as &[String], "{name}");
    }
    println!("pictures are in {}", pictures.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn an_operator_looks_around() {
    let mut chromium = Chromium::start();
    let console = Console::serve(lived_in()).await;
    chromium.open(&console.root, DESKTOP);
    chromium.wait_for(DRAWN, "false");

    // Back two intervals, and the table follows.
    let chosen = "document.getElementById('interval').value";
    for back in [162, 161] {
        chromium.eval(&click("#previous"));
        chromium.wait_for(chosen, interval(back).start_text());
    }
    let start = interval(161).start_text();
    chromium.eval(&click("[data-scope=interval]"));
    chromium.wait_for(&text("households-note"), format!("41 households, in {start}"));
    let settled = console.json(&format!("/api/v1/intervals/{start}/curves")).await;
    let price = settled["interval"]["price"].as_str().unwrap().parse::<f64>().unwrap();
    chromium.wait_for(&(text("crossing") + &format!(".includes('Price{price:.4} EUR/kWh')")), true);

    // By energy sold: the largest seller comes first, then the smallest.
    let sold = console.json(&format!("/api/v1/households?interval={start}")).await;
    let most = sold["households"].as_array().unwrap().iter().max_by_key(|h| h["sold_wh"].as_u64()).unwrap().clone();
    let first = "document.querySelector('#rows th .name').textContent";
    chromium.eval(&click("#columns th:nth-child(3) button"));
    assert_eq!(chromium.eval(first), most["name"]);
    assert_eq!(chromium.eval(&count("#columns [aria-sort=descending]")), 1);
    chromium.eval(&click("#columns th:nth-child(3) button"));
    assert_ne!(chromium.eval(first), most["name"]);

    let find = "document.getElementById('filter')";
    chromium.eval(&format!("{find}.value = 'd02'; {find}.dispatchEvent(new Event('input'))"));
    assert_eq!(chromium.eval(&count("#rows > tr")), 10);

    // A click on the history chooses an interval too.
    chromium.eval(&click("#latest"));
    chromium.wait_for(chosen, interval(163).start_text());
    chromium.eval("document.getElementById('history').emit('plotly_click', {points: [{x: '2026-06-02 10:00'}]})");
    chromium.wait_for(chosen, "2026-06-02T10:00:00Z");
    assert_eq!(chromium.complaints(), &[] as &[String]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn what_cannot_be_drawn_is_said_and_leaves_nothing_busy() {
    let mut chromium = Chromium::start();
    let console = Console::serve(lived_in()).await;
    chromium.block(&["*/assets/plotly.js*"]);
    chromium.open(&console.root, DESKTOP);
    chromium.wait_for(DRAWN, "false");
    let alarm = "The market's figures could not be shown: plotly.js did not load";
    chromium.wait_for(&text("alarm"), alarm);
    assert_eq!(chromium.eval(&count("#rows > tr")), 41, "what can be shown is shown");
    assert_eq!(chromium.eval(&said("history-empty")), "Loading…", "it is tried again");
    // The market's own picture stands in for the curves.
    assert_eq!(chromium.eval(&count("#curves-first:not([hidden])")), 1);
    assert_eq!(chromium.eval(&said("curves-empty")), serde_json::Value::Null);
    chromium.block(&[]);
    chromium.wait_for(&count("#curves .main-svg .scatterlayer .trace"), 4);
    chromium.wait_for(&count("#curves-first[hidden], #alarm[hidden], #history-empty[hidden]"), 3);
}

/// What is said in a place, as long as it is.
fn said(id: &str) -> String {
    format!("((place) => place.hidden ? null : place.textContent)(document.getElementById('{id}'))")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn until_the_market_has_answered_nothing_is_said_of_it() {
    let mut chromium = Chromium::start();
    let console = Console::serve(lived_in()).await;
    let charts = ["curves-empty", "history-empty"];
    chromium.block(&["*/api/v1/state"]);
    chromium.open(&console.root, DESKTOP);
    chromium.wait_for(DRAWN, "false");
    for place in [&charts[..], &["open-note", "price-note", "validators", "households-note"]].concat() {
        assert_eq!(chromium.eval(&said(place)), "Loading…", "{place}: the market has not answered");
    }
    // It has, and has settled: the charts are on their way.
    chromium.block(&["*/api/v1/households*"]);
    chromium.wait_for(&text("settled"), "164");
    for place in charts {
        assert_eq!(chromium.eval(&said(place)), "Loading…", "{place}: nothing is waited for but the charts");
    }
    chromium.block(&[]);
    for place in charts {
        chromium.wait_for(&said(place), serde_json::Value::Null);
    }
    chromium.wait_for(&text("households-note"), "41 households, over 164 settled intervals");
    chromium.wait_for(&count("#alarm[hidden]"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn the_documentation_is_drawn_without_help_from_elsewhere() {
    let mut chromium = Chromium::start();
    let console = Console::serve(lived_in()).await;
    chromium.open(&format!("{}/api/docs/", console.root), DESKTOP);
    let described = console.json("/api/openapi.json").await["paths"].as_object().unwrap().len();
    chromium.wait_for(&count(".opblock"), described);
    assert_eq!(chromium.complaints(), &[] as &[String]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn the_page_lives_from_the_first_interval_to_the_end_and_over_a_restart() {
    let mut chromium = Chromium::start();
    let console = Console::serve(Board::new(neighbourhood::community())).await;
    chromium.open(&console.root, DESKTOP);
    chromium.wait_for(DRAWN, "false");
    assert_eq!(chromium.eval(LIVE), "Starting");
    assert_eq!(chromium.eval(&text("open-note")), "The ledger has not answered yet");
    assert_eq!(chromium.eval(&text("settled")), "–");
    assert_eq!(chromium.eval(&(text("accounts") + ".includes('exactly 0')")), false, "nobody knows");
    for chart in ["curves-empty", "history-empty"] {
        assert_eq!(chromium.eval(&said(chart)), "Waiting for the first settled interval");
    }
    assert_eq!(chromium.eval(&text("validators")), "None asked yet");
    assert_eq!(chromium.eval(&text("refusals-note")), "None");

    console.board.opened(Some(interval(0)));
    chromium.wait_for(&text("open-note"), "2026-06-01, 0 of 41 read");
    let (settled, picture) = small_settlement(0);
    console.board.settled(&settled, Some(&picture));
    chromium.wait_for(&text("settled"), "1");
    chromium.wait_for(&text("price"), "0.190001");
    chromium.wait_for(&count("#curves .main-svg .scatterlayer .trace"), 4);
    chromium.wait_for(&count("#history .main-svg .barlayer .point"), 3);
    assert_eq!(chromium.eval(&count("#curves-empty[hidden], #history-empty[hidden]")), 2);

    for _ in 0..3 {
        console.board.validators(vec![validator(26_000, 3, true), validator(26_001, 3, false)]);
    }
    chromium.wait_for(&(text("troubles") + ".startsWith('1 of 2 validators does not answer. Since 20')"), true);
    assert_eq!(chromium.eval(LIVE), "Live", "the other one is enough");
    console.board.validators(vec![validator(26_000, 3, true), validator(26_001, 3, true)]);
    chromium.wait_for(&count("#troubles[hidden]"), 1);
    console.board.opened(None);
    chromium.wait_for(&text("open"), "Finished");
    assert_eq!(chromium.complaints(), &[] as &[String]);

    // The market restarts: the page says so, finds it again, and shows what it now says.
    let address = console.stop().await;
    chromium.wait_for(LIVE, "Disconnected, trying again");
    let board = Board::new(neighbourhood::community());
    for number in 0..3 {
        board.settled(&small_settlement(number).0, None);
    }
    let console = Console::serve_at(&address, board).await;
    chromium.wait_for(LIVE, "Live");
    chromium.wait_for(&text("settled"), "3");
    let unknown = "Settled before this market started: its curves are not known here";
    chromium.wait_for(&text("curves-empty"), unknown);
    console.stop().await;
}
