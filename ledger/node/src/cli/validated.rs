//! The grid operator's validated values, as CSV: `interval,member,import_kwh,export_kwh`.
//!
//! Whole Wh only: a value with more than three digits after the point is refused, not rounded. Whatever is wrong is
//! named by its line and column.

use std::{collections::BTreeMap, fmt, fs::File, io::Read, path::Path};

use market::metering::plausible_wh;
use protocol::{
    api::Correctable,
    interval::{Interval, IntervalLength, parse_utc},
    member::MemberId,
    reading::Flow,
};

use super::{Failure, bad_input};

/// What can be corrected, by interval.
pub(super) type Known = BTreeMap<Interval, Correctable>;
/// Validated values.
pub(super) type Given = BTreeMap<(Interval, MemberId), Flow>;

const COLUMNS: [&str; 4] = ["interval", "member", "import_kwh", "export_kwh"];
/// More than any connection carries in an hour, and far below what an integer holds.
const KWH_DIGITS_MAX: usize = 7;

/// What one row says, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) interval: Interval,
    pub(super) member: MemberId,
    pub(super) flow: Flow,
}

/// The first row that cannot be used, and how many more there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRows {
    line: u64,
    reason: String,
    more: usize,
}

impl fmt::Display for BadRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " (and {more} more that cannot be used)"),
        }
    }
}

/// Rows that cannot be used, as they are found.
#[derive(Default)]
pub(super) struct Faults(Vec<(u64, String)>);

impl Faults {
    pub(super) fn add(&mut self, line: u64, reason: impl ToString) {
        self.0.push((line, reason.to_string()));
    }

    /// An error where there are any.
    pub(super) fn check<T>(mut self, value: T) -> Result<T, BadRows> {
        self.0.sort();
        let more = self.0.len().saturating_sub(1);
        match self.0.into_iter().next() {
            None => Ok(value),
            Some((line, reason)) => Err(BadRows { line, reason, more }),
        }
    }
}

/// Reads a file of intervals of this length. A member is named by its pseudonym, or as `names` has it.
pub(super) fn read(
    path: &Path,
    length: IntervalLength,
    names: &BTreeMap<MemberId, String>,
) -> Result<Vec<Row>, Failure> {
    let file = File::open(path).map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
    rows(file, length, names).map_err(|error| bad_input(format!("{}, {error}", path.display())))
}

fn rows(file: impl Read, length: IntervalLength, names: &BTreeMap<MemberId, String>) -> Result<Vec<Row>, BadRows> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let mut faults = Faults::default();
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            faults.add(1, format!("expected the columns {}, found {}", COLUMNS.join(","), no_row(&error)));
            return faults.check(Vec::new());
        }
    };
    if headers.iter().ne(COLUMNS) {
        let found = headers.iter().collect::<Vec<_>>().join(",");
        faults.add(1, format!("expected the columns {}, found `{}`", COLUMNS.join(","), shortened(&found)));
        return faults.check(Vec::new());
    }
    let mut found: Vec<Row> = Vec::new();
    let mut lines: BTreeMap<(Interval, MemberId), u64> = BTreeMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                faults.add(line, format!("expected {} columns of text, found {}", COLUMNS.len(), no_row(&error)));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        match row(line, &record, length, names) {
            Err(reason) => faults.add(line, reason),
            Ok(row) => match lines.insert((row.interval, row.member), line) {
                None => found.push(row),
                Some(first) => {
                    let Row { interval, member, .. } = row;
                    faults.add(
                        line,
                        format!("expected one value of {member} in {interval}, found another in line {first}"),
                    );
                }
            },
        }
    }
    faults.check(found)
}

