//! Whether witnesses have seen the blocks that this household's receipts are of: what is asked of ledger nodes, and
//! what their answers mean. Pure.

use std::{collections::BTreeMap, path::PathBuf};

use ledger::{
    logged::{LogFault, Policy},
    proof::Verifier,
};
use protocol::{block::Header, log::LogProof, note::NoteKey};
use serde::Deserialize;

/// Blocks that wait to be asked for: of more, the oldest are let go.
const WAITING_MAX: usize = 96;
/// Blocks that are asked for at once.
const ASKED_AT_ONCE_MAX: usize = 16;
/// Times that a block is asked for in vain before it is worth an alarm: a witness may be shown the ledger once a
/// minute.
const ASKED_ALARM: u32 = 3;
const EVERY_S_DEFAULT: u64 = 60;

/// The witnesses that a household trusts, and where it learns whether they have seen its blocks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct WitnessesConfig {
    /// Who they are, and how many must have seen a block.
    pub policy: Policy,
    /// Ledger nodes that are asked. None of them is believed.
    pub nodes: Vec<String>,
    /// PEM file with the certificates that the nodes' own must lead to; an https address needs one.
    pub ca: Option<PathBuf>,
    /// File with a token of the role `read`, where the nodes ask for one.
    pub token: Option<PathBuf>,
    /// Seconds between two questions.
    pub every_s: u64,
}

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    demand: usize,
    keys: Vec<NoteKey>,
    nodes: Vec<String>,
    ca: Option<PathBuf>,
    token: Option<PathBuf>,
    #[serde(default = "every_s_default")]
    every_s: u64,
}

fn every_s_default() -> u64 {
    EVERY_S_DEFAULT
}

impl TryFrom<Keys> for WitnessesConfig {
    type Error = String;

    fn try_from(Keys { demand, keys, nodes, ca, token, every_s }: Keys) -> Result<WitnessesConfig, String> {
        let policy = Policy::new(keys, demand).map_err(|error| error.to_string())?;
        if nodes.is_empty() || demand == 0 || every_s == 0 {
            return Err("expected `nodes`, at least 1 in `demand`, and at least 1 in `every_s`".into());
        }
        Ok(WitnessesConfig { policy, nodes, ca, token, every_s })
    }
}

/// What a node answered: a proof, or why there is none.
pub(crate) type Answer = Result<Box<LogProof>, String>;

/// A block that a receipt is of, until it is known whether witnesses have seen it.
#[derive(Debug)]
struct Waiting {
    header: Header,
    /// The receipt, which would be evidence.
    receipt: Vec<u8>,
    asked_in_vain: u32,
}

/// What the answers about a block mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is not waited for.
    NotAsked,
    /// Witnesses have seen it.
    Seen,
    /// Witnesses have seen another block in its place.
    OtherHistory {
        /// Who.
        witnesses: String,
        /// The receipt, and the proof of the other block.
        evidence: Vec<u8>,
    },
    /// Nobody knows yet; why, where that has lasted.
    Unseen(Option<String>),
}

/// The blocks of this household's receipts, and who has seen them.
#[derive(Debug)]
pub(crate) struct Witnessed {
    policy: Policy,
    waiting: BTreeMap<u64, Waiting>,
}

impl Witnessed {
    pub(crate) fn new(policy: Policy) -> Witnessed {
        Witnessed { policy, waiting: BTreeMap::new() }
    }

    /// A receipt of the block with this header is proved.
    pub(crate) fn wait_for(&mut self, header: Header, receipt: &[u8]) {
        let known = self.waiting.get(&header.height);
        if known.is_some_and(|known| known.header == header) {
            return;
        }
        self.waiting.insert(header.height, Waiting { header, receipt: receipt.to_vec(), asked_in_vain: 0 });
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_first();
        }
    }

    /// The heights to ask for, the oldest first.
    pub(crate) fn wanted(&self) -> Vec<u64> {
        self.waiting.keys().copied().take(ASKED_AT_ONCE_MAX).collect()
    }

    /// Whether a block has been asked for in vain for long.
    pub(crate) fn lacks(&self) -> bool {
        self.waiting.values().any(|waiting| waiting.asked_in_vain >= ASKED_ALARM)
    }

    /// What the answers of all nodes about a height mean. What witnesses have signed counts; which node says it does
    /// not.
    pub(crate) fn judge(&mut self, verifier: &Verifier, height: u64, answers: &[Answer]) -> Judged {
        let Some(waiting) = self.waiting.get_mut(&height) else { return Judged::NotAsked };
        let (mut seen, mut why) = (false, None);
        for answer in answers {
            let proof = match answer {
                Ok(proof) => proof,
                Err(error) => {
                    why.get_or_insert_with(|| error.clone());
                    continue;
                }
            };
            match verifier.check_logged(&waiting.header, proof, &self.policy) {
                Ok(_) => seen = true,
                Err(LogFault::NotInLog { witnesses, .. }) => {
                    let evidence = [&waiting.receipt, &b"\n"[..], proof.to_string().as_bytes()].concat();
                    self.waiting.remove(&height);
                    return Judged::OtherHistory { witnesses: witnesses.join(", "), evidence };
                }
                // What a proof lacks says more than that a node did not answer.
                Err(fault) => why = Some(format!("{}: {fault}", fault.name())),
            }
        }
        if seen {
            self.waiting.remove(&height);
            return Judged::Seen;
        }
        waiting.asked_in_vain += 1;
        let why = why.unwrap_or_else(|| "no node was asked".into());
        Judged::Unseen((waiting.asked_in_vain >= ASKED_ALARM).then_some(why))
    }
}

