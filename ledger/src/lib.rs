//! The shared ledger.
//!
//! Pure part, which a light client needs too: [`state`], the deterministic state machine that recomputes every clearing,
//! [`chain`], blocks built from it and checked against it, [`proof`], receipts checked against nothing but the
//! genesis, and [`evidence`], what proves that a validator contradicted itself. They know no clock, no randomness, no network and no disk.
//!
//! Around it, with feature `node`: [`store`] keeps blocks and state on disk, [`consensus`] agrees on blocks with the
//! other validators, [`node`] ties them together, [`api`] answers over HTTP, [`audit`] redoes everything from genesis,
//! [`export`] writes it out as tables.

pub mod chain;
pub mod evidence;
pub mod proof;
pub mod state;

#[cfg(feature = "node")]
pub mod api;
#[cfg(feature = "node")]
pub mod audit;
#[cfg(feature = "node")]
pub mod consensus;
#[cfg(feature = "node")]
pub mod export;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod store;
