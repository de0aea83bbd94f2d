//! Figures and days as people of each language write them. Exact: nothing is rounded here.

use calendar::Zone;
use jiff::civil::Date;
use protocol::interval::Interval;

use super::words::Words;
use crate::bill::{decimal, in_currency};

/// A space at which no line ends.
const TIED: char = '\u{a0}';

/// How a bill's reader reads figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format<'a> {
    pub(super) words: &'static Words,
    pub(super) currency: &'a str,
    pub(super) zone: &'a Zone,
}

impl Format<'_> {
    /// Wh as a number of kWh.
    pub(super) fn kwh(&self, wh: u128) -> String {
        self.written(&format!("{}.{:03}", wh / 1_000, wh % 1_000))
    }

    /// Wh, with the unit.
    pub(super) fn energy(&self, wh: u128) -> String {
        format!("{}{TIED}kWh", self.kwh(wh))
    }

    /// Nano-units of currency as a number with all nine places.
    pub(super) fn number(&self, nano: i128) -> String {
        self.written(&decimal(nano))
    }

    /// The same with the currency.
    pub(super) fn exact(&self, nano: i128) -> String {
        format!("{}{TIED}{}", self.number(nano), self.currency)
    }

    /// Cents with the currency.
    pub(super) fn cents(&self, cents: i128) -> String {
        format!("{}{TIED}{}", self.written(&in_currency(cents)), self.currency)
    }

    /// A decimal with this language's point, its thousands apart, and a real minus sign.
    fn written(&self, text: &str) -> String {
        let (minus, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("−", digits));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let mut written = String::from(minus);
        for (at, digit) in whole.char_indices() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                written.push_str(self.words.group);
            }
            written.push(digit);
        }
        if !part.is_empty() {
            written.push_str(self.words.decimal_point);
            written.push_str(part);
        }
        written
    }

    /// A day.
    pub(super) fn date(&self, date: Date) -> String {
        (self.words.date)(date)
    }

    /// The month of a day.
    pub(super) fn month(&self, of: Date) -> String {
        let name = self.words.months[usize::from(of.month().unsigned_abs() - 1) % self.words.months.len()];
        format!("{name} {}", of.year())
    }

    /// When an interval begins.
    pub(super) fn moment(&self, interval: Interval) -> String {
        // `2026-06-01T00:00:00+02:00`
        let text = self.zone.text(interval);
        let clock = text.split_once('T').and_then(|(_, clock)| clock.get(..5)).unwrap_or_default();
        format!("{}{TIED}{clock}", self.date(self.zone.day(interval)))
    }
}

/// An account's number in fours, as it is printed.
pub(super) fn iban(of: &str) -> String {
    let mut spaced = String::new();
    for (at, letter) in of.chars().filter(|letter| !letter.is_whitespace()).enumerate() {
        if at > 0 && at.is_multiple_of(4) {
            spaced.push(TIED);
        }
        spaced.push(letter);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::language::Language;

    #[test]
    fn figures_and_days_are_written_as_each_language_writes_them() {
        let zone: Zone = "Europe/Zurich".parse().unwrap();
        let of = |language: Language| Format { words: language.words(), currency: "CHF", zone: &zone };
        let midnight: Interval = "2026-06-30T22:00:00Z/PT15M".parse().unwrap();
        for (language, kwh, exact, cents, day, month, moment) in [
            (
                Language::English,
                "1,234,567.008",
                "−1,000.000000001\u{a0}CHF",
                "0.05\u{a0}CHF",
                "2026-07-01",
                "July 2026",
                "2026-07-01\u{a0}00:00",
            ),
            (
                Language::German,
                "1.234.567,008",
                "−1.000,000000001\u{a0}CHF",
                "0,05\u{a0}CHF",
                "01.07.2026",
                "Juli 2026",
                "01.07.2026\u{a0}00:00",
            ),
            (
                Language::French,
                "1\u{202f}234\u{202f}567,008",
                "−1\u{202f}000,000000001\u{a0}CHF",
                "0,05\u{a0}CHF",
                "1\u{a0}juil.\u{a0}2026",
                "juillet 2026",
                "1\u{a0}juil.\u{a0}2026\u{a0}00:00",
            ),
        ] {
            let format = of(language);
            let date = zone.day(midnight);
            assert_eq!(format.kwh(1_234_567_008), kwh);
            assert_eq!(format.exact(-1_000_000_000_001), exact);
            assert_eq!(format.cents(5), cents);
            assert_eq!(format.date(date), day);
            assert_eq!(format.month(date), month);
            assert_eq!(format.moment(midnight), moment);
        }
        assert_eq!(of(Language::English).kwh(999_000), "999.000");
    }

    #[test]
    fn an_iban_is_printed_in_fours() {
        assert_eq!(iban("DE02120300000000202051"), "DE02\u{a0}1203\u{a0}0000\u{a0}0000\u{a0}2020\u{a0}51");
    }
}
