//! A participant's meter file: what the agent's meter will count, interval by interval.

use std::fmt::Write;

use jiff::Timestamp;

use crate::dataset::{Dataset, Participant};

/// The file in an agent's directory.
pub(super) const FILE: &str = "meter.csv";

/// Length of the data set's intervals, s.
pub(super) fn interval_seconds(dataset: &Dataset) -> u64 {
    dataset.first.length().seconds().unsigned_abs()
}

/// The content of a participant's meter file.
pub(super) fn text(dataset: &Dataset, participant: &Participant) -> String {
    let mut text = String::from("timestamp,consumption_wh,production_wh\n");
    let starts = (dataset.first.start_s()..).step_by(dataset.first.length().seconds().unsigned_abs() as usize);
    for (start_s, usage) in starts.zip(&participant.usage) {
        let start = match Timestamp::from_second(start_s) {
            Ok(start) => start,
            Err(error) => unreachable!("an interval's start is a timestamp: {error}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{start},{},{}", usage.consumption_wh, usage.production_wh);
    }
    text
}
