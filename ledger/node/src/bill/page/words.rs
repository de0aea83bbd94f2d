//! What the page says, in each language. A language is one file; what it lacks does not compile.

mod de;
mod en;
mod fr;

use jiff::civil::Date;
use maud::{Markup, Render, html};

use crate::bill::language::Language;

/// Everything that the page says. What stands in braces is filled in; see [`fill`].
#[derive(Debug)]
pub(super) struct Words {
    /// Of `{month}`, such as June 2026.
    pub(super) title: &'static str,
    pub(super) months: [&'static str; 12],
    pub(super) date: fn(Date) -> String,
    pub(super) decimal_point: &'static str,
    /// Between thousands.
    pub(super) group: &'static str,

    pub(super) to: &'static str,
    pub(super) from: &'static str,
    pub(super) vat_id: &'static str,
    pub(super) tax_number: &'static str,
    pub(super) number: &'static str,
    pub(super) issued: &'static str,
    pub(super) due: &'static str,
    pub(super) member: &'static str,
    pub(super) period: &'static str,
    /// From `{first}` to `{after}`, by the clock in `{zone}`.
    pub(super) period_is: &'static str,

    pub(super) total: &'static str,
    pub(super) nothing_to_pay: &'static str,
    pub(super) paid_to_member: &'static str,
    pub(super) paid_by_member: &'static str,
    /// `{amount}` and `{remainder}`.
    pub(super) exactly: &'static str,
    /// On `{day}`, to `{iban}`.
    pub(super) paid_out: &'static str,
    /// On `{day}`, from `{iban}`, by `{mandate}` for `{creditor}`.
    pub(super) collected: &'static str,

    pub(super) bought: &'static str,
    pub(super) sold: &'static str,
    pub(super) drawn: &'static str,
    pub(super) fed_in: &'static str,

    pub(super) network: &'static str,
    /// For `{kwh}`, by `{amount}`.
    pub(super) network_discount: &'static str,

    pub(super) transfers: &'static str,
    pub(super) block: &'static str,
    pub(super) with: &'static str,
    pub(super) what_for: &'static str,
    pub(super) supplier: &'static str,
    pub(super) operator: &'static str,

    pub(super) day_by_day: &'static str,
    pub(super) day: &'static str,
    pub(super) bought_short: &'static str,
    pub(super) sold_short: &'static str,
    pub(super) drawn_short: &'static str,
    pub(super) fed_in_short: &'static str,
    pub(super) figures_mean: &'static str,

    /// `{drawn}` and `{fed_in}`.
    pub(super) late: &'static str,
    /// `{count}` intervals.
    pub(super) late_unknown: &'static str,
    /// `{count}` intervals.
    pub(super) corrected: &'static str,
    /// `{count}` intervals.
    pub(super) provisional: &'static str,

    pub(super) check: &'static str,
    /// `{file}`, `{chain}`, and blocks: `{first}`, `{last}`, `{read_to}`.
    pub(super) check_lines: &'static str,
    pub(super) check_at_validator: &'static str,
}

impl Language {
    pub(super) fn words(self) -> &'static Words {
        match self {
            Language::English => &en::WORDS,
            Language::French => &fr::WORDS,
            Language::German => &de::WORDS,
        }
    }
}

/// A text of [`Words`] with what is filled in, each by the name that stands in its braces.
pub(super) fn fill(text: &'static str, filled: &[(&str, &dyn Render)]) -> Markup {
    let (before, rest) = text.split_once('{').unwrap_or((text, ""));
    let parts = rest.split('{').filter_map(|part| part.split_once('}'));
    html! {
        (before)
        @for (name, after) in parts {
            @if let Some((_, value)) = filled.iter().find(|(of, _)| *of == name) { (value.render()) }
            (after)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// The names in braces, sorted.
    fn names(text: &str) -> Vec<&str> {
        let mut names: Vec<&str> = text.split('{').skip(1).map(|part| part.split_once('}').unwrap().0).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_filled_in_is_the_same_in_every_language() {
        let texts = |words: &'static Words| {
            [
                words.title,
                words.period_is,
                words.exactly,
                words.paid_out,
                words.collected,
                words.network_discount,
                words.late,
                words.late_unknown,
                words.corrected,
                words.provisional,
                words.check_lines,
            ]
        };
        let english = texts(Language::English.words()).map(names);
        for language in Language::value_variants() {
            assert_eq!(texts(language.words()).map(names), english, "{language:?}");
        }
    }

    #[test]
    fn a_text_is_filled_in_by_name_and_whatever_is_filled_in_is_text() {
        let filled = fill("to {b} & from {a}.", &[("a", &"<i>"), ("b", &2)]);
        assert_eq!(filled.into_string(), "to 2 &amp; from &lt;i&gt;.");
        assert_eq!(fill("as it is", &[]).into_string(), "as it is");
    }
}
