//! What the page says, in each language. A language is one file; what it lacks does not compile.

mod de;
mod en;
mod fr;
mod looked_up;
mod prices;

pub(super) use self::{looked_up::LookedUpWords, prices::PriceWords};
use household::strategy::Why;
use protocol::{genesis::Technology, money::Price};

use crate::{
    alarm::{AlarmKind, Detail},
    check::ReceiptFault,
    source::MeterKind,
};

/// A language that the page speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    French,
    German,
}

impl Language {
    /// Every one.
    pub(crate) const ALL: [Language; 3] = [Language::English, Language::French, Language::German];

    /// Its code (BCP 47).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::French => "fr",
            Language::German => "de",
        }
    }

    /// What it calls itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::French => "Français",
            Language::German => "Deutsch",
        }
    }

    /// The one with this code.
    pub(crate) fn of_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The one that a browser likes best, of what it says in `Accept-Language` (RFC 9110, section 12.5.4); English, if
    /// it knows none of them.
    pub(crate) fn accepted(header: &str) -> Language {
        let liked = header.split(',').take(20).filter_map(|range| {
            let (range, quality) = range.split_once(";q=").unwrap_or((range, "1"));
            let primary = range.trim().split('-').next()?.to_ascii_lowercase();
            let quality: f32 = quality.trim().parse().ok()?;
            Some((Language::of_code(&primary)?, quality)).filter(|_| quality > 0.0)
        });
        let best = liked.fold(None, |best: Option<(Language, f32)>, (language, quality)| match best {
            Some((_, most)) if most >= quality => best,
            _ => Some((language, quality)),
        });
        best.map_or(Language::English, |(language, _)| language)
    }

    pub(super) fn words(self) -> &'static Words {
        match self {
            Language::English => &en::WORDS,
            Language::French => &fr::WORDS,
            Language::German => &de::WORDS,
        }
    }
}

/// Everything that the page says. `{}` is where a figure goes.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) your_home: &'static str,
    pub(super) connected: &'static str,
    pub(super) not_connected: &'static str,
    /// When.
    pub(super) market_heard: &'static str,
    pub(super) market_not_heard: &'static str,
    pub(super) language: &'static str,
    pub(super) not_live: &'static str,

    pub(super) recording: &'static str,
    pub(super) made_up: &'static str,

    pub(super) not_registered: &'static str,
    pub(super) hand_in: &'static str,
    pub(super) then_by_itself: &'static str,
    pub(super) member_key: &'static str,
    pub(super) registration_refused: &'static str,

    pub(super) now: &'static str,
    pub(super) drawing: &'static str,
    pub(super) feeding_in: &'static str,
    pub(super) nothing_flows: &'static str,
    pub(super) no_power: &'static str,
    pub(super) price_among_neighbours: &'static str,
    pub(super) nothing_traded: &'static str,
    pub(super) supplier_takes: &'static str,
    pub(super) supplier_gives: &'static str,
    pub(super) per_kwh: &'static str,
    pub(super) last_proved: &'static str,

    pub(super) today: &'static str,
    pub(super) this_month: &'static str,
    pub(super) since_the_start: &'static str,
    pub(super) worth: &'static str,
    pub(super) worth_means: &'static str,
    pub(super) balance: &'static str,

    pub(super) own_roof: &'static str,
    pub(super) from_neighbours: &'static str,
    pub(super) from_supplier: &'static str,
    pub(super) to_neighbours: &'static str,
    pub(super) to_supplier: &'static str,
    pub(super) chart: &'static str,
    pub(super) price_chart: &'static str,
    pub(super) no_intervals: &'static str,
    pub(super) consumed: &'static str,
    pub(super) produced: &'static str,

    pub(super) whose_roof: &'static str,
    pub(super) neighbour: &'static str,
    pub(super) made_from: &'static str,
    pub(super) technology: fn(Technology) -> &'static str,
    pub(super) no_certificate: &'static str,
    pub(super) other_neighbours: &'static str,
    pub(super) not_told: &'static str,
    pub(super) not_told_means: &'static str,
    pub(super) neighbours_proved: &'static str,

    pub(super) day_before: &'static str,
    pub(super) day_after: &'static str,
    pub(super) month_before: &'static str,
    pub(super) month_after: &'static str,
    pub(super) intervals: &'static str,
    pub(super) time: &'static str,
    pub(super) price: &'static str,
    pub(super) amount: &'static str,
    pub(super) day: &'static str,
    pub(super) total: &'static str,
    pub(super) statement: &'static str,
    pub(super) print: &'static str,
    pub(super) figures_mean: &'static str,

    pub(super) alarms: &'static str,
    pub(super) no_alarms: &'static str,
    pub(super) what_to_do: &'static str,
    pub(super) remedy: fn(AlarmKind) -> (&'static str, &'static str),

    /// What is wrong in particular, with its figures in their order.
    pub(super) detail: fn(&Detail) -> &'static str,
    /// What is wrong with a receipt.
    pub(super) fault: fn(&ReceiptFault) -> &'static str,
    pub(super) refused_so_far: &'static str,

    pub(super) order: &'static str,
    pub(super) strategy: &'static str,
    pub(super) order_placed: &'static str,
    pub(super) no_order: &'static str,
    /// What is proposed for the battery; then until when.
    pub(super) battery: &'static str,
    pub(super) battery_charges: &'static str,
    pub(super) battery_discharges: &'static str,
    pub(super) battery_rests: &'static str,
    pub(super) battery_until: &'static str,
    pub(super) island: &'static str,
    pub(super) island_means: &'static str,
    /// What may be drawn until a time; and after that, until another one.
    pub(super) island_until: &'static str,
    pub(super) island_then: &'static str,
    pub(super) island_drawn: &'static str,
    pub(super) island_unserved: &'static str,
    /// From when to when something was drawn, of the last interval that is proved settled.
    pub(super) island_settled: &'static str,
    pub(super) island_beyond: &'static str,
    pub(super) island_price: &'static str,
    pub(super) buy_up_to: &'static str,
    pub(super) sell_from: &'static str,
    pub(super) buy_at_most: &'static str,
    pub(super) sell_at_most: &'static str,
    pub(super) at_any_price: &'static str,
    /// Why an order says what it does; prices are written by what is handed to it.
    pub(super) why: fn(&Why, &dyn Fn(Price) -> String) -> String,
    pub(super) order_from: &'static str,
    pub(super) order_open: &'static str,
    pub(super) order_accepted: &'static str,
    pub(super) order_refused: &'static str,

    pub(super) prices: PriceWords,

    pub(super) looked_up: LookedUpWords,

    pub(super) proof: &'static str,
    pub(super) proved_until: &'static str,
    pub(super) nothing_yet: &'static str,
    pub(super) receipts_verified: &'static str,
    pub(super) receipts_refused: &'static str,
    pub(super) waiting: &'static str,
    pub(super) last_reading: &'static str,
    pub(super) member: &'static str,
    pub(super) device: &'static str,
    pub(super) refused_by_market: &'static str,
    pub(super) finished: &'static str,

    pub(super) proof_of: &'static str,
    pub(super) proof_intro: &'static str,
    pub(super) checked: Checked,
    /// Of an interval that was corrected: what the meter measured, then what was decided.
    pub(super) drew_otherwise: &'static str,
    pub(super) fed_in_otherwise: &'static str,
    pub(super) energy_not_compared: &'static str,
    pub(super) limits_not_on_island: &'static str,
    pub(super) limits_not_checked: &'static str,
    pub(super) block: &'static str,
    pub(super) correction: &'static str,
    /// Beside an interval: the number of its correction.
    pub(super) corrected: &'static str,
    /// Beside a day: how many of its intervals were corrected.
    pub(super) corrected_of_day: &'static str,
    /// How many intervals were corrected.
    pub(super) corrected_mean: &'static str,
    pub(super) validators_signed: &'static str,
    pub(super) receipt_itself: &'static str,
    pub(super) back: &'static str,

    pub(super) months: [&'static str; 12],
    pub(super) weekdays: [&'static str; 7],
    /// A day, of weekday, day, month and year.
    pub(super) long_date: fn(&str, i8, &str, i16) -> String,
    pub(super) decimal_point: char,
    /// Whether the currency's sign stands before an amount.
    pub(super) sign_first: bool,
}

/// What was checked of a receipt, each without a mark at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) committed: &'static str,
    pub(super) in_block: &'static str,
    pub(super) energy: &'static str,
    pub(super) amounts: &'static str,
    pub(super) limits: &'static str,
    /// What stands between two of them.
    pub(super) semicolon: &'static str,
}

