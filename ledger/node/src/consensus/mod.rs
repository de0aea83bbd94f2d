//! Agreement on blocks: a narrow trait, and Malachite behind it.
//!
//! In: an [`Application`], which builds, judges, stores and serves blocks; [`Settings`], which name the chain, the key
//! and the peers. Out: calls of that trait, in an order that keeps a validator honest across crashes. What a block
//! means is none of this module's business: a block is a hash and a body of bytes. No type of the engine appears in the
//! public interface, because every minor release of the engine changes its own.
//!
//! How it works, in one paragraph: the engine agrees on 32-byte hashes; bodies travel beside its votes in signed parts
//! (`parts`). Whoever has work starts the next height; the others follow once they see a validator's signature for it,
//! and nobody starts one without a reason, so that an idle chain stands still (`pace`). What a validator signs is on
//! record before it leaves (`record`); one that cannot be sure of what it has signed follows until it can (`silence`).

use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
};

use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    commit::{CommitCertificate, Validator},
    hash::Hash,
    key::{SecretKey, ValidatorId},
};
use serde::{Deserialize, Serialize};

use ledger::evidence::Evidence;

#[cfg(feature = "byzantine")]
mod byzantine;
mod certainty;
mod codec;
mod company;
mod context;
mod doubt;
mod engine;
mod evidence;
mod inputs;
mod metrics;
mod node;
mod pace;
mod part;
mod parts;
mod record;
mod signing;
mod silence;
mod sync;
mod validators;
mod words;

#[cfg(feature = "byzantine")]
pub use byzantine::{Byzantine, Lie};
pub use codec::can_be_read;
pub use company::Connected;
pub use doubt::Doubt;
pub use engine::run;
#[cfg(feature = "byzantine")]
pub use engine::run_byzantine;
pub use metrics::Metrics;
pub use validators::proposer;

/// Makes the record of what a validator has signed, for a key that has signed nothing at a height above `signed`: 0 for
/// a new key. Replaces one that is there, so it is for whoever knows that, and for nobody else.
pub fn new_record(path: &Path, validator: ValidatorId, signed: u64) -> io::Result<()> {
    record::Record::create(path, validator, signed, None).map(drop)
}

/// A block proposed for a height and round, with our verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The block's hash.
    pub block: Hash,
    /// The height it was proposed for.
    pub height: u64,
    /// The round it was proposed in.
    pub round: u32,
    /// Who proposed it in that round.
    pub proposer: ValidatorId,
    /// The earlier round in which it gathered two thirds of the prevotes, if it is proposed again.
    pub valid_round: Option<u32>,
    /// Whether we would commit it. An invalid block is voted down.
    pub valid: bool,
}

/// Resolves when there is a reason for the next block.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What consensus asks of the ledger.
///
/// Calls come one at a time. **What a method promises when it returns is already durable**, against a crash of the
/// process at least: the engine's log names blocks by hash, and a validator whose log knows a block that its store has
/// lost cannot go on. A call may not block the thread, and none may take longer than [`Timeouts::propose_ms`]: longer
/// than that, and the round fails.
#[async_trait]
pub trait Application: Send + 'static {
    /// The height to decide next, and its validators, in any order: what the last committed block says.
    fn next_height(&self) -> (u64, Vec<Validator>);

    /// Called after each commit: a future that resolves when there is something worth a block or the heartbeat is due.
    /// It is dropped if the others start the next height first; only the next proposer then waits half of
    /// [`Timeouts::propose_ms`] for it, so as not to propose a block without what the others have. The first height
    /// after a start of the program does not wait for it, because the engine cannot catch up with the others before it
    /// has started one.
    fn work(&mut self) -> Work;

    /// Builds the block for this height and round and stores it. If asked again, also after a crash, it must return the
    /// very same block: a second one would be equivocation.
    async fn propose(&mut self, height: u64, round: u32) -> Result<(Candidate, Bytes), Halt>;

    /// A complete body arrived: recompute it, store it with the verdict, and judge it. `None` if it is no block at all.
    /// `height` is always the next height; `proposer` is the one whose turn the round is. The same body may come again:
    /// in another round, from another validator, or from a peer's history. If a block's hash does not cover all of its
    /// body, a spoilt copy may come, too, before or after the good one: it must not replace it.
    async fn receive(
        &mut self,
        height: u64,
        round: u32,
        proposer: ValidatorId,
        valid_round: Option<u32>,
        body: Bytes,
    ) -> Result<Option<Candidate>, Halt>;

    /// The candidates stored for this height and round, after a crash.
    async fn candidates(&mut self, height: u64, round: u32) -> Result<Vec<Candidate>, Halt>;

    /// The body of a stored candidate, to be sent again.
    async fn body(&mut self, height: u64, block: &Hash) -> Result<Option<Bytes>, Halt>;

    /// Makes the block final. `false` if its body is not here: the height is then decided again from a peer's history.
    /// Afterwards [`next_height`](Self::next_height) is one higher.
    async fn commit(&mut self, certificate: CommitCertificate) -> Result<bool, Halt>;

    /// A validator has signed two messages that contradict one another. What becomes of it stops nothing.
    async fn witnessed(&mut self, _evidence: Evidence) {}

    /// The lowest decided height still stored; 1 while there is none.
    fn history_start(&self) -> u64;

    /// A decided block, for a peer that catches up.
    async fn decided(&mut self, height: u64) -> Result<Option<(CommitCertificate, Bytes)>, Halt>;
}

