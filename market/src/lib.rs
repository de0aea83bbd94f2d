//! The market: from signed readings and standing orders to one balanced settlement.
//!
//! In: the members' metered energy and price limits, the rules, the grid. Out: who trades with whom at which price, and
//! what every account gains. This library is pure: it knows no clock, no randomness, no network and no disk, and the
//! same input gives the same output on every machine, so that each validator of the ledger can recompute it.
//!
//! The service around it (intake, gate, console) and the files that people write for it are behind the feature `service`,
//! what asks a ledger node over HTTP and reads key files behind the feature `client`, and what serves strangers over HTTP behind the feature
//! `server`.

pub mod balance;
pub mod book;
pub mod clearing;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "service")]
pub mod files;
pub mod grid;
pub mod inputs;
pub mod metering;
#[cfg(feature = "client")]
pub mod owner_only;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "service")]
pub mod service;
pub mod settlement;
