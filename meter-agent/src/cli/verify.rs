//! `meter-agent verify`: a receipt against the genesis, offline.

use std::{fs, path::Path, process::ExitCode};

use ledger::proof::Verifier;
use protocol::{limits::ANSWER_BYTES_MAX, receipt::Receipt};

use super::{Failure, print};
use crate::{
    ReceiptFault,
    start::read_genesis,
    status::{in_words, kwh, money},
};

pub(crate) fn verify(path: &Path, genesis: &Path) -> Result<ExitCode, Failure> {
    let genesis = read_genesis(genesis)?;
    let json = fs::read(path).map_err(|error| format!("expected a receipt at {}: {error}", path.display()))?;
    let receipt = read(&json).and_then(|receipt| {
        Verifier::new(&genesis).verify(&receipt)?;
        Ok(receipt)
    });
    let receipt = receipt.map_err(|fault| format!("{}: {fault}", path.display()))?;
    let (line, currency) = (receipt.entry.line, &genesis.currency);
    let signers = receipt.certificate.signatures.len();
    print(format_args!(
        "valid: {signers} of {} validators committed this in block {} of {}\n\
         member    {}\n\
         interval  {}\n\
         bought    {} for {}\n\
         sold      {} for {}\n\
         imported  {} for {}\n\
         exported  {} for {}\n\
         tariffs   {}\n",
        genesis.validators.len(),
        receipt.header.height,
        genesis.community,
        line.member,
        receipt.entry.interval,
        kwh(line.bought.wh()),
        money(line.paid, currency),
        kwh(line.sold.wh()),
        money(line.earned, currency),
        kwh(line.imported.wh()),
        money(line.supply_cost, currency),
        kwh(line.exported.wh()),
        money(line.supply_revenue, currency),
        in_words(&receipt.entry.tariffs, currency),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn read(json: &[u8]) -> Result<Receipt, ReceiptFault> {
    if json.len() > ANSWER_BYTES_MAX {
        return Err(ReceiptFault::TooLarge { max: ANSWER_BYTES_MAX, found: json.len() });
    }
    Ok(Receipt::from_json(json)?)
}
