//! What a household wants from the market. Pure: no clock, no socket, no disk and no randomness, so that the agent at
//! home and the simulator decide the same.
//!
//! In: an interval, and what is known of it. Out: the price limits to ask for, by the household's
//! [strategy](strategy::Strategy).
//!
//! It refuses to know how an order is signed, sent or settled: that is the agent's.

pub mod home;
pub mod local_time;
pub mod strategy;
