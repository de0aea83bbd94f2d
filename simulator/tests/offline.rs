//! Offline runs: exact, the same to the byte, and the same as production.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use market::{
    inputs::{Inputs, MeteredMember, member_input},
    settlement::{IntervalInput, settle},
};
use proptest::prelude::*;
use protocol::hash::Hash;
use serde_json::Value;
use simulator::{
    offline::{self, Community, Options, Street, Use},
    scenario::Scenario,
};

fn run(text: &str, out: &Path, threads: usize) -> Value {
    let scenario = Scenario::parse(text).unwrap();
    let community = Community::of(&scenario).unwrap();
    let options = Options { out: out.to_owned(), threads, lines: true, details: BTreeSet::new(), report: true };
    offline::run(&scenario, &community, &options, &|_| ControlFlow::Continue(())).unwrap();
    serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap()
}

fn groundtruth() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/neighbourhood/groundtruth.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn price_takers_without_storage_come_to_the_integers_of_the_groundtruth() {
    for profile in ["summer", "winter"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let found = run(&format!("[community]\nprofile = '{profile}'\n"), &out, 2);
        let truth = &groundtruth()[profile];
        assert_eq!(found["intervals"], truth["intervals"]);
        assert_eq!(found["members"], truth["participants"]);
        let energy = &found["energy"];
        for (found, expected) in [
            (&energy["consumption_wh"], &truth["consumption_wh"]),
            (&energy["production_wh"], &truth["production_wh"]),
            (&energy["traded_wh"], &truth["p2p_max_traded_wh"]),
            (&energy["alone"]["self_wh"], &truth["alone"]["self_wh"]),
            (&energy["market"]["self_wh"], &truth["pooled"]["self_wh"]),
            (&energy["pooled"]["self_wh"], &truth["pooled"]["self_wh"]),
            (&energy["alone"]["imported_wh"], &truth["alone"]["grid_import_wh"]),
            (&energy["alone"]["exported_wh"], &truth["alone"]["grid_export_wh"]),
            (&energy["market"]["imported_wh"], &truth["pooled"]["grid_import_wh"]),
            (&energy["market"]["exported_wh"], &truth["pooled"]["grid_export_wh"]),
            (&found["market"]["intervals_with_trade"], &truth["intervals_with_p2p"]),
        ] {
            assert_eq!(found, expected, "{profile}");
        }
        for (of, key) in [("alone", "self_consumption"), ("alone", "self_sufficiency"), ("pooled", "self_sufficiency")]
        {
            let apart = energy[of][key].as_f64().unwrap() - truth[of][key].as_f64().unwrap();
            assert!(apart.abs() <= 5e-7, "{profile} {of} {key}: {apart}");
        }

        let (grid, expected) = (&found["grid"], &truth["grid_lossless_no_storage"]);
        let watts = |kw: &Value| (kw.as_f64().unwrap() * 1_000.0).round() as u64;
        assert_eq!(grid["peak_import_w"].as_u64().unwrap(), watts(&expected["trafo_peak_import_kw"]));
        assert_eq!(grid["peak_export_w"].as_u64().unwrap(), watts(&expected["trafo_peak_export_kw"]));
        let worst = &grid["worst_line"];
        assert_eq!(worst["line"], expected["worst_line"]);
        let most = worst["peak_import_w"].as_u64().max(worst["peak_export_w"].as_u64()).unwrap();
        assert_eq!(most, watts(&expected["worst_line_max_flow_kw"]));
        let apart =
            worst["loading"].as_f64().unwrap() * 100.0 - expected["worst_line_loading_percent"].as_f64().unwrap();
        assert!(apart.abs() <= 1e-3, "{apart}");

        let mut members = csv::Reader::from_path(out.join("members.csv")).unwrap();
        let rows = members.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
        let mut seen = 0;
        for row in rows {
            let expected = &truth["per_participant"][&row["name"]];
            for column in ["consumption_wh", "production_wh", "self_wh"] {
                assert_eq!(row[column], expected[column].to_string(), "{profile} {} {column}", row["name"]);
            }
            seen += 1;
        }
        assert_eq!(seen, truth["participants"].as_u64().unwrap());
    }
}

/// The files of a directory, by name.
fn files(directory: &Path) -> BTreeMap<PathBuf, Hash> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().into(), Hash::of(&fs::read(&path).unwrap()))).collect()
}

