//! What a telegram says of the meter: lines `A-B:C.D.E*F(value*unit)` (IEC 62056-61; IEC 62056-21, section 6.5). Pure.
//!
//! Everything else in a telegram (gas, voltages, messages) is passed over.

use std::collections::BTreeMap;

use super::{
    super::{
        energies::{CUMULATIVE, EXPORT, Energies, IMPORT, LAST_TARIFF, NANO, NOW, PRESENT, RegisterError, TOTAL},
        sampler::Sample,
    },
    time,
};

/// Most digits before the point; meters have up to 9.
const WHOLE_DIGITS_MAX: usize = 15;
/// Most characters of a text that is kept or quoted.
const TEXT_CHARS_MAX: usize = 64;

/// Why a telegram gives no registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// A register is no number of Wh or kWh.
    #[error("register {c}.{CUMULATIVE}.{e}: expected a value such as 001234.567*kWh, found `{found}`")]
    Malformed {
        /// C.
        c: u8,
        /// E.
        e: u8,
        /// What was there, cut.
        found: String,
    },
    /// The registers do not go together.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// C, D and E of what a line is about.
type Quantity = (u8, u8, u8);

/// What stands before a value.
struct Id {
    /// Medium and channel, where they are said.
    channel: Option<(u8, u8)>,
    quantity: Quantity,
}

/// Reads a telegram's lines. The meter's own time is taken where its winter time is `winter_h` hours ahead of UTC, and
/// left out where nobody says how far it is.
pub(crate) fn read(lines: &str, winter_h: Option<i64>) -> Result<Sample, Unreadable> {
    let mut energies = Energies::default();
    let mut powers = BTreeMap::new();
    let (mut at_s, mut serials) = (None, [None, None]);
    for (id, values) in lines.lines().filter_map(|line| line.split_once('(')) {
        let Some(Id { channel, quantity }) = id_of(id.trim()) else { continue };
        let found = values.strip_suffix(')').unwrap_or(values);
        let of_electricity = channel.is_none_or(|(medium, _)| medium == 1);
        let of_the_meter = channel.is_none_or(|(medium, channel)| medium <= 1 && channel == 0);
        match quantity {
            (c @ (IMPORT | EXPORT), CUMULATIVE, e @ TOTAL..=LAST_TARIFF) if of_electricity => {
                let malformed = || Unreadable::Malformed { c, e, found: cut(found) };
                energies.take(c, e, nano_of(values, "Wh").ok_or_else(malformed)?)?;
            }
            (IMPORT | EXPORT, PRESENT, TOTAL) if of_electricity => {
                powers.extend(nano_of(values, "W").map(|nano_w| (quantity.0, nano_w)));
            }
            (1, 0, 0) if channel == Some((0, 0)) => {
                at_s = winter_h.and_then(|winter_h| time::utc_s(found, winter_h)).or(at_s);
            }
            (96, 1, e @ (0 | 1)) if of_the_meter && !found.is_empty() => serials[usize::from(e)] = Some(cut(found)),
            _ => {}
        }
    }
    let registers = energies.registers()?;
    let watts = |c| powers.get(&c).and_then(|nano_w| i64::try_from(nano_w / NANO).ok());
    let power_w = match (watts(IMPORT), watts(EXPORT)) {
        (None, None) => None,
        (import, export) => Some(import.unwrap_or(0) - export.unwrap_or(0)),
    };
    let [first, second] = serials;
    Ok(Sample { registers, at_s, power_w, serial: second.or(first) })
}

fn id_of(text: &str) -> Option<Id> {
    let (channel, text) = text.split_once(':').map_or((None, text), |(channel, text)| (Some(channel), text));
    let channel = match channel {
        Some(channel) => {
            let (medium, channel) = channel.split_once('-')?;
            Some((number(medium)?, number(channel)?))
        }
        None => None,
    };
    let (text, period) = text.split_once(['*', '&']).map_or((text, NOW), |(text, f)| (text, number(f).unwrap_or(0)));
    if period != NOW {
        return None;
    }
    let mut parts = text.split('.').map(number);
    let quantity = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() { None } else { Some(Id { channel, quantity }) }
}

