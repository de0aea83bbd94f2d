//! `ledger approve` and `ledger submit`: decisions of the validators; `ledger instruct`: what a member does by itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use ledger_node::node::{read_genesis, read_key};
use protocol::{
    api::Submitted,
    block::Transaction,
    cbor::{self, Encoded},
    code,
    commit::CommitSignature,
    decision::Decision,
    envelope::{ChainId, Sealed, Signed},
    instruction::Instruction,
    limits::TRANSACTION_BYTES_MAX,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Asked, Failure, bad_input, print, print_json};

/// A decision on its way from validator to validator: JSON, so that everyone reads what they sign.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    pub(super) decision: Decision,
    #[serde(default)]
    pub(super) approvals: Vec<CommitSignature>,
}

#[derive(Args)]
#[command(
    after_help = "A decision is a JSON file; its sequence number is one more than `decision_sequence` of GET /v1/rules:
  {\"decision\": {\"sequence\": 1, \"action\": {\"set_rules\": {\"from\": \"2027-01-01T00:00:00Z/PT15M\",
    \"rules\": {\"retail_price\": \"0.31\", \"feed_in_price\": \"0.08\", \"mechanism\": \"uniform\"}}}}}
  {\"decision\": {\"sequence\": 2, \"action\": {\"set_validators\": {\"validators\": [{\"key\": \"did:key:z6Mk…\", \"power\": 1}]}}}}
The other actions are register_member, replace_meter, revoke_device, replace_key, set_market and transfer;
docs/operator.md has an example of each, under \"Each decision, as a file\". correct and true_up are drafted by
`ledger correct` and `ledger true-up`.

Each validator in turn: ledger approve draft.json --key validator-0/validator.key --genesis genesis.json > next.json
When more than two thirds of the voting power have: ledger submit next.json"
)]
pub(super) struct Approve {
    /// The decision, with the approvals it has so far; - for standard input
    draft: PathBuf,
    /// The validator's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The genesis of the ledger: an approval is worth nothing on another one
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
}

impl Approve {
    /// Writes the draft to stdout, with one more approval.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let chain = chain(&self.genesis)?;
        let key = read_key(&self.key).map_err(bad_input)?;
        let mut draft: Draft = read_json(&self.draft)?;
        draft.approvals.retain(|approval| approval.validator != key.public());
        draft.approvals.push(draft.decision.approve(&chain, &key));
        draft.approvals.sort_by_key(|approval| approval.validator);
        print_json(&draft)
    }
}

#[derive(Args)]
pub(super) struct Submit {
    /// The decision with its approvals, or what `meter-agent rotate` writes; - for standard input
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
        let Draft { decision, approvals } = parse(&self.draft, &text)?;
        send(&self.node, &Transaction::Decide { decision: Encoded::of(&decision), approvals })
    }
}

#[derive(Args)]
#[command(after_help = "An instruction is a JSON file; its sequence number is one more than the member's
`instruction_sequence` of GET /v1/members:
  {\"member\": \"<32 hex digits>\", \"sequence\": 1, \"action\": {\"transfer\":
    {\"to\": {\"member\": \"<32 hex digits>\"}, \"amount\": \"1.50\", \"reference\": \"for the ladder\"}}}
The other actions are rotate_key, rotate_device, \"revoke_device\", transfer_certificates and retire_certificates.")]
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

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
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

/// Hands a transaction to a node, and says what it makes of it.
fn send(node: &Asked, transaction: &Transaction) -> Result<(), Failure> {
    let transaction = cbor::encode(transaction);
    match node.ask(async |node| node.submit(&transaction).await)? {
        Submitted::Pending { transaction } | Submitted::Exists { transaction } => print(transaction),
        Submitted::Refused { refusal, detail, .. } => Err(bad_input(format!("refused as {refusal}: {detail}"))),
    }
}
