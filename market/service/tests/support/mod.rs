//! A market, alone in its process or in the test's, with its agents, its broker and its ledger.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub(crate) mod fake_ledger;
pub(crate) mod process;
pub(crate) mod world;
