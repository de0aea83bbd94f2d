//! How much a peer gets at once that catches up.

use protocol::limits::BLOCK_BYTES_MAX;

/// Most blocks in one answer to a peer that catches up.
pub(super) const SYNC_BLOCKS_MAX: usize = 16;
/// Most bytes of bodies in one answer; at least one block fits.
pub(super) const SYNC_BYTES_MAX: usize = 12 * 1_024 * 1_024;
const _: () = assert!(SYNC_BYTES_MAX > BLOCK_BYTES_MAX);
