//! Reading ahead: what needs no state is done on all cores before the blocks are executed in their order: reading,
//! decoding, and verifying the signatures of many blocks in one batch.

use std::{
    iter,
    num::NonZero,
    ops::RangeInclusive,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use ledger::chain::{Readings, open_blocks};
use protocol::{block::Block, cbor, commit::CommitCertificate, envelope::ChainId};

use super::AuditError;
use crate::store::{Store, damaged};

/// Enough that a batch of signatures pays, few enough to keep in memory.
const BLOCKS_PER_BATCH: u64 = 64;
/// Batches that a thread may be ahead.
const BATCHES_AHEAD: usize = 1;

/// A block, read ahead.
pub(super) struct Ahead {
    pub(super) height: u64,
    pub(super) block: Block,
    pub(super) certificate: CommitCertificate,
    /// What is known of its readings: that their signatures hold, or that they were pruned.
    pub(super) readings: Readings,
    /// Whether the signatures of its certificate hold; if not, verifying it says which.
    pub(super) certified: bool,
}

type Batch = Result<Vec<Ahead>, AuditError>;

/// Hands the blocks from 1 to `last` to `take`, in their order, until it fails. Each time it gets what it returned the
/// time before, first `start`; what it returned at last is the result.
pub(super) fn fold<T, E: From<AuditError>>(
    store: &dyn Store,
    chain: &ChainId,
    last: u64,
    start: T,
    mut take: impl FnMut(T, Ahead) -> Result<T, E>,
) -> Result<T, E> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let readers: Vec<Receiver<Batch>> = (0..threads)
            .map(|number| {
                let (sender, receiver) = sync_channel(BATCHES_AHEAD);
                scope.spawn(move || read(store, chain, batches(last).skip(number).step_by(threads), &sender));
                receiver
            })
            .collect();
        // Where this ends early, the receivers are dropped, and with them the readers end.
        let mut so_far = start;
        for (_, reader) in iter::zip(batches(last), readers.iter().cycle()) {
            // A reader that ends without a word has panicked, and the scope panics with it.
            let Ok(batch) = reader.recv() else { break };
            so_far = batch?.into_iter().try_fold(so_far, &mut take)?;
        }
        Ok(so_far)
    })
}

fn batches(last: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
    let size = BLOCKS_PER_BATCH;
    (0..last.div_ceil(size)).map(move |batch| batch * size + 1..=last.min((batch + 1) * size))
}

fn read(
    store: &dyn Store,
    chain: &ChainId,
    batches: impl Iterator<Item = RangeInclusive<u64>>,
    sender: &SyncSender<Batch>,
) {
    for heights in batches {
        let batch = read_batch(store, chain, heights);
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

fn read_batch(store: &dyn Store, chain: &ChainId, heights: RangeInclusive<u64>) -> Batch {
    let first = *heights.start();
    let mut blocks = Vec::new();
    let mut certificates = Vec::new();
    let mut pruned = Vec::new();
    for height in heights {
        let named = || format!("the block of height {height}");
        let stored = store.block(height)?.ok_or_else(|| damaged(store, named(), "it is missing"))?;
        blocks.push(cbor::decode::<Block>(&stored.body).map_err(|error| damaged(store, named(), error))?);
        certificates.push(stored.certificate);
        pruned.push(stored.pruned);
    }
    let opened = open_blocks(chain, &blocks, &certificates);
    let certified = opened.is_some();
    let mut opened = opened.map(Vec::into_iter);
    let ahead = |(((height, block), certificate), pruned): (_, Option<_>)| {
        let opened = opened.as_mut().and_then(Iterator::next).map_or(Readings::Sealed, Readings::Opened);
        Ahead { height, block, certificate, readings: pruned.map_or(opened, Readings::Pruned), certified }
    };
    Ok((first..).zip(blocks).zip(certificates).zip(pruned).map(ahead).collect())
}
