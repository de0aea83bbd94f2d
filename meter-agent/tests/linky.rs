//! Linky meters beside the real program: frames of the standard mode, read as `enedis_tic` reads them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use support::{
    Home, interval,
    meter::{here, serve},
};

/// What meters send that feed in, without checksums; `|` is the tab. Labels, their order and the form of values are
/// those of Enedis-NOI-CPT_54E, version 3.
const ONE_PHASE: &str = "ADSC|041662343035 VTIC|02 DATE|h260601120000| NGTF|PRODUCTEUR LTARF|INDEX_NON_CONSO \
    EAST|000104501 EASF01|000104501 EASF02|000000000 EASF10|000000000 EASD01|000104501 EASD04|000000000 \
    EAIT|012345678 ERQ1|000000031 ERQ2|000032145 ERQ3|000000000 ERQ4|000000412 IRMS1|008 URMS1|236 PREF|12 PCOUP|12 \
    SINSTS|00000 SMAXSN|H260601063000|00986 SMAXSN-1|E260531211759|01422 SINSTI|01907 SMAXIN|E260601111500|02904 \
    CCASN|E260601120000|00000 CCAIN|E260601120000|01850 UMOY1|E260601120000|237 STGE|013A0301 PRM|09312300926695 \
    RELAIS|000 NTARF|01 NJOURF|00 NJOURF+1|00 PJOURF+1|00008001";
/// The same with three phases, which draws.
const THREE_PHASES: &str = "ADSC|021976000123 VTIC|02 DATE|H260115063000| NGTF|BASE LTARF|BASE EAST|987654321 \
    EASF01|900000000 EASF02|087654321 EASD01|987654321 EAIT|000000700 ERQ1|000000001 ERQ4|000000000 IRMS1|002 IRMS2|000 \
    IRMS3|011 URMS1|239 URMS2|242 URMS3|244 PREF|18 PCOUP|18 SINSTS|02831 SINSTS1|00399 SINSTS2|00000 SINSTS3|02432 \
    SINSTI|00000 UMOY1|H260115063000|239 UMOY2|H260115063000|242 UMOY3|H260115063000|244 STGE|013A0001 PRM|0 RELAIS|000";

/// What `enedis_tic` reads of a frame.
#[derive(Debug, Deserialize)]
struct Read {
    import_wh: u64,
    export_wh: u64,
    power_va: i64,
    serial: String,
    at_s: i64,
}

/// A frame of these groups.
fn frame(groups: &str) -> Vec<u8> {
    let group = |group: &str| {
        let checked = format!("{}\t", group.replace('|', "\t").replace('_', " "));
        let sum: u32 = checked.bytes().map(u32::from).sum();
        format!("\n{checked}{}\r", char::from(u8::try_from((sum & 0x3f) + 0x20).unwrap()))
    };
    let groups: String = groups.split_whitespace().map(group).collect();
    format!("\x02{groups}\x03").into_bytes()
}

/// What `check` says of a meter that sends this again and again.
fn check_of(frame: Vec<u8>, more: &str) -> String {
    let frame: &'static [u8] = frame.leak();
    let address = serve(Duration::from_millis(20), |_| frame.to_vec());
    Home::with_meter(interval(0), 1, &format!("kind = \"linky\"\naddress = \"tcp://{address}\"\n{more}")).check()
}

#[test]
fn check_says_in_plain_words_what_a_meter_shows_and_what_is_wrong_with_it() {
    let said = check_of(frame(ONE_PHASE), "");
    let expected = "ok     meter read twice: import 104501 Wh, export 12345678 Wh, feeding in 1907 W, serial number \
                    041662343035";
    assert!(said.contains(expected), "{said}");

    let said = check_of(frame(THREE_PHASES), "");
    assert!(said.contains(" s old by the meter's own clock"), "{said}");

    let consumer: Vec<&str> = ONE_PHASE.split_whitespace().filter(|group| !group.starts_with("EAIT")).collect();
    let said = check_of(frame(&consumer.join(" ")), "");
    assert!(said.contains("WRONG  expected two readings of the meter, found 0: what comes cannot be used"), "{said}");
    assert!(said.contains("expected EAIT, the register of what is fed in, found no such group"), "{said}");

    let said = check_of(b"\x02\nADCO 012345678910 E\r\nOPTARIF BASE 0\r\nBASE 123456789 8\r\x03".to_vec(), "");
    assert!(said.contains("the meter speaks the historic mode, which does not tell what is fed in"), "{said}");

    let text = String::from_utf8(frame(ONE_PHASE)).unwrap().replace("012345678", "012345679");
    let said = check_of(text.into_bytes(), "");
    assert!(said.contains("EAIT: expected the checksum `"), "{said}");
}

#[test]
#[ignore = "needs enedis_tic, which .ci/run installs"]
fn every_frame_is_read_as_enedis_tic_reads_it() {
    let summer = THREE_PHASES.replace("DATE|H260115063000", "DATE|E260715063000");
    let frames = [ONE_PHASE, THREE_PHASES, &summer].map(frame);
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..frames.len()).map(|count| directory.path().join(count.to_string())).collect();
    for (name, frame) in names.iter().zip(&frames) {
        fs::write(name, frame).unwrap();
    }
    let python = here("../../target/meters/bin/python");
    let output = Command::new(python).arg(here("enedis_tic_registers.py")).args(&names).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let read: Vec<Read> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), frames.len());
    thread::scope(|scope| {
        for (frame, Read { import_wh, export_wh, power_va, serial, at_s }) in frames.into_iter().zip(read) {
            scope.spawn(move || {
                let said = check_of(frame.clone(), "meter_time = false\n");
                let power = match power_va {
                    watts @ ..0 => format!("feeding in {} W", -watts),
                    watts => format!("drawing {watts} W"),
                };
                let expected = format!("import {import_wh} Wh, export {export_wh} Wh, {power}, serial number {serial}");
                assert!(said.contains(&expected), "expected {expected}\n{said}");
                // By their own time they are of long ago: by how much, their time tells. One clock is out of step.
                if frame.windows(6).any(|window| window == b"DATE\th") {
                    return;
                }
                let said = check_of(frame, "");
                let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                let off_s = i64::try_from(now_s).unwrap() - at_s;
                let named = (off_s - 30..=off_s + 30).any(|off_s| said.contains(&format!(" {off_s} s ")));
                assert!(named, "expected {off_s} s\n{said}");
            });
        }
    });
}
