use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use protocol::{genesis::GridLine, limits::ENERGY_WH_MAX};
use tempfile::TempDir;

use super::*;

const PARTICIPANTS: &str = "participant_id,bus_id,kind\na,bus_1,household\nb,bus_2,farm\n";
const PROFILE: &str = "timestamp,participant_id,consumption_wh,production_wh,ev_wh\n\
                       2026-06-01T00:15:00Z,b,30,0,1\n\
                       2026-06-01T00:00:00Z,a,10,5,0\n\
                       2026-06-01T00:00:00Z,b,20,0,0\n\
                       2026-06-01T00:15:00Z,a,0,7,0\n\
                       2026-06-01T00:30:00Z,a,1,1,0\n\
                       2026-06-01T00:30:00Z,b,2,2,0\n";
const BUSES: &str = "bus_id\nroot\nbus_1\nbus_2\n";
const LINES: &str = "line_id,from_bus,to_bus,rated_kva,in_service\n\
                     l1,root,bus_1,187.061,1\n\
                     l2,bus_2,bus_1,50,1\n\
                     l3,bus_2,root,50,0\n";
const TRANSFORMER: &str = "trafo_id,lv_bus,sn_kva\nt1,root,400.0\n";

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (file, content) in [
        ("participants.csv", PARTICIPANTS),
        ("profiles_june.csv", PROFILE),
        ("grid_buses.csv", BUSES),
        ("grid_lines.csv", LINES),
        ("grid_transformer.csv", TRANSFORMER),
    ] {
        fs::write(directory.path().join(file), content).unwrap();
    }
    directory
}

fn load(directory: &Path, profile: &str) -> Result<Dataset, DatasetError> {
    Dataset::load(&Source::Directory(directory.to_owned()), profile)
}

