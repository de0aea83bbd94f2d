//! Where the chain stands.

use std::time::Instant;

use ledger::{chain::Tip, state::State};

/// The last committed block and the state after it.
#[derive(Debug, Clone)]
pub struct Head {
    /// The block.
    pub tip: Tip,
    /// The state after it.
    pub state: State,
    /// The root of that state.
    pub state_root: protocol::merkle::MerkleRoot,
    /// When it was committed, if that was since the node started.
    pub committed_at: Option<Instant>,
}
