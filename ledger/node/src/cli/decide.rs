//! `ledger submit`: decisions of the validators; `ledger instruct`: what a member does by itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::node::{read_genesis, read_key};
use clap::Args;
use protocol::{
    api::Submitted,
    block::Transaction,
    cbor::{self, Encoded},
    code,
    decision::Draft,
    envelope::{ChainId, Sealed, Signed},
    instruction::Instruction,
    limits::TRANSACTION_BYTES_MAX,
};
use serde::de::DeserializeOwned;

use super::{Asked, Failure, bad_input, print, reach::warn_if_alone};

#[derive(Args)]
pub(super) struct Submit {
    /// The decision with the approvals that it has, or what `meter-agent rotate` writes; - for standard input
    draft: PathBuf,
    #[command(flatten)]
    node: Asked,
}

impl Submit {
    pub(super) fn send(&self) -> Result<(), Failure> {
        let text = read(&self.draft)?;
        if let Some(instruction) = code::read(code::INSTRUCTION, &text) {
            let instruction = instruction.map_err(|error| named(&self.draft, error))?;
            return send(&self.node, &Transaction::Instruct(Sealed::from(instruction)));
        }
        send_draft(&self.node, &parse(&self.draft, &text)?)
    }
}

#[derive(Args)]
#[command(after_help = "An instruction is a JSON file; its sequence number is one more than the member's
`instruction_sequence` of GET /v1/members:
  {\"member\": \"<32 hex digits>\", \"sequence\": 1, \"action\": {\"transfer\":
    {\"to\": {\"member\": \"<32 hex digits>\"}, \"amount\": \"1.50\", \"reference\": \"for the ladder\"}}}
The other actions are rotate_key, rotate_device, \"revoke_device\", transfer_certificates and retire_certificates:
  {\"member\": \"<32 hex digits>\", \"sequence\": 2, \"action\": {\"retire_certificates\": {\"certificates\":
    {\"interval\": \"2026-07-04T12:00:00Z/PT15M\", \"device\": \"did:key:z6Mk...\", \"first\": 0, \"energy\": 150},
    \"purpose\": \"baking\", \"beneficiary\": \"Corner Bakery\"}}}    beneficiary may be left out: the member itself")]
pub(super) struct Instruct {
    /// The instruction; - for standard input
    instruction: PathBuf,
    /// The member's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The genesis of the ledger
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    #[command(flatten)]
    node: Asked,
}

impl Instruct {
    pub(super) fn send(&self) -> Result<(), Failure> {
        let instruction: Instruction = read_json(&self.instruction)?;
        let key = read_key(&self.key).map_err(bad_input)?;
        let signed = Signed::sign(instruction, &chain(&self.genesis)?, &key);
        send(&self.node, &Transaction::Instruct(Sealed::from(&signed)))
    }
}

fn chain(genesis: &Path) -> Result<ChainId, Failure> {
    Ok(read_genesis(genesis).map_err(bad_input)?.chain())
}

/// Reads a file of JSON; - is standard input.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    parse(path, &read(path)?)
}

fn parse<T: DeserializeOwned>(path: &Path, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| named(path, error))
}

fn read(path: &Path) -> Result<String, Failure> {
    let text =
        if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { fs::read_to_string(path) };
    let text = text.map_err(|error| named(path, error))?;
    if text.len() > TRANSACTION_BYTES_MAX {
        return Err(named(path, format!("expected at most {TRANSACTION_BYTES_MAX} bytes, found {}", text.len())));
    }
    Ok(text)
}

fn named(path: &Path, error: impl std::fmt::Display) -> Failure {
    bad_input(format!("{}: {error}", path.display()))
}

/// Hands a decision to a node, and says what becomes of it.
pub(super) fn send_draft(node: &Asked, draft: &Draft) -> Result<(), Failure> {
    let decision = Encoded::of(&draft.decision);
    let transaction = Transaction::Decide { decision, approvals: draft.approvals.clone() };
    let Some((signed, total)) = hand_in(node, &transaction)? else { return Ok(()) };
    let number = draft.decision.sequence;
    print(format_args!(
        "draft {number}: {signed} of {total} voting power approve as far as this node knows, more than two thirds are \
         needed. Approvals at other nodes reach it within seconds; with enough of them it is decided. Until then \
         `ledger drafts` shows it, and `ledger approve {number}` goes on"
    ))?;
    warn_if_alone(node);
    Ok(())
}

/// Hands an instruction to a node, and says what it makes of it.
fn send(node: &Asked, transaction: &Transaction) -> Result<(), Failure> {
    hand_in(node, transaction).map(|_| ())
}

/// Hands a transaction to a node, and prints its id. Of a decision that waits for approvals: the voting power that has
/// approved it, and that of all.
fn hand_in(node: &Asked, transaction: &Transaction) -> Result<Option<(u64, u64)>, Failure> {
    let transaction = cbor::encode(transaction);
    match node.ask(async |node| node.submit(&transaction).await)? {
        Submitted::Pending { transaction } | Submitted::Exists { transaction } => {
            print(transaction)?;
            Ok(None)
        }
        Submitted::Open { transaction, signed, total } => {
            print(transaction)?;
            Ok(Some((signed, total)))
        }
        Submitted::Refused { refusal, detail, .. } => Err(bad_input(format!("refused as {refusal}: {detail}"))),
    }
}
