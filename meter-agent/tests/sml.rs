//! German meters that send SML, beside the real program: the dumps that come with `sml-rs`, read as `pysml` reads them.
//!
//! They are taken from where cargo has the crate, because nobody says under which terms they may be copied.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use protocol::genesis::Genesis;
use serde::Deserialize;
use support::{
    Home,
    meter::{here, serve},
};

const NO_IMPORT: &str = "expected the register 1.8.0, or its tariffs 1.8.1 to 1.8.4, found neither";
const NO_EXPORT: &str = "expected the register 2.8.0, or its tariffs 2.8.1 to 2.8.4, found neither";
const NO_PIN: &str = "counts whole kWh: enter the PIN at the meter";
const CUT: &str = "expected the end of a transmission, found the next one after";

/// The dumps that are not read, and what `check` says of them; all others are.
const NOT_READ: [(&str, &str); 26] = [
    ("DZG_DVS-7420.2V.G2_mtr1_error", CUT),
    ("DrNeuhaus_SMARTY_ix-130", NO_IMPORT),
    ("EMH-ED300L_consumption", NO_EXPORT),
    ("EMH-ED300L_delivery", NO_EXPORT),
    ("EMH_eHZ-GW8E2A500AK2", NO_EXPORT),
    ("EMH_eHZ-HW8E2A5L0EK2P", NO_EXPORT),
    ("EMH_eHZ-HW8E2A5L0EK2P_1", NO_EXPORT),
    ("EMH_eHZ-HW8E2A5L0EK2P_2", NO_EXPORT),
    ("EMH_eHZ-HW8E2AWL0EK2P", NO_EXPORT),
    ("EMH_eHZ-IW8E2A5L0EK2P_with_error", NO_EXPORT),
    ("EMH_eHZ-IW8E2AWL0EK2P", NO_EXPORT),
    ("EMH_eHZ361L5R", NO_IMPORT),
    ("EMH_eHZ361L5R_1", NO_IMPORT),
    ("EMH_mME40-AE6AKF0K0", NO_EXPORT),
    ("HOLLEY_DTZ541-BDBA_with_PIN", NO_EXPORT),
    ("HOLLEY_DTZ541-BDBA_without_PIN", NO_PIN),
    ("ISKRA_MT175_eHZ", NO_EXPORT),
    ("ISKRA_MT631-D1A52-K0z-H01_without_PIN", NO_PIN),
    ("ISKRA_MT631-D2A51-V22-K0z_with_PIN", NO_EXPORT),
    ("ISKRA_MT631-D2A51-V22-K0z_without_PIN", NO_PIN),
    ("ISKRA_MT691_eHZ-MS2020", NO_EXPORT),
    ("ITRON_OpenWay-3.HZ", NO_EXPORT),
    ("ITRON_OpenWay-3.HZ_with_PIN", NO_EXPORT),
    ("ITRON_OpenWay-3.HZ_without_PIN", NO_PIN),
    ("eBZ_DD3_DD32R06DTA-SMZ1", NO_PIN),
    ("eBZ_DD3_DD3BZ06DTA-SMZ1_without_PIN", NO_PIN),
];
/// Of 37.
const READ: usize = 11;

/// What `pysml` reads of a transmission.
#[derive(Debug, Deserialize)]
struct Read {
    name: String,
    bytes: String,
    import_wh: Option<u64>,
    export_wh: Option<u64>,
    power_w: Option<i64>,
}

/// All dumps, in their order.
fn dumps() -> Vec<PathBuf> {
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(here("..")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let manifest = packages.iter().find(|package| package["name"] == "sml-rs").unwrap()["manifest_path"].as_str();
    let folder = Path::new(manifest.unwrap()).with_file_name("tests").join("libsml-testing");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut dumps: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "bin")).collect();
    dumps.sort();
    assert_eq!(dumps.len(), NOT_READ.len() + READ);
    dumps
}

