//! Whole neighbourhoods on one machine, through the same code as production.
//!
//! [`live`] starts a broker, an agent for every participant, the market and the validators, lets them trade a recorded
//! [data set](dataset) over their real sockets, and watches. [`state`] is the directory they live in.
//!
//! This crate refuses to know how energy is cleared or settled: it hands each meter its own recording, and reads what
//! came of it where everyone can, at the ledger's, the market's and the agents' HTTP APIs.

pub mod cli;
pub mod dataset;
mod draft;
pub mod import;
pub mod live;
pub mod offline;
pub mod orders;
mod progress;
pub mod replay;
mod report;
pub mod scenario;
pub mod state;
pub mod sweep;
mod tables;
pub mod terms;
