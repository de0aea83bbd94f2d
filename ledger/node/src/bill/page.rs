//! A member's bill as a page to be printed: whom it is for, the sums, a line a day, and how to check it.

mod format;
mod parties;
mod words;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use protocol::member::{AccountId, MemberId};

use self::{
    format::Format,
    words::{Words, fill},
};
use super::{
    Issue,
    statement::{Bill, Sums, Transfer},
};

const STYLE: &str = include_str!("page.css");

pub(super) fn page(issue: &Issue<'_>, member: MemberId, bill: &Bill) -> Markup {
    let pseudonym = member.to_string();
    let language = issue.billed.language;
    let words = language.words();
    let format = Format { words, currency: &issue.genesis.currency, zone: &issue.billed.zone };
    let payable = issue.payable(member);
    let name = match payable {
        Some((_, numbered)) => &numbered.account.name,
        None => issue.names.get(&member).unwrap_or(&pseudonym),
    };
    let month = format.month(issue.billed.month.first_day());
    let title = fill(words.title, &[("month", &month)]);
    let number = payable.map_or(&pseudonym, |(_, numbered)| &numbered.number);
    // What stands over a table on each sheet of paper.
    let running = |table: &str| format!("{number}, {name}: {table}");
    html! {
        (DOCTYPE)
        html lang=(language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) ", " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.community { (issue.genesis.community) }
                    (parties::letterhead(&format, name, payable))
                    h1 { (title) }
                    (parties::facts(&format, member, &period(issue, &format), payable))
                }
                main {
                    section.total aria-label=(words.total) {
                        (total(&format, bill))
                        @if let Some((paying, numbered)) = payable { (parties::how_paid(&format, paying, numbered)) }
                    }
                    (positions(&format, &bill.sums))
                    (network(&format, bill))
                    @if !bill.transfers.is_empty() { (transfers(&format, member, bill, &running(words.transfers))) }
                    (days(&format, bill, &running(words.day_by_day)))
                    (notes(&format, &bill.sums))
                    (check(issue, words, member))
                }
            }
        }
    }
}

fn period(issue: &Issue<'_>, format: &Format<'_>) -> Markup {
    let (first, after) = (format.moment(issue.range.first), format.moment(issue.range.after));
    fill(format.words.period_is, &[("first", &first), ("after", &after), ("zone", &issue.billed.zone.name())])
}

fn total(format: &Format<'_>, bill: &Bill) -> Markup {
    let (words, cents) = (format.words, bill.cents());
    let what = match cents {
        0 => words.nothing_to_pay,
        1.. => words.paid_to_member,
        _ => words.paid_by_member,
    };
    let (amount, remainder) = (format.exact(bill.sums.net_nano()), format.exact(bill.remainder_nano()));
    html! {
        p { (what) }
        p.figure { (format.cents(cents.abs())) }
        p.note { (fill(words.exactly, &[("amount", &amount), ("remainder", &remainder)])) }
    }
}

fn positions(format: &Format<'_>, sums: &Sums) -> Markup {
    let words = format.words;
    let position = |name: &str, wh: u128, nano: i128| {
        html! { tr { th scope="row" { (name) } td { (format.kwh(wh)) } td { (format.number(nano)) } } }
    };
    html! {
        table.positions {
            thead { tr { td {} th scope="col" { "kWh" } th scope="col" { (format.currency) } } }
            tbody {
                (position(words.bought, sums.bought_wh, -sums.paid_nano))
                (position(words.sold, sums.sold_wh, sums.earned_nano))
                (position(words.drawn, sums.imported_wh, -sums.supply_cost_nano))
                (position(words.fed_in, sums.exported_wh, sums.supply_revenue_nano))
            }
            tfoot { tr { th scope="row" { (words.total) } td {} td { (format.number(sums.net_nano())) } } }
        }
    }
}

/// What the grid operator owes, where the network costs less among neighbours.
fn network(format: &Format<'_>, bill: &Bill) -> Markup {
    let (kwh, amount) = (format.energy(bill.sums.discounted_wh), format.cents(bill.network_discount_cents()));
    html! {
        @if bill.sums.discounted_wh > 0 {
            h2 { (format.words.network) }
            p { (fill(format.words.network_discount, &[("kwh", &kwh), ("amount", &amount)])) }
        }
    }
}