/// Batteries for half of the roofs.
const BATTERIES: &str = "[[equipment]]\nshare = 0.5\nof = 'roofs'\n\
                         battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9";
/// What makes them follow prices.
const PRICES: &str = ", dispatch = 'price_driven', charge_below = '0.12', discharge_above = '0.2', export = true";

/// Some who learn, with batteries.
const LEARNERS: &str = "[[strategies]]\nshare = 0.3\nstrategy = 'roth_erev'\n[[equipment]]\nshare = 0.1\n\
                        battery = { capacity_wh = 8000, power_w = 4000, round_trip_efficiency = 0.9 }\n";

/// Three thousand homes: a chunk is less than a day of them, so that days are put together from several.
fn homes(seed: u64, devices: &str) -> String {
    format!(
        "seed = {seed}\n[community.drawn]\nhomes = 3000\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 3\n\
         [[strategies]]\nshare = 0.5\nstrategy = 'zi_c'\n{devices}"
    )
}

#[test]
fn energy_and_money_close_in_every_interval_with_all_devices() {
    let directory = tempfile::tempdir().unwrap();
    let devices = format!(
        "{BATTERIES}{PRICES} }}\n\
         [[equipment]]\nshare = 0.3\nev = {{ power_w = 11000, charging = 'solar_first' }}\n\
         [[equipment]]\nshare = 0.1\nev = {{ power_w = 3700 }}\ntrips = {{ arrives = 22, departs = 4 }}\n\
         [[equipment]]\nshare = 0.4\nappliances = [{{ cycle_wh = [500, 100, 300], start = 'solar' }}]\n\
         [[equipment]]\nshare = 0.5\n[equipment.heat_pump]\npower_w = 3000\nsource = 'air'\nsink_c = 35\n\
         house = {{ loss_w_per_k = 200, capacity_wh_per_k = 10000, lowest_c = 20, highest_c = 21.5 }}\n"
    );
    let out = directory.path().join("out");
    let found = run(&homes(1, &devices), &out, 2);
    let mut intervals = csv::Reader::from_path(out.join("intervals.csv")).unwrap();
    let mut rows = 0;
    for row in intervals.deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let of = |column: &str| row[column].parse::<i64>().unwrap();
        assert_eq!(
            of("consumption_wh") + of("charged_wh") + of("exported_wh"),
            of("production_wh") + of("discharged_wh") + of("imported_wh"),
            "{row:?}"
        );
        assert_eq!(of("paid_nano"), of("earned_nano") + of("operator_nano"), "{row:?}");
        rows += 1;
    }
    assert_eq!(rows, 288);
    let money = &found["money"];
    let of = |key: &str| money[key].as_i64().unwrap();
    assert_eq!(of("cost_nano"), of("supplier_nano") + of("operator_nano"), "what members pay is what others gain");
    assert_eq!(of("saving_nano"), of("alone_nano") - of("cost_nano"));
    for device in ["charged_wh", "discharged_wh"] {
        assert!(found["energy"][device].as_u64().unwrap() > 100_000, "{device}: {}", found["energy"]);
    }
}

#[test]
fn the_files_are_the_same_to_the_byte_for_any_number_of_threads_and_others_for_another_seed() {
    for devices in [
        String::new(),
        format!("{BATTERIES} }}\n"),
        format!("{BATTERIES}{PRICES} }}\n"),
        format!("{LEARNERS}[faults]\noffline = 0.3\ndays = 0.5\n"),
    ] {
        same_for_any_number_of_threads(|seed| homes(seed, &devices));
    }
}

fn same_for_any_number_of_threads(scenario: impl Fn(u64) -> String) {
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    let first = run(&scenario(1), &out("one"), 1);
    let one = files(&out("one"));
    for name in [
        "manifest.json",
        "summary.json",
        "report.html",
        "intervals.parquet",
        "intervals.csv",
        "members.parquet",
        "members.csv",
    ] {
        assert!(one.contains_key(Path::new(name)), "{name} in {one:?}");
    }
    assert_eq!(one.len(), 9, "{one:?}");
    for threads in [2, 3] {
        run(&scenario(1), &out("again"), threads);
        assert_eq!(files(&out("again")), one, "{threads} threads, over what is there");
    }
    assert_ne!(run(&scenario(2), &out("other"), 2)["energy"], first["energy"]);
}

