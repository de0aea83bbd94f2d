//! One scenario in two worlds: offline, and live with real agents, a broker, a market and validators. What the ledger
//! holds at the end is what was computed, line by line, to the Wh and the n€.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use market::{economics::Economics, inputs::MeteredMember};
use protocol::{
    hash::Hash,
    interval::Interval,
    reading::Flow,
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
            _ if number == 17 => {
                "strategy = 'battery_aware'\nround_trip_efficiency = 0.87\ncapacity_wh = 6000\n".to_owned()
            }
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

/// What an interval came to offline, and who was read in it or had something to settle late.
#[derive(Debug, PartialEq, Eq)]
struct Computed {
    economics: Economics,
    in_it: Vec<bool>,
}

fn offline(text: &str) -> Vec<Computed> {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    let mut street = Street::new(&community, Hash::ZERO);
    let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
    let mut told = Vec::new();
    let play = |at: usize| {
        street.measure(at, &mut memory, &mut uses);
        street.bid(at, &mut memory);
        let tariffs = street.rules(at).tariffs();
        let members = street.meter(at, community.told(&uses, &mut told));
        assert_no_tie(members, tariffs);
        let is_in =
            |member: &MeteredMember| member.metered.measured.is_some() || member.metered.late != Flow::default();
        let in_it = members.iter().map(is_in).collect();
        let economics = street.trade(at).unwrap();
        street.learn(at, &economics, &mut memory);
        Computed { economics, in_it }
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

/// Plays a scenario live, so many intervals at each start, and holds what the ledger has at the end against what was
/// `computed`: each line of each interval from `first` on. Returns how much was traded, Wh.
fn assert_live(text: &str, starts: &[usize], first: &str, computed: &[Computed]) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("street.toml"), text).unwrap();
    for intervals in starts {
        let live = Command::new(env!("CARGO_BIN_EXE_simulator"))
            .current_dir(at)
            .args(["live", "street.toml", "--interval-ms", "0", "--console", "off", "--state", "state"])
            .args(["--intervals", &intervals.to_string()])
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
    let first: Interval = first.parse().unwrap();
    let mut traded = 0;
    for (number, Computed { economics, in_it }) in (0..).zip(computed) {
        let start = first.offset(number).unwrap().start_text();
        for (member, (line, is_in)) in economics.lines.iter().zip(in_it).enumerate() {
            let name = format!("h{:0digits$}", member + 1, digits = names.len().to_string().len());
            let row = settled.remove(&(start.clone(), name.clone()));
            assert_eq!(row.is_some(), *is_in, "{start} {name} is in the settlement");
            let Line { bought, sold, imported, exported, paid, earned, supply_cost, supply_revenue, .. } = line;
            let expected = [
                ("bought_wh", bought.wh() as i64),
                ("sold_wh", sold.wh() as i64),
                ("imported_wh", imported.wh() as i64),
                ("exported_wh", exported.wh() as i64),
                ("paid_nano", paid.nano()),
                ("earned_nano", earned.nano()),
                ("supply_cost_nano", supply_cost.nano()),
                ("supply_revenue_nano", supply_revenue.nano()),
            ];
            for (column, expected) in expected {
                let found = row.as_ref().map_or("0", |row| &*row[column]);
                assert_eq!(found, expected.to_string(), "{start} {name} {column}");
            }
            traded += bought.wh();
        }
    }
    assert_eq!(settled.keys().next(), None, "nothing else is settled");
    traded
}

/// The same scenario otherwise comes to something else: what was changed decides some of it.
fn assert_decides(what: &str, text: &str, from: &str, to: &str, computed: &[Computed]) {
    assert!(text.contains(from), "{from}");
    assert!(offline(&text.replace(from, to)) != computed, "{what}");
}

#[test]
fn a_day_live_gives_the_lines_that_were_computed_offline() {
    let text = scenario();
    let computed = offline(&text);
    let decides = |what, from, to| assert_decides(what, &text, from, to, &computed);
    decides("what is learned within the day", "lowest =", "forgetting = 0.3\nlowest =");
    decides("a battery that follows the prices", "charge_below = '0.16'", "charge_below = '0.02'");
    decides("what a battery holds", "capacity_wh = 6000\n", "");
    // In two parts: everything, also what the batteries hold, goes on where it stopped.
    let traded = assert_live(&text, &[50, 96], "2016-06-06T00:00:00Z/PT15M", &computed);
    assert!(traded > 10_000, "{traded} Wh");
}

/// Eight homes, each with limits of its own.
fn eight(days: u32, more: &str) -> String {
    let mut text = format!(
        "{more}[community.drawn]\nhomes = 8\npv_share = 0.5\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = {days}\n\
         [[equipment]]\nshare = 0.4\n\
         battery = {{ capacity_wh = 8000, power_w = 2000, round_trip_efficiency = 0.9, initial_wh = 3000, \
         dispatch = 'price_driven', charge_below = '0.16', discharge_above = '0.19', export = true }}\n\
         [[equipment]]\nshare = 0.3\n\
         battery = {{ capacity_wh = 6000, power_w = 3000, round_trip_efficiency = 0.9, initial_wh = 500 }}\n"
    );
    for number in 0..8 {
        let (buy, sell) = (249_500 - number * 7_001, 90_700 + number * 3_003);
        let strategy = match number {
            0 | 3 => format!(
                "strategy = 'time_of_use'\nbuy = '0.{buy}'\nsell = '0.{sell:06}'\n[[strategies.windows]]\n\
                 from = '09:00'\nto = '13:00'\nbuy = '0.{}'\nsell = '0.{:06}'\n",
                buy - 501,
                sell + 1_001
            ),
            1 | 5 => format!(
                "strategy = 'roth_erev'\nlimits = {}\nlowest = '0.{:06}'\nhighest = '0.{:06}'\n",
                5 + number,
                95_000 + number * 611,
                240_000 - number * 613
            ),
            2 => "strategy = 'battery_aware'\nround_trip_efficiency = 0.87\ncapacity_wh = 8000\n".to_owned(),
            _ => format!("strategy = 'fixed'\nbuy = '0.{buy}'\nsell = '0.{sell:06}'\n"),
        };
        text += &format!("[[strategies]]\nshare = 0.125\n{strategy}");
    }
    text
}

/// Two days on which half of the meters are out of reach at times, at prices that change with the hour. What came late
/// is settled when it came, and no battery follows a price of which its household has no receipt.
#[test]
fn meters_out_of_reach_and_tariffs_by_the_hour_are_the_same_live() {
    let tariffs = "[[tariffs.windows]]\nfrom = '22:00'\nto = '06:00'\nretail = '0.26'\nfeed_in = '0.07'\n\
                   [[tariffs.windows]]\nfrom = '17:00'\nto = '21:00'\nretail = '0.42'\n";
    let text = eight(2, &format!("seed = 3\n{tariffs}[faults]\noffline = 0.5\ndays = 0.6\n"));
    let computed = offline(&text);
    let out: Vec<usize> =
        computed.iter().map(|computed| computed.in_it.iter().filter(|is_in| !**is_in).count()).collect();
    assert!(out[..95].iter().all(|out| *out > 0) && out[96..191].iter().any(|out| *out > 0), "{out:?}");
    assert!(out[0] != out[96] && out[191] == 0, "one comes back, and in the last interval all are read: {out:?}");
    assert_decides("a price that changes", &text, "retail = '0.42'", "retail = '0.41'", &computed);
    let traded = assert_live(&text, &[120, 192], "2016-06-06T00:00:00Z/PT15M", &computed);
    assert!(traded > 10_000, "{traded} Wh");
}

/// A day on which some meters say something else than what flows, with and without a battery, at a price of each hour.
#[test]
fn dishonest_meters_and_a_series_of_prices_are_the_same_live() {
    let directory = tempfile::tempdir().unwrap();
    let series = directory.path().join("prices.csv");
    let mut prices = String::from("timestamp,retail,feed_in\n");
    for hour in 0..24 {
        prices += &format!("2016-06-06T{hour:02}:00:00Z,0.{},0.0{}\n", 290 + hour * 3, 60 + hour);
    }
    fs::write(&series, prices).unwrap();
    let series = format!("[tariffs]\nseries = '{}'\n", series.display());
    let text = eight(1, &format!("seed = 5\n{series}[faults.dishonest]\nshare = 0.5\nhides = 0.3\ninvents = 0.2\n"));
    let computed = offline(&text);
    assert_decides("what is hidden", &text, "hides = 0.3", "hides = 0.31", &computed);
    assert_decides("what is invented", &text, "invents = 0.2", "invents = 0.21", &computed);
    let traded = assert_live(&text, &[96], "2016-06-06T00:00:00Z/PT15M", &computed);
    assert!(traded > 5_000, "{traded} Wh");
}

/// Stopped while the validators decide, with a price of each quarter of an hour: no interval is opened at prices that
/// are not decided, and the next start goes on with what is left of them.
#[cfg(unix)]
#[test]
fn who_stops_while_tariffs_are_decided_goes_on_with_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut prices = String::from("timestamp,retail,feed_in\n");
    let first: Interval = "2016-06-06T00:00:00Z/PT15M".parse().unwrap();
    for quarter in 0..96 {
        prices += &format!("{},0.{},0.08\n", first.offset(quarter).unwrap().start_text(), 300 + quarter);
    }
    fs::write(at.join("prices.csv"), prices).unwrap();
    let homes = "[community.drawn]\nhomes = 2\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 1\n";
    fs::write(at.join("street.toml"), format!("[tariffs]\nseries = 'prices.csv'\n{homes}")).unwrap();
    let live = || {
        let mut live = Command::new(env!("CARGO_BIN_EXE_simulator"));
        live.current_dir(at)
            .args(["live", "street.toml", "--interval-ms", "0", "--console", "off", "--validators", "1"])
            .args(["--state", "state", "--intervals", "2"])
            .stdout(Stdio::piped());
        live
    };
    let mut child = live().spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("the validators decide 95 changes") {
        assert_ne!(stdout.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    stdout.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{seen}");
    assert!(seen.contains("interrupted: no interval was opened"), "{seen}");

    let output = live().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut export = Command::new(program("ledger"));
    let exported = export.current_dir(at).args(["export", "state/validator-0", "--out", "lines"]).output().unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    assert_eq!(rows(&at.join("lines/lines.csv")).len(), 2 * 2);
}

#[test]
fn what_only_an_offline_run_has_is_refused_and_nothing_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let homes = "[community.drawn]\nhomes = 5\n[period]\ndays = 1\n";
    for (text, more, expected) in [
        (
            format!(
                "{homes}[tariffs]\nretail = '0.3'\n[[tariffs.windows]]\nfrom = '01:00'\nto = '02:00'\nretail = '0.4'\n\
                 [[strategies]]\nshare = 0.2\nstrategy = 'zi_c'\n"
            ),
            "",
            "strategies: expected none that follows the supplier's prices where these change in a live neighbourhood, \
             found `zi_c`",
        ),
        (
            format!(
                "{}[[tariffs.windows]]\nfrom = '01:00'\nto = '02:00'\nretail = '0.4'\n",
                homes.replace("days = 1", "days = 501")
            ),
            "",
            "tariffs: expected at most 1000 changes of the supplier's prices in a live neighbourhood, as many as \
             validators decide ahead, found 1002",
        ),
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
