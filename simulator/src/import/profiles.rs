//! The profiles: from parts of a power, quarter hour by quarter hour of the clock on a German wall, to whole Wh in UTC.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use protocol::interval::utc_text;
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    ImportError,
    homes::{Home, Part},
    table::{Row, Table},
};

const QUARTER_S: i64 = 900;
/// A megawatt for a quarter of an hour, Wh.
const WH: Decimal = Decimal::from_parts(250_000, 0, 0, false, 0);
/// Berlin: summer time from the last Sunday of March to the last of October.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const WALL: &str = "%d.%m.%Y %H:%M";

/// Which quarter hours.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    /// The first, in seconds after 1970; without it, the first that there is.
    pub(super) from_s: Option<i64>,
    /// How many; without it, all that there are.
    pub(super) count: Option<u64>,
}

/// What each participant uses and makes, by the columns of two tables.
struct Columns {
    names: Vec<String>,
    /// By participant: the columns and powers of what it is the sum of.
    parts: Vec<Vec<(usize, Decimal)>>,
}

impl Columns {
    fn of<'a>(homes: &'a [Home], parts: fn(&'a Home) -> &'a [Part], suffix: &str) -> Columns {
        let mut names = vec!["time".to_owned()];
        let mut place = |part: &Part| {
            let name = format!("{}{suffix}", part.profile);
            let known = names.iter().position(|known| *known == name);
            let place = known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            (place, part.megawatts)
        };
        let parts = homes.iter().map(|home| parts(home).iter().map(&mut place).collect()).collect();
        Columns { names, parts }
    }

    /// The parts of a row, by column.
    fn read(&self, row: &Row<'_>) -> Result<Vec<Decimal>, ImportError> {
        // The first column is the time.
        let numbers = (1..self.names.len()).map(|column| row.signed(column));
        std::iter::once(Ok(Decimal::ZERO)).chain(numbers).collect()
    }

    /// What a participant has in a row, Wh: each part to the nearest, halves to the even one. None where a part of it
    /// is less than nothing, by more than the source's own rounding.
    fn energy_wh(&self, home: usize, row: &[Decimal]) -> Option<u64> {
        let part = |(column, megawatts): &(usize, Decimal)| {
            let energy = (row[*column] * megawatts * WH).round();
            if energy.is_zero() { Some(0) } else { energy.to_u64() }
        };
        self.parts[home].iter().map(part).sum()
    }
}

/// Writes the profiles of all participants, and says how many quarter hours they have, and when they begin.
pub(super) fn write(directory: &Path, homes: &[Home], span: Span, path: &Path) -> Result<(u64, i64), ImportError> {
    let used = Columns::of(homes, |home| &home.loads, "_pload");
    let made = Columns::of(homes, |home| &home.roofs, "");
    let mut loads = Table::open(directory, "LoadProfile.csv", &used.names)?;
    let mut roofs = Table::open(directory, "RESProfile.csv", &made.names)?;
    let unwritable = |error| ImportError::Unwritable { path: path.to_owned(), error };
    let file = File::create_new(path).map_err(unwritable)?;
    let mut out = BufWriter::new(GzEncoder::new(file, Compression::default()));
    writeln!(out, "timestamp,participant_id,consumption_wh,production_wh").map_err(unwritable)?;
    let mut clock = Clock::default();
    let (mut written, mut first) = (0, None);
    while let Some(row) = loads.next()? {
        let time_s = clock.next(&row)?;
        let (used_row, time, place) = (used.read(&row)?, row.text(0).to_owned(), row.place());
        let Some(row) = roofs.next()? else {
            return Err(ImportError::bad(
                "RESProfile.csv",
                format!("a row of {time}, as LoadProfile.csv has one"),
                "none",
            ));
        };
        if row.text(0) != time {
            return Err(ImportError::bad(row.place(), format!("{time}, as in {place}"), row.text(0)));
        }
        if span.from_s.is_some_and(|from_s| time_s < from_s) {
            continue;
        }
        let made_row = made.read(&row)?;
        let start = utc_text(time_s);
        for (number, home) in homes.iter().enumerate() {
            let energies = used.energy_wh(number, &used_row).zip(made.energy_wh(number, &made_row));
            let Some((used, made)) = energies else {
                return Err(ImportError::bad(row.place(), format!("energy of {} from 0 Wh on", home.id), "another"));
            };
            writeln!(out, "{start},{},{used},{made}", home.id).map_err(unwritable)?;
        }
        first = first.or(Some(time_s));
        written += 1;
        if span.count == Some(written) {
            break;
        }
    }
    let file = out.into_inner().map_err(|error| unwritable(error.into_error()))?.finish().map_err(unwritable)?;
    file.sync_all().map_err(unwritable)?;
    match first {
        Some(first)
            if span.from_s.is_none_or(|from_s| from_s == first) && span.count.is_none_or(|count| count == written) =>
        {
            Ok((written, first))
        }
        _ => Err(ImportError::bad(
            "--from and --days",
            "days that LoadProfile.csv has, from the start of a quarter hour",
            format!("{written} quarter hours"),
        )),
    }
}

/// The time on the wall, which has to go on by quarter hours, and has an hour less in spring and one more in autumn.
#[derive(Default)]
struct Clock(Option<(TimeZone, i64)>);

impl Clock {
    /// When the interval of a row starts, in seconds after 1970.
    fn next(&mut self, row: &Row<'_>) -> Result<i64, ImportError> {
        let text = row.text(0);
        let bad = |expected: String| ImportError::bad(row.place(), expected, format!("`{text}`"));
        let Some((zone, before)) = &mut self.0 else {
            let zone = TimeZone::posix(BERLIN).map_err(|error| bad(error.to_string()))?;
            let start = DateTime::strptime(WALL, text).and_then(|time| zone.to_timestamp(time));
            let start = start.map_err(|_| bad("a time such as 01.01.2016 00:15".into()))?.as_second();
            self.0 = Some((zone, start));
            return Ok(start);
        };
        let time_s = *before + QUARTER_S;
        let expected = Timestamp::from_second(time_s).map(|time| zone.to_datetime(time).strftime(WALL).to_string());
        let expected = expected.map_err(|error| bad(error.to_string()))?;
        if text != expected {
            return Err(bad(format!("`{expected}`, a quarter of an hour later in Berlin")));
        }
        *before = time_s;
        Ok(time_s)
    }
}
