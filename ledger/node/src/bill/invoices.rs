//! Invoices by EN 16931, as XML of UN/CEFACT CII: what Factur-X and ZUGFeRD have in their profile EN 16931.
//!
//! A bill is one amount; to the tax office it is two supplies. What a member got (bought from neighbours, drawn from
//! the supplier) is an invoice of the biller; what it gave (sold, fed in) is one that the biller makes out for the
//! member, self-billed, of type 389. The smaller is set off against the larger as an amount already paid: together
//! they are due for what the bill says and the bank's files move. VAT is within the amounts of the ledger. What
//! rounding each document to cents, and its VAT within it, leaves of a cent or two is the rounding amount (BT-114).

use en16931::{
    Date, En16931, Identifier, Invoice, InvoiceAmount, InvoiceLine, Percentage, Quantity, Reconciler, UnitPriceAmount,
    Validated,
    invoice::{Code, Delivery, Party, PaymentInstructions, Period, PostalAddress, PriceDetails},
};
use en16931_formats::Syntax;
use protocol::member::MemberId;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{
    parties::{Address, Biller, Category, Vat},
    payments::{Numbered, Paying},
    statement::cents,
};

/// UNTDID 1001: a commercial invoice.
const INVOICE: &str = "380";
/// UNTDID 1001: an invoice that the buyer makes out for the seller.
const SELF_BILLED: &str = "389";
/// UN/ECE Recommendation 20: a kilowatt hour.
const KWH: &str = "KWH";
/// Decimals of a kWh that a Wh is, and of a unit of currency that a cent is.
const WH_SCALE: u32 = 3;
const CENT_SCALE: u32 = 2;

/// Days that a bill is for, both within.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub(super) first: jiff::civil::Date,
    pub(super) last: jiff::civil::Date,
}

/// Why there is no invoice for a bill.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// More than an invoice holds.
    #[error("{0}: expected amounts of less than 1,000,000,000.00 EUR, found more")]
    TooLarge(MemberId),
    /// What the rules of EN 16931 refuse.
    #[error("invoice {number}: {why}")]
    Refused {
        /// Which.
        number: String,
        /// The rule, and what it says.
        why: String,
    },
}

/// Energy in one direction with one partner.
struct Position {
    name: &'static str,
    wh: u128,
    nano: i128,
}

/// What one of the two has supplied to the other.
struct Supply<'a> {
    type_code: &'static str,
    /// After the pseudonym, in the name of its file.
    suffix: &'static str,
    number: String,
    vat: &'a Vat,
    positions: [Position; 2],
}

impl Supply<'_> {
    fn nano(&self) -> i128 {
        self.positions.iter().map(|position| position.nano).sum()
    }
}

