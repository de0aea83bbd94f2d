//! Whom a bill goes to, who made it, and how it is paid: what the operator's files say.

use maud::{Markup, html};
use protocol::member::MemberId;

use super::{
    format::{Format, iban},
    words::fill,
};
use crate::bill::{
    parties::{Address, Biller},
    payments::{Numbered, Paying},
};

/// Both, side by side as on a letter; without the operator's files, the member's name alone.
pub(super) fn letterhead(format: &Format<'_>, name: &str, payable: Option<(&Paying, &Numbered<'_>)>) -> Markup {
    let words = format.words;
    let Some((Paying { biller, .. }, bill)) = payable else {
        return html! { p.name { (name) } };
    };
    let abroad = bill.account.address.country != biller.address.country;
    html! {
        div.parties {
            section aria-label=(words.to) {
                p.name { (bill.account.name) }
                (address(&bill.account.address, abroad))
            }
            section.biller aria-label=(words.from) {
                p { strong { (biller.name) } }
                (address(&biller.address, abroad))
                (numbers(format, biller))
            }
        }
    }
}

fn address(address: &Address, abroad: bool) -> Markup {
    let Address { street, city, post_code, country } = address;
    html! {
        p { (street) }
        p { (post_code) " " (city) }
        @if abroad { p { (country) } }
    }
}

fn numbers(format: &Format<'_>, biller: &Biller) -> Markup {
    let words = format.words;
    html! {
        p.note { "IBAN " (iban(biller.iban.as_str())) }
        @if let Some(registration) = &biller.registration { p.note { (registration) } }
        @if let Some(id) = &biller.vat_id { p.note { (words.vat_id) " " (id) } }
        @if let Some(number) = &biller.tax_number { p.note { (words.tax_number) " " (number) } }
    }
}

/// What one looks up a bill by.
pub(super) fn facts(
    format: &Format<'_>,
    member: MemberId,
    period: &Markup,
    payable: Option<(&Paying, &Numbered<'_>)>,
) -> Markup {
    let words = format.words;
    html! {
        dl.facts {
            @if let Some((paying, bill)) = payable {
                div { dt { (words.number) } dd { (bill.number) } }
                div { dt { (words.issued) } dd { (format.date(paying.issued)) } }
                @if bill.cents != 0 { div { dt { (words.due) } dd { (format.date(paying.due)) } } }
            }
            div { dt { (words.period) } dd { (period) } }
            div { dt { (words.member) } dd { code { (member) } } }
        }
    }
}

/// By what the bank does: it pays out, or collects.
pub(super) fn how_paid(format: &Format<'_>, paying: &Paying, bill: &Numbered<'_>) -> Markup {
    let (words, day, account) = (format.words, format.date(paying.due), iban(bill.account.iban.as_str()));
    let by = (&paying.biller.creditor_id, &bill.account.mandate);
    html! {
        @match (bill.cents.signum(), by) {
            (1, _) => p { (fill(words.paid_out, &[("day", &day), ("iban", &account)])) },
            (-1, (Some(creditor), Some(mandate))) => p {
                (fill(words.collected, &[
                    ("day", &day),
                    ("iban", &account),
                    ("mandate", &mandate.reference),
                    ("creditor", &creditor.as_str()),
                ]))
            },
            _ => {}
        }
    }
}
