//! One scenario in two worlds: offline, and live with real agents, a broker, a market and validators. What the ledger
//! holds at the end is what was computed, line by line, to the Wh and the n€.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use market::{economics::Economics, inputs::MeteredMember};
use protocol::{
    hash::Hash,
    settlement::{Line, Tariffs},
};
use simulator::{
    offline::{Community, Street, Use},
    scenario::Scenario,
};

/// A day in June of 20 homes, half of them with a roof; batteries, some of which follow the prices that the receipts
/// of their own household say, vehicles and appliances; and limits that are all different, so that no tie decides:
/// those who learn choose from limits that nobody else has. The first hours are dark: by the first light all orders
/// stand, and nobody has learned anything before.
fn scenario() -> String {
    let mut text = String::from(
        "[community.drawn]\nhomes = 20\npv_share = 0.5\ngrid = true\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 1\n\
         [[equipment]]\nshare = 0.3\nof = 'roofs'\n\
         battery = { capacity_wh = 6000, power_w = 3000, round_trip_efficiency = 0.9, initial_wh = 500 }\n\
         [[equipment]]\nshare = 0.4\n\
         battery = { capacity_wh = 8000, power_w = 2000, round_trip_efficiency = 0.9, initial_wh = 3000, \
         dispatch = 'price_driven', charge_below = '0.16', discharge_above = '0.19', export = true }\n\
         [[equipment]]\nshare = 0.3\nev = { power_w = 11000, charging = 'solar_first' }\n\
         [[equipment]]\nshare = 0.5\nappliances = [{ cycle_wh = [500, 100, 300], start = 'solar' }]\n",
    );
    // One for each of the 20: a twentieth is 0.05.
    for number in 0..20 {
        let (buy, sell) = (299_500 - number * 7_001, 80_700 + number * 3_003);
        let strategy = match number % 4 {
            _ if number == 19 => "strategy = 'zi_c'\n".to_owned(),
            _ if number == 17 => "strategy = 'battery_aware'\nround_trip_efficiency = 0.87\n".to_owned(),
            _ if number == 18 => "strategy = 'coalition'\nname = 'one'\nbuy_at = 0.77\nsell_at = 0.33\n".to_owned(),
            1 | 2 => format!(
                "strategy = 'roth_erev'\nlimits = {}\nlowest = '0.{:06}'\nhighest = '0.{:06}'\n",
                5 + number,
                90_000 + number * 611,
                290_000 - number * 613
            ),
            0 => format!(
                "strategy = 'time_of_use'\nbuy = '0.{buy}'\nsell = '0.{sell:06}'\n[[strategies.windows]]\n\
                 from = '09:00'\nto = '13:00'\nbuy = '0.{}'\nsell = '0.{:06}'\n",
                buy - 501,
                sell + 1_001
            ),
            _ => format!("strategy = 'fixed'\nbuy = '0.{buy}'\nsell = '0.{sell:06}'\n"),
        };
        text += &format!("[[strategies]]\nshare = 0.05\n{strategy}");
    }
    text
}

/// No two members ask for the same, where no limit is one of the supplier's prices.
fn assert_no_tie(members: &[MeteredMember], tariffs: Tariffs) {
    let buy = |member: &MeteredMember| member.limits.buy.unwrap_or(tariffs.retail_price);
    let sell = |member: &MeteredMember| member.limits.sell.unwrap_or(tariffs.feed_in_price);
    for limits in [members.iter().map(buy).collect::<BTreeSet<_>>(), members.iter().map(sell).collect()] {
        assert_eq!(limits.len(), members.len(), "{members:?}");
    }
}

fn offline(text: &str) -> Vec<Economics> {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    let mut street = Street::new(&community, Hash::ZERO);
    let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
    let play = |at: usize| {
        street.measure(at, &mut memory, &mut uses);
        street.bid(at, &mut memory);
        let tariffs = street.rules(at).tariffs();
        assert_no_tie(street.meter(at, &uses), tariffs);
        let economics = street.trade(at).unwrap();
        street.learn(at, &economics, &mut memory);
        economics
    };
    (0..community.intervals()).map(play).collect()
}

/// One of the project's programs, built beside the simulator by `cargo test --workspace`.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_simulator")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    path
}

type Row = BTreeMap<String, String>;

