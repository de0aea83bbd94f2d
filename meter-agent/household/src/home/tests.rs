use proptest::prelude::*;
use protocol::interval::IntervalLength;

use super::*;
use crate::home::units::LENGTHS;

const FULL: &str = r#"
[battery]
capacity_wh = 10_000
power_w = 4_000
round_trip_efficiency = 0.9
self_discharge_per_day = 0.001
initial_wh = 2_000
dispatch = "price_driven"
charge_below = "0.1"
discharge_above = "0.3"
export = true

[ev]
power_w = 11_000
charging = "solar_first"

[heat_pump]
power_w = 3_000
source = "air"
sink_c = 35
house = { loss_w_per_k = 200, capacity_wh_per_k = 10_000, lowest_c = 20, highest_c = 21 }

[[appliances]]
cycle_wh = [500, 100, 300]
start = "solar"

[[appliances]]
cycle_wh = [150]
step_minutes = 60
"#;

fn home(text: &str) -> Home {
    toml::from_str(text).unwrap()
}

fn interval(number: i64, length: IntervalLength) -> Interval {
    Interval::new(1_780_315_200 + number * length.seconds(), length).unwrap()
}

/// What the identities of a step leave over: consumption + charged + export − production − discharged − import, Wh, and
/// the battery's, µWh.
fn unclosed(flows: &HomeFlows, before_uwh: u64) -> (i128, i128) {
    let wide = i128::from;
    let meter = wide(flows.consumption_wh) + wide(flows.charged_wh) + wide(flows.export_wh)
        - wide(flows.production_wh)
        - wide(flows.discharged_wh)
        - wide(flows.import_wh);
    let battery = wide(before_uwh) + 1_000_000 * (wide(flows.charged_wh) - wide(flows.discharged_wh))
        - wide(flows.lost_uwh)
        - wide(flows.stored_uwh);
    (meter, battery)
}

proptest! {
    /// In every interval of any home: the meter closes to the Wh, the battery to the µWh, the loads are their parts,
    /// and nothing is imported while something is exported.
    #[test]
    fn every_interval_closes_exactly(
        length in prop::sample::select(&LENGTHS[..]),
        without in prop::collection::vec(any::<bool>(), 3),
        steps in prop::collection::vec(
            (any::<u32>(), any::<u32>(), 0..32u32, 0..32u32, -20_000..35_000i32, prop::option::of(-50_000..500_000i64)),
            1..150,
        ),
        session in (0..40i64, 1..40i64, 0..60_000u32, 0..20_000u32),
        windows in prop::collection::vec((0..40i64, 0..20i64), 2),
    ) {
        let mut home = home(FULL);
        home.battery = home.battery.filter(|_| !without[0]);
        home.ev = home.ev.filter(|_| !without[1]);
        home.heat_pump = home.heat_pump.filter(|_| !without[2]);
        let at = |number| interval(number, length).start_s();
        let (arrives, stay, energy_wh, power_w) = session;
        let session = Session { arrives_s: at(arrives), departs_s: at(arrives + stay), energy_wh, power_w };
        let windows: Vec<Option<Window>> = windows
            .into_iter()
            .map(|(first, count)| Some(Window { earliest_s: at(first), latest_s: at(first + count) }))
            .collect();
        let mut state = home.start();
        let (mut delivered, mut unserved, mut ran) = (0, 0, 0);
        let count = steps.len();
        for (number, (consumption, production, down, up, outdoor_milli_c, micro)) in (0..).zip(steps) {
            let now = Step {
                outdoor_milli_c,
                price: micro.and_then(Price::from_micro),
                session: Some(&session),
                windows: &windows,
                ..Step::new(interval(number, length), consumption >> down, production >> up)
            };
            let before = state.battery.stored_uwh;
            // In two halves it is the same as in one.
            let mut halves = state;
            let flows = home.step(&mut state, &now);
            let loads = home.loads(&mut halves, &Step { price: None, ..now });
            prop_assert_eq!(unclosed(&loads, before), (0, 0));
            prop_assert_eq!(home.store(&mut halves, length, now.price, loads), flows);
            prop_assert_eq!(halves, state);
            prop_assert_eq!(unclosed(&flows, before), (0, 0));
            prop_assert_eq!(flows.stored_uwh, state.battery.stored_uwh);
            let parts = u64::from(consumption >> down) + flows.ev_wh + flows.heat_pump_wh + flows.appliance_wh;
            prop_assert_eq!(flows.consumption_wh, parts);
            prop_assert!(flows.import_wh == 0 || flows.export_wh == 0);
            prop_assert!(flows.charged_wh == 0 || flows.discharged_wh == 0);
            delivered += flows.ev_wh;
            unserved += flows.ev_unserved_wh;
            ran += flows.appliance_wh;
        }
        // Everything has ended after so many intervals.
        if count > 100 {
            prop_assert_eq!(delivered + unserved, if without[1] { 0 } else { u64::from(energy_wh) });
            prop_assert_eq!(ran, 500 + 100 + 300 + 150);
        }
    }

    /// A home without devices is netted at its meter and nothing else.
    #[test]
    fn without_devices_production_serves_the_load(consumption: u32, production: u32) {
        let now = Step::new(interval(0, IntervalLength::Minutes15), consumption, production);
        let (consumption_wh, production_wh) = (u64::from(consumption), u64::from(production));
        let expected = HomeFlows {
            consumption_wh,
            production_wh,
            import_wh: consumption_wh.saturating_sub(production_wh),
            export_wh: production_wh.saturating_sub(consumption_wh),
            ..HomeFlows::default()
        };
        prop_assert_eq!(Home::default().step(&mut HomeState::default(), &now), expected);
    }
}

