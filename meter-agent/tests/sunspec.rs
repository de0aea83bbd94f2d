//! SunSpec devices that pysunspec2 fills and pymodbus plays, beside the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde::Deserialize;
use support::{Home, interval, python::Python};

#[derive(Debug, Deserialize)]
struct Device {
    address: String,
    meters: Vec<Meter>,
}

/// What pysunspec2 reads of a meter.
#[derive(Debug, Deserialize)]
struct Meter {
    import_wh: u64,
    export_wh: u64,
    power_w: i64,
    serial: String,
}

impl Meter {
    fn readable(&self, fed_in: bool) -> String {
        let Meter { import_wh, export_wh, power_w, serial } = self;
        let power = match if fed_in { -power_w } else { *power_w } {
            watts if watts < 0 => format!("feeding in {} W", -watts),
            watts => format!("drawing {watts} W"),
        };
        format!("meter read twice: import {import_wh} Wh, export {export_wh} Wh, {power}, serial number {serial}")
    }
}

fn play(models: &[&str]) -> (Python, Device) {
    let (python, line) = Python::start("sunspec_device.py", models);
    (python, serde_json::from_str(&line).unwrap())
}

fn check(device: &Device, more: &str) -> String {
    let source = format!("kind = \"sunspec\"\naddress = \"{}\"\nunit = 71\npoll_s = 1\n{more}", device.address);
    Home::with_meter(interval(0), 1, &source).check()
}

#[test]
#[ignore = "needs pysunspec2, which .ci/run installs"]
fn every_meter_model_is_read_as_pysunspec2_reads_it() {
    for model in ["201", "202", "203", "204", "211", "212", "213", "214"] {
        // Behind an inverter, whose models are passed over.
        let (_python, device) = play(&["103", model]);
        let [meter] = device.meters.as_slice() else { panic!("{device:?}") };
        let said = check(&device, "");
        assert!(said.contains(&meter.readable(false)), "{model}: expected {meter:?}\n{said}");
    }
}

#[test]
#[ignore = "needs pysunspec2, which .ci/run installs"]
fn of_several_meters_one_is_chosen_and_without_one_it_is_said() {
    let (_python, device) = play(&["203", "213"]);
    let [first, second] = device.meters.as_slice() else { panic!("{device:?}") };
    assert_ne!(first.import_wh, second.import_wh);
    let said = check(&device, "meter = 1\n");
    assert!(said.contains(&first.readable(false)), "{said}");
    let said = check(&device, "meter = 2\npower_fed_in = true\n");
    assert!(said.contains(&second.readable(true)), "{said}");
    let said = check(&device, "");
    assert!(said.contains("expected `meter` from 1 to 2, since the device has several meters, found none"), "{said}");
    let said = check(&device, "meter = 3\n");
    assert!(said.contains("expected `meter` from 1 to 2, found 3"), "{said}");
    let said = check(&device, &format!("meter = 1\nserial = \"{}\"\n", second.serial));
    assert!(said.contains("expected the meter with the serial number"), "{said}");

    let (_python, inverter) = play(&["103"]);
    let said = check(&inverter, "");
    assert!(said.contains("speaks SunSpec, but has no meter"), "{said}");
}