fn rows(path: &Path) -> Vec<Row> {
    csv::Reader::from_path(path).unwrap().deserialize::<Row>().map(Result::unwrap).collect()
}

#[test]
fn a_day_live_gives_the_lines_that_were_computed_offline() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let text = scenario();
    fs::write(at.join("street.toml"), &text).unwrap();
    // In two parts: everything, also what the batteries hold, goes on where it stopped.
    for intervals in ["50", "96"] {
        let live = Command::new(env!("CARGO_BIN_EXE_simulator"))
            .current_dir(at)
            .args(["live", "street.toml", "--interval-ms", "0", "--console", "off", "--state", "state"])
            .args(["--intervals", intervals])
            .output()
            .unwrap();
        assert!(live.status.success(), "{}", String::from_utf8_lossy(&live.stderr));
    }
    let mut export = Command::new(program("ledger"));
    let exported = export.current_dir(at).args(["export", "state/validator-0", "--out", "lines"]).output().unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));

    let names: BTreeMap<String, String> = rows(&at.join("state/market/members.csv"))
        .into_iter()
        .map(|row| (row["member"].clone(), row["name"].clone()))
        .collect();
    let mut settled: BTreeMap<(String, String), Row> = BTreeMap::new();
    for row in rows(&at.join("lines/lines.csv")) {
        settled.insert((row["interval"].clone(), names[&row["member"]].clone()), row);
    }
    assert_eq!(settled.len(), 96 * 20);

    let computed = offline(&text);
    let otherwise = offline(&text.replace("lowest =", "forgetting = 0.3\nlowest ="));
    assert!(computed != otherwise, "what is learned within the day decides some of its limits");
    let mut traded = 0;
    let dearer = offline(&text.replace("charge_below = '0.16'", "charge_below = '0.02'"));
    assert!(computed != dearer, "a battery follows the prices");
    for (number, economics) in computed.iter().enumerate() {
        let start = format!("2016-06-06T{:02}:{:02}:00Z", number / 4, number % 4 * 15);
        for (member, line) in economics.lines.iter().enumerate() {
            let name = format!("h{:02}", member + 1);
            let row = &settled[&(start.clone(), name.clone())];
            let Line { bought, sold, imported, exported, paid, earned, supply_cost, supply_revenue, .. } = line;
            for (column, expected) in [
                ("bought_wh", bought.wh() as i64),
                ("sold_wh", sold.wh() as i64),
                ("imported_wh", imported.wh() as i64),
                ("exported_wh", exported.wh() as i64),
                ("paid_nano", paid.nano()),
                ("earned_nano", earned.nano()),
                ("supply_cost_nano", supply_cost.nano()),
                ("supply_revenue_nano", supply_revenue.nano()),
            ] {
                assert_eq!(row[column], expected.to_string(), "{start} {name} {column}");
            }
            traded += bought.wh();
        }
    }
    assert!(traded > 10_000, "{traded} Wh");
}

#[test]
fn what_only_an_offline_run_has_is_refused_and_nothing_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let homes = "[community.drawn]\nhomes = 5\n[period]\ndays = 1\n";
    for (text, more, expected) in [
        (format!("{homes}[faults]\noffline = 0.5\n"), "", "faults.offline: expected none in a live neighbourhood"),
        (
            format!("{homes}[faults.dishonest]\nshare = 0.5\nhides = 0.5\n"),
            "",
            "faults.dishonest: expected none in a live neighbourhood",
        ),
        (format!("{homes}[[tariffs.windows]]\nfrom = '01:00'\nto = '02:00'\n"), "", "tariffs: expected none in a live"),
        (homes.replace("homes = 5", "homes = 10001"), "", "expected at most 10000 members, found 10001"),
        (homes.to_owned(), "--mechanism=feeder", "expected a scenario, or options that say what is played"),
        (format!("{homes}[market]\nmechanism = 'lottery'\n"), "", "market.mechanism: expected a mechanism"),
    ] {
        fs::write(at.join("street.toml"), text).unwrap();
        let mut live = Command::new(env!("CARGO_BIN_EXE_simulator"));
        live.current_dir(at).args(["live", "street.toml", "--console", "off", "--state", "state"]);
        let output = live.args((!more.is_empty()).then_some(more)).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}\nexpected: {expected}");
        assert!(!at.join("state").exists());
    }
}
