//! The shared ledger, as pure functions that a light client needs too: [`state`], the deterministic state machine that
//! recomputes every clearing, [`chain`], blocks built from it and checked against it, [`proof`], receipts checked
//! against nothing but the genesis, [`logged`], whether others have seen the same block, [`retirement`], what proves
//! that certificates were claimed, and [`evidence`], what proves that a validator contradicted itself.
//!
//! They know no clock, no randomness, no network and no disk.

pub mod chain;
pub mod evidence;
pub mod logged;
pub mod proof;
pub mod retirement;
pub mod state;
