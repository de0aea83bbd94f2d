//! A record in the form that grid operators send, written for this test, and each way to get one wrong.

use super::*;

const SAMPLE: &str = include_str!("sample.xml");
const DRAWS: &str = "AT9999990000000000000000000000001";
const FEEDS: &str = "AT9999990000000000000000000000002";

fn interval(text: &str) -> Interval {
    text.parse().unwrap()
}

fn read_sample(from: &str, to: &str) -> Result<Values, RecordError> {
    assert!(SAMPLE.contains(from), "{from}");
    read(&SAMPLE.replacen(from, to, 1), IntervalLength::Minutes15)
}

#[test]
fn all_that_was_drawn_and_fed_in_is_read_and_what_was_allocated_is_passed_over() {
    let values = read(SAMPLE, IntervalLength::Minutes15).unwrap();
    let [first, second] = ["2026-06-01T12:00:00Z/PT15M", "2026-06-01T12:15:00Z/PT15M"].map(interval);
    let wh = |wh| Some(Energy::from_wh(wh));
    let expected = [
        ((DRAWS.to_owned(), first), PointFlow { line: 26, import: wh(125), export: None }),
        ((DRAWS.to_owned(), second), PointFlow { line: 32, import: wh(1_007), export: None }),
        ((FEEDS.to_owned(), first), PointFlow { line: 54, import: None, export: wh(0) }),
    ];
    assert_eq!(values, expected.into());
    let both = [DRAWS.to_owned(), FEEDS.to_owned()];
    let flow = Flow { import: Energy::from_wh(125), export: Energy::ZERO };
    assert_eq!(together(&values, &both, first), Some(flow));
    assert_eq!(together(&values, &both, second), None, "of one of the two nothing is known");
}

#[test]
fn each_way_to_get_a_record_wrong_is_named() {
    assert!(matches!(read("<a>", IntervalLength::Minutes15), Err(RecordError::NotXml(_))));
    let bomb = format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", &SAMPLE[SAMPLE.find("<cr:Cons").unwrap()..]);
    assert!(matches!(read(&bomb, IntervalLength::Minutes15), Err(RecordError::NotXml(_))));
    assert!(matches!(read_sample("record/01p41", "record/01p31"), Err(RecordError::OtherDocument(_))));
    assert!(matches!(read(SAMPLE, IntervalLength::Minutes60), Err(RecordError::Unexpected { .. })));
    let hourly = read_sample(">QH<", ">D<");
    assert!(matches!(hourly, Err(RecordError::Unexpected { line: 23, .. })), "{hourly:?}");
    assert!(matches!(read_sample("UOM=\"KWH\"", "UOM=\"KW\""), Err(RecordError::Unexpected { .. })));
    assert!(matches!(read_sample(">L1<", ">L3<"), Err(RecordError::Quality { line: 29, .. })));
    assert!(matches!(read_sample("0.125000", "0.125001"), Err(RecordError::TooFine { .. })));
    for bad in ["-0.125", "1e3", "", "0,125", "1000000.001"] {
        assert!(matches!(read_sample("0.125000", bad), Err(RecordError::Unexpected { .. })), "{bad}");
    }
    let moved = read_sample("<cr:DTF>2026-06-01T14:00:00+02:00", "<cr:DTF>2026-06-01T14:01:00+02:00");
    assert!(matches!(moved, Err(RecordError::Unexpected { .. })));
    let longer = read_sample("<cr:DTT>2026-06-01T14:15:00+02:00", "<cr:DTT>2026-06-01T14:30:00+02:00");
    assert!(matches!(longer, Err(RecordError::Unexpected { .. })));
    let second = "<cr:DTF>2026-06-01T14:15:00+02:00</cr:DTF>\n          <cr:DTT>2026-06-01T14:30:00+02:00";
    let twice = read_sample(second, "<cr:DTF>2026-06-01T14:00:00+02:00</cr:DTF><cr:DTT>2026-06-01T14:15:00+02:00");
    assert!(matches!(twice, Err(RecordError::Twice { .. })), "{twice:?}");
    assert!(matches!(read_sample("<cr:BQ>0.125000</cr:BQ>", ""), Err(RecordError::Missing { expected: "BQ", .. })));
    let nothing = SAMPLE.replace("G.01", "P.01");
    assert_eq!(read(&nothing, IntervalLength::Minutes15), Err(RecordError::Nothing));
}