fn row(
    line: u64,
    record: &csv::StringRecord,
    length: IntervalLength,
    names: &BTreeMap<MemberId, String>,
) -> Result<Row, String> {
    let field = |index: usize| record.get(index).unwrap_or_default();
    let start = field(0);
    let interval = parse_utc(start).ok().and_then(|start_s| Interval::new(start_s, length)).ok_or_else(|| {
        let minutes = length.minutes();
        format!(
            "column interval: expected the start of a {minutes}-minute interval in UTC, such as 2026-06-01T12:00:00Z, found `{}`",
            shortened(start)
        )
    })?;
    let member = member(field(1), names).map_err(|reason| format!("column member: {reason}"))?;
    let energy = |index: usize| {
        let text = field(index);
        let expected = "kWh in digits, at most three of them after a point";
        wh(text).ok_or_else(|| format!("column {}: expected {expected}, found `{}`", COLUMNS[index], shortened(text)))
    };
    let [import, export] = [energy(2)?, energy(3)?].map(protocol::energy::Energy::from_wh);
    Ok(Row { line, interval, member, flow: Flow { import, export } })
}

fn member(text: &str, names: &BTreeMap<MemberId, String>) -> Result<MemberId, String> {
    if let Ok(member) = text.parse() {
        return Ok(member);
    }
    let called: Vec<MemberId> = names.iter().filter(|(_, name)| *name == text).map(|(member, _)| *member).collect();
    let found = shortened(text);
    match (&called[..], names.is_empty()) {
        ([one], _) => Ok(*one),
        ([], true) => {
            Err(format!("expected a pseudonym of 32 hex digits, found `{found}`; --names takes a file of names"))
        }
        ([], false) => {
            Err(format!("expected a pseudonym of 32 hex digits, or a name of the file of names, found `{found}`"))
        }
        (several, _) => Err(format!("expected a name that one member has, found `{found}` of {}", several.len())),
    }
}

/// Whole Wh of a decimal in kWh.
fn wh(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=KWH_DIGITS_MAX).contains(&whole.len()) && fraction.len() <= 3;
    if !fits || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 1_000 + format!("{fraction:0<3}").parse::<u64>().ok()?)
}

/// Checks the rows against what is on the ledger: the intervals, their members, and what each connection can carry.
pub(super) fn check(
    rows: Vec<Row>,
    known: &Known,
    until: Interval,
    rated_power_w: &BTreeMap<MemberId, u64>,
) -> Result<Given, BadRows> {
    let mut faults = Faults::default();
    let mut given = Given::new();
    for Row { line, interval, member, flow } in rows {
        let Some(correctable) = known.get(&interval).filter(|_| interval <= until) else {
            faults.add(line, format!("expected a settled interval in the period, with its readings, found {interval}"));
            continue;
        };
        if !correctable.inputs.iter().any(|input| input.member == member) {
            faults.add(line, format!("expected a member of the time, found {member}"));
            continue;
        }
        let rated = rated_power_w.get(&member).copied().unwrap_or_default();
        let expected_max = plausible_wh(rated, interval.length().seconds().unsigned_abs());
        let found = flow.import.max(flow.export).wh();
        if found > expected_max {
            faults.add(
                line,
                format!("expected at most {expected_max} Wh by its connection of {rated} W, found {found} Wh"),
            );
            continue;
        }
        given.insert((interval, member), flow);
    }
    faults.check(given)
}

fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect()
}

