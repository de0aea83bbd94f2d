//! `ledger export`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    audit,
    export::{
        ExportError, Format, Period,
        energytag::{self, REGISTRY_BYTES_MAX, Registry},
        export,
    },
    node::Ledger,
};
use clap::{Args, ValueEnum};
use protocol::interval::parse_utc;
use settings::{bounded, toml_error::one_line};

use super::{Failure, bad_input, failed, print, progress_bar};

const HELP: &str = "\
Tables: accounts (balances now), settlements (one row an interval), lines (one row a member and interval), trades,
certificates. Amounts are whole nano-units of currency (10^-9), prices whole micro-units per kWh (10^-6), energy whole
Wh. With --format energytag: certificates alone, as bundles of the EnergyTag API specification 2.0, with a proof beside
each that `ledger verify` checks.

Examples:
  ledger export validator-0 --out july --from 2026-07-01T00:00:00Z --to 2026-08-01T00:00:00Z
  ledger export validator-0 --out all --format parquet
  ledger export validator-0 --out bundles --format energytag --registry energytag.toml";

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
    /// Who issues, and where, as in config/energytag.toml: for --format energytag
    #[arg(long, value_name = "FILE", required_if_eq("format", "energytag"))]
    registry: Option<PathBuf>,
    /// The first interval, by its start in UTC; without it, the ledger's first
    #[arg(long, value_name = "START", value_parser = super::moment)]
    from: Option<String>,
    /// The first interval to leave out, by its start in UTC; without it, none
    #[arg(long, value_name = "START", value_parser = super::moment)]
    to: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Csv,
    Parquet,
    Energytag,
}

impl Export {
    pub(super) fn write(&self) -> Result<(), Failure> {
        let time = |option: &str, text: &Option<String>| match text {
            Some(text) => parse_utc(text).map(Some).map_err(|error| bad_input(format!("{option}: {error}"))),
            None => Ok(None),
        };
        let period = Period { from_s: time("--from", &self.from)?, to_s: time("--to", &self.to)? };
        let registry = self.registry.as_deref().map(read_registry).transpose()?;
        if registry.is_some() != (self.format == Kind::Energytag) {
            return Err(bad_input("--registry: expected with --format energytag, found with another; leave it out"));
        }
        let audit::Opened { genesis, store, copy: _copy } = audit::open(&self.directory).map_err(bad_input)?;
        let progress = progress_bar("exporting");
        let written = match (registry, self.format) {
            (Some(registry), _) => {
                let (ledger, _) = Ledger::open(genesis, Arc::new(store), None).map_err(failed)?;
                energytag::export(&ledger, &registry, &self.out, period, &progress)
            }
            (None, Kind::Parquet) => export(&genesis, &store, &self.out, Format::Parquet, period, &progress),
            (None, _) => export(&genesis, &store, &self.out, Format::Csv, period, &progress),
        };
        let written = written.map_err(|error| match error {
            ExportError::Exists(_) | ExportError::Write { .. } | ExportError::Registry(_) => bad_input(error),
            ExportError::NoProducer { .. } | ExportError::Ledger(_) | ExportError::Store(_) => failed(error),
        })?;
        for file in written {
            print(format_args!("{:>9} rows  {}", file.rows, file.path.display()))?;
        }
        Ok(())
    }
}

fn read_registry(path: &Path) -> Result<Registry, Failure> {
    let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", path.display()));
    let text = bounded::read_text(path, None, REGISTRY_BYTES_MAX).map_err(|error| named(&error))?;
    let registry: Registry = toml::from_str(&text).map_err(|error| named(&one_line(&error, &text)))?;
    registry.check().map_err(|error| named(&error))
}
