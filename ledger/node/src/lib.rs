//! A validator or replica of the shared [`ledger`].
//!
//! [`store`] keeps blocks and state on disk, [`consensus`] agrees on blocks with the other validators, [`node`] ties
//! them together, [`api`] answers over HTTP, [`audit`] redoes everything from genesis, [`export`] writes it out as
//! tables, [`bill`] as the members' bills of a month.

pub mod api;
pub mod audit;
pub mod bill;
pub mod consensus;
pub mod export;
pub mod node;
pub mod store;
