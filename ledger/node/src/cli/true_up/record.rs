//! Validated values from the message of an Austrian grid operator, by whose its metering points are.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use market_files::{
    consumption_record::{self as record, BYTES_MAX, Values},
    pack::sites::Site,
};
use protocol::{
    interval::{Interval, IntervalLength},
    member::MemberId,
};
use settings::bounded;

use crate::cli::validated::{BadRows, Faults, Row};

/// Reads the message in a file.
pub(super) fn read(path: &Path, length: IntervalLength, sites: &BTreeMap<MemberId, Site>) -> Result<Vec<Row>, String> {
    let xml = bounded::read_text(path, None, BYTES_MAX)?;
    let values = record::read(&xml, length).map_err(|error| error.to_string())?;
    rows(&values, sites).map_err(|error| error.to_string())
}

/// A row for each member and interval of which anything is said.
fn rows(values: &Values, sites: &BTreeMap<MemberId, Site>) -> Result<Vec<Row>, BadRows> {
    let points = |(member, site): (&MemberId, &Site)| {
        let member = *member;
        site.metering_points.clone().into_iter().map(move |point| (point, member))
    };
    let whose: BTreeMap<String, MemberId> = sites.iter().flat_map(points).collect();
    let mut faults = Faults::default();
    let mut said: BTreeSet<(Interval, MemberId)> = BTreeSet::new();
    let mut rows = Vec::new();
    for ((point, interval), flow) in values {
        let line = flow.line.into();
        let Some(member) = whose.get(point) else {
            faults.add(
                line,
                format!("expected a metering point of the file of sites, found `{}`", calendar::quoted(point)),
            );
            continue;
        };
        if !said.insert((*interval, *member)) {
            continue;
        }
        match record::together(values, &sites[member].metering_points, *interval) {
            Some(flow) => rows.push(Row { line, interval: *interval, member: *member, flow }),
            None => faults.add(line, format!("expected all metering points of {member} in {interval}, found some")),
        }
    }
    faults.check(rows)
}

#[cfg(test)]
mod tests {
    use protocol::energy::Energy;

    use super::*;

    #[test]
    fn the_points_of_a_member_count_together_and_none_is_left_out() {
        let wh = |wh| Some(Energy::from_wh(wh));
        let interval: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
        let flow = |line, import, export| record::PointFlow { line, import, export };
        let both: Values = [
            (("AT1".to_owned(), interval), flow(3, wh(70), None)),
            (("AT2".to_owned(), interval), flow(9, None, wh(20))),
        ]
        .into();
        let member = MemberId::from_bytes([1; 16]);
        let at = |points: &[&str]| Site {
            metering_points: points.iter().map(|point| (*point).to_owned()).collect(),
            ..Site::default()
        };
        let read = |points: &[&str]| rows(&both, &[(member, at(points))].into()).map_err(|error| error.to_string());
        let found = read(&["AT1", "AT2"]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].member, found[0].interval), (3, member, interval));
        assert_eq!([found[0].flow.import, found[0].flow.export].map(Energy::wh), [70, 20]);
        assert!(read(&["AT1"]).unwrap_err().contains("line 9: expected a metering point of the file of sites"));
        assert!(read(&["AT1", "AT2", "AT3"]).unwrap_err().contains("line 3: expected all metering points of"));
    }
}
