//! A meter's own time, as it stands on its clock. Pure.

use protocol::interval::parse_utc;

const HOUR_S: i64 = 3_600;

/// Whether a meter's own time counts where nobody says so.
pub(crate) fn counts() -> bool {
    true
}

/// Seconds after 1970 of the local time `YYMMDDhhmmss`, which is `ahead_h` hours ahead of UTC. None for what is none.
pub(crate) fn utc_s(digits: &str, ahead_h: i64) -> Option<i64> {
    if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let [year, month, day, hour, minute, second] = [0, 2, 4, 6, 8, 10].map(|at| &digits[at..at + 2]);
    let local_s = parse_utc(&format!("20{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()?;
    Some(local_s - ahead_h * HOUR_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_so_many_hours_ahead() {
        let at = |text| parse_utc(text).unwrap();
        assert_eq!(utc_s("261025023000", 2), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(utc_s("261025023000", 1), Some(at("2026-10-25T01:30:00Z")));
        assert_eq!(utc_s("260101000000", 1), Some(at("2025-12-31T23:00:00Z")));
        assert_eq!(utc_s("240229120000", 0), Some(at("2024-02-29T12:00:00Z")));
        for text in ["", "26102502300", "2610250230000", "261325023000", "260229120000", "26102502300a", "2610250230é"]
        {
            assert_eq!(utc_s(text, 1), None, "{text}");
        }
    }
}
