//! A member's bill as a page to be printed: the sums, a line a day, and how to check it.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use protocol::member::{AccountId, MemberId};

use super::{
    Issue, decimal, in_currency,
    statement::{Bill, Sums, Transfer},
};

const STYLE: &str = include_str!("page.css");

pub(super) fn page(issue: &Issue<'_>, member: MemberId, bill: &Bill) -> Markup {
    let pseudonym = member.to_string();
    let name = issue.names.get(&member).unwrap_or(&pseudonym);
    let title = format!("Bill for {}", issue.billed.month.name());
    html! {
        (DOCTYPE)
        html lang="en" {
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
                    h1 { (title) }
                    p.name { (name) }
                    p.note { "Member " code { (pseudonym) } ", " (period(issue)) }
                }
                main {
                    (total(issue, bill))
                    (positions(issue, &bill.sums))
                    (network(issue, bill))
                    @if !bill.transfers.is_empty() { (transfers(issue, member, bill)) }
                    (days(issue, bill))
                    (notes(&bill.sums))
                    (check(issue, member))
                }
            }
        }
    }
}

fn period(issue: &Issue<'_>) -> String {
    let zone = &issue.billed.zone;
    format!("from {} to {} ({})", zone.text(issue.range.first), zone.text(issue.range.after), zone.name())
}

fn total(issue: &Issue<'_>, bill: &Bill) -> Markup {
    let (cents, currency) = (bill.cents(), &issue.genesis.currency);
    let what = match cents {
        0 => "Nothing to pay",
        1.. => "To be paid out to you",
        _ => "To be paid by you",
    };
    html! {
        section.total aria-label="Total" {
            p { (what) }
            p.figure { (in_currency(cents.abs())) " " (currency) }
            p.note {
                "Exactly " (decimal(bill.sums.net_nano())) " " (currency) ", rounded once; remainder "
                (decimal(bill.remainder_nano())) " " (currency) "."
            }
        }
    }
}

fn positions(issue: &Issue<'_>, sums: &Sums) -> Markup {
    let position = |name: &str, wh: u128, nano: i128| {
        html! { tr { th scope="row" { (name) } td { (kwh(wh)) } td { (decimal(nano)) } } }
    };
    html! {
        table.positions {
            thead { tr { th scope="col" { "" } th scope="col" { "kWh" } th scope="col" { (issue.genesis.currency) } } }
            tbody {
                (position("Bought from neighbours", sums.bought_wh, -sums.paid_nano))
                (position("Sold to neighbours", sums.sold_wh, sums.earned_nano))
                (position("Drawn from the supplier", sums.imported_wh, -sums.supply_cost_nano))
                (position("Fed in to the supplier", sums.exported_wh, sums.supply_revenue_nano))
            }
            tfoot { tr { th scope="row" { "Total" } td {} td { (decimal(sums.net_nano())) } } }
        }
    }
}

/// What the grid operator owes, where the network costs less among neighbours.
fn network(issue: &Issue<'_>, bill: &Bill) -> Markup {
    let (wh, cents) = (bill.sums.discounted_wh, bill.network_discount_cents());
    html! {
        @if wh > 0 {
            h2 { "The network, which is no part of this bill" }
            p {
                "For " (kwh(wh)) " kWh from neighbours the network costs " (in_currency(cents)) " " (issue.genesis.currency)
                " less. Your grid operator takes that off its own bill; it was added up exactly, and rounded once."
            }
        }
    }
}

