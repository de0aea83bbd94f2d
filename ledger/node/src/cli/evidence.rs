//! `ledger evidence`: what a node has kept against validators, and whether it holds.

use std::path::{Path, PathBuf};

use crate::node::{self, evidence_files};
use clap::Args;
use ledger::evidence::{EVIDENCE_BYTES_MAX, Evidence, Statement};
use protocol::genesis::Genesis;
use settings::bounded;

use super::{Failure, bad_input, failed, print};

#[derive(Args)]
pub(super) struct Kept {
    /// A file of evidence, or the state directory of a node, which may run
    path: PathBuf,
    /// The community's genesis file
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
}

impl Kept {
    pub(super) fn check(&self) -> Result<(), Failure> {
        let genesis = node::read_genesis(&self.genesis).map_err(bad_input)?;
        let files =
            if self.path.is_dir() { evidence_files(&self.path).map_err(bad_input)? } else { vec![self.path.clone()] };
        if files.is_empty() {
            return print(format_args!("no evidence in {}", self.path.display()));
        }
        files.iter().try_for_each(|file| check(file, &genesis))
    }
}

fn check(file: &Path, genesis: &Genesis) -> Result<(), Failure> {
    let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", file.display()));
    let json = bounded::read(file, Some("evidence"), EVIDENCE_BYTES_MAX as u64).map_err(|error| named(&error))?;
    let evidence = Evidence::from_json(&json).map_err(|error| named(&error))?;
    evidence.verify(genesis).map_err(|error| failed(format!("{}: {}: {error}", file.display(), error.name())))?;
    let Evidence { validator, said, height, round, statements, .. } = &evidence;
    let block = |statement: &Statement| statement.block.map_or_else(|| "no block".into(), |block| block.to_string());
    let known = if genesis.validators.iter().any(|known| known.key == *validator) {
        "a validator of the genesis"
    } else {
        "no validator of the genesis; whether it was one at that height, `ledger audit` and the decisions say"
    };
    print(format_args!(
        "file       {}\n\
         validator  {validator}, {known}\n\
         signed     two messages ({}) for height {height}, round {round}\n\
         one for    {}\n\
         other for  {}\n\
         proved",
        file.display(),
        said.name(),
        block(&statements[0]),
        block(&statements[1]),
    ))
}
