//! Files for the bank: what members are paid as a credit transfer (`pain.001`), what they owe as direct debits
//! (`pain.008`), by ISO 20022 as SEPA has it since 2023. Amounts are those of the bills, to the cent.
//!
//! Whatever a bank recognises a file and a payment by follows from chain, month and bill: handed in twice, or made
//! again, it is the same, so that a bank can refuse to pay it twice.

use std::collections::BTreeMap;

use calendar::Month;
use jiff::civil::Date;
use protocol::{genesis::Genesis, interval::utc_text, member::MemberId};
use sepa::{
    BuildError, CreditTransferEntry, CreditTransferGroup, DirectDebitEntry, DirectDebitGroup, IsoDate, IsoDateTime,
    Pain001Builder, Pain008Builder,
};

use super::{
    parties::{Account, Biller},
    statement::{Bill, Bills},
};

/// For the bank, what members are paid.
const PAYOUTS_FILE: &str = "payouts.pain.001.001.09.xml";
/// For the bank, what is collected from members.
const DEBITS_FILE: &str = "debits.pain.008.001.08.xml";
/// Hexadecimal digits of the chain in the name of a file for the bank.
const CHAIN_DIGITS: usize = 16;

/// Whom to pay and to bill, and when.
#[derive(Debug, Clone)]
pub struct Paying {
    /// Who bills.
    pub biller: Biller,
    /// Whom.
    pub accounts: BTreeMap<MemberId, Account>,
    /// When files and invoices were made, seconds after 1970.
    pub issued_s: i64,
    /// The day on which invoices are issued, by the community's clock.
    pub issued: Date,
    /// The day of payouts and debits.
    pub due: Date,
}

/// Why there are no payments or invoices.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// Another currency than SEPA's.
    #[error("expected a community that counts in EUR, as SEPA does, found {0}; make bills without payments")]
    Currency(String),
    /// To be paid before it is billed.
    #[error("expected a day to pay from {issued} on, when the bills are issued, found {due}")]
    Due {
        /// When issued.
        issued: Date,
        /// When to be paid.
        due: Date,
    },
    /// A bank's files do not reach as far.
    #[error("expected a day of the years 1583 to 9999, found {0}")]
    Day(String),
    /// Nobody knows where the money goes.
    #[error("{0}: expected a line in the file of accounts, found none")]
    NoAccount(MemberId),
    /// A member owes, and has not allowed to collect it.
    #[error("{0}: expected a mandate in the file of accounts, as the member owes, found none")]
    NoMandate(MemberId),
    /// Somebody owes, and the biller cannot collect.
    #[error("expected creditor_id in the biller's file, as members owe, found none")]
    NoCreditorId,
    /// More than a bank's file holds.
    #[error("{0}: expected an amount of less than 1,000,000,000.00 EUR, found more")]
    TooLarge(MemberId),
    /// What a bank would refuse.
    #[error("{of}: {error}")]
    Refused {
        /// Which file, or whose payment.
        of: String,
        /// What it would refuse.
        error: BuildError,
    },
}

/// A member's bill with its number and account.
#[derive(Debug)]
pub(super) struct Numbered<'a> {
    /// By which the operator and the banks know the bill.
    pub(super) number: String,
    pub(super) member: MemberId,
    pub(super) account: &'a Account,
    pub(super) bill: &'a Bill,
    /// What the member gets (owes, if negative).
    pub(super) cents: i64,
}

/// What pays a month's bills.
#[derive(Debug)]
pub(super) struct Payments<'a> {
    /// In the order of the members' pseudonyms.
    pub(super) bills: Vec<Numbered<'a>>,
    /// Files by their names; one for the bank only where there is somebody to pay, or to collect from.
    pub(super) files: Vec<(String, String)>,
}

impl<'a> Payments<'a> {
    /// A member's bill, if anything was billed.
    pub(super) fn of_member(&self, member: MemberId) -> Option<&Numbered<'a>> {
        let at = self.bills.binary_search_by_key(&member, |bill| bill.member).ok()?;
        self.bills.get(at)
    }
}

