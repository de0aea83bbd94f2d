//! The market: from signed readings and standing orders to one balanced settlement.
//!
//! In: the members' metered energy and price limits, the rules, the grid. Out: who trades with whom at which price, and
//! what every account gains. This crate is pure: it knows no clock, no randomness, no network and no disk, and the
//! same input gives the same output on every machine, so that each validator of the ledger can recompute it.

pub mod balance;
pub mod book;
pub mod clearing;
pub mod economics;
pub mod grid;
pub mod inputs;
pub mod island;
pub mod metering;
pub mod settlement;
pub mod welfare;
