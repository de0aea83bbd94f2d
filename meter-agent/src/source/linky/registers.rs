//! What a frame says of the meter (Enedis-NOI-CPT_54E, version 3, groups of the standard mode). Pure.

use std::collections::BTreeMap;

use protocol::reading::Registers;

use super::{
    super::{meter_time, sampler::Sample},
    frame::Group,
};

/// Active energy drawn, and fed in, in all, Wh.
const IMPORT: &str = "EAST";
const EXPORT: &str = "EAIT";
const ENERGY_DIGITS: usize = 9;
/// Apparent power drawn, and fed in, VA.
const DRAWN: &str = "SINSTS";
const FED_IN: &str = "SINSTI";
const POWER_DIGITS: usize = 5;
/// The meter's number.
const SERIAL: &str = "ADSC";
const SERIAL_CHARS: usize = 12;
/// The meter's time.
const DATE: &str = "DATE";
/// How far metropolitan France is ahead of UTC, h.
const WINTER_UTC_H: i64 = 1;
const SUMMER_UTC_H: i64 = 2;

/// Why a frame gives no registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// No register of what is drawn.
    #[error("expected {IMPORT}, the register of what is drawn, found no such group")]
    NoImport,
    /// No register of what is fed in.
    #[error(
        "expected {EXPORT}, the register of what is fed in, found no such group: this Linky is set up for a consumer; \
         ask Enedis to set it up for a producer, as it does with a contract for what you feed in"
    )]
    NoExport,
    /// A value of another form.
    #[error("{label}: expected {digits} digits, found `{found}`")]
    Malformed {
        /// Its label.
        label: &'static str,
        /// How many it has.
        digits: usize,
        /// What was there.
        found: String,
    },
    /// Two frames in one, or a label that became another.
    #[error("{0}: expected one group, found two")]
    Twice(String),
}

/// Reads a frame. The meter's own time is taken where `own_time` says so, and its clock is in step.
pub(crate) fn read(groups: &[Group], own_time: bool) -> Result<Sample, Unreadable> {
    let mut found = BTreeMap::new();
    for group in groups {
        if found.insert(&*group.label, group).is_some() {
            return Err(Unreadable::Twice(group.label.clone()));
        }
    }
    let number = |label: &'static str, digits: usize| {
        let value = found.get(label).map(|group| &*group.value);
        value.map(|value| number(label, digits, value)).transpose()
    };
    let registers = Registers {
        import_wh: number(IMPORT, ENERGY_DIGITS)?.ok_or(Unreadable::NoImport)?,
        export_wh: number(EXPORT, ENERGY_DIGITS)?.ok_or(Unreadable::NoExport)?,
    };
    let power = |label| Ok(number(label, POWER_DIGITS)?.and_then(|number| i64::try_from(number).ok()));
    let power_w = match (power(DRAWN)?, power(FED_IN)?) {
        (None, None) => None,
        (drawn, fed_in) => Some(drawn.unwrap_or(0) - fed_in.unwrap_or(0)),
    };
    let time = found.get(DATE).and_then(|date| date.time.as_deref()).filter(|_| own_time);
    let is_serial = |value: &&str| value.len() == SERIAL_CHARS && value.bytes().all(|it| it.is_ascii_alphanumeric());
    let serial = found.get(SERIAL).map(|group| &*group.value).filter(is_serial).map(str::to_owned);
    Ok(Sample { registers, at_s: time.and_then(utc_s), power_w, serial })
}

/// A number of exactly so many digits: one that lost a digit on its way is no number.
fn number(label: &'static str, digits: usize, value: &str) -> Result<u64, Unreadable> {
    let is_number = value.len() == digits && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| Unreadable::Malformed { label, digits, found: value.chars().take(64).collect() })
}

/// Seconds after 1970 of a time `SYYMMDDhhmmss`, where S is E in summer and H in winter. A small letter says that the
/// clock is out of step, and a space that nobody knows: then there is none.
fn utc_s(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix('E') {
        return meter_time::utc_s(digits, SUMMER_UTC_H);
    }
    meter_time::utc_s(text.strip_prefix('H')?, WINTER_UTC_H)
}