fn pack(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn rows_may_come_in_any_order_and_columns_by_name() {
    let directory = directory();
    let dataset = load(directory.path(), "june").unwrap();
    assert_eq!(dataset.first.to_string(), "2026-06-01T00:00:00Z/PT15M");
    assert_eq!(dataset.intervals, 3);
    let usage = |pairs: [(u64, u64); 3]| {
        pairs.map(|(consumption_wh, production_wh)| Usage { consumption_wh, production_wh }).to_vec()
    };
    let expected = [
        Participant {
            id: "a".into(),
            bus: Some("bus_1".into()),
            usage: usage([(10, 5), (0, 7), (1, 1)]),
            battery: None,
        },
        Participant {
            id: "b".into(),
            bus: Some("bus_2".into()),
            usage: usage([(20, 0), (30, 0), (2, 2)]),
            battery: None,
        },
    ];
    assert_eq!(dataset.participants, expected);
    let line = |line: &str, from: &str, to: &str, rated_va| GridLine {
        line: line.into(),
        from: from.into(),
        to: to.into(),
        rated_va,
    };
    let expected = GridPlan {
        transformer: "t1".into(),
        transformer_va: 400_000,
        root: "root".into(),
        lines: vec![line("l1", "root", "bus_1", 187_061), line("l2", "bus_2", "bus_1", 50_000)],
    };
    assert_eq!(dataset.grid, Some(expected));

    fs::rename(directory.path().join("profiles_june.csv"), directory.path().join("plain")).unwrap();
    fs::write(directory.path().join("profiles_june.csv.gz"), pack(PROFILE.as_bytes())).unwrap();
    assert_eq!(load(directory.path(), "june").unwrap(), dataset, "packed or not");
}

#[test]
fn a_directory_without_a_grid_needs_no_buses() {
    let directory = directory();
    for file in ["grid_buses.csv", "grid_lines.csv", "grid_transformer.csv"] {
        fs::remove_file(directory.path().join(file)).unwrap();
    }
    let with_buses = load(directory.path(), "june").unwrap();
    fs::write(directory.path().join("participants.csv"), "participant_id\na\nb\n").unwrap();
    let without = load(directory.path(), "june").unwrap();
    assert_eq!(without.grid, None);
    assert_eq!(with_buses, without, "a bus of no grid is no bus");
}

#[test]
fn the_length_of_the_intervals_is_inferred() {
    for (step, text) in [(5, "PT5M"), (15, "PT15M"), (30, "PT30M"), (60, "PT1H")] {
        let directory = directory();
        let mut profile = String::from("timestamp,participant_id,consumption_wh,production_wh\n");
        for index in 0..3 {
            for id in ["a", "b"] {
                profile.push_str(&format!(
                    "2026-06-01T{:02}:{:02}:00Z,{id},1,1\n",
                    index * step / 60,
                    index * step % 60
                ));
            }
        }
        fs::write(directory.path().join("profiles_june.csv"), profile).unwrap();
        let dataset = load(directory.path(), "june").unwrap();
        assert_eq!(dataset.first.to_string(), format!("2026-06-01T00:00:00Z/{text}"));
        let [first, second, third] = [0, 1, 2].map(|index| dataset.first.offset(index).unwrap());
        assert_eq!((dataset.last_of(first, 3), dataset.last_of(second, 2)), (Some(third), Some(third)));
        assert_eq!([(first, 0), (first, 4), (second, 3)].map(|(from, count)| dataset.last_of(from, count)), [None; 3]);
        assert_eq!((dataset.last(), dataset.before(third)), (third, 2));
        assert_eq!(dataset.starting_at(second.start_s()), Some(second));
        for outside in [first.start_s() - 1, second.start_s() + 1, third.end_s()] {
            assert_eq!(dataset.starting_at(outside), None);
        }
    }
}

#[test]
fn each_bad_file_gets_one_line_that_says_where_and_what() {
    let p = "participants.csv";
    let f = "profiles_june.csv";
    let l = "grid_lines.csv";
    let t = "grid_transformer.csv";
    let rows = PROFILE.split_once('\n').unwrap().1;
    // A file, what is replaced in it by what, and what the refusal says.
    for (file, from, to, expected) in [
        (
            p,
            "participant_id",
            "id",
            "participants.csv line 1: expected one column `participant_id`, found id, bus_id, kind",
        ),
        (p, "kind", "participant_id", "line 1: expected one column `participant_id`, found it 2 times"),
        (p, "b,bus_2", "a,bus_2", "line 3: expected each participant once, found a again (first on line 2)"),
        (p, "b,bus_2", "../b,bus_2", "participants.csv line 3: expected a name of 1 to 64 bytes"),
        (p, "b,bus_2", ",bus_2", "in column `participant_id`, found ``"),
        (p, "b,bus_2,farm", "b,bus_2", "participants.csv line 3: expected 3 fields as in the header, found 2"),
        (p, PARTICIPANTS, "", "found no columns"),
        (
            p,
            "a,bus_1,household\nb,bus_2,farm\n",
            "",
            "participants.csv: expected 1 to 10000 participants, found 0 rows",
        ),
        (
            p,
            "bus_id",
            "node",
            "participants.csv line 1: expected one column `bus_id`, found participant_id, node, kind",
        ),
        (p, "bus_2", "bus_9", "participants.csv line 3: expected a bus of grid_buses.csv, found `bus_9`"),
        (f, "production_wh", "pv_wh", "profiles_june.csv line 1: expected one column `production_wh`"),
        (
            f,
            "a,10,5",
            "a,10.5,5",
            "line 3: expected whole Wh from 0 to 1000000000 in column `consumption_wh`, found `10.5`",
        ),
        (f, "a,10,5", "a,10,-5", "in column `production_wh`, found `-5`"),
        (f, "a,10,5", "a,+10,5", "found `+10`"),
        (f, "a,10,5", "a,1e3,5", "found `1e3`"),
        (f, "a,10,5", "a,NaN,5", "found `NaN`"),
        (f, "a,10,5", "a,,5", "found ``"),
        (f, "a,10,5", "a,1000000001,5", "found `1000000001`"),
        (f, "a,10,5", "a,99999999999999999999999999,5", "found `99999999999999999999999999`"),
        (f, "a,10,5", "z,10,5", "line 3: expected a participant of participants.csv, found `z`"),
        (
            f,
            "2026-06-01T00:00:00Z,a",
            "yesterday,a",
            "line 3: expected a UTC time such as 2026-06-01T12:00:00Z in column `timestamp`, found `yesterday`",
        ),
        (f, "2026-06-01T00:00:00Z,a", "2026-06-01T02:00:00+02:00,a", "expected a UTC time"),
        (
            f,
            "2026-06-01T00:15:00Z,a,0,7,0\n",
            "2026-06-01T00:00:00Z,a,0,7,0\n",
            "line 5: expected each participant and time once, found a at 2026-06-01T00:00:00Z again (first on line 3)",
        ),
        (
            f,
            "2026-06-01T00:15:00Z,a,0,7,0\n",
            "",
            "expected a row for each participant in each interval, found none for a at 2026-06-01T00:15:00Z",
        ),
        (f, "2026-06-01T00:30:00Z,b", "2026-06-01T00:45:00Z,b", "found none for a at 2026-06-01T00:45:00Z"),
        (
            f,
            "00:30:00Z",
            "01:00:00Z",
            "line 6: expected no gap between intervals, found 2026-06-01T01:00:00Z where 2026-06-01T00:30:00Z comes next",
        ),
        (
            f,
            "00:30:00Z",
            "00:25:00Z",
            "line 6: expected intervals of 5, 15, 30 or 60 minutes, found 2026-06-01T00:25:00Z 600 s after another",
        ),
        (f, "00:30:00Z", "00:30:01Z", "expected no gap"),
        (f, "2026-06-01T", "1960-06-01T", "from 1970 to 9998, found 1960-06-01T00:00:00Z"),
        (f, rows, "", "profiles_june.csv: expected at least one interval, found 0 rows"),
        (
            l,
            "187.061",
            "-1",
            "grid_lines.csv line 2: expected a rating in kVA from 0.001 to 1000000 in column `rated_kva`, found `-1`",
        ),
        (l, "187.061", "inf", "found `inf`"),
        (l, "187.061", "99999999999999999999999999999999", "expected a rating in kVA"),
        (l, "50,0", "50,maybe", "line 4: expected 1 or 0 in column `in_service`, found `maybe`"),
        (l, "50,0", "50,1", "expected a radial grid, found that"),
        (
            l,
            "l2,bus_2,bus_1,50,1",
            "l2,bus_2,bus_1,50,0",
            "participants.csv line 3: expected a bus that lines in service join to the transformer, found bus_2",
        ),
        (l, "l1,root", "l1,nowhere", "line 2: expected a bus of grid_buses.csv, found `nowhere`"),
        (l, "l2,", "l1,", "line 3: expected each line once, found l1 again (first on line 2)"),
        (
            t,
            "t1,root,400.0\n",
            "t1,root,400.0\nt2,root,400.0\n",
            "grid_transformer.csv: expected one transformer, found 2 rows",
        ),
        (t, "t1,root,400.0\n", "", "expected one transformer, found 0 rows"),
        ("grid_buses.csv", "bus_2", "bus_1", "line 4: expected each bus once, found bus_1 again (first on line 3)"),
    ] {
        let directory = directory();
        let path = directory.path().join(file);
        let content = fs::read_to_string(&path).unwrap();
        assert!(content.contains(from), "{from}");
        fs::write(&path, content.replace(from, to)).unwrap();
        let error = load(directory.path(), "june").unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
    }
}

#[test]
fn what_is_missing_is_named_with_what_there_is() {
    let cases: [(&str, &str, &str); 5] = [
        ("participants.csv", "june", "expected a file participants.csv in "),
        ("grid_lines.csv", "june", "expected a file grid_lines.csv in "),
        ("", "may", "expected one of the profiles june in "),
        ("", "../june", "found `..?june`"),
        (
            "profiles_june.csv",
            "june",
            "expected a file profiles_june.csv, profiles_june.csv.gz or profiles_june.parquet in ",
        ),
    ];
    for (remove, profile, expected) in cases {
        let directory = directory();
        if !remove.is_empty() {
            fs::remove_file(directory.path().join(remove)).unwrap();
        }
        let error = load(directory.path(), profile).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
    }
    let both = directory();
    fs::write(both.path().join("profiles_june.csv.gz"), pack(PROFILE.as_bytes())).unwrap();
    let error = load(both.path(), "june").unwrap_err();
    assert!(matches!(error, DatasetError::TwoForms { .. }), "{error}");
    let error = load(&both.path().join("no"), "june").unwrap_err();
    assert!(matches!(error, DatasetError::UnreadableDirectory { .. }), "{error}");
}

#[test]
fn bytes_that_are_no_text_or_no_gzip_are_refused() {
    let directory = directory();
    let path = directory.path().join("profiles_june.csv");
    let mut bytes = PROFILE.as_bytes().to_vec();
    let at = PROFILE.find("a,10,5").unwrap();
    bytes[at] = 0xff;
    fs::write(&path, bytes).unwrap();
    let error = load(directory.path(), "june").unwrap_err();
    assert!(matches!(error, DatasetError::NotUtf8 { line: 3, .. }), "{error}");

    fs::remove_file(&path).unwrap();
    let whole = pack(PROFILE.as_bytes());
    for broken in [&whole[..whole.len() / 2], PROFILE.as_bytes()] {
        fs::write(directory.path().join("profiles_june.csv.gz"), broken).unwrap();
        let error = load(directory.path(), "june").unwrap_err();
        assert!(matches!(error, DatasetError::Unreadable { .. }), "{error}");
    }
}

#[test]
fn the_smallest_fuse_that_carries_the_peak_is_installed() {
    for (peak_wh, expected_w) in [
        (0, 43_470),
        (10_867, 43_470),
        (10_868, 55_200),
        (17_481, 86_250),
        (215_625, 862_500),
        (215_626, 1_725_000),
        (ENERGY_WH_MAX, 4_000_275_000),
    ] {
        for usage in
            [Usage { consumption_wh: peak_wh, production_wh: 0 }, Usage { consumption_wh: 0, production_wh: peak_wh }]
        {
            let participant =
                Participant { id: "a".into(), bus: None, usage: vec![Usage::default(), usage], battery: None };
            assert_eq!(participant.rated_power_w(900), expected_w, "{peak_wh} Wh in 15 minutes");
        }
    }
}

#[test]
fn the_built_in_neighbourhood_adds_up_to_its_ground_truth() {
    let truth =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/neighbourhood/groundtruth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
    for profile in ["summer", "winter"] {
        let dataset = Dataset::load(&Source::BuiltIn, profile).unwrap();
        let truth = &truth[profile];
        assert_eq!(truth["participants"], dataset.participants.len());
        assert_eq!(truth["intervals"], dataset.intervals);
        assert_eq!(truth["first"], dataset.first.start_text());
        for participant in &dataset.participants {
            let sum = |part: fn(&Usage) -> u64| participant.usage.iter().map(part).sum::<u64>();
            let truth = &truth["per_participant"][&participant.id];
            assert_eq!(truth["consumption_wh"], sum(|usage| usage.consumption_wh));
            assert_eq!(truth["production_wh"], sum(|usage| usage.production_wh));
            assert_eq!(truth["self_wh"], sum(|usage| usage.consumption_wh.min(usage.production_wh)));
        }
        let grid = dataset.grid.unwrap();
        assert_eq!((grid.transformer_va, grid.lines.len()), (400_000, 42));
    }
}

#[test]
fn the_fuse_carries_what_a_meter_invents() {
    let battery = toml::from_str("capacity_wh = 4000\npower_w = 2000\nround_trip_efficiency = 0.9\n").unwrap();
    let rated = |misreports| {
        let usage = vec![Usage { consumption_wh: 0, production_wh: 10_000 }];
        let battery = Some(ModelledBattery { battery, settings: String::new(), misreports });
        Participant { id: "a".into(), bus: None, usage, battery }.rated_power_w(900)
    };
    // 40 kW and the battery's 2; the meter says up to twice that.
    assert_eq!(rated(None), 43_470);
    assert_eq!(rated(Some(Misreport::of_ppm(500_000, 0))), 43_470);
    assert_eq!(rated(Some(Misreport::of_ppm(0, 1_000_000))), 86_250);
}
