//! The market as a service: intake, gate, settlement, receipts, and the console beside them.
//!
//! In: signed readings and orders over MQTT, the ledger's state over HTTP. Out: one settlement an interval, each
//! member's receipts, an answer to every message. It knows nobody's secret but its own, and nobody has to trust it:
//! every validator clears again, and every agent keeps its readings until a receipt proves them settled.
//!
//! Nothing is acknowledged before it is on disk. Crashes and restarts are ordinary: readings that wait come back from
//! the store, what is settled is asked from the ledger, and a settlement handed in twice is the same settlement.
//!
//! | file | what |
//! |---|---|
//! | `decide.rs` | what happens when: events in, effects out; pure |
//! | `event_loop.rs` | the loop around it, which owns broker, disk and clock |
//! | `gate.rs` | when an interval opens and closes; pure |
//! | `intake.rs`, `group.rs` | which reading is taken, which refused and why: alone, and many together; pure |
//! | `pipeline.rs` | from the broker to the disk, on all cores |
//! | `book.rs`, `store.rs` | the readings that wait, in memory and on disk |
//! | `rehearsal.rs` | the intake alone, to be measured |
//! | `replace.rs` | files that are written anew |
//! | `orders.rs`, `statuses.rs`, `desk.rs` | standing orders and devices' statuses, and handing them to the ledger |
//! | `conflict.rs`, `conflicts.rs` | a device that contradicts itself, and telling the ledger |
//! | `settle.rs`, `push.rs` | clearing and signing (pure), and handing in |
//! | `alarm.rs` | says which interval does not close, and by how much |
//! | `alarms/` | the list of alarms: what is the matter, since when, what to do, who knows of it |
//! | `receipts.rs` | each receipt to its device |
//! | `registrations.rs`, `quotas.rs`, `proofs.rs` | how a household was registered, what it may draw on an island: proved |
//! | `mqtt.rs`, `publisher.rs`, `connection.rs`, `message.rs` | the broker: what comes from it, what goes to it, what both have in common |
//! | `snapshot.rs`, `ledger_client.rs`, `ledger_node.rs` | the validators: what they say, and how they are asked |
//! | `tasks.rs` | what runs, and what it means that one of it ends |
//! | `console/` | what the operator sees |
//! | `cli/` | the command line of the program `market` |

mod alarm;
pub mod alarms;
mod book;
mod cards;
pub mod cli;
mod community;
pub mod config;
mod conflict;
mod conflicts;
mod connection;
pub mod console;
mod decide;
mod desk;
mod event_loop;
mod gate;
mod group;
mod intake;
mod ledger_client;
mod ledger_node;
mod message;
mod mqtt;
mod names;
mod orders;
mod pipeline;
mod proofs;
mod publisher;
mod push;
mod quotas;
mod receipts;
mod refusals;
mod registrations;
pub mod rehearsal;
mod replace;
mod settle;
mod snapshot;
mod start;
mod statuses;
mod store;
mod tasks;
mod validators;

pub use self::{
    alarms::ALARMS_DIRECTORY,
    community::CommunityError,
    config::Config,
    start::{Running, StartError, read_genesis, start},
    store::{CHAIN_FILE, STORE_DIRECTORY, StoreError},
    tasks::{Ended, Reason},
};
