//! `ledger receipt` and `ledger verify`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{audit, node};
use clap::Args;
use ledger::proof::Verifier;
use protocol::{
    instruction::Portion,
    limits::ANSWER_BYTES_MAX,
    member::MemberId,
    retirement::{ProvedRetirement, Retirement},
    settlement::Line,
};

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
    /// Of which correction of the interval; 0 is the interval as it was first settled
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true,
        value_parser = usage::whole::<u32>(0..=u64::from(u32::MAX)))]
    correction: u32,
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
            0 => ledger.receipts(interval),
            _ => ledger.correction_receipts(interval),
        };
        let receipts = receipts.map_err(failed)?;
        let receipt = receipts
            .iter()
            .find(|receipt| receipt.entry.line.member == member && receipt.entry.correction == self.correction)
            .ok_or_else(|| {
                let what = match self.correction {
                    0 => "settlement".into(),
                    number => format!("correction {number}"),
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

pub(super) fn verify(receipt: &Path, genesis: &Path) -> Result<(), Failure> {
    let genesis = node::read_genesis(genesis).map_err(bad_input)?;
    let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", receipt.display()));
    let length = fs::metadata(receipt).map_err(|error| named(&error))?.len();
    if length > ANSWER_BYTES_MAX as u64 {
        return Err(named(&format!("expected a receipt of at most {ANSWER_BYTES_MAX} bytes, found {length}")));
    }
    let json = fs::read(receipt).map_err(|error| named(&error))?;
    if json.starts_with(RETIREMENT) {
        let proved = ProvedRetirement::from_json(&json).map_err(|error| named(&error))?;
        let verified = Verifier::new(&genesis).verify_retirement(&proved);
        verified.map_err(|error| failed(format!("{}: {error}", receipt.display())))?;
        return print_retirement(&proved);
    }
    let parsed = protocol::receipt::Receipt::from_json(&json).map_err(|error| named(&error))?;
    Verifier::new(&genesis).verify(&parsed).map_err(|error| failed(format!("{}: {error}", receipt.display())))?;
    let (entry, interval) = (&parsed.entry, parsed.entry.interval);
    let Line { member, bought, paid, sold, earned, imported, supply_cost, exported, supply_revenue } = entry.line;
    let currency = &genesis.currency;
    print(format_args!(
        "member     {member}\n\
         interval   {interval}\n\
         bought     {bought} for {paid} {currency}\n\
         sold       {sold} for {earned} {currency}\n\
         imported   {imported} for {supply_cost} {currency}\n\
         exported   {exported} for {supply_revenue} {currency}\n\
         tariffs    {} {currency} to draw, {} {currency} to feed in, per kWh\n\
         block      {} at height {}\n\
         signed by  {} of {} validators\n\
         proved",
        entry.tariffs.retail_price,
        entry.tariffs.feed_in_price,
        parsed.header.hash(),
        parsed.header.height,
        parsed.certificate.signatures.len(),
        genesis.validators.len()
    ))
}

/// How a proved retirement begins, and no receipt.
const RETIREMENT: &[u8] = b"{\"retirement\":";

fn print_retirement(proved: &ProvedRetirement) -> Result<(), Failure> {
    let Retirement { member, certificates, purpose, beneficiary, .. } = &proved.retirement;
    let Portion { interval, device, first, energy } = certificates;
    print(format_args!(
        "member     {member}\n\
         retired    {energy} from number {first} on\n\
         fed in     {interval}\n\
         by         {device}\n\
         for        {}\n\
         purpose    {purpose}\n\
         block      {} at height {}\n\
         proved",
        beneficiary.as_deref().unwrap_or("the member itself"),
        proved.header.hash(),
        proved.header.height,
    ))
}
