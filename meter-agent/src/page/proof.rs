//! What was checked of one interval's receipt.

use maud::{Markup, html};
use protocol::receipt::Receipt;

use super::{
    format::Format,
    frame::{Asked, figure, filled},
    neighbours,
};
use crate::neighbours::of_receipt;

pub(super) fn content(asked: &Asked<'_>, format: &Format<'_>, receipt: &Receipt) -> Markup {
    let words = format.words;
    let entry = &receipt.entry;
    let line = &entry.line;
    let start = entry.interval.start_text();
    let day = format.local.shows(entry.interval.start_s()).date();
    html! {
        h1 { (filled(words.proof_of, &format.span(entry.interval))) }
        p { (format.date(day)) }
        p { (words.proof_intro) }
        ul.checked { @for checked in words.checked { li { (checked) } } }
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
