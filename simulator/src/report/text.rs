//! Numbers and names as people read them. Exact integers come in; only what is shown is rounded.

use crate::offline::figures::{Ratio, rounded};

/// What is shown where there is no such figure.
pub(super) const NONE: &str = "–";

/// A whole number, its thousands apart.
pub(super) fn number(value: impl TryInto<i128>) -> String {
    fixed(value, 1, 0)
}

/// `value` so many of which are one, with so many decimals (at most 6).
pub(super) fn fixed(value: impl TryInto<i128>, one: i128, decimals: u32) -> String {
    // Nothing here is beyond an `i128`: sums of a century are far from it.
    let value = value.try_into().unwrap_or(i128::MAX);
    let scale = 10_i128.pow(decimals);
    let shown = rounded(value.saturating_mul(scale), one);
    let (whole, part) = (shown.abs() / scale, shown.abs() % scale);
    let digits = whole.to_string();
    let mut text = String::from(if shown < 0 { "−" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if decimals > 0 {
        text += &format!(".{part:0width$}", width = decimals as usize);
    }
    text
}

/// A unit of energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnergyUnit {
    /// Its name.
    pub(super) name: &'static str,
    wh: i128,
    decimals: u32,
}

impl EnergyUnit {
    /// The one that suits energies up to this many Wh.
    pub(super) fn of(most_wh: i128) -> EnergyUnit {
        match most_wh.abs() {
            10_000_000.. => EnergyUnit { name: "MWh", wh: 1_000_000, decimals: 2 },
            _ => EnergyUnit { name: "kWh", wh: 1_000, decimals: 1 },
        }
    }

    /// So many Wh in it, without its name.
    pub(super) fn text(self, wh: i128) -> String {
        fixed(wh, self.wh, self.decimals)
    }
}

/// Wh in the unit that suits them.
pub(super) fn energy(wh: impl Into<i128>) -> String {
    let wh = wh.into();
    let unit = EnergyUnit::of(wh);
    format!("{} {}", unit.text(wh), unit.name)
}

/// W in kW.
pub(super) fn power(watts: impl Into<i128>) -> String {
    format!("{} kW", fixed(watts.into(), 1_000, 2))
}

/// An amount, in the currency of the tariffs.
pub(super) fn money(nano: impl Into<i128>) -> String {
    fixed(nano.into(), 1_000_000_000, 2)
}

/// An emission in kg of CO₂.
pub(super) fn carbon(mg: i128) -> String {
    format!("{} kg CO₂", fixed(mg, 1_000_000, 1))
}

/// A price per kWh.
pub(super) fn price(micro: i64) -> String {
    fixed(micro, 1_000_000, 4)
}

/// A part as a percentage.
pub(super) fn percent(ratio: Ratio) -> String {
    format!("{} %", fixed(ratio.ppm(), 10_000, 2))
}

/// An index from 0 to 1.
pub(super) fn index(ratio: Ratio) -> String {
    fixed(ratio.ppm(), 1_000_000, 3)
}

/// The text of a figure, or that there is none.
pub(super) fn or_none<T>(figure: Option<T>, text: impl Fn(T) -> String) -> String {
    figure.map_or_else(|| NONE.to_owned(), text)
}

/// `1 home`, `2 homes`.
pub(super) fn counted(count: usize, one: &str) -> String {
    format!("{} {one}{}", number(count as u64), if count == 1 { "" } else { "s" })
}

/// Most letters of a name in a chart.
const NAME_MAX: usize = 24;

/// A name from outside as a chart shows it: as it is, and not too long. plotly.js takes tags, entities and `%{…}` in
/// every text for markup, our own script takes `$` for a colour, and letters that turn the direction would turn what
/// follows.
pub(super) fn plain(name: &str) -> String {
    let turns =
        |letter: &char| !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let letters: Vec<char> = name.chars().filter(turns).collect();
    let (shown, more) = match letters.get(..NAME_MAX) {
        Some(first) if letters.len() > NAME_MAX => (&first[..NAME_MAX - 1], "…"),
        _ => (&letters[..], ""),
    };
    let escaped = shown.iter().map(|letter| match letter {
        '&' | '<' | '>' | '%' | '$' => format!("&#{};", u32::from(*letter)),
        _ => letter.to_string(),
    });
    escaped.chain([more.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_once_and_grouped() {
        for (value, one, decimals, expected) in [
            (0, 1, 0, "0"),
            (999, 1, 0, "999"),
            (-1_234_567, 1, 0, "−1,234,567"),
            (1_234_565, 1_000, 2, "1,234.57"),
            (-4, 1_000, 2, "0.00"),
            (-5, 1_000, 2, "−0.01"),
            (100_000, 1_000_000, 4, "0.1000"),
        ] {
            assert_eq!(fixed(value, one, decimals), expected);
        }
        assert_eq!(energy(9_999_900_i64), "9,999.9 kWh");
        assert_eq!(energy(10_000_000_i64), "10.00 MWh");
        assert_eq!((counted(1, "home"), counted(1_000, "home")), ("1 home".into(), "1,000 homes".into()));
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(plain("<b>$5 & 7 %{x}</b>"), "&#60;b&#62;&#36;5 &#38; 7 &#37;{x}&#60;/b&#62;");
        assert_eq!(plain("\u{202e}abc"), "abc");
        assert_eq!(plain(&"x".repeat(30)), format!("{}…", "x".repeat(23)));
    }
}