/// How a node takes part in consensus.
pub struct Settings {
    /// The chain: what all signatures are bound to.
    pub chain: Hash,
    /// The validator's key. A node without one follows and serves, and never votes.
    pub key: Option<SecretKey>,
    /// The record of what the key has signed, one file, made with the key ([`new_record`]). Where it is missing, older
    /// than what the key has signed, or a copy, the node keeps silent until the others are past what it may have voted
    /// for.
    pub record_path: PathBuf,
    /// Seed of the key that authenticates connections. Not the validator's, and stable: peers know the node by it.
    pub network_seed: [u8; 32],
    /// Where to listen: `/ip4/ADDRESS/tcp/PORT` or `/ip6/ADDRESS/tcp/PORT`.
    pub listen: String,
    /// Where the other nodes listen, as multiaddresses.
    pub peers: Vec<String>,
    /// The write-ahead log, one file.
    pub wal_path: PathBuf,
    /// How long the steps of a round wait.
    pub timeouts: Timeouts,
    /// Most inbound connections from one address. Nodes on one machine, or behind one router, share theirs.
    pub connections_per_ip_max: usize,
    /// Name of the node, in the engine's metrics and to its peers.
    pub moniker: String,
    /// Counters.
    pub metrics: Metrics,
    /// Who is connected, for whoever wants to know.
    pub connected: Connected,
}

/// How long the steps of a round wait for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// For the proposal and its body, building and judging included. Bodies of several MiB need more than the default.
    pub propose_ms: u64,
    /// For more prevotes, once two thirds have voted differently.
    pub prevote_ms: u64,
    /// For more precommits, likewise.
    pub precommit_ms: u64,
    /// By how much each grows from round to round.
    pub step_ms: u64,
    /// Where growing ends.
    pub max_ms: u64,
}

impl Timeouts {
    /// The first key that cannot be, with what was expected and found. A wait of nothing decides nothing, and one that
    /// never grows may be too short for ever.
    pub fn check(&self) -> Result<(), String> {
        let Timeouts { propose_ms, prevote_ms, precommit_ms, step_ms, max_ms } = *self;
        let named = [
            ("propose_ms", propose_ms),
            ("prevote_ms", prevote_ms),
            ("precommit_ms", precommit_ms),
            ("step_ms", step_ms),
        ];
        match named.into_iter().find(|(_, found)| !(1..=max_ms).contains(found)) {
            Some((name, found)) => Err(format!("`{name}`: expected 1 to `max_ms`, here {max_ms}, found {found}")),
            None => Ok(()),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { propose_ms: 1_000, prevote_ms: 500, precommit_ms: 500, step_ms: 250, max_ms: 10_000 }
    }
}

/// Why the node must stop. Nothing here heals by trying again in the same process.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The store failed or contradicts itself.
    #[error("storage: {0}")]
    Storage(String),
    /// An address that cannot be used.
    #[error("expected {expected}, found `{found}`")]
    BadAddress {
        /// What would have been right.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// Nobody could connect to us: the port is taken, or the address is not ours.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address as configured.
        address: String,
        /// The system's answer.
        error: io::Error,
    },
    /// Another process uses the write-ahead log, or it cannot be opened.
    #[error(
        "cannot open the write-ahead log {}: {error}; it must be a file that this user may write, and that no other node uses",
        path.display()
    )]
    Wal {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// The record of what the key has signed cannot be opened or written, or is another key's.
    #[error(
        "the signing record {}: {error}; it must be a file of this key's own, which this user may write, and no other process \
         uses; where it is lost, move it away and start again: the validator then keeps silent until it can know what it \
         has signed",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The write-ahead log is damaged. Voting on would risk a double vote.
    #[error(
        "the write-ahead log {} is corrupted: {reason}; move it away and start again: the validator then keeps silent \
         until the others have decided the height it may have voted at",
        path.display()
    )]
    WalCorrupted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The write-ahead log contradicts what the node would do now. Voting on would risk a double vote.
    #[error(
        "the write-ahead log {} cannot be replayed: {reason}; move it away and start again: the validator then keeps \
         silent until the others have decided the height it may have voted at",
        path.display()
    )]
    WalReplay {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A set of validators that cannot decide anything.
    #[error("validators of height {height}: {reason}")]
    BadValidators {
        /// The height.
        height: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Our own proposal is longer than a block may be.
    #[error("expected a body of at most {} bytes, found {found}", protocol::limits::BLOCK_BYTES_MAX)]
    BodyTooLong {
        /// Its length, bytes.
        found: usize,
    },
    /// The engine did not start.
    #[error("consensus did not start: {0}")]
    EngineFailed(String),
    /// The engine's network did not begin to listen, though the address was free; its log says why.
    #[error("consensus did not begin to listen; its log says why")]
    NotListening,
    /// The engine stopped by itself; its log says why.
    #[error("consensus stopped by itself; its log says why: start the node again")]
    EngineStopped,
    /// A task of the node ended, and gave no reason: a bug.
    #[error("{task} ended before its time; that is a bug: start the node again, and report it with the log")]
    Ended {
        /// What it did.
        task: &'static str,
    },
    /// A task of the node panicked: a bug.
    #[error("{task} crashed: {reason}; that is a bug: start the node again, and report it with the log")]
    Crashed {
        /// What it did.
        task: &'static str,
        /// What it said.
        reason: String,
    },
}

impl Halt {
    /// A task that did not end by itself.
    pub(crate) fn crashed(task: &'static str, error: &tokio::task::JoinError) -> Halt {
        Halt::Crashed { task, reason: error.to_string() }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the network seed, which is a secret.
        f.debug_struct("Settings")
            .field("chain", &self.chain)
            .field("key", &self.key)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("record_path", &self.record_path)
            .field("wal_path", &self.wal_path)
            .field("timeouts", &self.timeouts)
            .field("moniker", &self.moniker)
            .finish_non_exhaustive()
    }
}
