//! `profiles_NAME.csv` or `.parquet`: what every participant uses and makes in every interval. Rows may come in any
//! order.

use std::{
    collections::{BTreeMap, HashMap},
    panic::catch_unwind,
};

use protocol::{
    interval::{Interval, IntervalLength, parse_utc, utc_text},
    limits::ENERGY_WH_MAX,
    member::check_name,
};

use super::{
    Usage,
    columns::{Columns, Found, Holds},
    error::{DatasetError, ENERGY_EXPECTED, Place, quoted},
    participants::{Connection, FILE as PARTICIPANTS},
    source::Source,
    table::Table,
};

/// What a profile file holds.
pub(crate) struct Profile {
    /// The first interval.
    pub(crate) first: Interval,
    /// How many intervals.
    pub(crate) intervals: usize,
    /// Usage by participant, in their order, and by interval.
    pub(crate) usage: Vec<Vec<Usage>>,
}

/// One row, by participant and time: the order in which they are checked.
struct Sample {
    participant: usize,
    start_s: i64,
    place: Place,
    usage: Usage,
}

/// Reads the profile `name`.
pub(crate) fn load(source: &Source, name: &str, participants: &[Connection]) -> Result<Profile, DatasetError> {
    // A profile that is no usable name cannot be there; and it does not lead out of the directory.
    let file = match check_name(name) {
        Ok(()) => source.profile_file(name)?,
        Err(_) => source.profile_file(&quoted(&name.replace(['/', '\\'], "?")))?,
    };
    let Rows { mut samples, starts } = read(source, &file, participants)?;
    let (first, intervals) = check_time(&file, &starts)?;
    samples.sort_unstable_by_key(|sample| (sample.participant, sample.start_s, sample.place));
    let twice = samples.windows(2).find_map(|pair| match pair {
        [first, again] if (first.participant, first.start_s) == (again.participant, again.start_s) => {
            Some((first, again))
        }
        _ => None,
    });
    if let Some((first, again)) = twice {
        return Err(DatasetError::Duplicate {
            file,
            place: again.place,
            what: "participant and time",
            name: format!("{} at {}", participants[again.participant].id, utc_text(again.start_s)),
            first: first.place,
        });
    }
    // Without duplicates, the rows are complete exactly if they follow the participants and the starts in step.
    let mut samples = samples.into_iter().peekable();
    let mut usage = Vec::with_capacity(participants.len());
    for (index, participant) in participants.iter().enumerate() {
        let mut of_participant = Vec::with_capacity(intervals);
        for start_s in starts.keys() {
            match samples.next_if(|sample| (sample.participant, sample.start_s) == (index, *start_s)) {
                Some(sample) => of_participant.push(sample.usage),
                None => {
                    let participant = participant.id.clone();
                    return Err(DatasetError::MissingReading { file, participant, start: utc_text(*start_s) });
                }
            }
        }
        usage.push(of_participant);
    }
    Ok(Profile { first, intervals, usage })
}

/// The rows of a profile, and where each start is first seen.
#[derive(Default)]
struct Rows {
    samples: Vec<Sample>,
    starts: BTreeMap<i64, Place>,
}

impl Rows {
    fn add(&mut self, sample: Sample) {
        self.starts.entry(sample.start_s).or_insert(sample.place);
        self.samples.push(sample);
    }
}

/// The columns of a profile.
const START: &str = "timestamp";
const PARTICIPANT: &str = "participant_id";
const CONSUMPTION: &str = "consumption_wh";
const PRODUCTION: &str = "production_wh";

/// Reads all rows.
fn read(source: &Source, file: &str, participants: &[Connection]) -> Result<Rows, DatasetError> {
    let index: HashMap<&str, usize> =
        participants.iter().enumerate().map(|(index, participant)| (participant.id.as_str(), index)).collect();
    match source.parquet(file) {
        // parquet panics on some of what is damaged.
        Some(path) => catch_unwind(|| read_columns(&Columns::open(&path, file)?, file, &index)).unwrap_or_else(|_| {
            let found = "values that cannot be decoded".into();
            Err(DatasetError::NotParquet { file: file.to_owned(), found })
        }),
        None => read_lines(Table::open(source, file)?, &index),
    }
}

