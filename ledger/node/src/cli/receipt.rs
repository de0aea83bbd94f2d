//! `ledger receipt`.

use std::{path::PathBuf, sync::Arc};

use crate::{audit, node};
use clap::Args;
use protocol::member::MemberId;

use super::{
    Failure, bad_input, failed,
    names::{self, DIRECTORY_FILE},
    print,
};

#[derive(Args)]
pub(super) struct Receipt {
    /// The state directory of a stopped node, such as validator-0
    directory: PathBuf,
    /// The member: a participant id, or the pseudonym of 32 hex digits
    #[arg(long, value_name = "ID")]
    member: String,
    /// The interval, by its start in UTC, such as 2016-07-04T12:00:00Z
    #[arg(long, value_name = "START", value_parser = super::moment)]
    interval: String,
    /// Of which correction of the interval; 0 is the interval as it was first settled [default: the one in force]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true,
        value_parser = usage::whole::<u32>(0..=u64::from(u32::MAX)))]
    correction: Option<u32>,
    /// Who is who, `member,name` as CSV; by default members.csv in DIR, or in the market's directory beside it
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
}

impl Receipt {
    pub(super) fn write(&self) -> Result<(), Failure> {
        let member = self.member()?;
        let audit::Opened { genesis, store, copy: _copy } = audit::open(&self.directory).map_err(bad_input)?;
        let interval = super::interval(&self.interval, genesis.first_interval.length())?;
        let (ledger, _) = node::Ledger::open(genesis, Arc::new(store), None).map_err(failed)?;
        let receipts = match self.correction {
            None => ledger.receipts_in_force(interval).map(|by_member| by_member.into_values().collect()),
            Some(0) => ledger.receipts(interval),
            Some(_) => ledger.correction_receipts(interval),
        };
        let receipts: Vec<_> = receipts.map_err(failed)?;
        let is_wanted = |number| self.correction.is_none_or(|wanted| wanted == number);
        let receipt = receipts
            .iter()
            .find(|receipt| receipt.entry.line.member == member && is_wanted(receipt.entry.correction))
            .ok_or_else(|| {
                let what = match self.correction {
                    None | Some(0) => "settlement".into(),
                    Some(number) => format!("correction {number}"),
                };
                bad_input(format!("{} has no {what} in {interval} on this ledger", self.member))
            })?;
        print(String::from_utf8_lossy(&receipt.to_json()))
    }

    fn member(&self) -> Result<MemberId, Failure> {
        if let Ok(member) = self.member.parse() {
            return Ok(member);
        }
        let file = self.names.clone().or_else(|| names::beside(&self.directory)).ok_or_else(|| {
            bad_input(format!(
                "`{}` is not a pseudonym, and there is no {DIRECTORY_FILE} to look it up in; give one with --names",
                self.member
            ))
        })?;
        let names = names::read(&file)?;
        if let Some((member, _)) = names.iter().find(|(_, name)| **name == self.member) {
            return Ok(*member);
        }
        Err(bad_input(format!("{}: there is no member `{}`", file.display(), self.member)))
    }
}
