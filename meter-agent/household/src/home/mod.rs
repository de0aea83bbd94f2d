//! Homes: what a household's devices take and give in an interval, whole Wh at the meter.

pub mod appliance;
pub mod battery;
pub mod ev;
pub mod heat_pump;
pub mod house;
pub mod pv;
pub mod units;
