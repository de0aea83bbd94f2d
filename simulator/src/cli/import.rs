//! `simulator import`: data sets of others.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use protocol::interval::{parse_utc, utc_text};
use usage::whole;

use super::{Failure, bad_input, print};
use crate::import::{ImportError, Request, simbench};

const EXAMPLES: &str = "Examples:
  pip download simbench==1.6.3 --no-deps && unzip simbench-1.6.3-*.whl -d simbench
  simulator import simbench simbench --grid LV4.101 --out semiurban --from 2016-07-03T22:00:00Z --days 14

How loads become participants is in docs/researcher.md.";

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// A low-voltage grid of SimBench, with a year of profiles
    Simbench(SimBench),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct SimBench {
    /// The unpacked package simbench from PyPI, or a directory with its CSV files
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Name of the grid, such as LV4.101
    #[arg(long, value_name = "NAME")]
    grid: String,
    /// Directory to make; it must not exist
    #[arg(long, value_name = "DATA_DIR")]
    out: PathBuf,
    /// Start of the first interval, UTC [default: the first that there is]
    #[arg(long, value_name = "START", value_parser = parse_utc)]
    from: Option<i64>,
    /// How many days [default: all that there are]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32>(1..=366))]
    days: Option<u32>,
    /// What the profile is called
    #[arg(long, value_name = "NAME", default_value = "year", value_parser = profile_name)]
    profile: String,
}

fn profile_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_name.then(|| text.to_owned()).ok_or_else(|| format!("expected a name of letters and digits, found `{text}`"))
}

pub(super) fn import(options: Import) -> Result<(), Failure> {
    let From::Simbench(SimBench { directory, grid, out, from, days, profile }) = options.from;
    let request = Request { directory, grid, profile, from_s: from, days, out };
    let imported = simbench(&request).map_err(|error| match error {
        ImportError::Unwritable { .. } => Failure::Failed(error.to_string()),
        error => bad_input(error),
    })?;
    let (out, from) = (request.out.display(), utc_text(imported.first_s));
    print(&format!(
        "{out} has {} participants, {} of which produce, {} buses, {} lines in service, and {} quarter hours from {from} \
         on, as the profile {}",
        imported.participants, imported.roofs, imported.buses, imported.lines, imported.intervals, request.profile
    ))
}