fn read_lines(mut table: Table, index: &HashMap<&str, usize>) -> Result<Rows, DatasetError> {
    let start_column = table.column(START)?;
    let participant_column = table.column(PARTICIPANT)?;
    let consumption_column = table.column(CONSUMPTION)?;
    let production_column = table.column(PRODUCTION)?;
    let mut rows = Rows::default();
    while let Some(row) = table.next_row()? {
        let start_s = parse_utc(row.text(start_column)).map_err(|error| row.bad(start_column, error.expected))?;
        let id = row.text(participant_column);
        let participant = *index.get(id).ok_or_else(|| row.unknown("participant", id, PARTICIPANTS))?;
        let usage = Usage {
            consumption_wh: row.energy_wh(consumption_column)?,
            production_wh: row.energy_wh(production_column)?,
        };
        rows.add(Sample { participant, start_s, place: Place::Line(row.line), usage });
    }
    Ok(rows)
}

fn read_columns(columns: &Columns, file: &str, index: &HashMap<&str, usize>) -> Result<Rows, DatasetError> {
    let start_column = columns.column(START, Holds::Times)?;
    let participant_column = columns.column(PARTICIPANT, Holds::Texts)?;
    let consumption_column = columns.column(CONSUMPTION, Holds::Numbers)?;
    let production_column = columns.column(PRODUCTION, Holds::Numbers)?;
    let mut rows = Rows::default();
    for group in columns.groups() {
        let group = group?;
        let (starts, ids) = (group.times(start_column)?, group.texts(participant_column)?);
        let (consumption, production) = (group.numbers(consumption_column)?, group.numbers(production_column)?);
        let energy = |row: usize, column: Found, wh: i64| {
            let energy = u64::try_from(wh).ok().filter(|wh| *wh <= ENERGY_WH_MAX);
            energy.ok_or_else(|| group.bad(row, column, ENERGY_EXPECTED, &wh.to_string()))
        };
        let energies = consumption.into_iter().zip(production);
        for (row, ((start_s, id), (consumption, production))) in starts.into_iter().zip(ids).zip(energies).enumerate() {
            let place = group.place(row);
            let id = String::from_utf8_lossy(id.data());
            let participant = *index.get(&*id).ok_or_else(|| DatasetError::Unknown {
                file: file.to_owned(),
                place,
                what: "participant",
                known_in: PARTICIPANTS,
                found: quoted(&id),
            })?;
            let usage = Usage {
                consumption_wh: energy(row, consumption_column, consumption)?,
                production_wh: energy(row, production_column, production)?,
            };
            rows.add(Sample { participant, start_s, place, usage });
        }
    }
    Ok(rows)
}

/// Finds the intervals' length, and that they follow each other without a gap.
fn check_time(file: &str, starts: &BTreeMap<i64, Place>) -> Result<(Interval, usize), DatasetError> {
    let Some((first_s, first_place)) = starts.first_key_value() else {
        return Err(DatasetError::BadCount { file: file.to_owned(), expected: "at least one interval", found: 0 });
    };
    let steps =
        || starts.keys().zip(starts.iter().skip(1)).map(|(before, (after, place))| (after - before, after, place));
    let length = match steps().min() {
        // A single interval does not show its length.
        None => IntervalLength::Minutes15,
        Some((seconds, start_s, place)) => u32::try_from(seconds / 60)
            .ok()
            .filter(|_| seconds % 60 == 0)
            .and_then(|minutes| IntervalLength::try_from(minutes).ok())
            .ok_or_else(|| DatasetError::BadLength {
                file: file.to_owned(),
                place: *place,
                start: utc_text(*start_s),
                seconds,
            })?,
    };
    if let Some((seconds, found_s, place)) = steps().find(|(seconds, ..)| *seconds != length.seconds()) {
        return Err(DatasetError::Gap {
            file: file.to_owned(),
            place: *place,
            expected: utc_text(found_s - seconds + length.seconds()),
            found: utc_text(*found_s),
        });
    }
    let not_aligned = || DatasetError::NotAligned {
        file: file.to_owned(),
        place: *first_place,
        minutes: length.minutes(),
        start: utc_text(*first_s),
    };
    let first = Interval::new(*first_s, length).ok_or_else(not_aligned)?;
    i64::try_from(starts.len()).ok().and_then(|count| first.offset(count)).ok_or_else(not_aligned)?;
    // Every chain of readings starts with the interval before the first.
    first.offset(-1).ok_or_else(not_aligned)?;
    Ok((first, starts.len()))
}