/// Makes all that pays the bills.
pub(super) fn of<'a>(
    paying: &'a Paying,
    genesis: &Genesis,
    month: Month,
    bills: &'a Bills,
) -> Result<Payments<'a>, PaymentError> {
    if genesis.currency != "EUR" {
        return Err(PaymentError::Currency(genesis.currency.clone()));
    }
    let Paying { issued, due, .. } = *paying;
    if due < issued {
        return Err(PaymentError::Due { issued, due });
    }
    let bills = numbered(paying, month, bills)?;
    let chain = genesis.chain().to_string();
    let message = |kind: &str| format!("{kind}-{month}-{}", &chain[..chain.len().min(CHAIN_DIGITS)]);
    let payouts: Vec<&Numbered<'_>> = bills.iter().filter(|bill| bill.cents > 0).collect();
    let debits: Vec<&Numbered<'_>> = bills.iter().filter(|bill| bill.cents < 0).collect();
    let mut files = Vec::new();
    if !payouts.is_empty() {
        files.push((PAYOUTS_FILE.into(), credit_transfers(paying, &message("PAYOUT"), month, &payouts)?));
    }
    if !debits.is_empty() {
        files.push((DEBITS_FILE.into(), direct_debits(paying, &message("DEBIT"), month, &debits)?));
    }
    Ok(Payments { bills, files })
}

/// Gives the bills their numbers, in the order of the members' pseudonyms. Who has a bill has an account.
fn numbered<'a>(paying: &'a Paying, month: Month, bills: &'a Bills) -> Result<Vec<Numbered<'a>>, PaymentError> {
    // A transfer alone bills nothing.
    let billed = bills.members.iter().zip(1..).filter(|((_, bill), _)| !bill.rows.is_empty());
    let numbered = billed.map(|((member, bill), at)| {
        Ok(Numbered {
            number: format!("{}{month}-{at:04}", paying.biller.number_prefix),
            member: *member,
            account: paying.accounts.get(member).ok_or(PaymentError::NoAccount(*member))?,
            bill,
            cents: i64::try_from(bill.cents()).map_err(|_| PaymentError::TooLarge(*member))?,
        })
    });
    numbered.collect()
}

fn credit_transfers(
    paying: &Paying,
    message: &str,
    month: Month,
    payouts: &[&Numbered<'_>],
) -> Result<String, PaymentError> {
    let biller = &paying.biller;
    let entries = payouts.iter().map(|payout| {
        let Numbered { number, account, cents, .. } = payout;
        CreditTransferEntry::new(&account.name, account.iban.clone(), *cents, number)
            .with_description(description(number, month))
    });
    let group = CreditTransferGroup::new(&biller.name, &biller.iban, day(paying.due)?).add_entries(entries);
    let builder = Pain001Builder::new(&biller.name, message).created_at(created(paying)?).add_group(group);
    builder.build().map_err(|error| refused("payouts", payouts, error))
}

fn direct_debits(
    paying: &Paying,
    message: &str,
    month: Month,
    debits: &[&Numbered<'_>],
) -> Result<String, PaymentError> {
    let biller = &paying.biller;
    let creditor = biller.creditor_id.as_ref().ok_or(PaymentError::NoCreditorId)?;
    let mut group = DirectDebitGroup::new(&biller.name, &biller.iban, creditor, day(paying.due)?);
    for debit in debits {
        let Numbered { number, member, account, cents, .. } = debit;
        let mandate = account.mandate.as_ref().ok_or(PaymentError::NoMandate(*member))?;
        let (name, iban) = (account.name.as_str(), account.iban.clone());
        let entry = DirectDebitEntry::new(&mandate.reference, mandate.signed, name, iban, -cents, number);
        group = group.add_entry(entry.with_description(description(number, month)));
    }
    let builder = Pain008Builder::new(&biller.name, message).created_at(created(paying)?).add_group(group);
    builder.build().map_err(|error| refused("debits", debits, error))
}

fn description(number: &str, month: Month) -> String {
    format!("Electricity {month}, bill {number}")
}

fn refused(file: &str, of: &[&Numbered<'_>], error: BuildError) -> PaymentError {
    let whose = error.location.transaction.and_then(|at| of.get(at)).map(|bill| bill.member.to_string());
    PaymentError::Refused { of: whose.unwrap_or_else(|| file.into()), error }
}

fn day(date: Date) -> Result<IsoDate, PaymentError> {
    date.to_string().parse().map_err(|_| PaymentError::Day(date.to_string()))
}

fn created(paying: &Paying) -> Result<IsoDateTime, PaymentError> {
    let text = utc_text(paying.issued_s);
    text.parse().map_err(|_| PaymentError::Day(text))
}
