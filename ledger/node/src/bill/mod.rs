//! Bills: for each member a statement of a month by the community's clock, from the settlements in force.
//!
//! Everything is summed in whole nano-units and Wh, and rounded once, at the end of a bill. Names come from the
//! operator's file and go into the operator's files: nothing of them is on the ledger. A bill believes what is stored;
//! [the audit](crate::audit) is what checks it, and a receipt proves each line.

mod books;
mod files;
pub mod invoices;
mod language;
mod page;
pub mod parties;
pub mod payments;
pub mod statement;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use calendar::{Month, MonthError, Range, Zone};
use ledger::state::State;
use protocol::{genesis::Genesis, member::MemberId};

pub use self::language::Language;
use self::{
    invoices::{Days, InvoiceError},
    payments::{Numbered, Paying, PaymentError, Payments},
    statement::{Bills, Unbalanced},
};
use crate::store::{Store, StoreError};

/// What the operator calls the members.
pub type Names = BTreeMap<MemberId, String>;

/// Why there are no bills. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// No month, or none of whole intervals.
    #[error(transparent)]
    Month(#[from] MonthError),
    /// The ledger begins later.
    #[error("expected a month from {begins} on, in which the ledger begins, found {month}")]
    BeforeLedger {
        /// The month.
        month: Month,
        /// The ledger's first.
        begins: Month,
    },
    /// The month is not over, or not all of it is settled yet.
    #[error("expected {month} to be settled, found {until}; make the bills later")]
    NotSettled {
        /// The month's name.
        month: String,
        /// How far the ledger is.
        until: String,
    },
    /// Something is there already.
    #[error("{}: expected no such directory yet, or an empty one, found {found}; choose another", path.display())]
    Taken {
        /// Where the bills should go.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// A file cannot be written.
    #[error("{}: {error}; no bill was written", path.display())]
    Write {
        /// Where the bills should go.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The bills cannot be paid.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// There is no invoice for a bill.
    #[error(transparent)]
    Invoice(#[from] InvoiceError),
    /// What is stored is no ledger's.
    #[error("{0}; `ledger audit` finds out more")]
    Unbalanced(#[from] Unbalanced),
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which month, by whose clock, and how it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    /// The month.
    pub month: Month,
    /// The community's time zone.
    pub zone: Zone,
    /// Of the pages.
    pub language: Language,
}

/// What is the same in all bills of a month.
#[derive(Debug)]
struct Issue<'a> {
    genesis: &'a Genesis,
    billed: &'a Billed,
    /// The intervals that are billed.
    range: Range,
    /// The lowest and the highest block that a line is in.
    heights: (u64, u64),
    /// The last block that was read.
    read_to: u64,
    names: &'a Names,
    /// Who has the bills paid, and what pays them.
    payments: Option<(&'a Paying, &'a Payments<'a>)>,
}

impl Issue<'_> {
    /// What pays a member's bill.
    fn payable(&self, member: MemberId) -> Option<(&Paying, &Numbered<'_>)> {
        let (paying, payments) = self.payments?;
        Some((paying, payments.of_member(member)?))
    }

    /// The days of which something is billed.
    fn days(&self) -> Days {
        let last = self.range.after.offset(-1).unwrap_or(self.range.first);
        Days { first: self.billed.zone.day(self.range.first), last: self.billed.zone.day(last) }
    }
}

/// Makes the bills of a month from a ledger whose state is `state`, and writes them to `out`, which must not exist or
/// be empty: all of them, or nothing. With `paying`, what pays them is written as well.
pub fn write(
    genesis: &Genesis,
    store: &dyn Store,
    state: &State,
    billed: &Billed,
    names: &Names,
    paying: Option<&Paying>,
    out: &Path,
) -> Result<Bills, BillError> {
    let range = books::settled_range(state, genesis.first_interval, billed.month, &billed.zone)?;
    files::check_free(out)?;
    let books::Books { intervals, transfers, heights } = books::read(store, state, range)?;
    let bills = Bills::of(intervals, transfers, |interval| billed.zone.day(interval))?;
    let payments = paying.map(|paying| payments::of(paying, genesis, billed.month, &bills)).transpose()?;
    let paid = paying.zip(payments.as_ref());
    let issue = Issue { genesis, billed, range, heights, read_to: store.height()?, names, payments: paid };
    let invoices = match paid {
        Some((paying, payments)) => invoices::all(paying, issue.days(), &payments.bills)?,
        None => Vec::new(),
    };
    files::write_at_once(out, |directory| {
        files::write_all(directory, &issue, &bills)?;
        paid.map_or(Ok(()), |(_, payments)| files::write_payments(directory, payments, &invoices))
    })?;
    Ok(bills)
}

/// Nano-units of currency as a decimal with all nine places, so that a column can be added up by hand.
pub fn decimal(nano: i128) -> String {
    let (sign, nano) = (if nano < 0 { "-" } else { "" }, nano.unsigned_abs());
    format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

/// Cents as a decimal of currency.
pub fn in_currency(cents: i128) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}
