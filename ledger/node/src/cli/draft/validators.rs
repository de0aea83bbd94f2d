//! `ledger draft set-validators`: the present validators, with who comes and who goes.

use std::collections::BTreeMap;

use clap::Args;
use ledger_client::api::Node;
use protocol::{
    commit::Validator,
    decision::Action,
    key::{PublicKey, ValidatorId},
};

use super::{Failure, Opening};
use crate::cli::bad_input;

#[derive(Args)]
pub(super) struct SetValidators {
    /// Add a validator, or give one another voting power: KEY or KEY=POWER, such as did:key:z6Mk…=1
    #[arg(long, value_name = "KEY", value_parser = weighted)]
    add: Vec<Validator>,
    /// Remove a validator
    #[arg(long, value_name = "KEY")]
    remove: Vec<PublicKey>,
    #[command(flatten)]
    opening: Opening,
}

fn weighted(text: &str) -> Result<Validator, String> {
    let (key, power) = text.split_once('=').unwrap_or((text, "1"));
    let cut: String = text.chars().take(120).collect();
    let expected = || format!("expected KEY or KEY=POWER, such as did:key:z6Mk…=1, found `{cut}`");
    Ok(Validator { key: key.parse().map_err(|_| expected())?, power: power.parse().map_err(|_| expected())? })
}

impl SetValidators {
    pub(super) fn open(self) -> Result<(), Failure> {
        let SetValidators { add, remove, opening } = self;
        opening.open(|_, node| {
            let present = node.ask(Node::validators)?;
            let mut validators: BTreeMap<ValidatorId, u64> =
                present.into_iter().map(|Validator { key, power }| (key, power)).collect();
            for key in &remove {
                if validators.remove(key).is_none() {
                    return Err(bad_input(format!("--remove: expected a validator, found {key}")));
                }
            }
            validators.extend(add.into_iter().map(|Validator { key, power }| (key, power)));
            let validators = validators.into_iter().map(|(key, power)| Validator { key, power }).collect();
            Ok(Action::SetValidators { validators })
        })
    }
}