fn number(digits: &str) -> Option<u8> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// 10⁻⁹ of `unit` of a value in it, or in a thousand of it, with its closing parenthesis.
fn nano_of(value: &str, unit: &str) -> Option<u128> {
    let (decimal, found) = value.strip_suffix(')')?.split_once('*')?;
    let factor = match found.strip_suffix(unit)? {
        "" => 1,
        "k" => 1_000,
        _ => return None,
    };
    let (whole, decimals) = decimal.split_once('.').unwrap_or((decimal, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > WHOLE_DIGITS_MAX || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let nanos: String = decimals.chars().chain("000000000".chars()).take(9).collect();
    if decimals.len() > nanos.len() {
        return None;
    }
    Some((whole.parse::<u128>().ok()? * NANO + nanos.parse::<u128>().ok()?) * factor)
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use protocol::reading::Registers;

    use super::*;

    fn registers(lines: &str) -> Result<(u64, u64), String> {
        let sample = read(lines, Some(1)).map_err(|error| error.to_string())?;
        Ok((sample.registers.import_wh, sample.registers.export_wh))
    }

    #[test]
    fn the_total_where_there_is_one_else_the_tariffs_and_never_both() {
        let tariffs = "1-0:1.8.1(000001.111*kWh)\n1-0:1.8.2(000002.222*kWh)\n1-0:2.8.1(000000.010*kWh)\n";
        assert_eq!(registers(tariffs), Ok((3_333, 10)));
        let both = format!("{tariffs}1-0:1.8.0(000004.000*kWh)\n1-0:2.8.0(000000.500*kWh)\n");
        assert_eq!(registers(&both), Ok((4_000, 500)));
        let four: String = (1..=4).map(|e| format!("1-0:1.8.{e}(0.0004*kWh)\n1-0:2.8.{e}(1*Wh)\n")).collect();
        assert_eq!(registers(&four), Ok((1, 4)), "0.4 Wh four times is 1.6 Wh, cut off once");
    }

    #[test]
    fn units_and_decimals_are_those_of_the_line() {
        for (import, expected) in [
            ("001234567*Wh", 1_234_567),
            ("001234.567*kWh", 1_234_567),
            ("01234.5678999*kWh", 1_234_567),
            ("0.9999999*kWh", 999),
            ("12*kWh", 12_000),
            ("00000012.9*Wh", 12),
        ] {
            let text = format!("1-0:1.8.0*255({import})\r\n1-0:2.8.0*255(0*kWh)\r\n");
            assert_eq!(registers(&text), Ok((expected, 0)), "{import}");
        }
        assert_eq!(registers("1.8.0(1.5*kWh)\n2.8.0(2*kWh)"), Ok((1_500, 2_000)), "without A and B");
    }

    #[test]
    fn what_is_no_register_is_no_reading() {
        let with = |value: &str| registers(&format!("1-0:1.8.0({value})\n1-0:2.8.0(0*kWh)\n"));
        let huge = format!("{}*kWh", "9".repeat(15));
        for value in [
            "",
            "*kWh",
            "1",
            "1*",
            "1*MWh",
            "1*kvarh",
            "-1*kWh",
            "+1*kWh",
            "1,5*kWh",
            ".5*kWh",
            "1.5.5*kWh",
            "NaN*kWh",
            "1e3*kWh",
            "1*kWh)(2*kWh",
            "0.1234567891*kWh",
            "1234567890123456*Wh",
            " 1*kWh",
        ] {
            let error = with(value).unwrap_err();
            assert!(error.contains("register 1.8.0: expected a value such as"), "{value}: {error}");
        }
        assert_eq!(with(&huge).unwrap_err(), RegisterError::TooLarge.to_string());
        assert_eq!(registers("1-0:1.8.0(1*kWh)\n").unwrap_err(), RegisterError::Missing(EXPORT).to_string());
        assert_eq!(registers("").unwrap_err(), RegisterError::Missing(IMPORT).to_string());
        let twice = "1-0:1.8.1(1*kWh)\n1-0:1.8.1(2*kWh)\n1-0:2.8.0(0*kWh)";
        assert_eq!(registers(twice).unwrap_err(), RegisterError::Twice(IMPORT, 1).to_string());
        assert_eq!(registers(&twice.replace('2', "1")).unwrap_err(), RegisterError::Missing(EXPORT).to_string());
    }

    #[test]
    fn what_is_of_another_meter_or_another_time_is_passed_over() {
        let text = "1-0:1.8.0(1*kWh)\n1-0:2.8.0(2*kWh)\n1-0:1.8.0*01(0.5*kWh)\n1-0:1.8.0&02(0.4*kWh)\n\
                    0-1:1.8.0(9*kWh)\n6-0:1.8.0(x)\n1-0:1.8.5(7*kWh)\n1-0:3.8.0(7*kvarh)\nC.1.0(1)\nF.F(00)\n\
                    (00124.477)\n\
                    0-1:24.2.1(101209112500W)(12785.123*m3)\n0-1:96.1.0(gas)\n1-0:1.8.0.0(8*kWh)\n1-0-0:1.8.0(8*kWh)\n";
        let sample = read(text, Some(1)).unwrap();
        let registers = Registers { import_wh: 1_000, export_wh: 2_000 };
        assert_eq!(sample, Sample { registers, at_s: None, power_w: None, serial: None });
    }

    #[test]
    fn time_power_and_serial_number_are_taken_where_they_are() {
        let registers = "1-0:1.8.0(1*kWh)\n1-0:2.8.0(2*kWh)\n";
        let more =
            "0-0:1.0.0(261025023000W)\n1-0:1.7.0(00.125*kW)\n1-0:2.7.0(01.5*kW)\n0-0:96.1.1(4B38)\n0-0:96.1.0(X)\n";
        let sample = read(&format!("{registers}{more}"), Some(1)).unwrap();
        assert_eq!(sample.at_s, time::utc_s("261025023000W", 1));
        assert_eq!((sample.power_w, sample.serial.as_deref()), (Some(-1_375), Some("4B38")));
        let sample = read(&format!("{registers}{more}"), None).unwrap();
        assert_eq!(sample.at_s, None, "nobody says how far from UTC the meter is");
        let sample = read(&format!("{registers}0-0:96.1.0(X)\n1-0:1.7.0(00230*W)\n"), Some(1)).unwrap();
        assert_eq!((sample.power_w, sample.serial.as_deref()), (Some(230), Some("X")));
    }
}
