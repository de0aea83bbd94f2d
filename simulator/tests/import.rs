//! Data sets of others: a tiny one of SimBench's form, written by hand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flate2::read::GzDecoder;
use tempfile::TempDir;

/// Three buses in a ring that is open between the second and the third, and another grid beside.
const FILES: [(&str, &str); 10] = [
    (
        "Node.csv",
        "id;type;vmR;subnet;voltLvl\n\
         M Bus 1;busbar;20;M;5\n\
         L Bus 1;busbar;0.4;L;7\nL Bus 1_1;auxiliary;0.4;L;7\nL Bus 1_2;auxiliary;0.4;L;7\n\
         L Bus 10;busbar;0.4;L;7\nL Bus 2;busbar;0.4;L;7\nL Bus 2_1;auxiliary;0.4;L;7\n\
         L Bus 2_2;auxiliary;0.4;L;7\nother Bus 1;busbar;0.4;other;7\n",
    ),
    (
        "Switch.csv",
        "id;nodeA;nodeB;type;cond;subnet\n\
         1;M Bus 1;M Bus 1_1;CB;1;L\n\
         2;L Bus 1;L Bus 1_1;LS;1;L\n3;L Bus 1;L Bus 1_2;LS;1;L\n4;L Bus 2;L Bus 2_1;LS;1;L\n\
         5;L Bus 2;L Bus 2_2;LS;0;L\n",
    ),
    (
        "Line.csv",
        "id;nodeA;nodeB;type;length;subnet\n\
         L Line 2;L Bus 1_2;L Bus 10;thin;0.1;L\nL Line 1;L Bus 1_1;L Bus 2_1;thick;0.1;L\n\
         L Line 3;L Bus 10;L Bus 2_2;thin;0.1;L\n",
    ),
    ("LineType.csv", "id;r;x;b;iMax;type\nthick;1;1;1;270;cable\nthin;1;1;1;100;cable\n"),
    ("Transformer.csv", "id;nodeHV;nodeLV;type;subnet\nM-L-Trafo 1;M Bus 1;L Bus 1;small;L\n"),
    ("TransformerType.csv", "id;sR\nsmall;0.16\n"),
    // Out of order, two at one bus, and a heat pump and a charging point beside them.
    (
        "Load.csv",
        "id;node;profile;pLoad;subnet\n\
         L Load 3;L Bus 10;G1-A;0.01;L\nL Load 1;L Bus 2;H0-A;0.004;L\nL Load 2;L Bus 2;H0-B;0.002;L\n\
         L Load 4;L Bus 2;Air_Parallel_1;0.003;L\nL Load 5;L Bus 2;HLS_A_3.7;0.0037;L\n\
         M Load 1;M Bus 1;mv;1;M\nother Load 1;other Bus 1;nowhere;1;other\n",
    ),
    // One on a roof where somebody lives, one where nobody does.
    ("RES.csv", "id;node;type;profile;pRES;subnet\nL SGen 1;L Bus 10;PV;PV1;0.008;L\nL SGen 2;L Bus 1;PV;PV2;0.02;L\n"),
    // A minute-long year: the night in which summer time begins.
    (
        "LoadProfile.csv",
        "time;H0-A_qload;H0-A_pload;H0-B_pload;G1-A_pload;Air_Parallel_1_pload;HLS_A_3.7_pload\n\
         27.03.2016 01:30;9;0.5;0.25;0.1;0;0\n27.03.2016 01:45;9;0.0005;0.003;1;1;-6.00E-06\n\
         27.03.2016 03:00;9;0;0;0;0.5;1\n",
    ),
    ("RESProfile.csv", "time;PV1;PV2\n27.03.2016 01:30;0;0\n27.03.2016 01:45;0.5;0\n27.03.2016 03:00;1;0.25\n"),
];

fn data() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn import(directory: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    command.args(["import", "simbench"]).arg(directory).arg("--out").arg(out).args(more).output().unwrap()
}

/// The line that says why not.
fn refused(directory: &Path, out: &Path, more: &[&str]) -> String {
    let output = import(directory, out, more);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.trim_end().lines().count()), (Some(2), 1), "{stderr}");
    stderr
}

fn text(directory: &Path, file: &str) -> String {
    fs::read_to_string(directory.join(file)).unwrap()
}

fn out(directory: &TempDir) -> PathBuf {
    directory.path().join("out")
}

