//! What a run has come to so far, chunk by chunk in order, and its tables.

use std::{collections::BTreeSet, path::Path};

use super::{
    chunk::{Busiest, Played},
    manifest::Manifest,
};
use crate::{
    offline::{
        community::Community,
        details::Detail,
        dishonest::Misreported,
        figures::{Figures, Known, LinePeak, Totals},
        outage::Shed,
        output::{INTERVALS, LINES, MEMBER_DAYS, MEMBERS, Who, interval_rows, member_day_rows, member_rows},
        sums::{IntervalSums, MemberSums},
    },
    report,
    tables::{ColumnOf, Encoder, ParquetFile, TableError, Values, io_error, write_csv},
};
use protocol::interval::Interval;

/// Rows of days that are written together.
const DAY_ROWS: usize = 1 << 17;

pub(crate) struct Results {
    lines: Option<(Encoder, ParquetFile)>,
    details: Vec<(Detail, Encoder, ParquetFile)>,
    days: Option<Days>,
    intervals: Vec<(Interval, IntervalSums)>,
    members: Vec<MemberSums>,
    flows: Vec<(u64, u64)>,
    busiest: Busiest,
    misreported: Misreported,
    shed: Shed,
}

/// The table of days, of which the last is still being added up.
struct Days {
    encoder: Encoder,
    file: ParquetFile,
    waiting: Vec<(i64, Vec<MemberSums>)>,
}

fn encoder(table: &str, columns: &[ColumnOf]) -> Result<Encoder, TableError> {
    Encoder::new(table, columns).map_err(|error| TableError { path: table.into(), error: io_error(error) })
}

/// A table that takes groups of rows.
fn create(directory: &Path, table: &str, columns: &[ColumnOf]) -> Result<(Encoder, ParquetFile), TableError> {
    let encoder = encoder(table, columns)?;
    let file = ParquetFile::create(&directory.join(format!("{table}.parquet")), &encoder)?;
    Ok((encoder, file))
}

impl Results {
    pub(crate) fn create(directory: &Path, members: usize, lines: bool) -> Result<Results, TableError> {
        let lines = lines.then(|| create(directory, "lines", &LINES)).transpose()?;
        let (encoder, file) = create(directory, "member_days", &MEMBER_DAYS)?;
        let days = Some(Days { encoder, file, waiting: Vec::new() });
        Ok(Results { lines, days, ..Results::without_tables(members) })
    }

    /// With these tables of details, too.
    pub(super) fn with_details(mut self, directory: &Path, details: &BTreeSet<Detail>) -> Result<Results, TableError> {
        for detail in details {
            let (encoder, file) = create(directory, detail.name(), detail.columns())?;
            self.details.push((*detail, encoder, file));
        }
        Ok(self)
    }

    /// Of a run that writes nothing.
    pub(crate) fn without_tables(members: usize) -> Results {
        Results {
            lines: None,
            details: Vec::new(),
            days: None,
            intervals: Vec::new(),
            members: vec![MemberSums::default(); members],
            flows: Vec::new(),
            busiest: Busiest::default(),
            misreported: Misreported::default(),
            shed: Shed::default(),
        }
    }

    /// What encodes the lines, if they are written.
    pub(crate) fn line_encoder(&self) -> Option<Encoder> {
        self.lines.as_ref().map(|(encoder, _)| encoder.clone())
    }

    /// What encodes the details, if any are written.
    pub(super) fn detail_encoders(&self) -> Vec<(Detail, Encoder)> {
        self.details.iter().map(|(detail, encoder, _)| (*detail, encoder.clone())).collect()
    }

    /// Adds the chunk that follows. Members that it has more are new.
    pub(crate) fn append(&mut self, played: Played) -> Result<(), TableError> {
        if let Some(((_, file), encoded)) = self.lines.as_mut().zip(played.lines) {
            file.append(encoded)?;
        }
        for ((.., file), groups) in self.details.iter_mut().zip(played.details) {
            groups.into_iter().try_for_each(|group| file.append(group))?;
        }
        self.intervals.extend(played.intervals);
        self.flows.resize(self.flows.len().max(played.flows.len()), (0, 0));
        for ((import, export), of_chunk) in self.flows.iter_mut().zip(played.flows) {
            (*import, *export) = ((*import).max(of_chunk.0), (*export).max(of_chunk.1));
        }
        if played.busiest.traded_wh > self.busiest.traded_wh {
            self.busiest = played.busiest;
        }
        self.misreported.add(&played.misreported);
        self.shed.add(&played.shed);
        for (day, sums) in played.days {
            self.members.resize(self.members.len().max(sums.len()), MemberSums::default());
            self.members.iter_mut().zip(&sums).for_each(|(all, of_day)| all.add(of_day));
            if let Some(days) = &mut self.days {
                days.add(day, sums);
            }
        }
        self.days.as_mut().map_or(Ok(()), Days::write_full)
    }

