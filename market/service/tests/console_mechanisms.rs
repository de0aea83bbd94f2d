//! The console shows each mechanism at work, and follows the rules and members that the ledger has.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/neighbourhood.rs"]
#[allow(dead_code, reason = "the other test of the console uses the rest")]
mod neighbourhood;
#[path = "support/console.rs"]
mod served;
#[path = "support/street.rs"]
mod street;

use std::path::Path;

use market::{clearing::mechanisms, grid::Grid};
use market_service::console::{Board, Noted, SETTLED_LATER};
use protocol::{
    api::{MemberStatus, RulesInForce},
    genesis::Rules,
    hash::Hash,
    interval::Interval,
    key::SecretKey,
    money::Amount,
};
use serde_json::{Value, json};
use served::Console;
use testkit::{
    chromium::{Chromium, Screen},
    page::{DESKTOP, DRAWN, LIVE, PHONE, count, label, text},
};

/// Around noon, when both sides have something.
const NOON: u64 = 44;

fn interval(number: u64) -> Interval {
    neighbourhood::first().offset(number as i64).unwrap()
}

fn in_force(rules: &Rules, from: u64) -> RulesInForce {
    RulesInForce {
        interval: interval(from),
        from: interval(from),
        rules: rules.clone(),
        grid: Some(street::plan()),
        market: SecretKey::from_seed(&[1; 32]).public(),
        decision_sequence: 1,
    }
}

fn status(house: u64) -> MemberStatus {
    let key = SecretKey::from_seed(&[2; 32]).public();
    MemberStatus {
        quotas: Vec::new(),
        member: neighbourhood::member(house),
        balance: Amount::ZERO,
        debits: Amount::ZERO,
        credits: Amount::ZERO,
        key,
        device: Some(key),
        rated_power_w: 10_000,
        bus: street::buses().get(house as usize).cloned(),
        technology: None,
        sequence: 0,
        reading: Hash::ZERO,
        read: neighbourhood::first(),
        import_wh: 0,
        export_wh: 0,
        committed: None,
        order: None,
        order_sequence: 0,
        instruction_sequence: 0,
    }
}

/// A morning under a mechanism, up to noon.
fn morning(mechanism: &str) -> Board {
    let rules = street::rules(mechanism);
    let grid = Grid::from_plan(&street::plan()).unwrap();
    let board = Board::new(neighbourhood::community());
    let members: Vec<MemberStatus> = (0..neighbourhood::HOUSEHOLDS).map(status).collect();
    board.rules_and_members(&in_force(&rules, 0), &members);
    for number in 0..=NOON {
        let (settled, picture) = street::settled(number, &rules, &grid);
        board.settled(&settled, Some(&picture));
    }
    board.opened(Some(interval(NOON + 1)));
    board.reading_taken(29, 41);
    board.noted(Noted::Late, SETTLED_LATER, 4);
    board
}

