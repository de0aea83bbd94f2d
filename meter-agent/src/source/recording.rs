//! Recordings of what a home consumes and produces, in a CSV file.
//!
//! Columns `timestamp` (the interval's start, UTC), `consumption_wh`, `production_wh`; others are ignored.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use protocol::{
    interval::{Interval, IntervalLength, parse_utc, utc_text},
    limits::ENERGY_WH_MAX,
};

use super::MeterError;

const TIMESTAMP: &str = "timestamp";
const CONSUMPTION: &str = "consumption_wh";
const PRODUCTION: &str = "production_wh";
const PARTICIPANT: &str = "participant_id";

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    /// The file cannot be read.
    #[error("expected recorded readings in {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// Something in the file is wrong.
    #[error("{path}, line {line}: {problem}")]
    Bad {
        /// The file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What.
        problem: RowProblem,
    },
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowProblem {
    /// A column is not there.
    #[error("expected a column `{expected}`, found {found}")]
    MissingColumn {
        /// Its name.
        expected: &'static str,
        /// The columns there are.
        found: String,
    },
    /// Not a row of this table.
    #[error("{0}")]
    Malformed(String),
    /// A timestamp that is none.
    #[error(
        "column `timestamp`: expected the start of an interval of {length} minutes such as 2026-06-01T12:00:00Z, found `{found}`"
    )]
    BadTimestamp {
        /// Minutes of the community's intervals.
        length: u32,
        /// What was there.
        found: String,
    },
    /// An energy that is none.
    #[error("column `{column}`: expected whole Wh from 0 to {ENERGY_WH_MAX}, found `{found}`")]
    BadEnergy {
        /// The column.
        column: &'static str,
        /// What was there.
        found: String,
    },
    /// The same interval twice.
    #[error("{0} appears a second time; expected each interval once")]
    Duplicate(Interval),
    /// Intervals are missing or not in order.
    #[error("expected {expected} after the row before, found {found}")]
    Gap {
        /// The next interval.
        expected: Interval,
        /// What was there.
        found: Interval,
    },
    /// The rows have another distance than the community's intervals.
    #[error("expected a row every {expected} minutes, as the community settles, found rows every {found} minutes")]
    WrongLength {
        /// The community's.
        expected: u32,
        /// The file's.
        found: i64,
    },
    /// No row for the household at all.
    #[error("found no row{}", .0.as_ref().map(|id| format!(" of participant `{id}`")).unwrap_or_default())]
    Empty(Option<String>),
    /// The recording begins after the community.
    #[error("expected a row for {expected}, the community's first interval, found the first row at {found}")]
    StartsLate {
        /// The community's first interval.
        expected: Interval,
        /// The first row's.
        found: Interval,
    },
}

/// A recording, checked as a whole when it is opened.
#[derive(Debug)]
pub(super) struct Recording {
    /// The interval of the first row kept.
    first: Interval,
    rows: Vec<Row>,
}

/// What a home consumes and produces in one interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) consumption_wh: u32,
    pub(super) production_wh: u32,
}

/// A row as it stands in the file.
struct Raw {
    line: u64,
    start_s: i64,
    consumption_wh: u32,
    production_wh: u32,
}

impl Recording {
    /// Reads the rows of a household, or those of the only one, from `first` on.
    pub(super) fn open(path: &Path, participant: Option<&str>, first: Interval) -> Result<Recording, RecordingError> {
        let unreadable = |error: String| RecordingError::Unreadable { path: path.into(), error };
        let file = BufReader::new(File::open(path).map_err(|error| unreadable(error.to_string()))?);
        let gzipped = path.extension().is_some_and(|extension| extension == "gz");
        let input: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let bad = |(line, problem)| RecordingError::Bad { path: path.into(), line, problem };
        let raw = parse(input, participant, first.length()).map_err(|error| match error {
            ParseFailure::Io(error) => unreadable(error),
            ParseFailure::Bad(line, problem) => bad((line, problem)),
        })?;
        Recording::from_rows(&raw, participant, first).map_err(bad)
    }

    fn from_rows(raw: &[Raw], participant: Option<&str>, first: Interval) -> Result<Recording, (u64, RowProblem)> {
        let length = first.length();
        let Some(start) = raw.first() else {
            return Err((1, RowProblem::Empty(participant.map(Into::into))));
        };
        check_distance(raw, length)?;
        let mut expected = interval_at(start.start_s, start.line, length)?;
        if expected > first {
            return Err((start.line, RowProblem::StartsLate { expected: first, found: expected }));
        }
        let mut rows = Vec::new();
        for row in raw {
            let interval = interval_at(row.start_s, row.line, length)?;
            if interval < expected && interval.next() == Some(expected) {
                return Err((row.line, RowProblem::Duplicate(interval)));
            }
            if interval != expected {
                return Err((row.line, RowProblem::Gap { expected, found: interval }));
            }
            if interval >= first {
                rows.push(Row { consumption_wh: row.consumption_wh, production_wh: row.production_wh });
            }
            match interval.next() {
                Some(next) => expected = next,
                None => break,
            }
        }
        Ok(Recording { first, rows })
    }

