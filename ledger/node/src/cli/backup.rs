//! `ledger backup` and `ledger restore`.

use std::path::PathBuf;

use crate::node::{Config, DRAFTS_DIRECTORY, EVIDENCE_DIRECTORY, STORE_DIRECTORY};
use backup::{BackupError, Kept};
use clap::Args;

use super::{Failure, bad_input, failed, print};

const BACKUP_HELP: &str = "\
The backup is a directory with the genesis, the ledger, drafts and evidence, and backup.json, which has the SHA-256 of each
file. The node must be stopped: a copy of what is being written is no backup.

Not in it, for good reason:
  validator.key, network.key   a backup is copied to places that keep no secret: keep them apart, once, offline
  validator.key.signed, votes.wal   what the key has signed: an old copy is worse than none
  validator.toml               it is yours, and it does not change

Without the record of what was signed, a restored validator follows the others, and votes once they are past whatever it
may have signed. `ledger audit BACKUP` shows that a backup is in order.

EXAMPLES:
  ledger backup --config validator-0/validator.toml --to backups/2026-12-01
  ledger audit backups/2026-12-01";

const RESTORE_HELP: &str = "\
Put the configuration and the two keys in their places first. Every file of the backup is compared with its hash before the first
is written; a state that is there is never replaced. Make sure that the machine which was backed up never runs again: two
nodes with one key are a validator that lies.

EXAMPLES:
  ledger restore backups/2026-12-01 --config validator-0/validator.toml
  ledger serve --config validator-0/validator.toml";

#[derive(Args)]
#[command(after_help = BACKUP_HELP)]
pub(super) struct Backup {
    /// The configuration of the node, which must be stopped
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to write the backup, a directory that is not there yet
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Args)]
#[command(after_help = RESTORE_HELP)]
pub(super) struct Restore {
    /// The backup, a directory with backup.json in it
    backup: PathBuf,
    /// The configuration of the node, which says where its state is
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Backup {
    pub(super) fn make(&self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(bad_input)?;
        let chain = config.read_genesis().map_err(bad_input)?.chain();
        let made = backup::make(&kept(&config), chain, env!("CARGO_PKG_VERSION"), &self.to).map_err(refused)?;
        print(format_args!("{}\nnot in it    {}", made.summary(&self.to), not_in_it(&config)))
    }
}

impl Restore {
    pub(super) fn put_back(&self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(bad_input)?;
        let known = config.genesis.exists().then(|| config.read_genesis()).transpose().map_err(bad_input)?;
        let chain = known.map(|genesis| genesis.chain());
        let restored = backup::restore(&self.backup, &kept(&config), chain).map_err(refused)?;
        print(restored.summary(&config.state))?;
        if chain.is_none() {
            let genesis = config.genesis.display();
            print(format_args!("genesis      {genesis}, from the backup: compare the chain with the other owners'"))?;
        }
        let missing: Vec<String> = [config.key.as_ref(), Some(&config.network_key)]
            .into_iter()
            .flatten()
            .filter(|key| !key.exists())
            .map(|key| key.display().to_string())
            .collect();
        if !missing.is_empty() {
            print(format_args!("keys         put back from where you keep them: {}", missing.join(", ")))?;
        }
        match config.signed_path().filter(|record| !record.exists()) {
            Some(record) => print(format_args!(
                "votes        {} is not there, and must not come from a copy: the node follows the others, and votes once they\n\
                 {:13}are past whatever its key may have signed. The machine that had this key must never run again",
                record.display(),
                ""
            )),
            None => Ok(()),
        }
    }
}

/// What a node keeps that may be put back.
fn kept(config: &Config) -> Kept {
    let part = |name: &'static str| (name, config.state.join(name));
    let store = config.state.join(STORE_DIRECTORY);
    let parts = [DRAFTS_DIRECTORY, EVIDENCE_DIRECTORY, STORE_DIRECTORY].map(part).into();
    Kept { program: "ledger", genesis: config.genesis.clone(), parts, lock: store.join("db") }
}

fn not_in_it(config: &Config) -> String {
    let record = config.signed_path();
    let log = config.state.join("votes.wal");
    let keys = config.key.iter().chain([&config.network_key]).map(|key| format!("{}: keep it apart", key.display()));
    let votes = record.iter().chain([&log]).map(|file| format!("{}: never copy it", file.display()));
    keys.chain(votes).collect::<Vec<_>>().join("\n             ")
}

fn refused(error: BackupError) -> Failure {
    match error {
        BackupError::Io { .. } => failed(error),
        error => bad_input(error),
    }
}
