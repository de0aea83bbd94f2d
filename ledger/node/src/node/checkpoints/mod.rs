//! The log of headers and its checkpoints: laid beside the chain, after a block is committed. Consensus knows nothing
//! of it, and goes on whatever becomes of it.
//!
//! | file | what it knows |
//! |---|---|
//! | `log.rs` | the log in the store, brought up to the chain, and what is proved by it |
//! | `gathered.rs` | cosignatures of validators, by size; pure |
//! | `keeper.rs` | the task that extends the log after each block, and cosigns |
//! | `witnesses.rs` | the task that shows checkpoints to witnesses |
//! | `answer.rs` | what a witness answers, and what that means; pure |
//! | `settings.rs` | what a configuration says of witnesses |
//! | `metrics.rs` | what is counted |

mod answer;
mod gathered;
mod keeper;
mod log;
mod metrics;
mod settings;
mod witnesses;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use protocol::{
    api::WitnessStatus,
    checkpoint::{Cosigner, SignedCheckpoint},
    envelope::ChainId,
    key::SecretKey,
    note::NoteKey,
    receipt::ValidatorStep,
};
use tokio::sync::{Notify, watch};

use self::gathered::Gathered;
pub(super) use self::metrics::Metrics;
pub use self::settings::WitnessConfig;
pub(super) use self::{keeper::run as keep, witnesses::run as show};

/// The last checkpoint that was shown to witnesses, in a node's state directory.
pub const CHECKPOINT_FILE: &str = "checkpoint.tlog-proof";

/// What a node has of its log's checkpoints.
#[derive(Default)]
pub(super) struct Checkpoints {
    keys: OnceLock<Keys>,
    gathered: Mutex<Gathered>,
    served: Mutex<Served>,
    /// Cosignatures of this node's that the others are to be told.
    untold: Mutex<VecDeque<Vec<u8>>>,
    told: Notify,
    /// Blocks of the largest checkpoint that enough validators have cosigned.
    cosigned: watch::Sender<u64>,
}

/// With what this node signs.
struct Keys {
    log: (SecretKey, NoteKey),
    validator: Option<SecretKey>,
    file: PathBuf,
}

/// Checkpoints that are served, and how the witnesses are.
#[derive(Default)]
struct Served {
    latest: Option<Published>,
    /// The last one that as many witnesses have seen as any before, which may be older than the latest.
    seen: Option<Published>,
    witnesses: Vec<WitnessStatus>,
}

/// A checkpoint that enough validators have cosigned, with what that is checked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) checkpoint: SignedCheckpoint,
    pub(super) steps: Vec<ValidatorStep>,
    pub(super) cosigners: Vec<Cosigner>,
    /// How many witnesses have seen it.
    pub(super) witnesses: usize,
}

impl Published {
    fn size(&self) -> u64 {
        self.checkpoint.checkpoint().root.leaves
    }
}

impl Served {
    /// Serves another one; the one that more witnesses have seen stays beside it.
    fn serve(&mut self, published: Published) {
        let seen_by = |known: &Option<Published>| known.as_ref().map_or(0, |known| known.witnesses);
        if published.witnesses >= seen_by(&self.seen) {
            self.seen = Some(published.clone());
        }
        self.latest = Some(published);
    }

    /// The one to prove a height with: that which most witnesses have seen, if it reaches so far.
    fn for_height(&self, height: u64) -> Option<&Published> {
        self.seen.iter().chain(&self.latest).find(|published| published.size() >= height)
    }
}

impl Checkpoints {
    /// Signs with these keys from now on, and keeps what witnesses have seen in a file.
    pub(super) fn open(&self, chain: &ChainId, network: &SecretKey, validator: Option<SecretKey>, file: PathBuf) {
        let log = protocol::checkpoint::log_key(chain, network);
        // A second call would be of the same node.
        let _ = self.keys.set(Keys { log, validator, file });
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untold(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, message: Vec<u8>) {
        let mut untold = self.untold();
        if untold.len() >= keeper::COSIGNED_AT_ONCE_MAX {
            untold.pop_front();
        }
        untold.push_back(message);
        self.told.notify_one();
    }

    /// The next cosignature that the other nodes are to be told. Cancel-safe: one that is taken is handed out.
    pub(super) async fn next_untold(&self) -> Vec<u8> {
        loop {
            let told = self.told.notified();
            if let Some(message) = self.untold().pop_front() {
                return message;
            }
            told.await;
        }
    }

    /// The key by which a witness knows this node's log.
    pub(super) fn log_key(&self) -> Option<NoteKey> {
        self.keys.get().map(|keys| keys.log.1.clone())
    }

    /// How the witnesses are.
    pub(super) fn witnesses(&self) -> Vec<WitnessStatus> {
        self.served().witnesses.clone()
    }
}