    /// The first interval that it has a row of.
    pub(super) fn first(&self) -> Interval {
        self.first
    }

    /// All rows, from the first interval on.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of an interval; none after the last.
    pub(super) fn row(&self, interval: Interval) -> Result<Option<Row>, MeterError> {
        Ok(self.rows.get(self.place(interval)?).copied())
    }

    /// At which place among the rows an interval is.
    pub(super) fn place(&self, interval: Interval) -> Result<usize, MeterError> {
        let place = interval.since(self.first).and_then(|place| usize::try_from(place).ok());
        place.ok_or_else(|| MeterError(format!("{interval} is before the recording or of another length")))
    }
}

/// Refuses a recording whose rows have another distance than the community's intervals. Only the whole file tells a
/// recording of hours from one of quarter hours with gaps.
fn check_distance(raw: &[Raw], length: IntervalLength) -> Result<(), (u64, RowProblem)> {
    let distances = raw.windows(2).map(|pair| (pair[1].start_s - pair[0].start_s, pair[1].line));
    match distances.filter(|(distance, _)| *distance > 0).min() {
        Some((distance, line)) if distance != length.seconds() => {
            Err((line, RowProblem::WrongLength { expected: length.minutes(), found: distance / 60 }))
        }
        _ => Ok(()),
    }
}

fn interval_at(start_s: i64, line: u64, length: IntervalLength) -> Result<Interval, (u64, RowProblem)> {
    Interval::new(start_s, length)
        .ok_or_else(|| (line, RowProblem::BadTimestamp { length: length.minutes(), found: utc_text(start_s) }))
}

enum ParseFailure {
    Io(String),
    Bad(u64, RowProblem),
}

fn parse(input: impl Read, participant: Option<&str>, length: IntervalLength) -> Result<Vec<Raw>, ParseFailure> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let failure = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::Io(error) => ParseFailure::Io(error.to_string()),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let problem = format!("expected {expected_len} fields, as the first line has, found {len}");
                ParseFailure::Bad(line, RowProblem::Malformed(problem))
            }
            csv::ErrorKind::Utf8 { .. } => {
                ParseFailure::Bad(line, RowProblem::Malformed("expected UTF-8 text, found other bytes".into()))
            }
            _ => ParseFailure::Bad(line, RowProblem::Malformed(error.to_string())),
        }
    };
    let headers = reader.headers().map_err(failure)?.clone();
    let column = |expected: &'static str| {
        headers.iter().position(|name| name.trim_start_matches('\u{feff}') == expected).ok_or_else(|| {
            let found = if headers.is_empty() {
                "an empty file".into()
            } else {
                quote(&headers.iter().collect::<Vec<_>>().join(","))
            };
            ParseFailure::Bad(1, RowProblem::MissingColumn { expected, found })
        })
    };
    let (timestamp, consumption, production) = (column(TIMESTAMP)?, column(CONSUMPTION)?, column(PRODUCTION)?);
    let mine = participant.map(|id| column(PARTICIPANT).map(|column| (column, id))).transpose()?;

    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(failure)? {
        let line = record.position().map_or(0, csv::Position::line);
        if mine.is_some_and(|(column, id)| record.get(column) != Some(id)) {
            continue;
        }
        let bad = |problem| ParseFailure::Bad(line, problem);
        let text = record.get(timestamp).unwrap_or_default();
        let start_s = parse_utc(text).map_err(|_| {
            bad(RowProblem::BadTimestamp { length: length.minutes(), found: text.chars().take(80).collect() })
        })?;
        rows.push(Raw {
            line,
            start_s,
            consumption_wh: energy(&record, consumption, CONSUMPTION).map_err(bad)?,
            production_wh: energy(&record, production, PRODUCTION).map_err(bad)?,
        });
    }
    Ok(rows)
}

fn energy(record: &csv::StringRecord, index: usize, column: &'static str) -> Result<u32, RowProblem> {
    let text = record.get(index).unwrap_or_default();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let wh = text.parse().ok().filter(|wh| digits && u64::from(*wh) <= ENERGY_WH_MAX);
    wh.ok_or_else(|| RowProblem::BadEnergy { column, found: text.chars().take(80).collect() })
}

fn quote(text: &str) -> String {
    format!("`{}`", text.chars().take(120).collect::<String>())
}

#[cfg(test)]
mod tests;
