//! Why a data set cannot be used: what was expected, what was found, and where.

use std::{fmt, io, path::PathBuf};

use protocol::limits::{ENERGY_WH_MAX, MEMBERS_MAX};

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A directory that cannot be listed.
    #[error("expected a directory of CSV files at {}, found: {error}", directory.display())]
    UnreadableDirectory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file that cannot be read or unpacked.
    #[error("{file}: cannot be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file that has to be there is not.
    #[error("expected a file {file} in {place}, found none")]
    MissingFile {
        /// The file.
        file: String,
        /// Where it was looked for.
        place: String,
    },
    /// The same data in two forms.
    #[error("expected either {one} or {other} in {place}, found both; remove one")]
    TwoForms {
        /// The one file.
        one: String,
        /// The other one.
        other: String,
        /// Where.
        place: String,
    },
    /// There is no such profile.
    #[error("expected one of the profiles {known} in {place}, found `{found}`")]
    UnknownProfile {
        /// What was asked for, cut to 80 characters.
        found: String,
        /// What there is.
        known: String,
        /// Where.
        place: String,
    },
    /// More than is read from one file.
    #[error("{file}: expected at most {max} bytes unpacked, found more")]
    TooLarge {
        /// The file.
        file: String,
        /// The limit.
        max: u64,
    },
    /// A column that has to be there, exactly once.
    #[error("{file} line 1: expected one column `{column}`, found {found}")]
    BadColumn {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// The columns that are there, or how often this one is.
        found: String,
    },
    /// A Parquet file that is damaged, cut off, or none.
    #[error("{file}: expected a whole Parquet file, found: {found}")]
    NotParquet {
        /// The file.
        file: String,
        /// What is wrong with it.
        found: String,
    },
    /// A column of a Parquet file that has to be there, exactly once.
    #[error("{file}: expected one column `{column}`, found {found}")]
    NoColumn {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// The columns that are there.
        found: String,
    },
    /// A column of a Parquet file with values of another type.
    #[error("{file}: expected {expected} in column `{column}`, found {found}")]
    BadType {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// What would have been right.
        expected: &'static str,
        /// Its type.
        found: String,
    },
    /// A column of a Parquet file that is packed in a way that is not read here.
    #[error(
        "{file}: expected columns packed by snappy or not at all, found `{column}` by {found}: write it with snappy"
    )]
    BadCodec {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// How it is packed.
        found: String,
    },
    /// Not text.
    #[error("{file} line {line}: expected UTF-8 text, found other bytes")]
    NotUtf8 {
        /// The file.
        file: String,
        /// The line.
        line: u64,
    },
    /// A row that is longer or shorter than the header.
    #[error("{file} line {line}: expected {expected} fields as in the header, found {found}")]
    BadRow {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// Fields of the header.
        expected: u64,
        /// Fields of the row.
        found: u64,
    },
    /// A field that does not hold what it should.
    #[error("{file} {place}: expected {expected} in column `{column}`, found `{found}`")]
    BadValue {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The column.
        column: &'static str,
        /// What would have been right.
        expected: &'static str,
        /// What was there, cut to 80 characters.
        found: String,
    },
    /// Something that must be unique is there twice.
    #[error("{file} {place}: expected each {what} once, found {name} again (first on {first})")]
    Duplicate {
        /// The file.
        file: String,
        /// Where the second is.
        place: Place,
        /// What it is.
        what: &'static str,
        /// Which one.
        name: String,
        /// Where the first is.
        first: Place,
    },
    /// A name that another file does not know.
    #[error("{file} {place}: expected a {what} of {known_in}, found `{found}`")]
    Unknown {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// What it is.
        what: &'static str,
        /// The file that knows them.
        known_in: &'static str,
        /// The name.
        found: String,
    },
    /// A file with nothing, or too much, in it.
    #[error("{file}: expected {expected}, found {found} rows")]
    BadCount {
        /// The file.
        file: String,
        /// How many would have been right.
        expected: &'static str,
        /// How many there are.
        found: usize,
    },
    /// Two moments that are no usual interval apart.
    #[error("{file} {place}: expected intervals of 5, 15, 30 or 60 minutes, found {start} {seconds} s after another")]
    BadLength {
        /// The file.
        file: String,
        /// Where the later moment is.
        place: Place,
        /// The later moment.
        start: String,
        /// How many seconds after the earlier one.
        seconds: i64,
    },
    /// An interval that does not start at a multiple of its length.
    #[error("{file} {place}: expected a start at a multiple of {minutes} minutes, from 1970 to 9998, found {start}")]
    NotAligned {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// Length of the intervals.
        minutes: u32,
        /// The start.
        start: String,
    },
    /// A hole in time.
    #[error("{file} {place}: expected no gap between intervals, found {found} where {expected} comes next")]
    Gap {
        /// The file.
        file: String,
        /// Where time goes on.
        place: Place,
        /// The interval that is missing.
        expected: String,
        /// The one that follows the gap.
        found: String,
    },
    /// A participant without a row for one of the intervals.
    #[error("{file}: expected a row for each participant in each interval, found none for {participant} at {start}")]
    MissingReading {
        /// The file.
        file: String,
        /// The participant.
        participant: String,
        /// The interval's start.
        start: String,
    },
    /// A grid with loops.
    #[error("grid_lines.csv line {line}: expected a radial grid, found that {name} closes a loop")]
    Loop {
        /// The line of the file.
        line: u64,
        /// The grid's line.
        name: String,
    },
    /// A participant that is not connected.
    #[error("participants.csv line {line}: expected a bus that lines in service join to the transformer, found {bus}")]
    NotConnected {
        /// The line.
        line: u64,
        /// The bus.
        bus: String,
    },
}

/// Where in a file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In this line of a text, from 1 on.
    Line(u64),
    /// In this row of a file without lines, from 1 on.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// What an energy has to be.
pub(crate) const ENERGY_EXPECTED: &str = "whole Wh from 0 to 1000000000";
const _: () = assert!(ENERGY_WH_MAX == 1_000_000_000);
/// How many participants there can be.
pub(crate) const PARTICIPANTS_EXPECTED: &str = "1 to 10000 participants";
const _: () = assert!(MEMBERS_MAX == 10_000);
/// Most characters of a file that an error quotes.
const QUOTED_CHARS_MAX: usize = 80;

/// `found`, cut so that an error stays one line.
pub(crate) fn quoted(found: &str) -> String {
    found.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