    /// The report of a run of this manifest, for people.
    pub(super) fn report(&self, manifest: &Manifest, community: &Community, figures: &Figures) -> String {
        let run = report::Run {
            version: manifest.version(),
            scenario: manifest.scenario(),
            community,
            data: &community.data,
            intervals: &self.intervals,
            members: &self.members,
            busiest: (self.busiest.traded_wh > 0).then_some((self.busiest.at, self.busiest.members.as_slice())),
            figures,
        };
        run.report()
    }

    /// Writes what is left and who the members are, and closes all tables. Returns what each interval came to.
    pub(crate) fn finish(mut self, directory: &Path, who: &[Who]) -> Result<Vec<(Interval, IntervalSums)>, TableError> {
        if let Some(mut days) = self.days.take() {
            days.write(days.waiting.len())?;
            days.file.finish()?;
        }
        if let Some((_, file)) = self.lines {
            file.finish()?;
        }
        self.details.into_iter().try_for_each(|(.., file)| file.finish())?;
        for (table, columns, values) in [
            ("intervals", INTERVALS.as_slice(), interval_rows(&self.intervals)),
            ("members", MEMBERS.as_slice(), member_rows(who, &self.members)),
        ] {
            whole(directory, table, columns, &values)?;
        }
        Ok(self.intervals)
    }

    /// The figures of all that was appended.
    pub(crate) fn figures(&self, known: Known<'_>, lines: Vec<LinePeak>) -> Figures {
        let Results { misreported, shed, intervals, members, .. } = self;
        Figures::of(Totals { known, misreported, shed, intervals, members, lines })
    }

    /// By bus: the most that passed the line above it towards the members, and from them, Wh.
    pub(super) fn flows(&self) -> &[(u64, u64)] {
        &self.flows
    }
}

/// Writes a table as Parquet and as CSV.
fn whole(directory: &Path, table: &str, columns: &[ColumnOf], values: &[Values]) -> Result<(), TableError> {
    let encoder = encoder(table, columns)?;
    let path = directory.join(format!("{table}.parquet"));
    let encoded = encoder.encode(values).map_err(|error| TableError { path: path.clone(), error: io_error(error) })?;
    let mut file = ParquetFile::create(&path, &encoder)?;
    file.append(encoded)?;
    file.finish()?;
    write_csv(&directory.join(format!("{table}.csv")), columns, values)
}

impl Days {
    fn add(&mut self, day: i64, sums: Vec<MemberSums>) {
        match self.waiting.last_mut() {
            Some((last, so_far)) if *last == day => {
                so_far.resize(so_far.len().max(sums.len()), MemberSums::default());
                so_far.iter_mut().zip(&sums).for_each(|(so_far, more)| so_far.add(more));
            }
            _ => self.waiting.push((day, sums)),
        }
    }

    /// Writes the days that are whole, once they are enough.
    fn write_full(&mut self) -> Result<(), TableError> {
        let members = self.waiting.first().map_or(0, |(_, sums)| sums.len()).max(1);
        let enough = DAY_ROWS.div_ceil(members);
        while self.waiting.len() > enough {
            self.write(enough)?;
        }
        Ok(())
    }

    fn write(&mut self, days: usize) -> Result<(), TableError> {
        let mut columns: Option<Vec<Values>> = None;
        for (day, sums) in self.waiting.drain(..days) {
            let rows = member_day_rows(day * 1_000, &sums);
            match &mut columns {
                None => columns = Some(rows),
                Some(columns) => columns.iter_mut().zip(rows).for_each(|(column, rows)| column.extend(rows)),
            }
        }
        let Some(columns) = columns else { return Ok(()) };
        let encoded = self.encoder.encode(&columns);
        let encoded =
            encoded.map_err(|error| TableError { path: "member_days.parquet".into(), error: io_error(error) })?;
        self.file.append(encoded)
    }
}
