//! The seasons, in integers: how near a day is to the middle of summer.

/// The day of the year, counted from 0, that is the middle of winter: 10 January.
const MIDWINTER: i64 = 9;
/// Half a year, days.
const HALF_YEAR: i64 = 182;

/// How near a time is to the middle of summer, of 2³²: from 0 on 10 January, evenly up to 10 July, and down again.
pub(crate) fn summer(time_s: i64) -> u64 {
    // To within a day, whichever year of four is the leap year.
    let year_day = time_s.div_euclid(86_400).rem_euclid(1_461) % 365;
    let from_midwinter = (year_day - MIDWINTER).rem_euclid(365);
    let towards = from_midwinter.min(365 - from_midwinter);
    ((towards as u64) << 32) / HALF_YEAR as u64
}

#[cfg(test)]
mod tests {
    use protocol::interval::parse_utc;

    use super::*;

    #[test]
    fn winter_is_in_january_and_summer_in_july() {
        let on = |date: &str| summer(parse_utc(&format!("{date}T12:00:00Z")).unwrap()) as f64 / (1u64 << 32) as f64;
        for year in 2015..2020 {
            assert!(on(&format!("{year}-01-10")) < 0.01);
            assert!(on(&format!("{year}-07-11")) > 0.98);
            for date in ["04-10", "10-10"] {
                assert!((on(&format!("{year}-{date}")) - 0.5).abs() < 0.02);
            }
        }
    }
}
