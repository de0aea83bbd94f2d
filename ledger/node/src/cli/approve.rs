//! `ledger drafts` and `ledger approve`: decisions on their way, at a node or in a file.

use std::path::{Path, PathBuf};

use crate::node::{Config, read_genesis, read_key};
use clap::Args;
use ledger_client::api::Node;
use protocol::{api::OpenDraft, decision::Draft, envelope::ChainId, key::SecretKey};

use super::{
    Asked, Failure, bad_input,
    decide::{read_json, send_draft},
    names, print, print_json,
    shown::Known,
};

/// Hex digits of a draft's id that tell it from others with its number.
const ID_DIGITS: usize = 8;

#[derive(Args)]
#[command(after_help = "A draft that waits has a number: the decision's. Each validator looks at it, and approves it:
  ledger approve 5 --config validator-0/validator.toml
Once more than two thirds of the voting power have, it is on the ledger within seconds. Where two
drafts have one number, the id tells them apart: 5-3fa2c1d9. The one that is not wanted is forgotten
when the other is decided.

EXAMPLES:
  ledger drafts                                       what waits, and who approves it
  ledger drafts 5 --names market/members.csv          one in full: who gains and loses by a correction
  ledger drafts 5 --details                           each interval of a true-up for itself
  ledger drafts 5 --json                              exactly what is signed")]
pub(super) struct Drafts {
    /// Show only the draft with this number, in full
    #[arg(value_name = "NUMBER")]
    draft: Option<String>,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    showing: Showing,
    #[command(flatten)]
    node: Asked,
}

/// How a decision is shown.
#[derive(Args)]
struct Showing {
    /// Who is who, `member,name` as CSV; without it, members have pseudonyms
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Show each interval of a true-up for itself
    #[arg(long)]
    details: bool,
}

impl Drafts {
    pub(super) fn list(&self) -> Result<(), Failure> {
        let open = self.node.ask(Node::drafts)?;
        let one = self.draft.as_deref().map(Number::expected).transpose()?;
        let wanted = match &one {
            Some(one) => vec![one.find(&open)?],
            None => open.iter().collect(),
        };
        if self.json {
            return if one.is_some() { print_json(&wanted[0]) } else { print_json(&wanted) };
        }
        if wanted.is_empty() {
            return print("no decision waits for approvals");
        }
        let known = Known::ask(&self.node, self.showing.names.as_deref())?;
        let in_full = one.is_some() || self.showing.details;
        wanted.into_iter().try_for_each(|draft| print(shown(draft, &open, &known, in_full, self.showing.details)))
    }
}

/// What there is to know of a draft, in lines. Of corrections among others no more than which intervals they are of.
fn shown(draft: &OpenDraft, among: &[OpenDraft], known: &Known, in_full: bool, details: bool) -> String {
    let OpenDraft { decision, approvals, signed, total, since, obstacle, .. } = draft;
    let number = name_of(draft, among);
    let mut lines = known.action(&decision.action, details);
    if !in_full && !decision.action.corrections().is_empty() {
        lines.truncate(1);
        lines.push(format!("who gains and loses by it: `ledger drafts {number}`"));
    }
    lines.extend(obstacle.as_ref().map(|reason| format!("cannot be carried out now: {reason}")));
    lines.push(format!("approved by {}", known.approving(approvals)));
    format!(
        "{number}  {signed} of {total} voting power approve, more than two thirds are needed; open since {since}\n   {}",
        lines.join("\n   ")
    )
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
    /// The file of names beside the state of the validator's node, or in the market's directory beside it.
    fn names(&self) -> Option<PathBuf> {
        let config = Config::load(self.config.as_deref()?).ok()?;
        names::beside(&config.state)
    }

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
  ledger drafts 5                                          what number 5 changes, before and after
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
    /// Print what is approved as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    showing: Showing,
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
        if self.json {
            print(serde_json::to_string(&draft.decision.action).map_err(super::failed)?)?;
        } else {
            let names = self.showing.names.clone().or_else(|| self.approver.names());
            let known = Known::ask(&self.node, names.as_deref())?;
            print(known.action(&draft.decision.action, self.showing.details).join("\n"))?;
        }
        send_draft(&self.node, &draft)
    }
}

/// How a draft at a node is named.
pub(super) struct Number {
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

    /// What has to be a number.
    pub(super) fn expected(text: &str) -> Result<Number, Failure> {
        Number::read(text).ok_or_else(|| {
            let cut: String = text.escape_debug().take(80).collect();
            bad_input(format!("expected the number of a draft, such as 5 or 5-3fa2c1d9, found `{cut}`"))
        })
    }

    pub(super) fn find<'a>(&self, open: &'a [OpenDraft]) -> Result<&'a OpenDraft, Failure> {
        let is_meant =
            |draft: &&OpenDraft| draft.decision.sequence == self.sequence && draft.id.to_string().starts_with(&self.id);
        let found: Vec<&OpenDraft> = open.iter().filter(is_meant).collect();
        let names = |drafts: &mut dyn Iterator<Item = &OpenDraft>| {
            drafts.map(|draft| name_of(draft, open)).collect::<Vec<_>>().join(" or ")
        };
        match found[..] {
            [one] => Ok(one),
            [] if open.is_empty() => Err(bad_input(format!(
                "expected a draft that waits for approvals, found none: {} is decided, or was not drafted, or withdrawn, or \
                 forgotten after 30 days",
                self.sequence
            ))),
            [] => Err(bad_input(format!("expected {}, found {}", names(&mut open.iter()), self.sequence))),
            _ => Err(bad_input(format!("expected {}, found {}", names(&mut found.into_iter()), self.sequence))),
        }
    }
}
