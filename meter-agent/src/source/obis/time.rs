//! The meter's own time, `YYMMDDhhmmssX`, where X is S in summer and W in winter (DSMR P1 5.0.2, section 6.4). Pure.
//!
//! The letter tells the two hours apart that have the same name when summer ends.

use super::super::meter_time;

/// Seconds after 1970, where winter time is `winter_h` hours ahead of UTC. None for what is no time, or none that says
/// whether it is summer.
pub(crate) fn utc_s(text: &str, winter_h: i64) -> Option<i64> {
    let (digits, season) = text.split_at_checked(12)?;
    match season {
        "S" => meter_time::utc_s(digits, winter_h + 1),
        "W" => meter_time::utc_s(digits, winter_h),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use protocol::interval::parse_utc;

    use super::*;

    #[test]
    fn the_hour_that_comes_twice_is_two_hours() {
        let at = |text| parse_utc(text).unwrap();
        for (text, winter_h, expected) in [
            ("261025023000S", 1, "2026-10-25T00:30:00Z"),
            ("261025023000W", 1, "2026-10-25T01:30:00Z"),
            ("261025013000S", 0, "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(utc_s(text, winter_h), Some(at(expected)), "{text}");
        }
        for text in ["", "W", "261025023000", "261025023000X", "261025023000SS", "2610250230é", "+61025023000W"] {
            assert_eq!(utc_s(text, 1), None, "{text}");
        }
    }
}