fn scenarios() -> impl Strategy<Value = String> {
    let limits = prop_oneof![
        Just(String::new()),
        Just("[[strategies]]\nshare = 1\nstrategy = 'zi_c'\n".to_owned()),
        Just(
            "[[strategies]]\nshare = 0.4\nstrategy = 'zi_c'\n\
             [[strategies]]\nshare = 0.3\nstrategy = 'fixed'\nbuy = '0.2'\nsell_cap_wh = 300\n"
                .to_owned()
        ),
        Just("[[strategies]]\nshare = 0.8\nstrategy = 'roth_erev'\n".to_owned()),
    ];
    let terms = prop_oneof![
        Just("price = '0.11'\n"),
        Just("fees = { between_buses = '0.01', transformer = '0.02' }\nderate = 0.1\n"),
        Just("shares = { h1 = 0.5, h2 = 0.25 }\n"),
        Just("priority = ['h2', 'h1']\n"),
        Just(""),
    ];
    // On the grid: `tests/outage.rs` has the other.
    let names = market::clearing::mechanisms().iter().map(|mechanism| mechanism.name());
    let names: Vec<&str> = names.filter(|name| *name != "islanded").collect();
    let battery =
        "[[equipment]]\nshare = 0.5\nbattery = { capacity_wh = 5000, power_w = 2500, round_trip_efficiency = 0.9";
    let devices = prop_oneof![
        Just(String::new()),
        Just(format!("{battery} }}\n")),
        Just(format!(
            "{battery}, dispatch = 'price_driven', charge_below = '0.12', discharge_above = '0.2', export = true }}\n"
        )),
        Just("[[equipment]]\nshare = 0.5\nev = { power_w = 11000, charging = 'solar_first' }\n".to_owned()),
    ];
    let tariffs = prop_oneof![
        Just(""),
        Just("[[tariffs.windows]]\nfrom = '17:00'\nto = '05:30'\nretail = '0.45'\nfeed_in = '0.12'\n"),
    ];
    (2..10_u32, 0..=10_u32, any::<u32>(), prop::sample::select(names), terms, (limits, devices, tariffs)).prop_map(
        |(homes, tenths, seed, mechanism, terms, (limits, devices, tariffs))| {
            format!(
                "seed = {seed}\n[community.drawn]\nhomes = {homes}\npv_share = '{}'\ngrid = true\n\
                 [period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 1\n\
                 [market]\nmechanism = '{mechanism}'\n{terms}{limits}{devices}{tariffs}",
                f64::from(tenths) / 10.0,
            )
        },
    )
}