/// The invoices for bills, each by the name of its file.
pub(super) fn all(paying: &Paying, days: Days, bills: &[Numbered<'_>]) -> Result<Vec<(String, String)>, InvoiceError> {
    let mut files = Vec::new();
    for bill in bills {
        files.extend(of(paying, days, bill)?);
    }
    Ok(files)
}

/// Those for one bill: none where nothing came to a cent.
fn of(paying: &Paying, days: Days, bill: &Numbered<'_>) -> Result<Vec<(String, String)>, InvoiceError> {
    let sums = &bill.bill.sums;
    let supplied = Supply {
        type_code: INVOICE,
        suffix: ".invoice",
        number: bill.number.clone(),
        vat: &paying.biller.supplied,
        positions: [
            Position { name: "Electricity from neighbours", wh: sums.bought_wh, nano: sums.paid_nano },
            Position { name: "Electricity from the supplier", wh: sums.imported_wh, nano: sums.supply_cost_nano },
        ],
    };
    let received = Supply {
        type_code: SELF_BILLED,
        suffix: ".self-billed",
        number: format!("{}-S", bill.number),
        vat: &paying.biller.received,
        positions: [
            Position { name: "Electricity to neighbours", wh: sums.sold_wh, nano: sums.earned_nano },
            Position { name: "Electricity fed in", wh: sums.exported_wh, nano: sums.supply_revenue_nano },
        ],
    };
    let (larger, smaller) = if sums.net_nano() < 0 { (supplied, received) } else { (received, supplied) };
    let whole = |supply: &Supply<'_>| whole_cents(supply.nano(), bill);
    let (larger_cents, smaller_cents) = (whole(&larger)?, whole(&smaller)?);
    let parts = [(larger, larger_cents, smaller_cents, bill.cents.abs()), (smaller, smaller_cents, smaller_cents, 0)];
    let some = parts.into_iter().filter(|(_, total, ..)| *total != 0);
    let documents = some.map(|(supply, total, paid, due)| {
        let document = document(paying, days, bill, &supply, Amounts { total, paid, due })?;
        Ok((format!("{}{}.xml", bill.member, supply.suffix), document))
    });
    documents.collect()
}

/// Whole cents.
#[derive(Clone, Copy)]
struct Amounts {
    /// What the ledger has of it, with VAT.
    total: i64,
    /// What is set off.
    paid: i64,
    /// What remains.
    due: i64,
}

fn document(
    paying: &Paying,
    days: Days,
    bill: &Numbered<'_>,
    supply: &Supply<'_>,
    amounts: Amounts,
) -> Result<String, InvoiceError> {
    let refused = |why: String| InvoiceError::Refused { number: supply.number.clone(), why };
    let biller = biller_party(&paying.biller, supply.vat).map_err(refused)?;
    let member = member_party(bill).map_err(refused)?;
    let is_supplied = supply.type_code == INVOICE;
    let (seller, buyer) = if is_supplied { (biller, member) } else { (member, biller) };
    let day = |day: jiff::civil::Date| Date::parse(&day.to_string()).map_err(|error| refused(error.to_string()));
    let mut builder =
        Invoice::builder("urn:cen.eu:en16931:2017", &*supply.number, day(paying.issued)?, supply.type_code, "EUR")
            .seller(seller)
            .buyer(buyer)
            .invoicing_period(Period { start: Some(day(days.first)?), end: Some(day(days.last)?) })
            // CII has an element for the delivery in any case, and it must not be empty.
            .delivery(Delivery { date: Some(day(days.last)?), ..Delivery::default() })
            .due_date(day(paying.due)?);
    if let Some(note) = &supply.vat.note {
        builder = builder.note(note.as_str());
    }
    if amounts.due != 0 {
        builder = builder.payment(payment(paying, bill));
    }
    for line in lines(supply, bill, net_cents(amounts.total, supply.vat, bill)?)? {
        builder = builder.line(line);
    }
    let code = code(supply.vat.category);
    let mut reconciler = Reconciler::new().exemption(code, supply.vat.reason.as_deref(), None);
    if amounts.paid != 0 {
        reconciler = reconciler.paid(InvoiceAmount::from_minor_units(amounts.paid));
    }
    let mut invoice = builder.build_reconciled_with(&reconciler).map_err(|error| refused(error.to_string()))?;
    let rounding = amounts.due - invoice.totals.due.to_minor_units();
    if rounding != 0 {
        reconciler = reconciler.rounding(InvoiceAmount::from_minor_units(rounding));
        reconciler.apply(&mut invoice).map_err(|error| refused(error.to_string()))?;
    }
    let valid = Validated::<En16931>::new(invoice).map_err(|rejected| {
        let first = rejected.report().fatal().next().map(|finding| format!("{}: {}", finding.rule, finding.message));
        refused(first.unwrap_or_else(|| "EN 16931 is not met".into()))
    })?;
    let written = en16931_formats::write(&valid, Syntax::Cii);
    match written.entries.iter().find(|entry| entry.is_loss()) {
        Some(lost) => Err(refused(lost.to_string())),
        None => Ok(written.xml),
    }
}

/// How what is due is paid: by the files for the bank.
fn payment(paying: &Paying, bill: &Numbered<'_>) -> PaymentInstructions {
    let iban = bill.account.iban.as_str();
    let means = match (&paying.biller.creditor_id, &bill.account.mandate) {
        (Some(creditor), Some(mandate)) if bill.cents < 0 => {
            PaymentInstructions::sepa_direct_debit(&mandate.reference, creditor.as_str(), Some(iban))
        }
        _ => PaymentInstructions::sepa_credit_transfer(iban, None),
    };
    PaymentInstructions { remittance_information: Some(bill.number.clone()), ..means }
}

/// One line a position in which there is anything. Together they are the net total.
fn lines(supply: &Supply<'_>, bill: &Numbered<'_>, net: i64) -> Result<Vec<InvoiceLine>, InvoiceError> {
    let [first, second] = &supply.positions;
    // The first by its part of the total, the second what remains.
    let part = Decimal::from(net) * decimal(first.nano, bill)? / decimal(supply.nano(), bill)?;
    let part = i64::try_from(rounded(part)).map_err(|_| InvoiceError::TooLarge(bill.member))?;
    let is_empty = |position: &Position| position.wh == 0 && position.nano == 0;
    let parts = [(first, part), (second, net - part)];
    let filled = parts.into_iter().filter(|(position, _)| !is_empty(position)).zip(1..);
    filled.map(|((position, cents), at)| line(position, cents, at, supply.vat, bill)).collect()
}

fn line(position: &Position, cents: i64, at: u32, vat: &Vat, bill: &Numbered<'_>) -> Result<InvoiceLine, InvoiceError> {
    let too_large = |_| InvoiceError::TooLarge(bill.member);
    let wh = i64::try_from(position.wh).map_err(too_large)?;
    // Money without energy, as a correction may leave it, is one piece.
    let (units, unit) = match wh {
        0 => (Decimal::ONE, "C62"),
        wh => (Decimal::new(wh, WH_SCALE), KWH),
    };
    // A price is never negative (BR-27): where the member is paid to take energy, the quantity is.
    let quantity = Quantity::new(if cents < 0 { -units } else { units });
    let amount = InvoiceAmount::from_minor_units(cents);
    // The price of all of it: that of a kWh would have to be rounded.
    let price = PriceDetails {
        net_price: UnitPriceAmount::new(Decimal::new(cents.abs(), CENT_SCALE)),
        base_quantity: Some(Quantity::new(units)),
        base_quantity_code: Some(Code::new(unit)),
        ..PriceDetails::default()
    };
    let rate = (vat.category != Category::O).then(|| Percentage::new(vat.rate));
    let line = InvoiceLine::new(at.to_string(), position.name, quantity, unit, amount, code(vat.category), rate);
    Ok(line.with_price(price))
}

/// What is within an amount before VAT, in cents.
fn net_cents(total: i64, vat: &Vat, bill: &Numbered<'_>) -> Result<i64, InvoiceError> {
    let net = Decimal::from(total) * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + vat.rate);
    i64::try_from(rounded(net)).map_err(|_| InvoiceError::TooLarge(bill.member))
}

