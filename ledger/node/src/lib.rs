//! A validator or replica of the shared [`ledger`].
//!
//! [`store`] keeps blocks and state on disk, [`consensus`] agrees on blocks with the other validators, [`node`] ties
//! them together, [`api`] answers over HTTP, [`audit`] redoes everything from genesis, [`export`] writes it out as
//! tables, [`bill`] as the members' bills of a month. [`cli`] is the command line over all of it.

pub mod api;
pub mod audit;
pub mod bill;
pub mod cli;
pub mod consensus;
pub mod export;
pub mod node;
pub mod situation;
pub mod store;