impl Words {
    /// That nothing is measured, where that is so.
    pub(super) fn no_meter(&self, kind: MeterKind) -> Option<&'static str> {
        match kind {
            MeterKind::Meter => None,
            MeterKind::Recording => Some(self.recording),
            MeterKind::MadeUp => Some(self.made_up),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_a_browser_likes_best() {
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Language::French),
            ("nl,en;q=0.5,de;q=0.7", Language::German),
            ("en-GB", Language::English),
            ("DE", Language::German),
            ("fr;q=0,de;q=0.1", Language::German),
            ("nl", Language::English),
            ("", Language::English),
            (";q=;q=,,;;", Language::English),
            ("de;q=NaN", Language::English),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn every_alarm_has_a_meaning_and_a_remedy_in_every_language() {
        for language in Language::ALL {
            let mut said: Vec<&str> = Vec::new();
            for kind in AlarmKind::ALL {
                let (meaning, remedy) = (language.words().remedy)(kind);
                assert!(meaning.len() > 20 && remedy.len() > 10, "{language:?}: {kind:?}");
                said.push(meaning);
            }
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), AlarmKind::ALL.len(), "{language:?}");
        }
    }

    #[test]
    fn figures_go_where_they_do_in_english() {
        let english = Language::English.words();
        for words in [Language::French.words(), Language::German.words()] {
            let pairs = [
                (english.market_heard, words.market_heard),
                (english.looked_up.asked, words.looked_up.asked),
                (english.drawing, words.drawing),
                (english.feeding_in, words.feeding_in),
                (english.waiting, words.waiting),
                (english.buy_up_to, words.buy_up_to),
                (english.sell_from, words.sell_from),
                (english.buy_at_most, words.buy_at_most),
                (english.sell_at_most, words.sell_at_most),
                (english.order_from, words.order_from),
                (english.proof_of, words.proof_of),
                (english.last_proved, words.last_proved),
                (english.drew_otherwise, words.drew_otherwise),
                (english.fed_in_otherwise, words.fed_in_otherwise),
                (english.corrected, words.corrected),
                (english.corrected_of_day, words.corrected_of_day),
                (english.corrected_mean, words.corrected_mean),
            ];
            for (one, other) in pairs {
                assert_eq!(one.matches("{}").count(), other.matches("{}").count(), "{one} / {other}");
            }
        }
    }
}
