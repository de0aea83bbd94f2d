//! What `ledger bill` needs to have its bills paid: the operator's own file, the accounts of the members, and two days.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::File,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::bill::{
    parties::{self, Account, Biller, BillerFile},
    payments::Paying,
};
use calendar::Zone;
use clap::Args;
use jiff::civil::Date;
use protocol::{interval::parse_utc, limits::GENESIS_BYTES_MAX, member::MemberId};
use settings::{bounded, toml_error::one_line};

use super::{Failure, bad_input, now_s};

/// Most bytes of a biller's file.
const BILLER_BYTES_MAX: u64 = 64 * 1_024;

#[derive(Args)]
pub(super) struct PayingArgs {
    /// Who bills, as in config/biller.toml: writes files for the bank and invoices as well
    #[arg(long, value_name = "FILE", requires_all = ["accounts", "due"])]
    biller: Option<PathBuf>,
    /// The accounts of the members, `member,name,iban,mandate,signed,street,city,post_code,country` as CSV; only its
    /// owner may read it
    #[arg(long, value_name = "FILE", requires = "biller")]
    accounts: Option<PathBuf>,
    /// The day of payouts and debits, such as 2026-07-15
    #[arg(long, value_name = "DAY", requires = "biller")]
    due: Option<String>,
    /// When the files were made, in UTC, such as 2026-07-01T09:00:00Z; by default now
    #[arg(long, value_name = "TIME", requires = "biller")]
    issued: Option<String>,
}

impl PayingArgs {
    /// Reads the files, where there is anything to be paid.
    pub(super) fn read(&self, zone: &Zone) -> Result<Option<Paying>, Failure> {
        let (Some(biller), Some(accounts), Some(due)) = (&self.biller, &self.accounts, &self.due) else {
            return Ok(None);
        };
        let issued_s = match &self.issued {
            Some(text) => parse_utc(text).map_err(|error| bad_input(format!("--issued: {error}")))?,
            None => now_s()?,
        };
        let issued =
            zone.date(issued_s).ok_or_else(|| bad_input("--issued: expected a time of the years 1 to 9999"))?;
        Ok(Some(Paying {
            biller: read_biller(biller)?,
            accounts: read_accounts(accounts)?,
            issued_s,
            issued,
            due: day(due)?,
        }))
    }
}

fn day(text: &str) -> Result<Date, Failure> {
    // One spelling.
    let parsed = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    let found = || text.escape_debug().take(80).collect::<String>();
    parsed.ok_or_else(|| bad_input(format!("--due: expected a day such as 2026-07-15, found `{}`", found())))
}

fn named(path: &Path, error: impl Display) -> Failure {
    bad_input(format!("{}: {error}", path.display()))
}

fn read_biller(path: &Path) -> Result<Biller, Failure> {
    let text = bounded::read_text(path, None, BILLER_BYTES_MAX).map_err(|error| named(path, error))?;
    let file: BillerFile = toml::from_str(&text).map_err(|error| named(path, one_line(&error, &text)))?;
    file.check().map_err(|error| named(path, error))
}

fn read_accounts(path: &Path) -> Result<BTreeMap<MemberId, Account>, Failure> {
    let file = File::open(path).map_err(|error| named(path, error))?;
    let metadata = file.metadata().map_err(|error| named(path, error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let open = "expected that nobody but its owner may read or write it, as it has people's bank accounts";
        return Err(named(path, format!("{open}, found mode {mode:04o}; chmod 600 it")));
    }
    if metadata.len() > GENESIS_BYTES_MAX as u64 {
        return Err(named(path, format!("expected at most {GENESIS_BYTES_MAX} bytes, found {}", metadata.len())));
    }
    let mut text = Vec::new();
    file.take(GENESIS_BYTES_MAX as u64).read_to_end(&mut text).map_err(|error| named(path, error))?;
    parties::accounts(&text).map_err(|error| named(path, error))
}
