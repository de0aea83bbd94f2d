use std::{fs, path::Path, sync::Arc};

use parquet::{
    basic::Compression,
    column::writer::ColumnWriter,
    data_type::ByteArray,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use tempfile::TempDir;

use super::super::{Dataset, DatasetError, Source};

/// 2026-06-01T00:00:00Z, s.
const START: i64 = 1_780_272_000;

#[derive(Clone)]
enum Column {
    Small(Vec<i32>),
    Large(Vec<i64>),
    Optional(Vec<Option<i64>>),
    Doubles(Vec<f64>),
    Text(Vec<&'static str>),
}

/// What a file holds: for each column its definition and values.
type Content = Vec<(&'static str, Column)>;

fn content() -> Content {
    let starts = [0, 0, 900, 900, 1_800, 1_800].map(|after| (START + after) * 1_000_000).to_vec();
    vec![
        ("required int64 timestamp (TIMESTAMP(MICROS,true))", Column::Large(starts)),
        ("required double temperature", Column::Doubles(vec![0.5; 6])),
        ("required binary participant_id (STRING)", Column::Text(vec!["b", "a", "a", "b", "b", "a"])),
        ("optional int64 consumption_wh", Column::Optional([20, 10, 0, 30, 2, 1].map(Some).to_vec())),
        ("required int32 production_wh (INTEGER(32,false))", Column::Small(vec![0, 5, 7, 0, 2, 1])),
    ]
}

const CSV: &str = "timestamp,participant_id,consumption_wh,production_wh\n\
                   2026-06-01T00:00:00Z,a,10,5\n2026-06-01T00:00:00Z,b,20,0\n\
                   2026-06-01T00:15:00Z,a,0,7\n2026-06-01T00:15:00Z,b,30,0\n\
                   2026-06-01T00:30:00Z,a,1,1\n2026-06-01T00:30:00Z,b,2,2\n";

/// Writes the columns in two groups of rows.
fn write(path: &Path, content: &Content, compression: Compression) {
    let definitions: String = content.iter().map(|(definition, _)| format!("{definition}; ")).collect();
    let schema = Arc::new(parse_message_type(&format!("message profile {{ {definitions} }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(fs::File::create(path).unwrap(), schema, properties).unwrap();
    for rows in [0..4, 4..6] {
        let mut group = writer.next_row_group().unwrap();
        for (_, column) in content {
            let mut column_writer = group.next_column().unwrap().unwrap();
            match (column_writer.untyped(), column) {
                (ColumnWriter::Int32ColumnWriter(writer), Column::Small(values)) => {
                    writer.write_batch(&values[rows.clone()], None, None)
                }
                (ColumnWriter::Int64ColumnWriter(writer), Column::Large(values)) => {
                    writer.write_batch(&values[rows.clone()], None, None)
                }
                (ColumnWriter::Int64ColumnWriter(writer), Column::Optional(values)) => {
                    let present: Vec<i16> = values[rows.clone()].iter().map(|value| value.is_some().into()).collect();
                    let values: Vec<i64> = values[rows.clone()].iter().copied().flatten().collect();
                    writer.write_batch(&values, Some(&present), None)
                }
                (ColumnWriter::DoubleColumnWriter(writer), Column::Doubles(values)) => {
                    writer.write_batch(&values[rows.clone()], None, None)
                }
                (ColumnWriter::ByteArrayColumnWriter(writer), Column::Text(values)) => {
                    let values: Vec<ByteArray> = values[rows.clone()].iter().map(|text| (*text).into()).collect();
                    writer.write_batch(&values, None, None)
                }
                _ => panic!("a column's values are of its type"),
            }
            .unwrap();
            column_writer.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("participants.csv"), "participant_id\na\nb\n").unwrap();
    directory
}

fn load(directory: &TempDir) -> Result<Dataset, DatasetError> {
    Dataset::load(&Source::Directory(directory.path().to_owned()), "june")
}

#[test]
fn the_same_values_are_the_same_data_whatever_they_are_written_in() {
    let expected = directory();
    fs::write(expected.path().join("profiles_june.csv"), CSV).unwrap();
    let expected = load(&expected).unwrap();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let directory = directory();
        write(&directory.path().join("profiles_june.parquet"), &content(), compression);
        assert_eq!(load(&directory).unwrap(), expected, "{compression:?}");
    }
    let directory = directory();
    let mut milliseconds = content();
    let starts = [0, 0, 900, 900, 1_800, 1_800].map(|after| (START + after) * 1_000).to_vec();
    milliseconds[0] = ("required int64 timestamp (TIMESTAMP_MILLIS)", Column::Large(starts));
    write(&directory.path().join("profiles_june.parquet"), &milliseconds, Compression::SNAPPY);
    assert_eq!(load(&directory).unwrap(), expected, "as older writers say it");
}

#[test]
fn each_bad_file_gets_one_line_that_says_where_and_what() {
    let text = |texts: [&'static str; 6]| Column::Text(texts.to_vec());
    let times = |last: i64| {
        let starts = [0, 0, 900_000_000, 900_000_000, last, last].map(|after| START * 1_000_000 + after);
        Column::Large(starts.to_vec())
    };
    let energy = |second: Option<i64>| Column::Optional(vec![Some(20), second, Some(0), Some(30), Some(2), Some(1)]);
    let (start, id, used) = (0, 2, 3);
    for (column, definition, values, expected) in [
        (used, "required double consumption_wh", Column::Doubles(vec![1.0; 6]), "found DOUBLE"),
        (used, "required int64 consumption_wh (DECIMAL(10,2))", Column::Large(vec![1; 6]), "found INT64 as Decimal"),
        (
            used,
            "required int64 used_wh",
            Column::Large(vec![1; 6]),
            "expected one column `consumption_wh`, found timestamp",
        ),
        (
            used,
            "optional int64 consumption_wh",
            energy(Some(-5)),
            "profiles_june.parquet row 2: expected whole Wh from 0 to 1000000000 in column `consumption_wh`, found `-5`",
        ),
        (used, "optional int64 consumption_wh", energy(Some(1_000_000_001)), "row 2: expected whole Wh"),
        (
            used,
            "optional int64 consumption_wh",
            energy(None),
            "row 2: expected a value in column `consumption_wh`, found `null`",
        ),
        (start, "required int64 timestamp (TIMESTAMP(MICROS,false))", times(1), "expected timestamps in UTC"),
        (start, "required int64 timestamp", times(1), "expected timestamps in UTC"),
        (start, "required binary timestamp (STRING)", text(["2026-06-01T00:00:00Z"; 6]), "expected timestamps in UTC"),
        (
            start,
            "required int64 timestamp (TIMESTAMP(MICROS,true))",
            times(3_600_000_000),
            "row 5: expected no gap between intervals, found 2026-06-01T01:00:00Z where 2026-06-01T00:30:00Z comes next",
        ),
        (
            start,
            "required int64 timestamp (TIMESTAMP(MICROS,true))",
            times(1_800_000_001),
            "row 5: expected a time of whole seconds",
        ),
        (id, "required binary participant_id", text(["a", "b", "a", "b", "a", "b"]), "expected texts (UTF-8 strings)"),
        (
            id,
            "required binary participant_id (STRING)",
            text(["b", "a", "a", "b", "b", "z"]),
            "row 6: expected a participant of participants.csv, found `z`",
        ),
        (
            id,
            "required binary participant_id (STRING)",
            text(["b", "a", "a", "b", "b", "b"]),
            "row 6: expected each participant and time once, found b at 2026-06-01T00:30:00Z again (first on row 5)",
        ),
    ] {
        let directory = directory();
        let mut content = content();
        content[column] = (definition, values);
        write(&directory.path().join("profiles_june.parquet"), &content, Compression::SNAPPY);
        let error = load(&directory).unwrap_err().to_string();
        assert!(error.contains("profiles_june.parquet") && !error.contains('\n'), "{error}");
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}

#[test]
fn no_file_that_is_cut_off_or_damaged_ends_more_than_the_reading() {
    let directory = directory();
    let path = directory.path().join("profiles_june.parquet");
    write(&path, &content(), Compression::SNAPPY);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = load(&directory).unwrap_err().to_string();
        assert!(error.contains("profiles_june.parquet: expected a whole Parquet file, found: "), "{length}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let good = {
        fs::write(&path, &whole).unwrap();
        load(&directory).unwrap()
    };
    let mut refused = 0;
    for (at, byte) in whole.iter().enumerate() {
        let mut damaged = whole.clone();
        damaged[at] = byte ^ 0xff;
        fs::write(&path, damaged).unwrap();
        match load(&directory) {
            Ok(dataset) => assert_eq!(dataset.participants.len(), good.participants.len(), "{at}"),
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains('\n'), "{at}: {error}");
            }
        }
    }
    assert!(refused > whole.len() / 4, "{refused} of {}", whole.len());
}