#[test]
fn a_grid_becomes_a_directory_that_runs() {
    let (directory, place) = (data(), tempfile::tempdir().unwrap());
    let out = out(&place);
    let output = import(directory.path(), &out, &["--grid", "L"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        stdout.contains("4 participants, 2 of which produce, 3 buses, 2 lines in service, and 3 quarter hours"),
        "{stdout}"
    );
    assert_eq!(text(&out, "grid_buses.csv"), "bus_id\nbus_1\nbus_2\nbus_10\n");
    // What is behind the open switch is out of service. √3 · 0.4 kV · 270 A is 187.061 kVA.
    assert_eq!(
        text(&out, "grid_lines.csv"),
        "line_id,from_bus,to_bus,type,rated_kva,in_service\n\
         line_1,bus_1,bus_2,thick,187.061,1\nline_2,bus_1,bus_10,thin,69.282,1\nline_3,bus_10,bus_2,thin,69.282,0\n"
    );
    assert_eq!(text(&out, "grid_transformer.csv"), "trafo_id,lv_bus,type,sn_kva\ntrafo_1,bus_1,small,160\n");
    assert_eq!(
        text(&out, "participants.csv"),
        "participant_id,bus_id,load_profiles,load_kw_peak,pv_profiles,pv_kwp\n\
         d001,bus_2,H0-A|Air_Parallel_1,7,,0\nd002,bus_2,H0-B|HLS_A_3.7,5.7,,0\nd003,bus_10,G1-A,10,PV1,8\n\
         sgen_2,bus_1,,0,PV2,20\n"
    );
    let mut profile = String::new();
    let file = fs::File::open(out.join("profiles_year.csv.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut profile).unwrap();
    // 4 kW · 0.5 · ¼ h; halves go to the even Wh: 0.5 to 0, 1.5 to 2. There is no hour from 2 to 3 that night.
    assert_eq!(
        profile,
        "timestamp,participant_id,consumption_wh,production_wh\n\
         2016-03-27T00:30:00Z,d001,500,0\n2016-03-27T00:30:00Z,d002,125,0\n\
         2016-03-27T00:30:00Z,d003,250,0\n2016-03-27T00:30:00Z,sgen_2,0,0\n\
         2016-03-27T00:45:00Z,d001,750,0\n2016-03-27T00:45:00Z,d002,2,0\n\
         2016-03-27T00:45:00Z,d003,2500,1000\n2016-03-27T00:45:00Z,sgen_2,0,0\n\
         2016-03-27T01:00:00Z,d001,375,0\n2016-03-27T01:00:00Z,d002,925,0\n\
         2016-03-27T01:00:00Z,d003,0,2000\n2016-03-27T01:00:00Z,sgen_2,0,1250\n"
    );
    assert!(text(&out, "README.txt").contains("Open Database License"));

    let scenario = place.path().join("scenario.toml");
    fs::write(&scenario, format!("[community]\ndata = '{}'\nprofile = 'year'\n", out.display())).unwrap();
    let results = place.path().join("results");
    let mut run = Command::new(env!("CARGO_BIN_EXE_simulator"));
    let output = run.arg("run").arg(&scenario).arg("--out").arg(&results).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_str(&text(&results, "summary.json")).unwrap();
    assert_eq!(summary["energy"]["consumption_wh"], 500 + 125 + 250 + 750 + 2 + 2500 + 375 + 925);
    assert_eq!(summary["energy"]["production_wh"], 1000 + 2000 + 1250);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_left() {
    let change = |file: &str, from: &str, to: &str| {
        let directory = data();
        let path = directory.path().join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{file}: {from}");
        fs::write(path, before.replace(from, to)).unwrap();
        directory
    };
    let place = tempfile::tempdir().unwrap();
    for (directory, more, expected) in [
        (
            data(),
            ["--grid", "nowhere"].as_slice(),
            "--grid: expected a low-voltage grid such as L, other, found `nowhere`",
        ),
        (data(), &["--grid", "L", "--days", "2"], "--from and --days: expected days that LoadProfile.csv has"),
        (data(), &["--grid", "L", "--from", "2016-03-27T00:31:00Z"], "expected days that LoadProfile.csv has"),
        (data(), &["--grid", "L", "--days", "0"], "--days: expected a whole number from 1 to 366"),
        (data(), &["--grid", "L", "--profile", "a/b"], "--profile: expected a name of letters and digits"),
        (
            change("Load.csv", "0.004", "lots"),
            &["--grid", "L"],
            "Load.csv line 3: expected `pLoad` as a number, found `lots`",
        ),
        (change("Load.csv", "0.004", "-1"), &["--grid", "L"], "expected `pLoad` as a number from 0 on, found `-1`"),
        (
            change("Load.csv", "H0-A", "H0-Z"),
            &["--grid", "L"],
            "LoadProfile.csv: expected a column `H0-Z_pload`, found none",
        ),
        (
            change("Load.csv", "L Bus 10;", "L Bus 11;"),
            &["--grid", "L"],
            "expected a node at a bus of L, found `L Bus 11`",
        ),
        (
            change("Line.csv", "thick", "fat"),
            &["--grid", "L"],
            "Line.csv line 3: expected a type of LineType.csv, found fat",
        ),
        (
            change("LoadProfile.csv", "27.03.2016 03:00", "27.03.2016 02:00"),
            &["--grid", "L"],
            "expected `27.03.2016 03:00`, a quarter of an hour later in Berlin",
        ),
        (
            change("RESProfile.csv", "27.03.2016 01:45", "27.03.2016 01:50"),
            &["--grid", "L"],
            "expected 27.03.2016 01:45, as in",
        ),
        (
            change("LoadProfile.csv", "01:45;9;0.0005", "01:45;9;-0.5"),
            &["--grid", "L"],
            "expected energy of d001 from 0 Wh on",
        ),
        (change("Switch.csv", "2;LS;0", "2;LS;1"), &["--grid", "L"], "what comes of it is no data set"),
        (
            change("Transformer.csv", "M-L-Trafo 1", "x;L Bus 1;L Bus 1;small;L\nM-L"),
            &["--grid", "L"],
            "expected one transformer of L, found 2",
        ),
    ] {
        let found = refused(directory.path(), &out(&place), more);
        assert!(found.contains(expected), "{found}\nexpected: {expected}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{found}");
    }
    let missing = refused(place.path(), &out(&place), &["--grid", "L"]);
    assert!(missing.contains("Node.csv: expected a CSV file that can be read"), "{missing}");
    fs::create_dir(out(&place)).unwrap();
    let there = refused(data().path(), &out(&place), &["--grid", "L"]);
    assert!(there.contains("--out: expected no such directory yet"), "{there}");
}
