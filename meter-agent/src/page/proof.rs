//! What was checked of one interval's receipt.

use maud::{Markup, html};
use protocol::{
    energy::Energy,
    reading::Flow,
    receipt::Receipt,
    settlement::{Entry, Line},
};

use super::{
    format::Format,
    frame::{Asked, figure, filled},
    neighbours,
    words::Checked,
};
use crate::neighbours::of_receipt;

/// What the household's own meter has to say of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// What it measured in this interval alone.
    Measured(Flow),
    /// No reading of this interval alone is kept.
    NotKept,
    /// Nothing: it is the transformer's, whose line is empty whatever it measures.
    Transformer,
}

/// What was checked of a receipt; of an interval on an island, if there is a proved quota of it.
pub(super) fn content(asked: &Asked<'_>, format: &Format<'_>, receipt: &Receipt, own: Own, on_island: bool) -> Markup {
    let words = format.words;
    let entry = &receipt.entry;
    let line = &entry.line;
    let start = entry.interval.start_text();
    let day = format.local.shows(entry.interval.start_s()).date();
    html! {
        h1 { (filled(words.proof_of, &format.span(entry.interval))) }
        p { (format.date(day)) }
        p { (words.proof_intro) }
        (checked(format, entry, own, on_island))
        dl.figures {
            (figure("leaf", words.from_neighbours, &format.energy(line.bought.wh()), &format.amount(line.paid)))
            (figure("leaf", words.to_neighbours, &format.energy(line.sold.wh()), &format.amount(line.earned)))
            (figure("", words.from_supplier, &format.energy(line.imported.wh()), &format.amount(line.supply_cost)))
            (figure("sun", words.to_supplier, &format.energy(line.exported.wh()), &format.amount(line.supply_revenue)))
        }
        dl.list {
            dt { (words.price) }
            dd { @if let Some(price) = entry.price { (format.price(price)) " " (words.per_kwh) } @else { (words.nothing_traded) } }
            dt { (words.block) } dd { (receipt.header.height) " " code { (receipt.header.hash()) } }
            @if entry.correction > 0 { dt { (words.correction) } dd { (entry.correction) } }
            dt { (words.validators_signed) } dd { (receipt.certificate.signatures.len()) }
        }
        (neighbours::content(format, &of_receipt(receipt)))
        p.links {
            a href={ "/receipts/" (start) } { (words.receipt_itself) }
            a href=(asked.link(&format!("/day/{day}"))) { (words.back) }
        }
    }
}

/// What was checked; and of a correction, what was not or is otherwise than the meter has it.
fn checked(format: &Format<'_>, entry: &Entry, own: Own, on_island: bool) -> Markup {
    let words = format.words;
    let corrected = entry.correction > 0;
    let otherwise = if corrected { otherwise(format, &entry.line, own) } else { Vec::new() };
    let Checked { committed, in_block, energy, amounts, limits, semicolon } = words.checked;
    let said = [
        (committed, true),
        (in_block, true),
        (energy, otherwise.is_empty()),
        (amounts, true),
        // Those of an interval so long ago may be forgotten here.
        (limits, !corrected && !on_island),
    ];
    let said: Vec<&str> = said.into_iter().filter(|(_, is_so)| *is_so).map(|(what, _)| what).collect();
    html! {
        ul.checked {
            @for (at, what) in said.iter().enumerate() {
                @let end = if at + 1 == said.len() { "." } else { semicolon };
                li { (what) (end) }
            }
        }
        @for remark in &otherwise { p role="note" { (remark) } }
        @if corrected {
            p.soft { (words.limits_not_checked) }
        } @else if on_island {
            p.soft { (words.limits_not_on_island) }
        }
    }
}