/// The settlement that the market proposes and validators recompute, of the same members.
fn production(members: &[MeteredMember], street: &Street<&Community>, at: usize) -> protocol::settlement::Settlement {
    let input = |of: &MeteredMember| member_input(of.member, None, of.technology, of.limits, Some(of.metered));
    let buses: BTreeMap<_, _> = members.iter().map(|of| (of.member, of.bus)).collect();
    let inputs = Inputs::new(members.iter().map(input).collect(), |of| buses.get(&of.member).copied().ok_or(()));
    settle(IntervalInput {
        interval: street.interval(at),
        rules: street.rules(at),
        grid: street.grid(),
        tie_seed: &street.tie_seed(at),
        readings: Vec::new(),
        inputs: &inputs.unwrap(),
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_simulated_is_what_would_be_settled_line_by_line(text in scenarios()) {
        let scenario = Scenario::parse(&text).unwrap();
        let community = Community::of(&scenario).unwrap();
        let mut street = Street::new(&community, Hash::of(text.as_bytes()));
        let (mut memory, mut uses) = (community.start(), vec![Use::default(); community.members()]);
        for at in 0..96 {
            street.measure(at, &mut memory, &mut uses);
            street.bid(at, &mut memory);
            let members = street.meter(at, &uses).to_vec();
            let simulated = street.trade(at).unwrap();
            let settled = production(&members, &street, at);
            prop_assert_eq!(&simulated.lines, &settled.lines);
            prop_assert_eq!(&simulated.trades, &settled.trades);
            prop_assert_eq!((simulated.supplier, simulated.operator), (settled.supplier, settled.operator));
            prop_assert_eq!(simulated.price, settled.price);
            street.learn(at, &simulated, &mut memory);
        }
    }
}

#[test]
fn what_meters_out_of_reach_do_is_the_suppliers_and_never_lost() {
    let directory = tempfile::tempdir().unwrap();
    let of = |faults: &str, name: &str| {
        run(&format!("[community]\nprofile = 'summer'\n{faults}"), &directory.path().join(name), 2)
    };
    let (all, some) = (of("", "all"), of("[faults]\noffline = 0.33\ndays = 0.5\n", "some"));
    for of_all in ["consumption_wh", "production_wh"] {
        assert_eq!(all["energy"][of_all], some["energy"][of_all]);
    }
    assert_eq!(all["grid"], some["grid"], "the same flows over the same lines");
    let of = |found: &Value, key: &str| found["energy"]["market"][key].as_i64().unwrap();
    let traded = |found: &Value| found["energy"]["traded_wh"].as_i64().unwrap();
    assert!(traded(&some) < traded(&all));
    // Consumption is own use, trade and supply, however late it is known.
    for (found, kept) in [(&all, 1_749_641), (&some, 1_749_641)] {
        let net = of(found, "imported_wh") - of(found, "exported_wh");
        assert_eq!(net, 13_304_326 - 8_415_500);
        assert_eq!(of(found, "imported_wh") + traded(found) + kept, 13_304_326);
    }
}

#[test]
fn every_ready_scenario_asks_a_question_plays_and_says_what_was_found() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/scenarios");
    let mut seen = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let scenario = Scenario::load(&path).unwrap();
        assert!(scenario.question.as_ref().is_some_and(|question| question.ends_with('?')), "{path:?}");
        let (_, found) = text.split_once("# Found, with this version:\n").unwrap();
        assert!(found.lines().count() >= 2 && found.lines().all(|line| line.starts_with("# ")), "{path:?}");
        // A day of it, of a smaller community.
        let mut small = scenario;
        small.period.days = Some(1);
        if let Some(drawn) = &mut small.community.drawn {
            drawn.homes = drawn.homes.min(50);
        }
        let community = Community::of(&small).unwrap();
        assert!(
            offline::figures(&small, &community, 1, &|_| ControlFlow::Continue(())).unwrap().energy.consumption_wh > 0,
            "{path:?}"
        );
        seen += 1;
    }
    assert_eq!(seen, 16);
}

#[test]
fn tariffs_by_the_hour_and_by_a_series_are_those_of_each_interval() {
    let directory = tempfile::tempdir().unwrap();
    let series = directory.path().join("prices.csv");
    // What the windows say, as a series of two days.
    fs::write(
        &series,
        "timestamp,retail,feed_in\n2016-07-04T00:00:00Z,0.30,0.08\n2016-07-04T18:00:00Z,0.50,0.08\n\
         2016-07-05T00:00:00Z,0.30,0.08\n2016-07-05T18:00:00Z,0.50,0.08\n",
    )
    .unwrap();
    let period = "[period]\ndays = 2\n";
    let windows = format!("{period}[[tariffs.windows]]\nfrom = '18:00'\nto = '24:00'\nretail = '0.50'\n");
    let by_series = format!("{period}[tariffs]\nretail = '0.9'\nseries = '{}'\n", series.display());
    let of = |text: &str, name: &str| run(text, &directory.path().join(name), 2);
    let (flat, windows, by_series) = (of(period, "flat"), of(&windows, "windows"), of(&by_series, "series"));
    assert_eq!(windows["money"], by_series["money"]);
    assert_eq!(windows["energy"], flat["energy"], "price takers trade all the same");

    let mut evening_wh = 0;
    let mut intervals = csv::Reader::from_path(directory.path().join("flat/intervals.csv")).unwrap();
    for row in intervals.deserialize::<BTreeMap<String, String>>().map(Result::unwrap) {
        let hour: u32 = row["interval"][11..13].parse().unwrap();
        let of = |column: &str| row[column].parse::<i64>().unwrap();
        evening_wh += i64::from(hour >= 18) * (of("traded_wh") + of("imported_wh"));
    }
    assert!(evening_wh > 100_000);
    let alone = |found: &Value| found["money"]["alone_nano"].as_i64().unwrap();
    assert_eq!(alone(&windows), alone(&flat) + evening_wh * 200_000);
    assert!(fs::read_to_string(directory.path().join("series/manifest.json")).unwrap().contains("prices.csv"));

    for (rows, expected) in [
        (
            "time,retail,feed_in\n",
            "prices.csv line 1: expected the columns timestamp,retail,feed_in, found time,retail",
        ),
        ("timestamp,retail,feed_in\n", "prices.csv line 2: expected at least one row, found none"),
        ("timestamp,retail,feed_in\n2016-07-04T00:00:00Z,dear,0\n", "line 2: expected a price per kWh"),
        ("timestamp,retail,feed_in\n2016-07-04T00:00:00Z,0.1,0.2\n", "line 2: expected a feed_in of at most"),
        (
            "timestamp,retail,feed_in\n2016-07-04T00:00:00Z,0.3,0.2\n2016-07-04T00:00:00Z,0.3,0.2\n",
            "line 3: expected a time after 2016-07-04T00:00:00Z",
        ),
    ] {
        fs::write(&series, rows).unwrap();
        let scenario = Scenario::parse(&format!("[tariffs]\nseries = '{}'\n", series.display())).unwrap();
        let error = Community::of(&scenario).unwrap_err().to_string();
        assert!(error.starts_with("tariffs.series: ") && error.contains(expected), "{error}\nexpected: {expected}");
    }
}

