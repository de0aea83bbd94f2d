//! `ledger export`.

use std::path::PathBuf;

use crate::{
    audit,
    export::{ExportError, Format, Period, export},
};
use clap::{Args, ValueEnum};
use protocol::interval::parse_utc;

use super::{Failure, bad_input, failed, print, progress_bar};

const HELP: &str = "\
Tables: accounts (balances now), settlements (one row an interval), lines (one row a member and interval), trades.
Amounts are whole nano-units of currency (10^-9), prices whole micro-units per kWh (10^-6), energy whole Wh.

Examples:
  ledger export validator-0 --out july --from 2026-07-01T00:00:00Z --to 2026-08-01T00:00:00Z
  ledger export validator-0 --out all --format parquet";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct Export {
    /// The state directory of a stopped node, such as validator-0
    directory: PathBuf,
    /// Where to write the files; none of them may exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Kind::Csv)]
    format: Kind,
    /// The first interval, by its start in UTC; without it, the ledger's first
    #[arg(long, value_name = "START", value_parser = super::moment)]
    from: Option<String>,
    /// The first interval to leave out, by its start in UTC; without it, none
    #[arg(long, value_name = "START", value_parser = super::moment)]
    to: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Csv,
    Parquet,
}

impl Export {
    pub(super) fn write(&self) -> Result<(), Failure> {
        let time = |option: &str, text: &Option<String>| match text {
            Some(text) => parse_utc(text).map(Some).map_err(|error| bad_input(format!("{option}: {error}"))),
            None => Ok(None),
        };
        let period = Period { from_s: time("--from", &self.from)?, to_s: time("--to", &self.to)? };
        let format = match self.format {
            Kind::Csv => Format::Csv,
            Kind::Parquet => Format::Parquet,
        };
        let audit::Opened { genesis, store, copy: _copy } = audit::open(&self.directory).map_err(bad_input)?;
        let written = export(&genesis, &store, &self.out, format, period, &progress_bar("exporting"));
        let written = written.map_err(|error| match error {
            ExportError::Exists(_) | ExportError::Write { .. } => bad_input(error),
            _ => failed(error),
        })?;
        for file in written {
            print(format_args!("{:>9} rows  {}", file.rows, file.path.display()))?;
        }
        Ok(())
    }
}
