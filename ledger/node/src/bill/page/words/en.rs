//! English. It has no one order of day and month, so its dates are ISO 8601.

use super::Words;

pub(super) static WORDS: Words = Words {
    title: "Bill for {month}",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    date: |date| date.to_string(),
    decimal_point: ".",
    group: ",",

    to: "To",
    from: "From",
    vat_id: "VAT ID",
    tax_number: "Tax number",
    number: "Bill number",
    issued: "Issued",
    due: "Due",
    member: "Member",
    period: "Period",
    period_is: "{first} to {after} ({zone})",

    total: "Total",
    nothing_to_pay: "Nothing to pay",
    paid_to_member: "To be paid out to you",
    paid_by_member: "To be paid by you",
    exactly: "Exactly {amount}, rounded once; remainder {remainder}.",
    paid_out: "Paid out on {day} to your account {iban}.",
    collected: "Collected on {day} from your account {iban} by SEPA direct debit; mandate {mandate}, creditor {creditor}.",

    bought: "Bought from neighbours",
    sold: "Sold to neighbours",
    drawn: "Drawn from the supplier",
    fed_in: "Fed in to the supplier",

    network: "The network, which is no part of this bill",
    network_discount: "For {kwh} from neighbours the network costs {amount} less. Your grid operator takes that off its own \
                       bill; it was added up exactly, and rounded once.",

    transfers: "Transfers, which are no part of this bill",
    block: "Block",
    with: "With",
    what_for: "What for",
    supplier: "the supplier",
    operator: "the grid operator",

    day_by_day: "Day by day",
    day: "Day",
    bought_short: "Bought",
    sold_short: "Sold",
    drawn_short: "Drawn",
    fed_in_short: "Fed in",
    figures_mean: "Energy in kWh: bought from and sold to neighbours, drawn from and fed in to the supplier. Amounts with a \
                   minus are yours to pay.",

    late: "Of the supplier's energy, {drawn} drawn and {fed_in} fed in came late: they flowed in earlier intervals, perhaps \
           of the month before.",
    late_unknown: "Intervals of which it is not known any more what came late: {count}.",
    corrected: "Corrected intervals, each billed once, as corrected last: {count}.",
    provisional: "Provisional intervals, in which values are missing or in doubt and may be corrected: {count}.",

    check: "How to check this bill",
    check_lines: "The file {file} has a line for each interval, and they add up to this bill. Each line is on the chain {chain}, \
                  in blocks {first} to {last}, read up to block {read_to}. A receipt proves one. Your meter agent has all \
                  of yours, and writes them while it is stopped:",
    check_at_validator: "Who runs a validator takes one from its ledger:",
};
