//! Pruning: after the retention period a node forgets the readings, which only whoever clears again needs. What was
//! settled stays, and every proof of it.

use std::{sync::Arc, time::Duration};

use protocol::{block::Block, cbor, envelope::Sealed, genesis::Genesis, interval::Interval};

use super::{Ledger, LedgerError};
use crate::{
    chain,
    store::{Pruning, Store, StoreError},
};

/// How often a node looks whether something is due.
const LOOK: Duration = Duration::from_secs(60);
/// Most blocks pruned at one look: the rest waits for the next, so that consensus keeps the disk.
const BLOCKS_PER_LOOK_MAX: usize = 500;

/// Forgets the readings of the first block that has them. Returns its height; none if there is no such block.
pub fn prune_next(store: &dyn Store, genesis: &Genesis) -> Result<Option<u64>, LedgerError> {
    let height = store.unpruned_from()?;
    let Some(stored) = store.block(height)? else { return Ok(None) };
    let block: Block = cbor::decode(&stored.body).map_err(|error| LedgerError::Block { height, error })?;
    let damaged = |reason: String| StoreError::Damaged { key: format!("the block of height {height}"), reason };
    let chain = genesis.chain();
    let settled = chain::settlements(&chain, &block).map_err(|error| damaged(error.to_string()))?;
    let (pruned, heads, last) = chain::prune(&chain, &block).map_err(|error| damaged(error.to_string()))?;
    store.prune(&Pruning {
        height,
        body: cbor::encode(&pruned),
        heads,
        last: last.iter().map(|reading| (reading.signer(), Sealed::from(reading))).collect(),
        intervals: settled.iter().map(|settled| settled.settlement.interval).collect(),
    })?;
    Ok(Some(height))
}

impl Ledger {
    /// Forgets the readings of all blocks, from the first on, whose intervals ended more than `retention_days` before the
    /// last settled one. Returns how many blocks that were; at most so many as one look takes.
    pub fn prune(&self, retention_days: u32) -> Result<usize, LedgerError> {
        let head = self.head();
        let Some(settled) = head.state.settled() else { return Ok(0) };
        let oldest_s = settled.end_s() - i64::from(retention_days) * 86_400;
        let mut pruned = 0;
        while pruned < BLOCKS_PER_LOOK_MAX {
            let height = self.store.unpruned_from()?;
            // The last block stays whole: a node that starts again checks its state against it.
            if height >= head.tip.height || !self.is_older(height, oldest_s)? {
                break;
            }
            prune_next(&*self.store, self.genesis())?;
            pruned += 1;
        }
        Ok(pruned)
    }

    /// Whether all that a block settles ended before a moment. A block that settles nothing is as old as those before it.
    fn is_older(&self, height: u64, moment_s: i64) -> Result<bool, LedgerError> {
        let intervals: Vec<Interval> = self.block(height)?.map(|block| block.intervals).unwrap_or_default();
        Ok(intervals.iter().all(|interval| interval.end_s() <= moment_s))
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