#[test]
fn emissions_are_what_was_imported_at_the_intensity_of_its_interval() {
    let directory = tempfile::tempdir().unwrap();
    let series = directory.path().join("intensity.csv");
    fs::write(
        &series,
        "timestamp,intensity_g_per_kwh\n2016-07-04T00:00:00Z,400\n2016-07-04T18:00:00Z,650\n\
         2016-07-05T00:00:00Z,400\n2016-07-05T18:00:00Z,650\n",
    )
    .unwrap();
    let of = |text: &str, name: &str| run(text, &directory.path().join(name), 2);
    let truth = &groundtruth()["summer"];
    let carbon = of("[carbon]\nintensity_g_per_kwh = 400\n", "summer")["carbon"].clone();
    let emitted = |case: &str| truth[case]["grid_import_wh"].as_i64().unwrap() * 400;
    assert_eq!(carbon["supply_mg"], emitted("pooled"));
    assert_eq!(carbon["alone_mg"], emitted("alone"));
    assert_eq!(carbon["avoided_mg"], emitted("alone") - emitted("pooled"));

    let by_series = format!("[period]\ndays = 2\n[carbon]\nseries = '{}'\n", series.display());
    let carbon = of(&by_series, "series")["carbon"].clone();
    let (mut supply, mut alone) = (0, 0);
    let mut intervals = csv::Reader::from_path(directory.path().join("series/intervals.csv")).unwrap();
    for row in intervals.deserialize::<BTreeMap<String, String>>().map(Result::unwrap) {
        let of = |column: &str| row[column].parse::<i64>().unwrap();
        let intensity = if row["interval"][11..13].parse::<u32>().unwrap() >= 18 { 650 } else { 400 };
        supply += intensity * of("imported_wh");
        alone += intensity * (of("imported_wh") + of("traded_wh"));
    }
    assert_eq!((&carbon["supply_mg"], &carbon["alone_mg"]), (&supply.into(), &alone.into()));
    assert!(fs::read_to_string(directory.path().join("series/manifest.json")).unwrap().contains("intensity.csv"));
    assert_eq!(of("", "none").get("carbon"), None);

    for (rows, expected) in [
        (
            "timestamp,g\n",
            "intensity.csv line 1: expected the columns timestamp,intensity_g_per_kwh, found timestamp,g",
        ),
        ("timestamp,intensity_g_per_kwh\n2016-07-04T00:00:00Z,4e2\n", "line 2: expected whole g/kWh from 0 to 10000"),
        (
            "timestamp,intensity_g_per_kwh\n2016-07-04T00:15:00Z,400\n",
            "expected a row at 2016-07-04T00:00:00Z or before, or `intensity_g_per_kwh`, found the first at \
             2016-07-04T00:15:00Z",
        ),
    ] {
        fs::write(&series, rows).unwrap();
        let error = Community::of(&Scenario::parse(&by_series).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("carbon.series: ") && error.contains(expected), "{error}\nexpected: {expected}");
    }
    let error = Community::of(&Scenario::parse("[carbon]\n").unwrap()).unwrap_err().to_string();
    assert_eq!(error, "carbon: expected `intensity_g_per_kwh`, `series` or both, found none");
    let error = Scenario::parse("[carbon]\nintensity_g_per_kwh = 10001\n").unwrap_err().to_string();
    assert_eq!(error, "carbon.intensity_g_per_kwh: expected at most 10000, found 10001");
}