/// To a whole one; what lies half-way goes away from zero, as in a bill.
fn rounded(of: Decimal) -> Decimal {
    of.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
}

fn whole_cents(nano: i128, bill: &Numbered<'_>) -> Result<i64, InvoiceError> {
    i64::try_from(cents(nano)).map_err(|_| InvoiceError::TooLarge(bill.member))
}

fn decimal(nano: i128, bill: &Numbered<'_>) -> Result<Decimal, InvoiceError> {
    i64::try_from(nano).map(Decimal::from).map_err(|_| InvoiceError::TooLarge(bill.member))
}

fn code(category: Category) -> &'static str {
    match category {
        Category::S => "S",
        Category::Z => "Z",
        Category::E => "E",
        Category::O => "O",
    }
}

fn biller_party(biller: &Biller, vat: &Vat) -> Result<Party, String> {
    let mut party = Party::new(&biller.name, postal(&biller.address)?);
    party.legal_registration = biller.registration.as_ref().map(Identifier::new);
    party.tax_registration.clone_from(&biller.tax_number);
    // What is not subject to VAT names no number for it (BR-O-02).
    if vat.category != Category::O {
        party.vat_identifier.clone_from(&biller.vat_id);
    }
    Ok(party)
}

fn member_party(bill: &Numbered<'_>) -> Result<Party, String> {
    let mut party = Party::new(&bill.account.name, postal(&bill.account.address)?);
    // By which the biller knows it: a private person has no other (BR-CO-26).
    party.identifiers = vec![Identifier::new(bill.member.to_string())];
    Ok(party)
}

fn postal(address: &Address) -> Result<PostalAddress, String> {
    let Address { street, city, post_code, country } = address;
    PostalAddress::new(street, city, post_code, country).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
