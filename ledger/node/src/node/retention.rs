//! Pruning: after the retention period a node forgets the readings, which only whoever clears again needs. What was
//! settled stays, and every proof of it.

use std::{sync::Arc, time::Duration};

use ledger::chain;
use protocol::{
    block::Block,
    cbor,
    envelope::{ChainId, Sealed},
    genesis::Genesis,
};

use super::{Ledger, LedgerError, view::Opened};
use crate::store::{self, Pruning, Store, StoreError};

/// How often a node looks whether something is due.
const LOOK: Duration = Duration::from_secs(60);
/// Most blocks pruned at one look: the rest waits for the next, so that consensus keeps the disk.
const BLOCKS_PER_LOOK_MAX: usize = 500;

/// Forgets the readings of the first block that has them. Returns its height; none if there is no such block.
pub fn prune_next(store: &dyn Store, genesis: &Genesis) -> Result<Option<u64>, LedgerError> {
    let height = store.unpruned_from()?;
    let Some(stored) = store.block(height)? else { return Ok(None) };
    let block: Block = cbor::decode(&stored.body).map_err(|error| damaged(store, height, error))?;
    let chain = genesis.chain();
    let settled = chain::settlements(&chain, &block).map_err(|error| damaged(store, height, error))?;
    forget(store, &chain, height, &block, &settled)?;
    Ok(Some(height))
}

fn damaged(store: &dyn Store, height: u64, reason: impl ToString) -> StoreError {
    store::damaged(store, format!("the block of height {height}"), reason)
}

/// Forgets the readings of a block, the first that has them, which settles this.
fn forget(
    store: &dyn Store,
    chain: &ChainId,
    height: u64,
    block: &Block,
    settled: &[chain::Settled],
) -> Result<(), LedgerError> {
    let (pruned, heads, last) = chain::prune(chain, block).map_err(|error| damaged(store, height, error))?;
    store.prune(&Pruning {
        height,
        body: cbor::encode(&pruned),
        heads,
        last: last.iter().map(|reading| (reading.signer(), Sealed::from(reading))).collect(),
        intervals: settled.iter().map(|settled| settled.settlement.interval).collect(),
    })?;
    Ok(())
}

impl Ledger {
    /// Forgets the readings of all blocks, from the first on, whose intervals ended more than `retention_days` before
    /// the last settled one. Returns how many blocks that were; at most so many as one look takes.
    pub fn prune(&self, retention_days: u32) -> Result<usize, LedgerError> {
        let head = self.head();
        let Some(settled) = head.state.settled() else { return Ok(0) };
        let oldest_s = settled.end_s() - i64::from(retention_days) * 86_400;
        let mut pruned = 0;
        while pruned < BLOCKS_PER_LOOK_MAX {
            let height = self.store.unpruned_from()?;
            // The last block stays whole: a node that starts again checks its state against it.
            if height >= head.tip.height {
                break;
            }
            let Opened { block, settled, .. } = self.opened(height)?;
            // A block that settles nothing is as old as those before it.
            if settled.iter().any(|settled| settled.settlement.interval.end_s() > oldest_s) {
                break;
            }
            forget(&*self.store, &self.chain(), height, &block, &settled)?;
            pruned += 1;
        }
        Ok(pruned)
    }
}

/// Prunes as time goes by, until it is dropped.
pub(super) async fn run(ledger: Arc<Ledger>, retention_days: u32) {
    loop {
        let pruning = ledger.clone();
        match tokio::task::spawn_blocking(move || pruning.prune(retention_days)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(blocks)) => tracing::info!(blocks, retention_days, "readings forgotten after the retention period"),
            Ok(Err(error)) => tracing::error!(%error, "readings cannot be forgotten"),
            Err(error) => tracing::error!(%error, "forgetting readings was cut off"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