#[tokio::test]
async fn what_is_shown_of_an_interval_is_what_was_settled() {
    for mechanism in mechanisms().iter().map(|mechanism| mechanism.name()) {
        let console = Console::serve(morning(mechanism)).await;
        let shown = console.json(&format!("/api/v1/intervals/{}/curves", interval(NOON).start_text())).await;
        assert_eq!(shown["mechanism"], mechanism);
        let picture = match mechanism {
            "uniform" | "pay_as_bid" | "mcafee" => "merit_order",
            "feeder" => "nodal_prices",
            _ => "community_price",
        };
        assert_eq!(shown["picture"], picture, "{mechanism}");
        let sum =
            |steps: &Value| steps.as_array().unwrap().iter().map(|step| step["energy_wh"].as_u64().unwrap()).sum();
        let traded = shown["interval"]["traded_wh"].as_u64().unwrap();
        assert!(traded > 0, "{mechanism} trades at noon");
        assert_eq!((sum(&shown["paid"]), sum(&shown["received"])), (traded, traded), "{mechanism}");
        assert_eq!(shown["interval"]["price"].is_null(), matches!(mechanism, "pay_as_bid" | "mcafee" | "feeder"));
        let buses = shown["grid"].as_array().unwrap();
        // The transformer's far side, its near side, and a bus below each line.
        assert_eq!(buses.len(), street::plan().lines.len() + 2, "{mechanism}");
        let nodal = buses.iter().filter(|bus| !bus["price"].is_null()).count();
        assert_eq!(nodal, if mechanism == "feeder" { buses.len() } else { 0 }, "{mechanism}");
        // All that flows through the transformer is what the supplier gives or takes.
        let through = buses[1]["line"]["flow_wh"].as_i64().unwrap();
        let supplied = ["imported_wh", "exported_wh"].map(|side| shown["interval"][side].as_i64().unwrap());
        assert_eq!(through, supplied[0] - supplied[1], "{mechanism}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn a_browser_draws_every_mechanism_on_every_screen() {
    let mut chromium = Chromium::start();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&pictures).unwrap();
    let screens = [
        ("desktop-light", DESKTOP),
        ("desktop-dark", Screen { dark: true, ..DESKTOP }),
        ("phone-light", PHONE),
        ("phone-dark", Screen { dark: true, ..PHONE }),
    ];
    let mut drawn = 0;
    for mechanism in mechanisms().iter().map(|mechanism| mechanism.name()) {
        let console = Console::serve(morning(mechanism)).await;
        let keyed = !matches!(mechanism, "uniform" | "pay_as_bid" | "mcafee" | "feeder");
        // Demand and supply, and: the gain, and the crossing; or each trade's price; or what is paid and what is
        // received.
        let traces = match mechanism {
            "uniform" | "pay_as_bid" => 4,
            "mcafee" => 5,
            "feeder" => 4,
            _ => 3,
        };
        for (name, screen) in screens {
            chromium.open(&console.root, screen);
            chromium.wait_for(DRAWN, "false");
            chromium.wait_for(LIVE, "Live");
            for (expression, expected) in [
                (count("#curves .main-svg .scatterlayer .trace"), json!(traces)),
                (count("#grid-card:not([hidden])"), json!(1)),
                // Each bus and each line, the transformer among them; and a row of the table for each line.
                (count("#grid [role=option]"), json!(2 * street::plan().lines.len() + 3)),
                (count("#grid-rows > tr"), json!(street::plan().lines.len() + 1)),
                (count("#grid-legend .scale"), json!(usize::from(mechanism == "feeder"))),
                (text("grid-note") + ".includes('nodal prices')", json!(mechanism == "feeder")),
                (count("#shares-card:not([hidden])"), json!(usize::from(keyed))),
                (count("#shares .main-svg .barlayer .trace"), json!(if keyed { 4 } else { 0 })),
                (text("noted-note"), json!("4 in all")),
                (text("facts") + &format!(".includes('Mechanism {mechanism}')"), json!(true)),
                ("document.documentElement.scrollWidth".into(), json!(screen.width)),
            ] {
                assert_eq!(chromium.eval(&expression), expected, "{mechanism} on {name}: {expression}");
            }
            chromium.picture(&pictures.join(format!("{mechanism}-{name}.png")));
            assert_eq!(chromium.complaints(), &[] as &[String], "{mechanism} on {name}");
            drawn += 1;
        }
    }
    assert_eq!(drawn, mechanisms().len() * screens.len());
    println!("pictures are in {}", pictures.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn an_interval_without_a_trade_is_drawn_like_any_other() {
    let mut chromium = Chromium::start();
    let grid = Grid::from_plan(&street::plan()).unwrap();
    for mechanism in mechanisms().iter().map(|mechanism| mechanism.name()) {
        let board = Board::new(neighbourhood::community());
        // Midnight: everybody draws, nobody feeds in. It is the first that anyone sees, and all that there is.
        let (settled, picture) = street::settled(0, &street::rules(mechanism), &grid);
        assert!(settled.trades.is_empty() && settled.price.is_none(), "{mechanism} trades nothing at night");
        board.settled(&settled, Some(&picture));
        board.opened(Some(interval(1)));
        let console = Console::serve(board).await;
        chromium.open(&console.root, DESKTOP);
        chromium.wait_for(DRAWN, "false");
        chromium.wait_for(&text("settled"), "1");
        for (expression, expected) in [
            (text("alarm"), json!("")),
            (label("curves") + ".endsWith('0.000 kWh were offered. Nothing was traded.')", json!(true)),
            (label("history") + ".endsWith('0.0 kWh traded between neighbours, no price.')", json!(true)),
            // Demand alone.
            (count("#curves .main-svg .scatterlayer .trace"), json!(1)),
            (count("#grid [role=option]"), json!(2 * street::plan().lines.len() + 3)),
        ] {
            assert_eq!(chromium.eval(&expression), expected, "{mechanism}: {expression}");
        }
        assert_eq!(chromium.complaints(), &[] as &[String], "{mechanism}");
    }
}

/// A name that means something to whoever takes it for markup, and still names one thing only.
fn hostile(name: &str) -> String {
    format!("<a href='https://evil.example'>{name}</a> <b>&lt;%{{x}}$\\alpha$ <span style='font-size:99px'>")
}

/// A morning in which every name is hostile, or missing, or long.
fn hostile_morning(mechanism: &str) -> Board {
    let mut info = neighbourhood::community();
    (info.community, info.currency) = (hostile("Semiurb"), hostile("EUR"));
    for (place, member) in info.members.iter_mut().enumerate() {
        member.name = match place % 3 {
            0 => member.member.to_string(),
            1 => hostile(&member.name),
            _ => format!("\u{202e}{} {}", member.name, "Mustermann-Musterfrau ".repeat(20)),
        };
    }
    let rules = street::rules(mechanism);
    let grid = Grid::from_plan(&street::plan()).unwrap();
    let board = Board::new(info);
    let renamed = |mut status: MemberStatus| {
        status.bus = status.bus.as_deref().map(hostile);
        status
    };
    let members: Vec<MemberStatus> = (0..neighbourhood::HOUSEHOLDS).map(status).map(renamed).collect();
    board.rules_and_members(&in_force(&rules, 0), &members);
    let (settled, mut picture) = street::settled(NOON, &rules, &grid);
    for bus in &mut picture.grid {
        bus.bus = hostile(&bus.bus);
        if let Some(line) = &mut bus.line {
            line.line = hostile(&line.line);
        }
    }
    board.settled(&settled, Some(&picture));
    board.opened(Some(interval(NOON + 1)));
    board.reading_taken(29, 41);
    board
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn a_name_is_text_whatever_it_says_and_pushes_nothing_away() {
    let mut chromium = Chromium::start();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&pictures).unwrap();
    // Points into every trace of every chart, one after the other, and collects what is said there.
    let said = "(async () => {
        let said = '';
        for (const plot of document.querySelectorAll('.js-plotly-plot')) {
            for (const [curveNumber, trace] of plot.data.entries()) {
                // One label for a whole interval, as in the history, can only be asked for by a real pointer.
                if (plot.layout.hovermode !== 'closest' || trace.hoverinfo === 'skip' || trace.x[0] === null) continue;
                Plotly.Fx.hover(plot, [{ curveNumber, pointNumber: 0 }]);
                await new Promise((shown) => setTimeout(shown, 100));
                said += plot.querySelector('.hoverlayer').textContent;
            }
            said += plot.textContent;
        }
        return said;
    })()";
    // Our own bold numbers are of no name.
    let markup = "[...document.querySelectorAll('.plot a, .plot [style*=\"99px\"], #grid a, #grid-rows a')].length";
    let on_the_map = "[...document.querySelectorAll('#grid .bus')].at(-1).ariaLabel.includes('<a href=')";
    for mechanism in mechanisms().iter().map(|mechanism| mechanism.name()) {
        let console = Console::serve(hostile_morning(mechanism)).await;
        for (name, screen) in [("desktop", DESKTOP), ("phone", PHONE)] {
            chromium.open(&console.root, screen);
            chromium.wait_for(DRAWN, "false");
            let said = chromium.eval(said);
            let said = said.as_str().unwrap();
            assert!(said.contains("<a href='https://evil.e…"), "{mechanism} on {name}: {said}");
            for (expression, expected) in [
                (markup.into(), json!(0)),
                (on_the_map.into(), json!(true)),
                (count("a[href*=evil]"), json!(0)),
                (text("alarm"), json!("")),
                ("document.documentElement.scrollWidth".into(), json!(screen.width)),
                (text("community"), json!(hostile("Semiurb"))),
                // However long names are, there is room for numbers beside them.
                (
                    "[...document.querySelectorAll('#rows th')].every((name) => name.offsetWidth < 200)".into(),
                    json!(true),
                ),
            ] {
                assert_eq!(chromium.eval(&expression), expected, "{mechanism} on {name}: {expression}");
            }
            if name == "desktop" {
                let table = "document.querySelector('.households .scroll')";
                let cut = chromium.eval(&format!("{table}.scrollWidth - {table}.clientWidth"));
                assert_eq!(cut, 0, "{mechanism}: Net is in sight");
            }
            if mechanism == "feeder" || mechanism == "static_key" {
                chromium.picture(&pictures.join(format!("hostile-{mechanism}-{name}.png")));
            }
            assert_eq!(chromium.complaints(), &[] as &[String], "{mechanism} on {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn every_line_and_bus_of_the_map_is_reached_with_the_arrow_keys_and_says_what_it_carries() {
    let mut chromium = Chromium::start();
    let console = Console::serve(morning("feeder")).await;
    let shown = console.json(&format!("/api/v1/intervals/{}/curves", interval(NOON).start_text())).await;
    let grid = shown["grid"].as_array().unwrap();
    for screen in [DESKTOP, PHONE] {
        chromium.open(&console.root, screen);
        chromium.wait_for(DRAWN, "false");
        assert_eq!(chromium.eval(&count("#grid [role=option][tabindex=\"0\"]")), 1, "one stop for who tabs");
        // From the first to the last, by keys alone: what has the focus, one after the other.
        let walk = "(() => {
            const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
            document.querySelector('#grid [tabindex=\"0\"]').focus();
            press('Home');
            const said = [];
            while (said.at(-1) !== document.activeElement.ariaLabel) {
                said.push(document.activeElement.ariaLabel);
                if (document.getElementById('grid-said').textContent !== said.at(-1)) return 'not said under the map';
                press('ArrowRight');
            }
            press('ArrowUp');
            return document.activeElement.ariaLabel === said.at(-2) ? said : 'no way back';
        })()";
        let walked = chromium.eval(walk);
        let said: Vec<&str> = walked.as_array().expect("a list").iter().map(|text| text.as_str().unwrap()).collect();
        assert_eq!(said.len(), 2 * grid.len() - 1, "{walked}");
        for bus in grid {
            let name = bus["bus"].as_str().unwrap();
            let at_bus =
                said.iter().find(|text| text.starts_with(&format!("{name}. "))).unwrap_or_else(|| panic!("{name}"));
            assert!(at_bus.contains(" EUR/kWh. "), "{at_bus}");
            let Some(line) = bus["line"].as_object() else { continue };
            let start = format!("{} to {name}: ", line["line"].as_str().unwrap());
            let on_line = said.iter().find(|text| text.starts_with(&start)).unwrap_or_else(|| panic!("{start}"));
            let (flow, limit) = (line["flow_wh"].as_f64().unwrap(), line["capacity_wh"].as_f64().unwrap());
            let loaded = format!("{:.1} % of {:.1} kWh, ", 100.0 * flow.abs() / limit, limit / 1_000.0);
            assert!(on_line.contains(&loaded), "expected {loaded} in {on_line}");
        }
        // One household lives at each bus of the plan but few: each is named where it lives.
        let first = neighbourhood::community().members[0].name.clone();
        let lives = said.iter().find(|text| text.starts_with(&format!("{}. ", street::buses()[0]))).unwrap();
        assert!(lives.contains(&first), "{first} in {lives}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn on_paper_tables_are_whole_and_nothing_is_to_be_pressed() {
    let mut chromium = Chromium::start();
    let console = Console::serve(morning("feeder")).await;
    chromium.open(&console.root, Screen { dark: true, ..DESKTOP });
    chromium.wait_for(DRAWN, "false");
    chromium.wait_for(&count("#rows > tr"), 41);
    let cut =
        "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollHeight > box.clientHeight + 1).length";
    assert_ne!(chromium.eval(cut), 0, "on a screen they scroll");
    // A chart has the width of the paper while it is printed, and no other layer of it another one.
    let widths = "[...new Set([...document.querySelectorAll('.main-svg')].map((svg) => svg.getAttribute('width')))]";
    let on_screen = chromium.eval(widths);
    chromium.eval("dispatchEvent(new Event('beforeprint'))");
    assert_eq!(chromium.eval(widths), json!(["660"]));
    chromium.eval("dispatchEvent(new Event('afterprint'))");
    chromium.wait_for(widths, on_screen);
    chromium.on_paper();
    for (expression, expected) in [
        (cut, json!(0)),
        ("getComputedStyle(document.body).backgroundColor", json!("rgb(255, 255, 255)")),
        ("getComputedStyle(document.body).color", json!("rgb(0, 0, 0)")),
        (
            "[...document.querySelectorAll('button, select, input, progress')]
                .filter((one) => one.offsetParent !== null && !one.closest('#columns')).length",
            json!(0),
        ),
    ] {
        assert_eq!(chromium.eval(expression), expected, "{expression}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, which .ci/run installs"]
async fn the_page_follows_the_rules_and_the_members_of_the_ledger() {
    let board = Board::new(neighbourhood::community());
    let grid = Grid::from_plan(&street::plan()).unwrap();
    let uniform = street::rules("uniform");
    let mut members: Vec<MemberStatus> = (0..neighbourhood::HOUSEHOLDS).map(status).collect();
    board.rules_and_members(&in_force(&uniform, 0), &members);
    let (settled, picture) = street::settled(NOON, &uniform, &grid);
    board.settled(&settled, Some(&picture));
    let console = Console::serve(board).await;
    let community = console.json("/api/v1/community").await;
    assert_eq!((&community["mechanism"], &community["members"]), (&json!("uniform"), &json!(41)));
    let mut chromium = Chromium::start();
    chromium.open(&console.root, DESKTOP);
    chromium.wait_for(LIVE, "Live");
    chromium.wait_for(&(text("facts") + ".includes('Mechanism uniform')"), true);

    // Other rules from the next interval on, a new household, and one whose device is revoked.
    let mut feeder = street::rules("feeder");
    feeder.retail_price = "0.35".parse().unwrap();
    members.push(status(neighbourhood::HOUSEHOLDS));
    members[0].device = None;
    console.board.rules_and_members(&in_force(&feeder, NOON + 1), &members);
    let community = console.json("/api/v1/community").await;
    assert_eq!(
        [&community["mechanism"], &community["retail_price"], &community["members"], &community["rules_from"]],
        [&json!("feeder"), &json!("0.35"), &json!(42), &json!(interval(NOON + 1).to_string())]
    );
    let households = console.json("/api/v1/households").await["households"].clone();
    assert_eq!((&households[0]["metered"], &households[1]["metered"]), (&json!(false), &json!(true)));
    assert_eq!(households[41]["name"], "d042", "the operator knew its name before it was a member");
    let (settled, picture) = street::settled(NOON + 1, &feeder, &grid);
    console.board.settled(&settled, Some(&picture));
    // What was settled under the rules before is shown as it was.
    for (number, mechanism, retail) in [(NOON, "uniform", "0.3"), (NOON + 1, "feeder", "0.35")] {
        let shown = console.json(&format!("/api/v1/intervals/{}/curves", interval(number).start_text())).await;
        assert_eq!((&shown["mechanism"], &shown["interval"]["retail_price"]), (&json!(mechanism), &json!(retail)));
    }
    chromium.wait_for(&(text("facts") + ".includes('Mechanism feeder')"), true);
    chromium.wait_for(&(text("grid-note") + ".includes('nodal prices')"), true);
    chromium.wait_for(&count("#rows > tr"), 42);
    assert_eq!(chromium.eval(&count("#rows .unmetered")), 1);
    assert_eq!(chromium.complaints(), &[] as &[String]);
}
