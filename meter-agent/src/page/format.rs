//! Figures, money and times as people of each language write them.

use household::local_time::LocalTime;
use jiff::civil::Date;
use protocol::{
    interval::Interval,
    money::{Amount, Price},
};
use rust_decimal::{Decimal, RoundingStrategy};

use super::words::Words;

/// Narrow, and no place for a line to end (U+202F).
const THIN: char = '\u{202f}';

/// How one household reads figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format<'a> {
    pub(super) words: &'static Words,
    pub(super) currency: &'a str,
    pub(super) local: &'a LocalTime,
}

impl Format<'_> {
    /// Energy in kWh, exactly.
    pub(super) fn energy(&self, wh: u64) -> String {
        self.number(&format!("{}.{:03}", wh / 1_000, wh % 1_000), "kWh")
    }

    /// Energy beside an axis, fed in below nought.
    pub(super) fn energy_short(&self, wh: i64) -> String {
        let wh = wh.unsigned_abs();
        match wh {
            0..1_000 => self.number(&wh.to_string(), "Wh"),
            _ => self.number(&format!("{}.{:01}", wh / 1_000, wh % 1_000 / 100), "kWh"),
        }
    }

    /// A price beside an axis, of millionths.
    pub(super) fn price_short(&self, micro: i64) -> String {
        let price = Decimal::new(micro, 6).round_dp_with_strategy(3, RoundingStrategy::MidpointAwayFromZero);
        self.money(format!("{price:.3}"))
    }

    /// Power, in what reads best.
    pub(super) fn power(&self, watts: u64) -> String {
        match watts {
            0..1_000 => self.number(&watts.to_string(), "W"),
            _ => self.number(&format!("{}.{:01}", watts / 1_000, watts % 1_000 / 100), "kW"),
        }
    }

    /// An amount, rounded to cents: sums are of exact ones.
    pub(super) fn amount(&self, amount: Amount) -> String {
        let cents = amount.to_decimal().round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        self.money(format!("{:.2}", if cents.is_zero() { Decimal::ZERO } else { cents }))
    }

    /// The same of a sum that no single amount may have.
    pub(super) fn sum(&self, nano: i128) -> String {
        i64::try_from(nano).map_or_else(|_| "–".into(), |nano| self.amount(Amount::from_nano(nano)))
    }

    /// A price, with all its digits, and cents at least.
    pub(super) fn price(&self, price: Price) -> String {
        let text = price.to_decimal().normalize();
        self.money(if text.scale() < 2 { format!("{text:.2}") } else { text.to_string() })
    }

    fn money(&self, digits: String) -> String {
        let sign = match self.currency {
            "EUR" => "€",
            "GBP" => "£",
            other => other,
        };
        if !self.words.sign_first {
            return self.number(&digits, sign);
        }
        let (minus, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("−", digits));
        let space = if sign.chars().all(char::is_alphabetic) { THIN.to_string() } else { String::new() };
        format!("{minus}{sign}{space}{digits}")
    }

    fn number(&self, digits: &str, unit: &str) -> String {
        let digits = digits.replace('.', &self.words.decimal_point.to_string()).replace('-', "−");
        format!("{digits}{THIN}{unit}")
    }

    /// The time on the wall, as 14:15.
    pub(super) fn time(&self, at_s: i64) -> String {
        let at = self.local.shows(at_s);
        format!("{:02}:{:02}", at.hour(), at.minute())
    }

    /// From when to when, without the day.
    pub(super) fn span(&self, interval: Interval) -> String {
        format!("{}–{}", self.time(interval.start_s()), self.time(interval.end_s()))
    }

    /// A day in words.
    pub(super) fn date(&self, date: Date) -> String {
        let weekday = self.words.weekdays[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs()) % 7];
        (self.words.long_date)(weekday, date.day(), self.month_name(date), date.year())
    }

    /// A month in words.
    pub(super) fn month(&self, date: Date) -> String {
        format!("{} {}", self.month_name(date), date.year())
    }

    fn month_name(&self, date: Date) -> &'static str {
        self.words.months[usize::from((date.month() - 1).unsigned_abs()) % 12]
    }

    /// A moment: the day in words, and the time.
    pub(super) fn moment(&self, at_s: i64) -> String {
        format!("{}, {}", self.date(self.local.shows(at_s).date()), self.time(at_s))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::words::Language, *};

    fn with<T>(language: Language, currency: &str, read: impl Fn(Format<'_>) -> T) -> T {
        let local = LocalTime::try_from("Europe/Vienna".to_owned()).unwrap();
        read(Format { words: language.words(), currency, local: &local })
    }

    #[test]
    fn figures_are_written_as_each_language_writes_them() {
        let nano = Amount::from_nano;
        with(Language::English, "EUR", |format| {
            assert_eq!(format.energy(12_345), "12.345\u{202f}kWh");
            assert_eq!(format.power(1_907), "1.9\u{202f}kW");
            assert_eq!(format.power(45), "45\u{202f}W");
            assert_eq!(format.amount(nano(1_234_567_890)), "€1.23");
            assert_eq!(format.amount(nano(-5_000_000)), "−€0.01");
            assert_eq!(format.amount(nano(-4_999_999)), "€0.00");
            assert_eq!(format.price("0.2137".parse().unwrap()), "€0.2137");
            assert_eq!(format.price("0.3".parse().unwrap()), "€0.30");
        });
        with(Language::German, "EUR", |format| {
            assert_eq!(format.energy(12_345), "12,345\u{202f}kWh");
            assert_eq!(format.amount(nano(-1_230_000_000)), "−1,23\u{202f}€");
        });
        with(Language::English, "CHF", |format| assert_eq!(format.amount(nano(10_000_000)), "CHF\u{202f}0.01"));
        with(Language::French, "CHF", |format| assert_eq!(format.amount(nano(10_000_000)), "0,01\u{202f}CHF"));
    }

    #[test]
    fn times_are_those_on_the_wall() {
        let interval: Interval = "2026-06-01T21:45:00Z/PT15M".parse().unwrap();
        with(Language::English, "EUR", |format| {
            assert_eq!(format.span(interval), "23:45–00:00");
            assert_eq!(format.moment(interval.end_s()), "Tuesday, 2 June 2026, 00:00");
        });
        with(Language::German, "EUR", |format| {
            assert_eq!(format.moment(interval.start_s()), "Montag, 1. Juni 2026, 23:45");
        });
        with(Language::French, "EUR", |format| {
            assert_eq!(format.moment(interval.start_s()), "lundi 1er juin 2026, 23:45");
        });
    }
}