fn transfers(issue: &Issue<'_>, member: MemberId, bill: &Bill) -> Markup {
    let own = AccountId::Member(member);
    let other = |transfer: &Transfer| match if transfer.from == own { transfer.to } else { transfer.from } {
        AccountId::Supplier => "the supplier".to_owned(),
        AccountId::Operator => "the grid operator".to_owned(),
        AccountId::Member(other) => other.to_string(),
    };
    html! {
        h2 { "Transfers, which are no part of this bill" }
        div.scroll tabindex="0" role="region" aria-label="Transfers" {
            table {
                thead { tr {
                    th scope="col" { "Block" }
                    th.text scope="col" { "With" }
                    th.text scope="col" { "What for" }
                    th scope="col" { (issue.genesis.currency) }
                } }
                tbody {
                    @for transfer in &bill.transfers {
                        tr {
                            th scope="row" { (transfer.height) }
                            td.text { (other(transfer)) }
                            td.text { (transfer.reference) }
                            td { (decimal(transfer.gained_nano(own))) }
                        }
                    }
                }
            }
        }
    }
}

fn days(issue: &Issue<'_>, bill: &Bill) -> Markup {
    let cells = |sums: &Sums| {
        html! {
            td { (kwh(sums.bought_wh)) }
            td { (kwh(sums.sold_wh)) }
            td { (kwh(sums.imported_wh)) }
            td { (kwh(sums.exported_wh)) }
            td { (decimal(sums.net_nano())) }
        }
    };
    html! {
        h2 { "Day by day" }
        div.scroll tabindex="0" role="region" aria-label="Day by day" {
            table {
                thead { tr {
                    th scope="col" { "Day" }
                    th scope="col" { "Bought" }
                    th scope="col" { "Sold" }
                    th scope="col" { "Drawn" }
                    th scope="col" { "Fed in" }
                    th scope="col" { (issue.genesis.currency) }
                } }
                tbody { @for (day, sums) in &bill.days { tr { th scope="row" { (day) } (cells(sums)) } } }
                tfoot { tr { th scope="row" { "Total" } (cells(&bill.sums)) } }
            }
        }
        p.note {
            "Energy in kWh: bought from and sold to neighbours, drawn from and fed in to the supplier. Amounts with a minus are "
            "yours to pay."
        }
    }
}

fn notes(sums: &Sums) -> Markup {
    let Sums { corrected, provisional, late_import_wh, late_export_wh, late_unknown, .. } = *sums;
    html! {
        @if late_import_wh + late_export_wh > 0 {
            p.note {
                "Of the supplier's energy, " (kwh(late_import_wh)) " kWh drawn and " (kwh(late_export_wh))
                " kWh fed in came late: they flowed in earlier intervals, perhaps of the month before."
            }
        }
        @if late_unknown > 0 {
            p.note { "Intervals of which it is not known any more what came late: " (late_unknown) "." }
        }
        @if corrected > 0 {
            p.note { "Corrected intervals, each billed once, as corrected last: " (corrected) "." }
        }
        @if provisional > 0 {
            p.note { "Provisional intervals, in which values are missing or in doubt and may be corrected: " (provisional) "." }
        }
    }
}

fn check(issue: &Issue<'_>, member: MemberId) -> Markup {
    let (first, last) = issue.heights;
    html! {
        section.check {
            h2 { "How to check this bill" }
            p {
                "The file " code { (member) ".csv" } " has a line for each interval, and they add up to this bill. Each line is on the "
                "chain " code { (issue.genesis.chain()) } ", in blocks " (first) " to " (last) ", read up to block "
                (issue.read_to) ". A receipt proves one. Your meter agent has all of yours, and writes them while it is stopped:"
            }
            pre tabindex="0" {
                "meter-agent statement --config agent.toml --export receipts/\n"
                "meter-agent verify receipts/START.json --genesis genesis.json"
            }
            p { "Who runs a validator takes one from its ledger:" }
            pre tabindex="0" {
                "ledger receipt STATE_DIR --member " (member) " --interval INTERVAL --correction NUMBER > receipt.json\n"
                "ledger verify receipt.json --genesis genesis.json"
            }
        }
    }
}

/// Wh as kWh, exactly.
fn kwh(wh: u128) -> String {
    format!("{}.{:03}", wh / 1_000, wh % 1_000)
}