#[cfg(test)]
mod tests {
    use testkit::{community::Community, told::Told, witness::Witness};

    use super::*;

    /// A ledger of two blocks for everyone, and another one for this household, which has the receipt of its second
    /// block.
    fn forked() -> (Told, Told, Witness, Witnessed, Verifier, Vec<u8>) {
        let mut told = Told::new(Community::new(2, 4));
        let log = protocol::checkpoint::log_key(&told.community.genesis.chain(), &told.network).1;
        let witness = Witness::new("witness.example/w1", 90, vec![log]);
        let _ = told.settle(0, 100);
        let mut forged = told.clone();
        let _ = told.settle(0, 100);
        let receipt = forged.settle(0, 1_000).remove(0);
        let verifier = Verifier::new(&told.community.genesis);
        verifier.verify(&receipt).unwrap();
        let mut witnessed = Witnessed::new(Policy::new(vec![witness.key.clone()], 1).unwrap());
        witnessed.wait_for(receipt.header.clone(), &receipt.to_json());
        assert_eq!(witnessed.wanted(), [2]);
        (told, forged, witness, witnessed, verifier, receipt.to_json())
    }

    #[test]
    fn what_validators_forge_for_one_household_is_said_with_the_evidence() {
        let (told, forged, mut witness, mut witnessed, verifier, receipt) = forked();
        let (status, seen) = told.show(&mut witness, 0);
        assert_eq!(status, 200);
        assert_eq!(forged.show(&mut witness, 2).0, 409, "the witness has seen another");
        let proof = told.proof(2, seen);
        let forgers = forged.proof(2, forged.checkpoint(4));
        let silent = Err("no answer".to_owned());
        // As long as only the forgers answer, it is not seen; that is said when it lasts.
        for _ in 0..ASKED_ALARM - 1 {
            let answers = [Ok(Box::new(forgers.clone())), silent.clone()];
            assert_eq!(witnessed.judge(&verifier, 2, &answers), Judged::Unseen(None));
            assert!(!witnessed.lacks());
        }
        let Judged::Unseen(Some(why)) = witnessed.judge(&verifier, 2, &[Ok(Box::new(forgers.clone()))]) else {
            panic!()
        };
        assert!(why.starts_with("too_few_witnesses: expected 1 of the named witnesses"), "{why}");
        assert!(witnessed.lacks());
        // One honest node is enough.
        let judged = witnessed.judge(&verifier, 2, &[Ok(Box::new(forgers)), silent, Ok(Box::new(proof.clone()))]);
        let evidence = [&receipt, &b"\n"[..], proof.to_string().as_bytes()].concat();
        assert_eq!(judged, Judged::OtherHistory { witnesses: witness.key.name().into(), evidence });
        assert_eq!((witnessed.wanted(), witnessed.lacks()), (vec![], false));
        assert_eq!(witnessed.judge(&verifier, 2, &[]), Judged::NotAsked);
    }

    #[test]
    fn what_witnesses_have_seen_is_done_with_and_a_false_path_proves_nothing_against_anyone() {
        let (_, forged, _, mut witnessed, verifier, _) = forked();
        let log = protocol::checkpoint::log_key(&forged.community.genesis.chain(), &forged.network).1;
        let mut witness = Witness::new("witness.example/w1", 90, vec![log]);
        let (_, seen) = forged.show(&mut witness, 0);
        let mut false_path = forged.proof(2, seen.clone());
        false_path.extra.header.state.leaves += 1;
        let judged = witnessed.judge(&verifier, 2, &[Ok(Box::new(false_path))]);
        assert_eq!(judged, Judged::Unseen(None));
        assert_eq!(witnessed.judge(&verifier, 2, &[Ok(Box::new(forged.proof(2, seen)))]), Judged::Seen);
        assert_eq!(witnessed.wanted(), [0; 0]);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let (_, forged, _, mut witnessed, ..) = forked();
        for height in 0..WAITING_MAX as u64 + 9 {
            witnessed.wait_for(Header { height, ..forged.headers[1].clone() }, b"{}");
        }
        assert_eq!(witnessed.waiting.len(), WAITING_MAX);
        assert_eq!(witnessed.wanted(), (9..9 + ASKED_AT_ONCE_MAX as u64).collect::<Vec<_>>());
    }
}
