//! The situation of a community in an emergency, for authorities: `figures.rs` makes it of the ledger's state, pure;
//! `alert.rs` says it in CAP, the Common Alerting Protocol.

mod alert;
mod figures;

pub use self::{
    alert::{AlertError, alert},
    figures::{island_quorum, situation},
};