#[test]
fn surplus_goes_to_the_appliances_then_the_vehicle_then_the_battery_then_the_meter() {
    let home = home(
        "battery = { capacity_wh = 9_000, power_w = 2_000, round_trip_efficiency = 1 }\n\
         ev = { power_w = 4_000, charging = \"solar_first\" }\n\
         appliances = [{ cycle_wh = [300], start = \"solar\" }, { cycle_wh = [200], start = \"solar\" }]",
    );
    let length = IntervalLength::Minutes15;
    let at = |number| interval(number, length).start_s();
    let session = Session { arrives_s: at(0), departs_s: at(20), energy_wh: 8_000, power_w: 4_000 };
    let windows = [Some(Window { earliest_s: at(0), latest_s: at(20) }); 2];
    for (production, appliance_wh, ev_wh, charged_wh, export_wh) in [
        (100, 0, 0, 0, 0),
        (350, 200, 50, 0, 0),
        (400, 300, 0, 0, 0),
        (650, 500, 50, 0, 0),
        (1_700, 500, 1_000, 100, 0),
        (2_400, 500, 1_000, 500, 300),
    ] {
        let step =
            Step { session: Some(&session), windows: &windows, ..Step::new(interval(0, length), 100, production) };
        let flows = home.step(&mut home.start(), &step);
        let found = (flows.appliance_wh, flows.ev_wh, flows.charged_wh, flows.export_wh);
        assert_eq!(found, (appliance_wh, ev_wh, charged_wh, export_wh), "{production}");
        assert_eq!(flows.import_wh, 0, "{production}");
    }
    // What must be goes before what the appliances see, and is imported if it has to be.
    let late = Session { departs_s: at(2), energy_wh: 1_600, ..session };
    let step = Step { session: Some(&late), windows: &windows, ..Step::new(interval(0, length), 100, 800) };
    let flows = home.step(&mut home.start(), &step);
    assert_eq!((flows.ev_wh, flows.appliance_wh, flows.import_wh, flows.export_wh), (700, 0, 0, 0));
}

#[test]
fn a_month_is_the_same_on_every_machine() {
    let home = home(FULL);
    let length = IntervalLength::Minutes15;
    let mut state = home.start();
    let (mut noise, mut sums) = (88_172_645_463_325_252u64, [0; 8]);
    for number in 0..30 * 96 {
        let (day, of_day) = (number / 96, number % 96);
        let at = |of_day| interval(96 * day + of_day, length).start_s();
        let session = Session { arrives_s: at(70), departs_s: at(96), energy_wh: 9_000, power_w: 7_400 };
        let windows =
            [(30, 60), (40, 90)].map(|(first, last)| Some(Window { earliest_s: at(first), latest_s: at(last) }));
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let production = if (28..76).contains(&of_day) { (noise & 2_047) as u32 } else { 0 };
        let now = Step {
            outdoor_milli_c: (noise >> 32) as i32 % 12_000,
            price: Price::from_micro((noise >> 20 & 0x7_ffff) as i64),
            session: Some(&session),
            windows: &windows,
            ..Step::new(interval(number, length), (noise >> 50 & 255) as u32, production)
        };
        let flows = home.step(&mut state, &now);
        let HomeFlows { ev_wh, heat_pump_wh, appliance_wh, charged_wh, discharged_wh, .. } = flows;
        let found = [
            ev_wh,
            heat_pump_wh,
            appliance_wh,
            charged_wh,
            discharged_wh,
            flows.import_wh,
            flows.export_wh,
            flows.lost_uwh,
        ];
        sums = std::array::from_fn(|place| sums[place] + found[place]);
    }
    // 30 sessions and 60 cycles are in the first and the third; the others only have to stay.
    assert_eq!(sums, [270_000, 820_582, 31_500, 826_261, 744_689, 1_092_843, 1_028_409, 82_728_306_279]);
    assert_eq!((state.battery.stored_uwh, state.heat_pump.heat.uwh), (843_693_721, 209_996_465_278));
}

#[test]
fn a_home_begins_as_its_settings_say_and_remembers_little() {
    let state = home(FULL).start();
    assert_eq!(state.battery.stored_uwh, 2_000_000_000);
    assert_eq!(state.heat_pump.heat.uwh, 210_000_000_000);
    assert!(size_of::<HomeState>() <= 192, "{}", size_of::<HomeState>());
    assert!(size_of::<HomeFlows>() <= 96, "{}", size_of::<HomeFlows>());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    assert_eq!(home(""), Home::default());
    let five = "[[appliances]]\ncycle_wh = [1]\n".repeat(5);
    for (text, expected) in [
        (five.as_str(), "expected at most 4 `[[appliances]]` in a home, found 5"),
        ("[batery]\n", "unknown field `batery`"),
        (
            &FULL.replace("initial_wh = 2_000", "initial_wh = 20_000"),
            "at most its capacity of 10000 Wh in `initial_wh`",
        ),
        (&FULL.replace("efficiency = 0.9", "efficiency = 1.5"), "expected a share from 0 to 1"),
        (&FULL.replace("highest_c = 21", "highest_c = 19"), "expected a `lowest_c` that is below `highest_c`"),
        (&FULL.replace("[500, 100, 300]", "[]"), "expected a cycle of at least one step"),
    ] {
        let error = toml::from_str::<Home>(text).unwrap_err();
        assert!(error.message().contains(expected), "{expected}: {error}");
        assert_eq!(error.message().lines().count(), 1, "{error}");
    }
}