/// A table that is wider than a phone and longer than a sheet of paper. Its `columns` have a class and a name each;
/// `running` is read on paper alone, where it stands over each part.
fn long_table(name: &str, running: &str, columns: &[(&str, &str)], rows: &Markup) -> Markup {
    html! {
        h2.of-table { (name) }
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table {
                thead {
                    tr.running aria-hidden="true" { td colspan=(columns.len()) { (running) } }
                    tr { @for (class, column) in columns { th.(class) scope="col" { (column) } } }
                }
                (rows)
            }
        }
    }
}

fn transfers(format: &Format<'_>, member: MemberId, bill: &Bill, running: &str) -> Markup {
    let (own, words) = (AccountId::Member(member), format.words);
    let other = |transfer: &Transfer| match if transfer.from == own { transfer.to } else { transfer.from } {
        AccountId::Supplier => words.supplier.to_owned(),
        AccountId::Operator => words.operator.to_owned(),
        AccountId::Member(other) => other.to_string(),
    };
    let columns =
        [("number", words.block), ("text", words.with), ("text", words.what_for), ("number", format.currency)];
    let rows = html! {
        tbody {
            @for transfer in &bill.transfers {
                tr {
                    th scope="row" { (transfer.height) }
                    td.text { (other(transfer)) }
                    td.text { (transfer.reference) }
                    td { (format.number(transfer.gained_nano(own))) }
                }
            }
        }
    };
    long_table(words.transfers, running, &columns, &rows)
}

fn days(format: &Format<'_>, bill: &Bill, running: &str) -> Markup {
    let words = format.words;
    let cells = |sums: &Sums| {
        html! {
            td { (format.kwh(sums.bought_wh)) }
            td { (format.kwh(sums.sold_wh)) }
            td { (format.kwh(sums.imported_wh)) }
            td { (format.kwh(sums.exported_wh)) }
            td { (format.number(sums.net_nano())) }
        }
    };
    let columns =
        [words.day, words.bought_short, words.sold_short, words.drawn_short, words.fed_in_short, format.currency];
    let rows = html! {
        tbody { @for (day, sums) in &bill.days { tr { th scope="row" { (format.date(*day)) } (cells(sums)) } } }
        tfoot { tr { th scope="row" { (words.total) } (cells(&bill.sums)) } }
    };
    html! {
        (long_table(words.day_by_day, running, &columns.map(|column| ("number", column)), &rows))
        p.note { (words.figures_mean) }
    }
}

fn notes(format: &Format<'_>, sums: &Sums) -> Markup {
    let Sums { corrected, provisional, late_import_wh, late_export_wh, late_unknown, .. } = *sums;
    let words = format.words;
    let (drawn, fed_in) = (format.energy(late_import_wh), format.energy(late_export_wh));
    let counted = [(words.late_unknown, late_unknown), (words.corrected, corrected), (words.provisional, provisional)];
    html! {
        @if late_import_wh + late_export_wh > 0 {
            p.note { (fill(words.late, &[("drawn", &drawn), ("fed_in", &fed_in)])) }
        }
        @for (note, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
            p.note { (fill(note, &[("count", &count)])) }
        }
    }
}

fn check(issue: &Issue<'_>, words: &Words, member: MemberId) -> Markup {
    let (first, last) = issue.heights;
    let (file, chain) = (html! { code { (member) ".csv" } }, html! { code { (issue.genesis.chain()) } });
    html! {
        section.check {
            h2 { (words.check) }
            p {
                (fill(words.check_lines, &[
                    ("file", &file),
                    ("chain", &chain),
                    ("first", &first),
                    ("last", &last),
                    ("read_to", &issue.read_to),
                ]))
            }
            pre tabindex="0" {
                "meter-agent statement --config agent.toml --export receipts/\n"
                "meter-agent verify receipts/START.json --genesis genesis.json"
            }
            p { (words.check_at_validator) }
            pre tabindex="0" {
                "ledger receipt STATE_DIR --member " (member) " --interval INTERVAL --correction NUMBER > receipt.json\n"
                "ledger verify receipt.json --genesis genesis.json"
            }
        }
    }
}
