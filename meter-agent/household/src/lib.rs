//! What a household wants from the market, and what its devices take and give. Pure: no clock, no socket, no disk and
//! no randomness, so that the agent at home and the simulator decide the same.
//!
//! In: an interval, and what is known of it. Out: the price limits to ask for, by the household's
//! [strategy](strategy::Strategy). Or, where devices are simulated: the interval as it comes to a [home](home::Home),
//! and what goes through its meter.
//!
//! It refuses to know how an order is signed, sent or settled: that is the agent's.

pub mod home;
pub mod local_time;
pub mod strategy;
