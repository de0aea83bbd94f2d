//! `profiles_NAME.csv`: what every participant uses and makes in every interval. Rows may come in any order.

use std::collections::{BTreeMap, HashMap};

use protocol::{
    interval::{Interval, IntervalLength, parse_utc, utc_text},
    member::check_name,
};

use super::{
    Usage,
    error::{DatasetError, quoted},
    participants::Connection,
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
    line: u64,
    usage: Usage,
}

/// Reads the profile `name`.
pub(crate) fn load(source: &Source, name: &str, participants: &[Connection]) -> Result<Profile, DatasetError> {
    // A profile that is no usable name cannot be there; and it does not lead out of the directory.
    let file = match check_name(name) {
        Ok(()) => source.profile_file(name)?,
        Err(_) => source.profile_file(&quoted(&name.replace(['/', '\\'], "?")))?,
    };
    let (mut samples, starts) = read(source, &file, participants)?;
    let (first, intervals) = check_time(&file, &starts)?;
    samples.sort_unstable_by_key(|sample| (sample.participant, sample.start_s, sample.line));
    let twice = samples.windows(2).find_map(|pair| match pair {
        [first, again] if (first.participant, first.start_s) == (again.participant, again.start_s) => {
            Some((first, again))
        }
        _ => None,
    });
    if let Some((first, again)) = twice {
        return Err(DatasetError::Duplicate {
            file,
            line: again.line,
            what: "participant and time",
            name: format!("{} at {}", participants[again.participant].id, utc_text(again.start_s)),
            first: first.line,
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

/// Reads all rows, and on which line each start is first seen.
fn read(
    source: &Source,
    file: &str,
    participants: &[Connection],
) -> Result<(Vec<Sample>, BTreeMap<i64, u64>), DatasetError> {
    let index: HashMap<&str, usize> =
        participants.iter().enumerate().map(|(index, participant)| (participant.id.as_str(), index)).collect();
    let mut table = Table::open(source, file)?;
    let start_column = table.column("timestamp")?;
    let participant_column = table.column("participant_id")?;
    let consumption_column = table.column("consumption_wh")?;
    let production_column = table.column("production_wh")?;
    let mut samples = Vec::new();
    let mut starts = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        let start_s = parse_utc(row.text(start_column)).map_err(|error| row.bad(start_column, error.expected))?;
        let id = row.text(participant_column);
        let participant = *index.get(id).ok_or_else(|| row.unknown("participant", id, "participants.csv"))?;
        let usage = Usage {
            consumption_wh: row.energy_wh(consumption_column)?,
            production_wh: row.energy_wh(production_column)?,
        };
        starts.entry(start_s).or_insert(row.line);
        samples.push(Sample { participant, start_s, line: row.line, usage });
    }
    Ok((samples, starts))
}

/// Finds the intervals' length, and that they follow each other without a gap.
fn check_time(file: &str, starts: &BTreeMap<i64, u64>) -> Result<(Interval, usize), DatasetError> {
    let Some((first_s, first_line)) = starts.first_key_value() else {
        return Err(DatasetError::BadCount { file: file.to_owned(), expected: "at least one interval", found: 0 });
    };
    let steps =
        || starts.keys().zip(starts.iter().skip(1)).map(|(before, (after, line))| (after - before, after, line));
    let length = match steps().min() {
        // A single interval does not show its length.
        None => IntervalLength::Minutes15,
        Some((seconds, start_s, line)) => u32::try_from(seconds / 60)
            .ok()
            .filter(|_| seconds % 60 == 0)
            .and_then(|minutes| IntervalLength::try_from(minutes).ok())
            .ok_or_else(|| DatasetError::BadLength {
                file: file.to_owned(),
                line: *line,
                start: utc_text(*start_s),
                seconds,
            })?,
    };
    if let Some((seconds, found_s, line)) = steps().find(|(seconds, ..)| *seconds != length.seconds()) {
        return Err(DatasetError::Gap {
            file: file.to_owned(),
            line: *line,
            expected: utc_text(found_s - seconds + length.seconds()),
            found: utc_text(*found_s),
        });
    }
    let not_aligned = || DatasetError::NotAligned {
        file: file.to_owned(),
        line: *first_line,
        minutes: length.minutes(),
        start: utc_text(*first_s),
    };
    let first = Interval::new(*first_s, length).ok_or_else(not_aligned)?;
    i64::try_from(starts.len()).ok().and_then(|count| first.offset(count)).ok_or_else(not_aligned)?;
    // Every chain of readings starts with the interval before the first.
    first.offset(-1).ok_or_else(not_aligned)?;
    Ok((first, starts.len()))
}
