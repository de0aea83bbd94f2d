//! `ledger verify`: a receipt against the genesis, and whether others have seen its block; offline.

use std::path::{Path, PathBuf};

use clap::Args;
use ledger::{
    logged::{Policy, Seen},
    proof::{ProofError, Verifier},
};
use protocol::{
    block::Header,
    instruction::Portion,
    limits::{ANSWER_BYTES_MAX, LOG_PROOF_BYTES_MAX},
    log::LogProof,
    note::NoteKey,
    receipt::Receipt,
    retirement::{ProvedRetirement, Retirement},
    settlement::Line,
    text::ParseError,
};
use settings::bounded;

use super::{Failure, bad_input, failed, print};
use crate::node;

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger verify receipt.json --genesis genesis.json
  curl -o block-9.tlog-proof http://127.0.0.1:26000/v1/log/proof/9
  ledger verify receipt.json --genesis genesis.json --log-proof block-9.tlog-proof \\
      --witness witness.example/w1+49efcb42+BOiF… --witness other.example/w2+5d3e1a7c+BHx0… --witnesses 2

A receipt proves what more than two thirds of the validators have signed. That they did not sign another history for
somebody else, witnesses show that have nothing to do with them: each cosigns one history and no other.")]
pub(super) struct Verify {
    /// The receipt, or a line of an export's receipts.jsonl or retirements.jsonl
    receipt: PathBuf,
    /// The genesis to trust
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The proof that the receipt's block is in the log that others have seen: a node's /v1/log/proof/HEIGHT
    #[arg(long, value_name = "FILE")]
    log_proof: Option<PathBuf>,
    /// A witness that you trust, by its name and key; may be given several times
    #[arg(long, value_name = "NAME+ID+KEY", requires = "log_proof")]
    witness: Vec<NoteKey>,
    /// How many of them must have seen the block [default: all that are given]
    #[arg(long, value_name = "COUNT", requires = "witness", value_parser = usage::whole::<usize>(1..=50))]
    witnesses: Option<usize>,
}

impl Verify {
    pub(super) fn check(&self) -> Result<(), Failure> {
        let demanded = self.witnesses.unwrap_or(self.witness.len());
        let policy = Policy::new(self.witness.clone(), demanded).map_err(bad_input)?;
        let genesis = node::read_genesis(&self.genesis).map_err(bad_input)?;
        let named = |error: &dyn std::fmt::Display| bad_input(format!("{}: {error}", self.receipt.display()));
        let json = bounded::read(&self.receipt, Some("a receipt"), ANSWER_BYTES_MAX as u64);
        let json = json.map_err(|error| named(&error))?;
        let verifier = Verifier::new(&genesis);
        let not_proved = |error: ProofError| failed(format!("{}: {error}", self.receipt.display()));
        let seen =
            |header: &Header| self.log_proof.as_deref().map(|path| seen(path, &verifier, header, &policy)).transpose();
        if json.starts_with(RETIREMENT) {
            let proved = ProvedRetirement::from_json(&json).map_err(|error| named(&error))?;
            verifier.verify_retirement(&proved).map_err(not_proved)?;
            let seen = seen(&proved.header)?;
            return print_retirement(&proved, seen.as_ref());
        }
        let receipt = Receipt::from_json(&json).map_err(|error| named(&error))?;
        verifier.verify(&receipt).map_err(not_proved)?;
        let seen = seen(&receipt.header)?;
        let (entry, interval) = (&receipt.entry, receipt.entry.interval);
        let Line { member, bought, paid, sold, earned, imported, supply_cost, exported, supply_revenue } = entry.line;
        let currency = &genesis.currency;
        print(format_args!(
            "member     {member}\n\
             interval   {interval}\n\
             settled    {}\n\
             bought     {bought} for {paid} {currency}\n\
             sold       {sold} for {earned} {currency}\n\
             imported   {imported} for {supply_cost} {currency}\n\
             exported   {exported} for {supply_revenue} {currency}\n\
             tariffs    {} {currency} to draw, {} {currency} to feed in, per kWh\n\
             block      {} at height {}\n\
             signed by  {} of {} validators\n\
             {}proved",
            match entry.correction {
                0 => "first, correction 0".into(),
                number => format!("again, correction {number}"),
            },
            entry.tariffs.retail_price,
            entry.tariffs.feed_in_price,
            receipt.header.hash(),
            receipt.header.height,
            receipt.certificate.signatures.len(),
            genesis.validators.len(),
            seen.as_ref().map_or_else(String::new, in_words),
        ))
    }
}

fn in_words(Seen { size, cosigned, witnesses }: &Seen) -> String {
    let names: Vec<&str> = witnesses.iter().map(|(name, _)| name.as_str()).collect();
    let names = if names.is_empty() { "none was asked for".to_owned() } else { names.join(", ") };
    format!(
        "in the log up to block {size}, cosigned by {} of {} voting power\nwitnesses  {names}\n",
        cosigned.signed, cosigned.total
    )
}

/// Who has seen the block.
fn seen(path: &Path, verifier: &Verifier, header: &Header, policy: &Policy) -> Result<Seen, Failure> {
    let bytes = bounded::read(path, Some("a proof"), LOG_PROOF_BYTES_MAX as u64)
        .map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
    let proof: LogProof = String::from_utf8_lossy(&bytes)
        .parse()
        // What is found there has several lines; an error has one.
        .map_err(|error: ParseError| {
            let error = error.to_string().replace('\n', " ");
            bad_input(format!("{}: malformed_proof: {error}", path.display()))
        })?;
    let checked = verifier.check_logged(header, &proof, policy);
    checked.map_err(|fault| failed(format!("{}: {}: {fault}", path.display(), fault.name())))
}

/// How a proved retirement begins, and no receipt.
const RETIREMENT: &[u8] = b"{\"retirement\":";

fn print_retirement(proved: &ProvedRetirement, seen: Option<&Seen>) -> Result<(), Failure> {
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
         {}proved",
        beneficiary.as_deref().unwrap_or("the member itself"),
        proved.header.hash(),
        proved.header.height,
        seen.map_or_else(String::new, in_words),
    ))
}
