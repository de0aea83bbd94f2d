//! `ledger drafts` and `ledger approve`: decisions on their way, at a node or in a file.

use std::path::{Path, PathBuf};

use crate::node::{Config, read_genesis, read_key};
use clap::Args;
use ledger_client::api::Node;
use protocol::{api::OpenDraft, decision::Draft, envelope::ChainId, key::SecretKey};

use super::{
    Asked, Failure, bad_input,
    decide::{read_json, send_draft},
    print, print_json,
};

/// Hex digits of a draft's id that tell it from others with its number.
const ID_DIGITS: usize = 8;

#[derive(Args)]
#[command(after_help = "A draft that waits has a number: the decision's. Each validator looks at it, and approves it:
  ledger approve 5 --config validator-0/validator.toml
Once more than two thirds of the voting power have, it is on the ledger within seconds. Where two
drafts have one number, the id tells them apart: 5-3fa2c1d9. The one that is not wanted is forgotten
when the other is decided.")]
pub(super) struct Drafts {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Asked,
}

impl Drafts {
    pub(super) fn list(&self) -> Result<(), Failure> {
        let drafts = self.node.ask(Node::drafts)?;
        match (&drafts[..], self.json) {
            (_, true) => print_json(&drafts),
            ([], false) => print("no decision waits for approvals"),
            (all, false) => all.iter().try_for_each(|draft| print(shown(draft, all)?)),
        }
    }
}

/// What there is to know of a draft, in lines.
fn shown(draft: &OpenDraft, among: &[OpenDraft]) -> Result<String, Failure> {
    let OpenDraft { decision, approvals, signed, total, since, obstacle, .. } = draft;
    let approving: Vec<String> = approvals.iter().map(|approval| approval.validator.to_string()).collect();
    let action = serde_json::to_string(&decision.action).map_err(super::failed)?;
    let obstacle =
        obstacle.as_ref().map_or(String::new(), |reason| format!("\n   cannot be carried out now: {reason}"));
    let number = name_of(draft, among);
    Ok(format!(
        "{number}  {signed} of {total} voting power approve, more than two thirds are needed; open since {since}{obstacle}\n   \
         {action}\n   approved by {}",
        approving.join(", ")
    ))
}

/// Its number, with the beginning of its id where another one has the same.
fn name_of(draft: &OpenDraft, among: &[OpenDraft]) -> String {
    let number = draft.decision.sequence;
    let namesakes = among.iter().filter(|other| other.decision.sequence == number).count();
    if namesakes < 2 { number.to_string() } else { format!("{number}-{}", &draft.id.to_string()[..ID_DIGITS]) }
}

/// Whose approval it is.
#[derive(Args)]
pub(super) struct Approver {
    /// The configuration of the validator's node, which names its key, its genesis, and where it is asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "genesis"])]
    config: Option<PathBuf>,
    /// The validator's key
    #[arg(long, value_name = "FILE", requires = "genesis")]
    key: Option<PathBuf>,
    /// The genesis of the ledger: an approval is worth nothing on another one
    #[arg(long, value_name = "FILE", requires = "key")]
    genesis: Option<PathBuf>,
}

impl Approver {
    /// The chain and the key, if one is given. Where the node is asked says its configuration, unless `node` does.
    pub(super) fn open(&self, node: &mut Asked) -> Result<Option<(ChainId, SecretKey)>, Failure> {
        let open = |key: &Path, genesis: &Path| {
            let chain = read_genesis(genesis).map_err(bad_input)?.chain();
            Ok(Some((chain, read_key(key).map_err(bad_input)?)))
        };
        match (&self.config, &self.key, &self.genesis) {
            (Some(config), ..) => {
                let named = config.display();
                let config = Config::load(config).map_err(bad_input)?;
                let Some(key) = &config.key else {
                    return Err(bad_input(format!(
                        "{named}: expected a configuration with a validator's `key`, found none: a replica approves nothing"
                    )));
                };
                node.at(&config);
                open(key, &config.genesis)
            }
            (None, Some(key), Some(genesis)) => open(key, genesis),
            _ => Ok(None),
        }
    }
}

#[derive(Args)]
#[command(after_help = "EXAMPLES:
  ledger drafts                                            what waits for approvals
  ledger approve 5 --config validator-0/validator.toml     approve the draft with the number 5
  ledger approve draft.json --key validator-0/validator.key --genesis genesis.json > next.json
                                                           add an approval to a file instead

A decision in a file is JSON; its sequence number is one more than `decision_sequence` of
GET /v1/rules:
  {\"decision\": {\"sequence\": 1, \"action\": {\"revoke_device\": {\"member\": \"<32 hex digits>\"}}}}
docs/operator.md has an example of each, under \"Each decision, as a file\". `ledger draft` makes
them, `ledger submit` hands a file in: with too few approvals it waits at all nodes for more.")]
pub(super) struct Approve {
    /// A draft's number, as `ledger drafts` shows it, or a file; - for standard input
    draft: String,
    #[command(flatten)]
    approver: Approver,
    #[command(flatten)]
    node: Asked,
}

impl Approve {
    pub(super) fn give(mut self) -> Result<(), Failure> {
        let Some((chain, key)) = self.approver.open(&mut self.node)? else {
            return Err(bad_input("expected a validator's key, found none: name its configuration with --config"));
        };
        let Some(number) = Number::read(&self.draft) else {
            let mut draft: Draft = read_json(Path::new(&self.draft))?;
            draft.approve(&chain, &key);
            return print_json(&draft);
        };
        let open = self.node.ask(Node::drafts)?;
        let found = number.find(&open)?;
        if let Some(reason) = &found.obstacle {
            return Err(bad_input(format!(
                "draft {} cannot be carried out any more: {reason}; draft it again, with --instead-of {}",
                self.draft, found.decision.sequence
            )));
        }
        let mut draft = Draft { decision: found.decision.clone(), approvals: found.approvals.clone() };
        draft.approve(&chain, &key);
        print(serde_json::to_string(&draft.decision.action).map_err(super::failed)?)?;
        send_draft(&self.node, &draft)
    }
}

/// How a draft at a node is named.
struct Number {
    sequence: u64,
    /// The beginning of its id.
    id: String,
}

impl Number {
    /// None if it is the name of a file.
    fn read(text: &str) -> Option<Number> {
        let (sequence, id) = text.split_once('-').unwrap_or((text, ""));
        let is_id = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Some(Number { sequence: sequence.parse().ok().filter(|_| is_id)?, id: id.into() })
    }

    fn find<'a>(&self, open: &'a [OpenDraft]) -> Result<&'a OpenDraft, Failure> {
        let is_meant =
            |draft: &&OpenDraft| draft.decision.sequence == self.sequence && draft.id.to_string().starts_with(&self.id);
        let found: Vec<&OpenDraft> = open.iter().filter(is_meant).collect();
        let names = |drafts: &mut dyn Iterator<Item = &OpenDraft>| {
            drafts.map(|draft| name_of(draft, open)).collect::<Vec<_>>().join(" or ")
        };
        match found[..] {
            [one] => Ok(one),
            [] if open.is_empty() => Err(bad_input(format!(
                "expected a draft that waits for approvals, found none: {} is decided, or was not drafted, or forgotten \
                 after 30 days",
                self.sequence
            ))),
            [] => Err(bad_input(format!("expected {}, found {}", names(&mut open.iter()), self.sequence))),
            _ => Err(bad_input(format!("expected {}, found {}", names(&mut found.into_iter()), self.sequence))),
        }
    }
}