fn name_of(dump: &Path) -> String {
    dump.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// What `check` says of a meter that sends this again and again.
fn check_of(bytes: Vec<u8>) -> String {
    let bytes: &'static [u8] = bytes.leak();
    let address: SocketAddr = serve(Duration::from_millis(20), |_| bytes.to_vec());
    let from_zero = |genesis: &mut Genesis| (genesis.members[0].import_wh, genesis.members[0].export_wh) = (0, 0);
    Home::with_meter_in(1, &format!("kind = \"sml\"\naddress = \"tcp://{address}\"\n"), from_zero).check()
}

/// Does all of it, as many at a time as a machine can start programs.
fn each<T: Send>(items: Vec<T>, action: impl Fn(T) + Sync) {
    let mut items = items.into_iter();
    loop {
        let some: Vec<T> = items.by_ref().take(8).collect();
        if some.is_empty() {
            return;
        }
        thread::scope(|scope| some.into_iter().for_each(|item| drop(scope.spawn(|| action(item)))));
    }
}

#[test]
fn every_dump_is_read_or_refused_for_its_reason() {
    let not_read = BTreeMap::from(NOT_READ);
    let (refused, read): (Vec<_>, Vec<_>) =
        dumps().into_iter().partition(|dump| not_read.contains_key(&*name_of(dump)));
    assert_eq!((refused.len(), read.len()), (NOT_READ.len(), READ));
    each(refused, |dump| {
        let said = check_of(fs::read(&dump).unwrap());
        let reason = not_read[&*name_of(&dump)];
        assert!(said.contains("WRONG  expected two readings of the meter, found 0: "), "{}: {said}", dump.display());
        assert!(said.contains(reason), "{}: expected {reason}\n{said}", dump.display());
    });
    each(read, |dump| {
        let said = check_of(fs::read(&dump).unwrap());
        assert!(said.contains("ok     meter read twice: import "), "{}: {said}", dump.display());
        assert!(said.contains(", serial number 0") || said.contains(", serial number 1"), "{said}");
    });
}

#[test]
#[ignore = "needs pysml, which .ci/run installs"]
fn every_transmission_is_read_as_pysml_reads_it() {
    let python = here("../../target/meters/bin/python");
    let output = Command::new(python).arg(here("pysml_registers.py")).args(dumps()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let all: Vec<Read> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(all.len() > 200, "{}", all.len());
    let not_read = BTreeMap::from(NOT_READ);
    let mut refused: BTreeMap<String, Read> = BTreeMap::new();
    let mut read = Vec::new();
    for of_pysml in all {
        if not_read.contains_key(&*of_pysml.name) {
            refused.insert(of_pysml.name.clone(), of_pysml);
        } else {
            read.push(of_pysml);
        }
    }
    assert_eq!(refused.len(), NOT_READ.len() - 1, "of one dump every transmission is cut");
    for (name, Read { import_wh, export_wh, .. }) in &refused {
        // What the reason claims, `pysml` finds too; it does not say in which steps a register counts.
        match not_read[&**name] {
            NO_IMPORT => assert_eq!((*import_wh, export_wh.is_some()), (None, true), "{name}"),
            NO_EXPORT => assert_eq!((import_wh.is_some(), *export_wh), (true, None), "{name}"),
            reason => assert_eq!((reason, import_wh.unwrap() % 1_000), (NO_PIN, 0), "{name}"),
        }
    }
    each(read, |Read { name, bytes, import_wh, export_wh, power_w }| {
        let pairs: Vec<u8> = bytes.into_bytes();
        let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let said = check_of(pairs.chunks(2).map(hex).collect());
        let (import_wh, export_wh) = (import_wh.unwrap(), export_wh.unwrap());
        let power = match power_w.unwrap() {
            watts @ ..0 => format!("feeding in {} W", -watts),
            watts => format!("drawing {watts} W"),
        };
        let expected = format!("ok     meter read twice: import {import_wh} Wh, export {export_wh} Wh, {power}, ");
        assert!(said.contains(&expected), "{name}: expected {expected}\n{said}");
    });
}