/// In what the energy of a correction is other than what the meter measured, or that this is not known; nothing where
/// it is the same.
fn otherwise(format: &Format<'_>, line: &Line, own: Own) -> Vec<String> {
    let words = format.words;
    let measured = match own {
        Own::Measured(measured) => measured,
        Own::NotKept => return vec![words.energy_not_compared.to_owned()],
        Own::Transformer => return Vec::new(),
    };
    let sum = |with_neighbours: Energy, with_supplier: Energy| with_neighbours.wh().saturating_add(with_supplier.wh());
    let figures = [
        (words.drew_otherwise, measured.import.wh(), sum(line.bought, line.imported)),
        (words.fed_in_otherwise, measured.export.wh(), sum(line.sold, line.exported)),
    ];
    let differing = figures.into_iter().filter(|(_, measured, decided)| measured != decided);
    let in_words = |(text, measured, decided): (&str, u64, u64)| {
        filled(&filled(text, &format.energy(measured)), &format.energy(decided))
    };
    differing.map(in_words).collect()
}

#[cfg(test)]
mod tests {
    use household::local_time::LocalTime;
    use protocol::{
        member::MemberId,
        money::{Amount, Price},
        settlement::Tariffs,
    };

    use super::{super::words::Language, *};

    /// Of an interval in which so much was drawn from the supplier.
    fn entry(imported_wh: u64, correction: u32) -> Entry {
        let price = |micro| Price::from_micro(micro).unwrap();
        let tariffs = Tariffs { retail_price: price(300_000), feed_in_price: price(80_000) };
        let imported = Energy::from_wh(imported_wh);
        let line = Line {
            member: MemberId::from_bytes([7; 16]),
            bought: Energy::ZERO,
            sold: Energy::ZERO,
            imported,
            exported: Energy::ZERO,
            paid: Amount::ZERO,
            earned: Amount::ZERO,
            supply_cost: tariffs.retail_price.cost_of(imported).unwrap(),
            supply_revenue: Amount::ZERO,
        };
        Entry {
            interval: "2026-06-01T12:00:00Z/PT15M".parse().unwrap(),
            price: None,
            line,
            correction,
            tariffs,
            neighbours: None,
            provisional: false,
        }
    }

    #[test]
    fn no_tick_says_that_a_correction_settles_what_was_measured_where_it_does_not() {
        let local = LocalTime::default();
        let measured = Own::Measured(Flow { import: Energy::from_wh(19), export: Energy::ZERO });
        let values = [
            "your meter measured 0.019 kWh; the validated value that was decided is 0.100 kWh.",
            "votre compteur a mesuré 0,019 kWh\u{a0}; la valeur validée qui a été décidée est 0,100 kWh.",
            "Ihr Zähler hat 0,019 kWh gemessen; der validierte Wert, der beschlossen wurde, ist 0,100 kWh.",
        ];
        for (language, values) in Language::ALL.into_iter().zip(values) {
            let words = language.words();
            let format = Format { words, currency: "EUR", local: &local };
            for (imported_wh, correction, own, ticks, energy, remark) in [
                (19, 0, measured, 5, true, None),
                (19, 0, Own::NotKept, 5, true, None),
                (19, 1, measured, 4, true, None),
                (100, 1, measured, 3, false, Some(values)),
                (100, 1, Own::NotKept, 3, false, Some(words.energy_not_compared)),
                (0, 1, Own::Transformer, 4, true, None),
            ] {
                let said = checked(&format, &entry(imported_wh, correction), own, false)
                    .into_string()
                    .replace('\u{202f}', " ");
                assert_eq!(said.matches("<li>").count(), ticks, "{said}");
                assert_eq!(said.contains(words.checked.energy), energy, "{said}");
                assert_eq!(said.contains(words.checked.limits), correction == 0, "{said}");
                assert_eq!(said.contains("role=\"note\""), remark.is_some(), "{said}");
                assert!(remark.is_none_or(|remark| said.contains(remark)), "{said}");
                assert!(said.contains(".</li></ul>"), "{said}");
            }
            let said = checked(&format, &entry(19, 0), measured, true).into_string();
            assert!(said.contains(words.limits_not_on_island) && !said.contains(words.checked.limits), "{said}");
        }
    }
}
