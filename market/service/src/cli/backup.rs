//! `market backup` and `market restore`.

use std::path::PathBuf;

use backup::{BackupError, Kept};
use clap::Args;
use settings::state_format::FORMAT_FILE;

use super::{Failure, bad_input, failure, print};
use crate::{ALARMS_DIRECTORY, CHAIN_FILE, Config, STORE_DIRECTORY, read_genesis};

const BACKUP_HELP: &str = "\
The backup is a directory with the genesis and what the market keeps (readings that wait, evidence, how far receipts were sent), and
backup.json, which has the SHA-256 of each file. The market must be stopped: a copy of what is being written is no backup.

Not in it, for good reason:
  market.key     a backup is copied to places that keep no secret: keep it apart, once, offline
  members.csv    a name that is erased must not come back from a backup
  market.toml    it is yours, and seldom changes

What was settled is on the ledger: whatever the backup is too old for, the market learns from there, and the agents send again
what nobody has settled.

Examples:
  market backup --config market/market.toml --to backups/2026-12-01";

const RESTORE_HELP: &str = "\
Put the configuration and the key in their places first. Every file of the backup is compared with its hash before the first
is written; a state that is there is never replaced.

Examples:
  market restore backups/2026-12-01 --config market/market.toml
  market serve --config market/market.toml";

#[derive(Args)]
#[command(after_help = BACKUP_HELP)]
pub(super) struct Backup {
    /// The configuration of the market, which must be stopped.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to write the backup, a directory that is not there yet.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Args)]
#[command(after_help = RESTORE_HELP)]
pub(super) struct Restore {
    /// The backup, a directory with backup.json in it.
    backup: PathBuf,
    /// The configuration of the market, which says where its state is.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Backup {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(bad_input)?;
        let chain = read_genesis(&config).map_err(bad_input)?.chain();
        let made = backup::make(&kept(&config), chain, env!("CARGO_PKG_VERSION"), &self.to).map_err(refused)?;
        let left: Vec<String> = std::iter::once(&config.key)
            .chain(&config.directory)
            .map(|file| format!("{}: keep it apart", file.display()))
            .collect();
        print(&format!("{}\nnot in it    {}", made.summary(&self.to), left.join("\n             ")))
    }
}

impl Restore {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(bad_input)?;
        let known = config.genesis.exists().then(|| read_genesis(&config)).transpose().map_err(bad_input)?;
        let chain = known.map(|genesis| genesis.chain());
        let restored = backup::restore(&self.backup, &kept(&config), chain).map_err(refused)?;
        print(&restored.summary(&config.state))?;
        if chain.is_none() {
            let genesis = config.genesis.display();
            print(&format!("genesis      {genesis}, from the backup: compare the chain with the validators'"))?;
        }
        if !config.key.exists() {
            print(&format!("key          put back from where you keep it: {}", config.key.display()))?;
        }
        Ok(())
    }
}

/// What a market keeps that may be put back.
fn kept(config: &Config) -> Kept {
    let part = |name: &'static str| (name, config.state.join(name));
    let parts = [FORMAT_FILE, CHAIN_FILE, STORE_DIRECTORY, ALARMS_DIRECTORY].map(part).into();
    let lock = config.state.join(STORE_DIRECTORY).join("db");
    Kept { program: "market", genesis: config.genesis.clone(), parts, lock }
}

fn refused(error: BackupError) -> Failure {
    match error {
        BackupError::Io { .. } => failure(error),
        error => bad_input(error),
    }
}
