//! The alarms that are on: each with what it means, what to do, and what is wrong in particular.

use maud::{Markup, html};
use protocol::interval::Interval;

use super::format::Format;
use crate::{alarm::Detail, check::ReceiptFault, clock::ClockFault, status::Status};

pub(super) fn content(format: &Format<'_>, status: &Status) -> Markup {
    let words = format.words;
    html! {
        section aria-label=(words.alarms) {
            @if status.raised.is_empty() { p.good { (words.no_alarms) } }
            @for (kind, detail) in &status.raised {
                div.alarm role="alert" {
                    @let (meaning, remedy) = (words.remedy)(*kind);
                    p { b { (meaning) } }
                    p { b { (words.what_to_do) } " " (remedy) }
                    p.detail { (in_words(format, detail)) }
                }
            }
        }
    }
}

/// What stands in a sentence.
enum Figure {
    /// Ours, in the page's language.
    Ours(String),
    /// Words of others, in English as they are.
    Theirs(String),
    /// A name or a path.
    Code(String),
}

fn in_words(format: &Format<'_>, detail: &Detail) -> Markup {
    let words = format.words;
    let fault = |fault: &ReceiptFault| sentence((words.fault)(fault), fault_figures(format, fault));
    match detail {
        Detail::Misdelivered(of) => fault(of),
        Detail::ReceiptRefused(of, count) => {
            let so_far = sentence(words.refused_so_far, vec![number(*count)]);
            html! { (fault(of)) " " (so_far) }
        }
        _ => sentence((words.detail)(detail), figures(format, detail)),
    }
}

/// A sentence with its figures in their places.
fn sentence(text: &str, figures: Vec<Figure>) -> Markup {
    let mut figures = figures.into_iter();
    html! {
        @for (place, part) in text.split("{}").enumerate() {
            @if place > 0 {
                @match figures.next() {
                    Some(Figure::Ours(figure)) => (figure),
                    Some(Figure::Theirs(said)) => q lang="en" { (said) },
                    Some(Figure::Code(name)) => code { (name) },
                    None => {}
                }
            }
            (part)
        }
    }
}

fn number(number: impl ToString) -> Figure {
    Figure::Ours(number.to_string())
}

fn figures(format: &Format<'_>, detail: &Detail) -> Vec<Figure> {
    let moment = |interval: &Interval| moment(format, interval);
    match detail {
        Detail::TopicsRefused | Detail::Misdelivered(_) | Detail::ReceiptRefused(..) => Vec::new(),
        Detail::Said(said) | Detail::NothingStored(said) | Detail::OtherReading(said) => {
            vec![Figure::Theirs(said.clone())]
        }
        Detail::NotProved { sequence, interval, until } => vec![number(sequence), moment(interval), moment(until)],
        Detail::ReceiptUnreadable(interval) | Detail::TwoTruths(interval) => vec![moment(interval)],
        Detail::OtherHistory(height, witnesses) => vec![number(height), Figure::Code(witnesses.clone())],
        Detail::NotWitnessed(height, why) => vec![number(height), Figure::Theirs(why.clone())],
        Detail::ReadingUnreadable(count) | Detail::EntriesDropped(count) | Detail::ReceiptsRefused(count) => {
            vec![number(count)]
        }
        Detail::DatabaseLost(path) => vec![Figure::Code(path.clone())],
        Detail::Refused(refusal, said) => vec![Figure::Code(refusal.to_string()), Figure::Theirs(said.clone())],
        Detail::OtherLength(minutes, found) => vec![number(minutes), number(found.length().minutes())],
        Detail::NotUnderstood { found, .. } => vec![Figure::Theirs(found.clone())],
        Detail::RegistrationDiffers(here, decided) => {
            vec![Figure::Theirs(here.clone()), Figure::Theirs(decided.clone())]
        }
        Detail::Clock(ClockFault::NotSet(at_s)) => vec![Figure::Ours(format.moment(*at_s))],
        Detail::Clock(ClockFault::NotEnded { open, early_s }) => vec![moment(open), number(early_s)],
        Detail::Clock(ClockFault::JumpedBack(back_s)) => vec![number(back_s)],
    }
}

fn fault_figures(format: &Format<'_>, fault: &ReceiptFault) -> Vec<Figure> {
    let energy = |energy: protocol::energy::Energy| Figure::Ours(format.energy(energy.wh()));
    let exactly = |amount: protocol::money::Amount| Figure::Ours(format!("{amount} {}", format.currency));
    match fault {
        ReceiptFault::OtherCommunity { .. } | ReceiptFault::OtherLength { .. } | ReceiptFault::OutOfRange => Vec::new(),
        ReceiptFault::Malformed(error) => vec![Figure::Theirs(error.to_string())],
        ReceiptFault::NotProved(error) => vec![Figure::Theirs(error.to_string())],
        ReceiptFault::TooLarge { max, found } => vec![number(max), number(found)],
        ReceiptFault::OtherMember { found, .. } => vec![Figure::Code(found.to_string())],
        ReceiptFault::Contradiction(interval) => vec![moment(format, interval)],
        ReceiptFault::EnergyBalance { interval, expected, found, .. } => {
            vec![moment(format, interval), energy(*found), energy(*expected)]
        }
        ReceiptFault::BoughtAboveDeficit { expected, found }
        | ReceiptFault::SoldAboveSurplus { expected, found }
        | ReceiptFault::NeighboursDoNotAddUp { expected, found, .. }
        | ReceiptFault::AboveCap { expected, found, .. } => vec![energy(*found), energy(*expected)],
        ReceiptFault::WrongAmount { energy: of, expected, found, .. } => {
            vec![exactly(*found), energy(*of), Figure::Ours(expected.clone())]
        }
        ReceiptFault::PaidAboveLimit { limit, energy: of, found }
        | ReceiptFault::EarnedBelowLimit { limit, energy: of, found } => {
            vec![exactly(*found), energy(*of), Figure::Ours(format.price(*limit))]
        }
    }
}