#[test]
fn whatever_batteries_and_markets_do_no_less_is_imported_than_by_all_of_them_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let of = |devices: &str, name: &str| run(&homes(1, devices), &directory.path().join(name), 2)["energy"].clone();
    for (name, devices) in [("own", format!("{BATTERIES} }}\n")), ("prices", format!("{BATTERIES}{PRICES} }}\n"))] {
        let energy = of(&devices, name);
        let wh = |of: &str| energy[of]["imported_wh"].as_u64().unwrap();
        assert!(wh("pooled_batteries") <= wh("pooled") && wh("pooled") <= wh("market"), "{name}: {energy}");
    }
    assert_eq!(of("", "none").get("pooled_batteries"), None);
}

#[test]
fn an_auction_realises_all_that_its_orders_are_worth_and_a_key_less() {
    let directory = tempfile::tempdir().unwrap();
    let of = |mechanism: &str| {
        let text = format!(
            "[community.drawn]\nhomes = 60\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 1\n\
             [[strategies]]\nshare = 1\nstrategy = 'zi_c'\n[market]\nmechanism = '{mechanism}'\n"
        );
        run(&text, &directory.path().join(mechanism), 1)["welfare"].clone()
    };
    let auction = of("uniform");
    assert_eq!((&auction["efficiency"], &auction["realised_nano"]), (&1.0.into(), &auction["greatest_nano"]));
    for mechanism in ["mcafee", "mid_market_rate"] {
        let found = of(mechanism);
        assert_eq!(found["greatest_nano"], auction["greatest_nano"], "{mechanism}: the same orders");
        let efficiency = found["efficiency"].as_f64().unwrap();
        assert!(0.1 < efficiency && efficiency < 0.999, "{mechanism}: {found}");
    }
}

/// What a data set of made-up homes comes to, found without any of what is tested: in hours, over the change to summer
/// time, which UTC does not know.
#[test]
fn any_directory_of_data_comes_to_the_integers_that_its_sums_say() {
    const HOMES: usize = 150;
    const HOURS: usize = 72;
    let directory = tempfile::tempdir().unwrap();
    let mut noise = 88_172_645_463_325_252_u64;
    let mut draw = |below: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise % below
    };
    let mut participants = String::from("participant_id\n");
    let mut profile = String::from("timestamp,participant_id,consumption_wh,production_wh\n");
    let (mut own, mut pooled, mut used, mut made, mut traded) = (0, 0, 0, 0, 0);
    (0..HOMES).for_each(|home| participants += &format!("home {home}\n"));
    for hour in 0..HOURS {
        let (mut all_used, mut all_made, mut lacking, mut spare) = (0, 0, 0, 0);
        for home in 0..HOMES {
            let sun = [0, 9_000][usize::from((7..19).contains(&(hour % 24)) && home % 3 == 0)];
            let (c, p) = (draw(4_000), draw(sun + 1));
            profile += &format!("2016-03-{:02}T{:02}:00:00Z,home {home},{c},{p}\n", 26 + hour / 24, hour % 24);
            own += c.min(p);
            (all_used, all_made) = (all_used + c, all_made + p);
            (lacking, spare) = (lacking + c.saturating_sub(p), spare + p.saturating_sub(c));
        }
        (used, made, pooled) = (used + all_used, made + all_made, pooled + all_used.min(all_made));
        traded += lacking.min(spare);
    }
    fs::write(directory.path().join("participants.csv"), participants).unwrap();
    fs::write(directory.path().join("profiles_spring.csv"), profile).unwrap();
    let scenario = format!("[community]\ndata = '{}'\nprofile = 'spring'\n", directory.path().display());
    let found = run(&scenario, &directory.path().join("out"), 2);
    let energy = &found["energy"];
    assert_eq!((&found["intervals"], &found["members"]), (&HOURS.into(), &HOMES.into()));
    for (found, expected) in [
        (&energy["consumption_wh"], used),
        (&energy["production_wh"], made),
        (&energy["alone"]["self_wh"], own),
        (&energy["traded_wh"], traded),
        (&energy["market"]["self_wh"], pooled),
        (&energy["pooled"]["self_wh"], pooled),
        (&energy["market"]["imported_wh"], used - pooled),
        (&energy["market"]["exported_wh"], made - pooled),
    ] {
        assert_eq!(found, &Value::from(expected));
    }
}
