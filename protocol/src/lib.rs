//! The words of Voisin: units, ids, signed messages, topics, refusals.
//!
//! Every other crate speaks in these types; other languages can speak them too, checked against `protocol/vectors/`.
//! Types are valid by construction. There is no floating-point number here, and no I/O: this crate knows no clock, no
//! randomness, no network and no disk.

pub mod answer;
pub mod api;
pub mod batch;
pub mod block;
pub mod cbor;
pub mod checkpoint;
pub mod code;
pub mod commit;
pub mod correction;
pub mod decision;
pub mod energy;
pub mod enrolment;
pub mod envelope;
pub mod genesis;
pub mod hash;
pub mod instruction;
pub mod interval;
pub mod island;
mod json;
pub mod key;
pub mod limits;
pub mod log;
pub mod member;
pub mod merkle;
pub mod money;
mod names;
pub mod neighbour;
pub mod note;
pub mod order;
pub mod origin;
pub mod pack;
pub mod parameters;
pub mod reading;
pub mod receipt;
pub mod refusal;
pub mod registration;
pub mod retirement;
pub mod settlement;
pub mod situation;
pub mod status;
pub mod technology;
pub mod text;
pub mod topic;
pub mod unopened;
pub mod withdrawal;
