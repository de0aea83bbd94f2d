//! What the tests of several crates share. No program has it.
//!
//! | file | what |
//! |---|---|
//! | `community.rs` | a small community with real keys, and what an honest market makes of it |
//! | `applied.rs` | transactions applied to a state, and what must hold whenever one is |
//! | `ports.rs` | ports for nodes that have to be told of each other before they run |
//! | `mosquitto.rs` | a real broker of a test's own |
//! | `descriptors.rs` | how many files a process has open |

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests use this, and may panic")]

pub mod applied;
pub mod community;
pub mod descriptors;
pub mod mosquitto;
pub mod ports;
