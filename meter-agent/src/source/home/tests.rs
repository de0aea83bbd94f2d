use std::io::Write;

use super::*;

const BATTERY: &str = "capacity_wh = 1000\npower_w = 2000\nround_trip_efficiency = 1\ninitial_wh = 400\n";
const DRIVEN: &str = "dispatch = \"price_driven\"\ncharge_below = \"0.1\"\ndischarge_above = \"0.2\"\n";

fn first() -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
}

/// A home that uses 100 Wh in each of four intervals.
fn home(more: &str) -> Box<dyn MeterSource> {
    home_with("", more)
}

/// The same, with more in `[source]` and in its battery.
fn home_with(source: &str, more: &str) -> Box<dyn MeterSource> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "timestamp,consumption_wh,production_wh").unwrap();
    for count in 0..4 {
        writeln!(file, "{},100,0", first().offset(count).unwrap().start_text()).unwrap();
    }
    let path = file.path().to_str().unwrap();
    let battery = match more.contains("initial_wh") {
        true => BATTERY.replace("initial_wh = 400\n", ""),
        false => BATTERY.to_owned(),
    };
    let config: super::super::SourceConfig =
        toml::from_str(&format!("kind = \"home\"\nfile = \"{path}\"\n{source}[battery]\n{battery}{more}")).unwrap();

    let registers = Registers { import_wh: 1_000, export_wh: 50 };
    config.open(&Placement { first: first(), registers, rated_power_w: None }).unwrap()
}

fn at(count: i64) -> Interval {
    first().offset(count).unwrap()
}

/// What is imported until the end of an interval, and what is stored then, Wh.
fn shown(home: &mut dyn MeterSource, count: i64) -> Option<(u64, u64)> {
    match home.read(at(count)).unwrap() {
        Reading::Measured(Measurement { registers, gross }) => {
            assert_eq!(registers.export_wh, 50);
            Some((registers.import_wh, gross.unwrap().stored_uwh.unwrap() / 1_000_000))
        }
        Reading::NotYet | Reading::Over | Reading::Missed => None,
    }
}

fn price(text: &str) -> Option<Price> {
    Some(text.parse().unwrap())
}

#[test]
fn a_battery_for_the_own_roof_asks_for_no_price() {
    let mut home = home("");
    assert_eq!(home.model().unwrap().asks_for_price(at(2)), None);
    assert_eq!(shown(&mut *home, 2), Some((1_000, 100)));
    // The same again; and the battery is empty in the last one, after which the recording is over.
    assert_eq!(shown(&mut *home, 2), Some((1_000, 100)));
    assert_eq!(shown(&mut *home, 3), Some((1_000, 0)));
    assert_eq!(home.read(at(4)).unwrap(), Reading::Over);
    assert!(home.read(at(1)).unwrap_err().to_string().contains("is over"));
}

#[test]
fn a_battery_that_follows_prices_waits_for_those_of_the_interval_before_last() {
    let mut home = home(DRIVEN);
    // Before there is a market nothing is known of prices: it covers what the home needs.
    assert_eq!(home.model().unwrap().asks_for_price(at(1)), None);
    assert_eq!(shown(&mut *home, 1), Some((1_000, 200)));
    assert_eq!(home.model().unwrap().asks_for_price(at(2)), Some(at(0)));
    assert_eq!(home.read(at(2)).unwrap(), Reading::NotYet);
    // Cheap: it charges with all its power, half a kWh in a quarter of an hour.
    home.model().unwrap().tell_price(price("0.1"));
    assert_eq!(home.model().unwrap().asks_for_price(at(2)), None);
    assert_eq!(shown(&mut *home, 2), Some((1_600, 700)));
    // Neither cheap nor dear: it waits.
    assert_eq!(home.model().unwrap().asks_for_price(at(3)), Some(at(1)));
    home.model().unwrap().tell_price(price("0.15"));
    assert_eq!(shown(&mut *home, 3), Some((1_700, 700)));
}

#[test]
fn a_meter_that_misreports_shows_what_it_says_and_the_battery_does_what_it_does() {
    // All from the battery: nothing is drawn that could be hidden.
    let mut home = home_with("misreports = { hides = 0.3 }\n", "");
    assert_eq!([2, 3].map(|count| shown(&mut *home, count)), [Some((1_000, 100)), Some((1_000, 0))]);
    let small = "initial_wh = 150\n";
    let mut home = home_with("misreports = { hides = 0.3 }\n", small);
    // The second 100 Wh are half from the battery: 15 of 50 are hidden.
    assert_eq!(
        [0, 1, 2].map(|count| shown(&mut *home, count)),
        [Some((1_000, 50)), Some((1_035, 0)), Some((1_105, 0))]
    );
}

#[test]
fn several_intervals_at_once_ask_for_one_price_after_the_other() {
    let mut home = home(DRIVEN);
    let mut asked = Vec::new();
    while let Some(of) = home.model().unwrap().asks_for_price(at(3)) {
        asked.push(of);
        home.model().unwrap().tell_price(price("0.1").filter(|_| of == at(0)));
    }
    assert_eq!(asked, [at(0), at(1)]);
    // Of the second interval nothing is known, so that the home is covered.
    assert_eq!(shown(&mut *home, 3), Some((1_600, 600)));
}

#[test]
fn it_goes_on_where_its_last_reading_left_it() {
    let left = Left {
        interval: at(1),
        registers: Registers { import_wh: 5_000, export_wh: 50 },
        stored_uwh: Some(90_000_000),
    };
    let mut home_again = home("");
    home_again.model().unwrap().resume(&left);
    assert_eq!(shown(&mut *home_again, 2), Some((5_010, 0)));
    // What the battery held was lost: no register goes back.
    let mut home_lost = home("");
    home_lost.model().unwrap().resume(&Left { stored_uwh: None, ..left });
    assert_eq!(shown(&mut *home_lost, 2), Some((5_000, 300)));
}

#[test]
fn it_says_that_it_is_no_meter_and_refuses_a_battery_that_makes_no_sense() {
    assert_eq!(home("").kind(), MeterKind::MadeUp);
    let refused = |more: &str| {
        let text = format!("kind = \"home\"\nfile = \"meter.csv\"\n[battery]\n{BATTERY}{more}");
        toml::from_str::<super::super::SourceConfig>(&text).unwrap_err().to_string()
    };
    assert!(refused("charge_below = \"0.1\"\n").contains("expected no `charge_below` for `self_consumption`"));
    assert!(refused("capacity_kwh = 1\n").contains("unknown field `capacity_kwh`"));
}