/// What is in the place of a row, in words of our own.
fn no_row(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { len, .. } => len.to_string(),
        csv::ErrorKind::Utf8 { err, .. } => format!("bytes that are no UTF-8 in column {}", err.field() + 1),
        _ => shortened(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: &str = "01010101010101010101010101010101";

    fn read_rows(rows: &str) -> Result<Vec<Row>, String> {
        let text = format!("interval,member,import_kwh,export_kwh\n{rows}");
        let names = [(8, "Ada"), (7, "Bob"), (6, "Bob")];
        let names = names.map(|(number, name)| (MemberId::from_bytes([number; 16]), name.to_owned())).into();
        super::rows(text.as_bytes(), IntervalLength::Minutes15, &names).map_err(|error| error.to_string())
    }

    #[test]
    fn kilowatt_hours_become_whole_watt_hours_or_nothing() {
        let cases = [
            ("0", Some(0)),
            ("1", Some(1_000)),
            ("0.25", Some(250)),
            ("0.001", Some(1)),
            ("12.345", Some(12_345)),
            ("9999999.999", Some(9_999_999_999)),
            ("0.0001", None),
            ("10000000", None),
            ("1.", None),
            (".5", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1,5", None),
            ("1_000", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
            ("1.2.3", None),
            ("٣", None),
        ];
        for (text, expected) in cases {
            assert_eq!(wh(text), expected, "{text}");
        }
    }

    #[test]
    fn rows_are_read_in_any_order_and_bad_ones_named_by_line_and_reason() {
        let member = MEMBER;
        let good = format!("2026-06-01T12:15:00Z,{member},0.5,0\n2026-06-01T12:00:00Z, {member} ,0,1.25\n");
        let rows = read_rows(&good).unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.line, row.flow.import.wh(), row.flow.export.wh())).collect::<Vec<_>>(),
            [(2, 500, 0), (3, 0, 1_250)]
        );
        assert_eq!(read_rows("").unwrap(), []);
        let named = read_rows("2026-06-01T12:00:00Z,Ada,0,0\n").unwrap();
        assert_eq!(named[0].member, MemberId::from_bytes([8; 16]));
        let cases = [
            ("2026-06-01T12:05:00Z,{m},0,0", "line 2: column interval: expected the start of a 15-minute interval"),
            ("yesterday,{m},0,0", "found `yesterday`"),
            (
                "2026-06-01T12:00:00Z,ada,0,0",
                "line 2: column member: expected a pseudonym of 32 hex digits, or a name of",
            ),
            (
                "2026-06-01T12:00:00Z,Bob,0,0",
                "line 2: column member: expected a name that one member has, found `Bob` of 2",
            ),
            (
                "2026-06-01T12:00:00Z,{m},-0.5,0",
                "line 2: column import_kwh: expected kWh in digits, at most three of them after a point, found `-0.5`",
            ),
            ("2026-06-01T12:00:00Z,{m},0,0.12345", "line 2: column export_kwh: expected kWh in digits"),
            ("2026-06-01T12:00:00Z,{m},0", "line 2: expected 4 columns of text, found 3"),
            ("2026-06-01T12:00:00Z,{m},0,0,0", "line 2: expected 4 columns of text, found 5"),
            (
                "2026-06-01T12:00:00Z,{m},0,0\n2026-06-01T12:15:00Z,{m},0,0\n2026-06-01T12:00:00Z,{m},1,0",
                "line 4: expected one value of 01010101010101010101010101010101 in 2026-06-01T12:00:00Z/PT15M, found another in line 2",
            ),
            ("x,{m},0,0\n2026-06-01T12:00:00Z,{m},0,0\nx,{m},1,0\ny,{m},1,0", "(and 2 more that cannot be used)"),
        ];
        for (rows, expected) in cases {
            let error = read_rows(&rows.replace("{m}", member)).unwrap_err();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
        }
        let broken: [(&[u8], &str); 4] = [
            (b"", "line 1: expected the columns interval,member,import_kwh,export_kwh, found ``"),
            (b"member,import_wh\n", "line 1: expected the columns"),
            (
                b"interval,member,import_kwh,export_kwh\n\xff\xfe,a,0,0\n",
                "line 2: expected 4 columns of text, found bytes that are no UTF-8 in column 1",
            ),
            (
                b"\xff\xfe\n",
                "line 1: expected the columns interval,member,import_kwh,export_kwh, found bytes that are no UTF-8",
            ),
        ];
        for (bytes, expected) in broken {
            let error = super::rows(bytes, IntervalLength::Minutes15, &BTreeMap::new()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}\nexpected: {expected}");
        }
    }
}