/// The interval by the clock on the wall.
fn moment(format: &Format<'_>, interval: &Interval) -> Figure {
    Figure::Ours(format.moment(interval.start_s()))
}

#[cfg(test)]
mod tests {
    use household::local_time::LocalTime;
    use protocol::{answer::Refusal, energy::Energy, member::MemberId, money::Amount, text::ParseError};

    use super::{super::words::Language, *};

    fn interval() -> Interval {
        "2026-06-01T12:00:00Z/PT15M".parse().unwrap()
    }

    fn faults() -> Vec<ReceiptFault> {
        let (expected, found) = (Energy::from_wh(10), Energy::from_wh(11));
        let (limit, amount) = ("0.2".parse().unwrap(), Amount::from_nano(7));
        let chain = protocol::hash::Hash::ZERO;
        let member = MemberId::from_bytes([7; 16]);
        vec![
            ReceiptFault::Malformed(ParseError::new("a receipt", "noise")),
            ReceiptFault::TooLarge { max: 1, found: 2 },
            ReceiptFault::NotProved(ledger::proof::ProofError::OtherChain { expected: chain, found: chain }),
            ReceiptFault::OtherCommunity { expected: chain, found: chain },
            ReceiptFault::OtherMember { expected: member, found: member },
            ReceiptFault::OtherLength { expected: interval(), found: interval() },
            ReceiptFault::Contradiction(interval()),
            ReceiptFault::EnergyBalance { interval: interval(), what: "import", expected, found },
            ReceiptFault::BoughtAboveDeficit { expected, found },
            ReceiptFault::SoldAboveSurplus { expected, found },
            ReceiptFault::AboveCap { what: "bought", expected, found },
            ReceiptFault::WrongAmount { what: "paid", energy: found, expected: "7".into(), found: amount },
            ReceiptFault::PaidAboveLimit { limit, energy: found, found: amount },
            ReceiptFault::EarnedBelowLimit { limit, energy: found, found: amount },
            ReceiptFault::NeighboursDoNotAddUp { what: "bought", expected, found },
            ReceiptFault::OutOfRange,
        ]
    }

    fn details() -> Vec<Detail> {
        let said = || "no answer".to_owned();
        vec![
            Detail::Said(said()),
            Detail::TopicsRefused,
            Detail::NothingStored(said()),
            Detail::NotProved { sequence: 7, interval: interval(), until: interval() },
            Detail::ReceiptUnreadable(interval()),
            Detail::ReadingUnreadable(7),
            Detail::EntriesDropped(7),
            Detail::DatabaseLost("state/db".into()),
            Detail::TwoTruths(interval()),
            Detail::OtherHistory(7, "w1".into()),
            Detail::NotWitnessed(7, said()),
            Detail::ReceiptsRefused(7),
            Detail::Refused(Refusal::Malformed, said()),
            Detail::OtherReading(said()),
            Detail::OtherLength(15, interval()),
            Detail::NotUnderstood { expected: "an answer", found: said() },
            Detail::Clock(ClockFault::NotSet(0)),
            Detail::Clock(ClockFault::NotEnded { open: interval(), early_s: 90 }),
            Detail::Clock(ClockFault::JumpedBack(90)),
        ]
    }

    #[test]
    fn every_detail_and_fault_has_a_sentence_for_its_figures_in_every_language() {
        let local = LocalTime::try_from("Europe/Vienna".to_owned()).unwrap();
        for language in Language::ALL {
            let words = language.words();
            let format = Format { words, currency: "EUR", local: &local };
            let mut said: Vec<(&str, usize)> = Vec::new();
            said.extend(details().iter().map(|detail| ((words.detail)(detail), figures(&format, detail).len())));
            said.extend(faults().iter().map(|fault| ((words.fault)(fault), fault_figures(&format, fault).len())));
            for (sentence, figures) in &said {
                assert_eq!(sentence.matches("{}").count(), *figures, "{language:?}: {sentence}");
            }
            let count = said.len();
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), count, "{language:?}");
        }
    }

    #[test]
    fn a_detail_is_said_in_the_language_of_the_page_and_what_others_said_is_marked_as_english() {
        let local = LocalTime::try_from("Europe/Vienna".to_owned()).unwrap();
        let format = Format { words: Language::German.words(), currency: "EUR", local: &local };
        let fault = ReceiptFault::BoughtAboveDeficit { expected: Energy::from_wh(10), found: Energy::from_wh(11) };
        let refused = in_words(&format, &Detail::ReceiptRefused(fault, 3)).into_string();
        assert!(refused.contains("0,011\u{202f}kWh") && refused.contains("höchstens 0,010\u{202f}kWh"), "{refused}");
        assert!(refused.ends_with("Bisher so viele: 3; sie werden als Beweis aufbewahrt."), "{refused}");
        let foreign = in_words(&format, &Detail::Refused(Refusal::Malformed, "<b>so</b>".into())).into_string();
        assert!(foreign.contains("<code>Malformed</code>"), "{foreign}");
        assert!(foreign.contains("<q lang=\"en\">&lt;b&gt;so&lt;/b&gt;</q>"), "{foreign}");
    }
}
