//! Offline runs: a scenario through the market's own economics, without sockets, keys or clocks, as fast as it goes.
//!
//! In: a [`Scenario`](crate::scenario::Scenario). Out: a directory of tables, the figures of the whole, and what they
//! were made from. The same scenario, seed and version give the same bytes, however many threads there are.

mod chance;
mod community;
mod details;
mod devices;
mod dishonest;
mod drawn;
mod faults;
pub mod figures;
mod intensity;
mod learning;
mod member;
mod outage;
mod output;
mod pool;
mod rules;
mod run;
mod season;
mod series;
mod steps;
mod street;
pub mod sums;
mod turns;
mod uses;

pub use self::{
    community::Community,
    details::{Detail, DetailError},
    devices::Memory,
    figures::Figures,
    run::{Done, Options, OutError, Outcome, RunError, figures, run},
    steps::{Asked, Stepped, Steps},
    street::Street,
    uses::Use,
};
pub(crate) use self::{
    output::Who,
    run::{Draft, Played, ROWS, Results, Rows, pooled_nano},
};