#[cfg(test)]
mod tests {
    use protocol::interval::parse_utc;

    use super::*;

    fn group(label: &str, value: &str) -> Group {
        Group { label: label.into(), time: None, value: value.into() }
    }

    /// A frame with both registers, and these groups.
    fn with(groups: &[Group]) -> Result<Sample, Unreadable> {
        let both = [group(IMPORT, "003519702"), group(EXPORT, "000890123")];
        read(&[&both[..], groups].concat(), true)
    }

    #[test]
    fn both_registers_are_read_and_what_lacks_one_is_named_with_what_to_do() {
        let registers = Registers { import_wh: 3_519_702, export_wh: 890_123 };
        assert_eq!(with(&[]), Ok(Sample { registers, at_s: None, power_w: None, serial: None }));
        let consumer = read(&[group(IMPORT, "003519702"), group("EASF01", "003519702")], true).unwrap_err();
        assert_eq!(consumer, Unreadable::NoExport);
        assert!(consumer.to_string().contains("ask Enedis to set it up for a producer"), "{consumer}");
        assert_eq!(read(&[group(EXPORT, "000890123")], true), Err(Unreadable::NoImport));
        assert_eq!(with(&[group(EXPORT, "000890123")]), Err(Unreadable::Twice("EAIT".into())));
        assert_eq!(with(&[group("PRM", "1"), group("PRM", "1")]), Err(Unreadable::Twice("PRM".into())));
    }

    #[test]
    fn what_is_no_number_is_no_reading() {
        for value in ["", "00351970", "0003519702", "00351970a", "-03519702", "+03519702", " 03519702", "003519,02"] {
            let error = read(&[group(IMPORT, value), group(EXPORT, "000890123")], true).unwrap_err();
            assert!(matches!(error, Unreadable::Malformed { label: IMPORT, .. }), "{value}: {error}");
        }
        assert!(matches!(with(&[group(DRAWN, "0026")]), Err(Unreadable::Malformed { label: DRAWN, .. })));
    }

    #[test]
    fn power_is_what_is_drawn_less_what_is_fed_in() {
        let power = |groups: &[Group]| with(groups).unwrap().power_w;
        assert_eq!(power(&[group(DRAWN, "00263")]), Some(263));
        assert_eq!(power(&[group(DRAWN, "00000"), group(FED_IN, "01907")]), Some(-1_907));
        assert_eq!(power(&[group("SINSTS1", "00263")]), None);
    }

    #[test]
    fn the_meters_time_is_taken_where_its_clock_is_in_step() {
        let at = |time: &str, own_time| {
            let date = Group { label: DATE.into(), time: Some(time.into()), value: String::new() };
            let both = [group(IMPORT, "003519702"), group(EXPORT, "000890123"), date];
            read(&both, own_time).unwrap().at_s
        };
        let utc = |text| Some(parse_utc(text).unwrap());
        assert_eq!(at("H240210121355", true), utc("2024-02-10T11:13:55Z"));
        assert_eq!(at("E261025023000", true), utc("2026-10-25T00:30:00Z"), "the hour that comes twice");
        assert_eq!(at("H261025023000", true), utc("2026-10-25T01:30:00Z"));
        for out_of_step in ["h240210121355", "e240210121355", " 240210121355", "H24021012135", "H241310121355", "", "é"]
        {
            assert_eq!(at(out_of_step, true), None, "{out_of_step}");
        }
        assert_eq!(at("H240210121355", false), None);
    }

    #[test]
    fn a_serial_number_has_twelve_characters() {
        let serial = |value| with(&[group(SERIAL, value)]).unwrap().serial;
        assert_eq!(serial("041662343035").as_deref(), Some("041662343035"));
        for value in ["", "04166234303", "0416623430355", "04166234303\t"] {
            assert_eq!(serial(value), None, "{value}");
        }
    }
}
