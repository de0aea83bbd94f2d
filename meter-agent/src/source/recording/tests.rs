use std::io::Write;

use super::*;

const HEADER: &str = "timestamp,consumption_wh,production_wh\n";

fn first() -> Interval {
    "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
}

fn open(text: &[u8], participant: Option<&str>) -> Result<Recording, RecordingError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("meter.csv");
    std::fs::write(&path, text).unwrap();
    Recording::open(&path, participant, first())
}

fn used(recording: &Recording) -> Vec<(u32, u32)> {
    recording.rows().iter().map(|row| (row.consumption_wh, row.production_wh)).collect()
}

#[test]
fn rows_are_kept_from_the_first_interval_on() {
    let text = format!("{HEADER}2026-06-01T11:45:00Z,9,9\n2026-06-01T12:00:00Z,300,100\n2026-06-01T12:15:00Z,5,45\n");
    let recording = open(text.as_bytes(), None).unwrap();
    assert_eq!(used(&recording), [(300, 100), (5, 45)]);
    assert_eq!(recording.row(first().offset(1).unwrap()).unwrap().map(|row| row.production_wh), Some(45));
    assert!(recording.row(first().offset(2).unwrap()).unwrap().is_none());
    assert!(recording.row(first().offset(-1).unwrap()).is_err());
}

#[test]
fn one_households_rows_are_found_among_others_even_gzipped() {
    let text = "participant_id,production_wh,note,timestamp,consumption_wh\n\
        a,0,x,2026-06-01T12:00:00Z,1\nb,0,x,2026-06-01T12:00:00Z,2\nb,0,x,2026-06-01T12:15:00Z,3\n";
    assert_eq!(used(&open(text.as_bytes(), Some("b")).unwrap()), [(2, 0), (3, 0)]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.csv.gz");
    let mut gz = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap();
    assert_eq!(used(&Recording::open(&path, Some("b"), first()).unwrap()), [(2, 0), (3, 0)]);
}

#[test]
fn a_day_of_clock_change_has_its_96_quarter_hours() {
    let first: Interval = "2026-10-25T00:00:00Z/PT15M".parse().unwrap();
    let mut text = HEADER.to_string();
    for offset in 0..96 {
        text += &format!("{},1,0\n", first.offset(offset).unwrap().start_text());
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("meter.csv");
    std::fs::write(&path, text).unwrap();
    assert_eq!(used(&Recording::open(&path, None, first).unwrap()), [(1, 0); 96]);
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    let cases: &[(&str, u64, &str)] = &[
        ("", 1, "expected a column `timestamp`, found an empty file"),
        ("timestamp,consumption_wh\n", 1, "expected a column `production_wh`, found `timestamp,consumption_wh`"),
        (HEADER, 1, "found no row"),
        (
            "H2026-06-01T12:00:00Z,-1,0\n",
            2,
            "column `consumption_wh`: expected whole Wh from 0 to 1000000000, found `-1`",
        ),
        ("H2026-06-01T12:00:00Z,1,0.5\n", 2, "column `production_wh`: expected whole Wh"),
        ("H2026-06-01T12:00:00Z,1,NaN\n", 2, "found `NaN`"),
        ("H2026-06-01T12:00:00Z,1e9,0\n", 2, "found `1e9`"),
        ("H2026-06-01T12:00:00Z,+1,0\n", 2, "found `+1`"),
        ("H2026-06-01T12:00:00Z,,0\n", 2, "found ``"),
        ("H2026-06-01T12:00:00Z,1000000001,0\n", 2, "found `1000000001`"),
        ("H2026-06-01T12:00:00Z,1\n", 2, "expected 3 fields"),
        ("H2026-06-01T14:00:00+02:00,1,0\n", 2, "column `timestamp`: expected the start of an interval"),
        ("H2026-06-01T12:07:00Z,1,0\n", 2, "column `timestamp`: expected the start of an interval of 15 minutes"),
        (
            "H2026-06-01T12:15:00Z,1,0\n",
            2,
            "expected a row for 2026-06-01T12:00:00Z/PT15M, the community's first interval",
        ),
        ("H2026-06-01T12:00:00Z,1,0\n2026-06-01T12:15:00Z,1,0\n2026-06-01T12:15:00Z,1,0\n", 4, "appears a second time"),
        ("H2026-06-01T12:00:00Z,1,0\n2026-06-01T12:00:00Z,1,0\n", 3, "appears a second time"),
        (
            "H2026-06-01T12:00:00Z,1,0\n2026-06-01T12:15:00Z,1,0\n2026-06-01T12:45:00Z,1,0\n",
            4,
            "expected 2026-06-01T12:30:00Z/PT15M after the row before, found 2026-06-01T12:45:00Z/PT15M",
        ),
        (
            "H2026-06-01T12:00:00Z,1,0\n2026-06-01T12:15:00Z,1,0\n2026-06-01T11:45:00Z,1,0\n",
            4,
            "expected 2026-06-01T12:30:00Z",
        ),
        (
            "H2026-06-01T12:00:00Z,1,0\n2026-06-01T13:00:00Z,1,0\n2026-06-01T14:00:00Z,1,0\n",
            3,
            "expected a row every 15 minutes, as the community settles, found rows every 60 minutes",
        ),
        ("H2026-06-01T12:00:00Z,1,0\n2026-06-01T12:05:00Z,1,0\n", 3, "found rows every 5 minutes"),
    ];
    for (text, line, expected) in cases {
        let text = if let Some(rows) = text.strip_prefix('H') { format!("{HEADER}{rows}") } else { text.to_string() };
        match open(text.as_bytes(), None) {
            Err(error @ RecordingError::Bad { .. }) => {
                let message = error.to_string();
                assert!(message.contains(&format!("meter.csv, line {line}: ")), "{text}\n{message}");
                assert!(message.contains(expected), "{text}\n{message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn bytes_that_are_no_text_and_a_missing_household_are_refused() {
    let text = [HEADER.as_bytes(), b"\xff\xfe,1,2\n"].concat();
    assert!(open(&text, None).unwrap_err().to_string().contains("line 2: expected UTF-8"));
    let text = "timestamp,participant_id,consumption_wh,production_wh\n2026-06-01T12:00:00Z,a,1,2\n";
    assert!(open(text.as_bytes(), Some("z")).unwrap_err().to_string().contains("no row of participant `z`"));
    assert!(open(HEADER.as_bytes(), Some("z")).unwrap_err().to_string().contains("expected a column `participant_id`"));
    let missing = Recording::open(Path::new("/nowhere/meter.csv"), None, first());
    assert!(missing.unwrap_err().to_string().contains("/nowhere/meter.csv"));
}
