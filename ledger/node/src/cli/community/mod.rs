//! `ledger community`: from what a founder writes to the genesis and one configuration for each part.
//!
//! | file | what |
//! |---|---|
//! | `file.rs` | community.toml: its keys |
//! | `members.rs` | the households to begin with |
//! | `start.rs` | when the first interval is |
//! | `founding.rs` | checks all of it, and makes the genesis |
//! | `configs.rs` | the configuration of each part |

mod configs;
mod file;
mod founding;
mod members;
mod start;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::node::read_genesis;
use clap::{Args, Subcommand};
use protocol::genesis::Genesis;
use settings::owner_only;

use self::{configs::Written, founding::Founding};
use super::{Failure, bad_input, now_s, print};

const EXAMPLE: &str = include_str!("../../../../../config/community.toml");

#[derive(Subcommand)]
pub(super) enum Community {
    /// Print a commented community.toml to begin with
    Example,
    /// Check a community.toml and all that it names, and write the genesis and a configuration for each part
    Init(Init),
    /// Say what a genesis fixes, and the chain's name to compare with the others
    Show {
        /// The genesis
        genesis: PathBuf,
    },
}

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger community example > community.toml                       then fill it in
  cat market/public.toml */public.toml >> community.toml          from those who keep the keys
  ledger community init community.toml --out community

With any mistake it says what is wrong in one line, and writes nothing. Nothing is ever overwritten. No secret is read or
written: keys stay where `ledger init`, `market init` and `meter-agent init` have made them.")]
pub(super) struct Init {
    /// The community: `ledger community example` prints one, config/community.toml is the same
    file: PathBuf,
    /// The directory to make; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The first interval is the first whole one from this moment on (UTC), or with `now` that which runs at this
    /// moment; without it, what the file says
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Take members whose rated power or registers look like a slip, such as kilowatts for watts
    #[arg(long)]
    implausible: bool,
}

impl Community {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Community::Example => print(EXAMPLE.trim_end()),
            Community::Init(init) => init.write(),
            Community::Show { genesis } => print(shown(&read_genesis(genesis).map_err(bad_input)?)),
        }
    }
}

impl Init {
    fn write(&self) -> Result<(), Failure> {
        let out = self.out.display();
        let taken = fs::read_dir(&self.out).is_ok_and(|mut entries| entries.next().is_some());
        if taken || (self.out.exists() && !self.out.is_dir()) {
            return Err(bad_input(format!("{out}: expected a new or empty directory, found something in its place")));
        }
        let founding =
            founding::read(&self.file, self.start.as_deref(), self.implausible, now_s()?).map_err(bad_input)?;
        write_all(&self.out, &configs::all(&founding)).map_err(|error| bad_input(format!("{out}: {error}")))?;
        print(format_args!("{}\n\n{}", shown(&founding.genesis), what_next(&self.out, &founding)))
    }
}

/// Writes all files into a directory of its own first, so that `out` has all of them or is not there.
fn write_all(out: &Path, files: &[Written]) -> io::Result<()> {
    let above = out.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    owner_only::create_directory(above)?;
    let private = fs::Permissions::from_mode(0o700);
    let draft = tempfile::Builder::new().prefix(".community-").permissions(private).tempdir_in(above)?;
    for Written { path, text, private } in files {
        let path = draft.path().join(path);
        path.parent().map_or(Ok(()), owner_only::create_directory)?;
        let mode = if *private { 0o600 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    // Over an empty directory, if there is one.
    fs::rename(draft.path(), out)?;
    // It is not there any more, so that there is nothing to remove.
    let _ = draft.keep();
    Ok(())
}

/// What a genesis fixes, for people who compare it.
fn shown(genesis: &Genesis) -> String {
    let Genesis { community, currency, first_interval, rules, market, validators, members, grid, time_zone } = genesis;
    let grid =
        grid.as_ref().map_or("none".into(), |grid| format!("{} lines below {}", grid.lines.len(), grid.transformer));
    let keys: Vec<String> = validators.iter().map(|validator| validator.key.to_string()).collect();
    format!(
        "community    {community}, {currency}, {}\n\
         first        {first_interval}\n\
         tariffs      retail {}, feed-in {} per kWh\n\
         mechanism    {}\n\
         rule pack    {}\n\
         members      {}\n\
         grid         {grid}\n\
         market       {market}\n\
         validators   {}\n\
         chain        {}",
        time_zone.as_deref().unwrap_or("UTC"),
        rules.retail_price,
        rules.feed_in_price,
        rules.mechanism,
        rules.pack.as_ref().map_or("none".into(), |pack| format!("{}, until {}, {}", pack.id, pack.last, pack.hash)),
        members.len(),
        keys.join("\n             "),
        in_groups(&genesis.chain().to_string())
    )
}

/// Sixty-four digits as people read them to each other.
fn in_groups(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn what_next(out: &Path, founding: &Founding) -> String {
    let owners: Vec<&str> = founding.file.validators.iter().map(|card| card.name.as_str()).collect();
    format!(
        "{out} has a directory for each: {}, market, broker, household. Hand each owner theirs.\n\
         All read the chain's name to each other (ledger community show genesis.json) before they start anything.\n\
         Then: mosquitto in broker/, ledger serve, market serve, meter-agent run, as docs/operator.md shows.",
        owners.join(", "),
        out = out.display()
    )
}
