//! What the tests of several crates share. No program has it.
//!
//! | file | what |
//! |---|---|
//! | `community.rs` | a small community with real keys, and what an honest market makes of it |
//! | `applied.rs` | transactions applied to a state, and what must hold whenever one is |
//! | `told.rs` | a ledger and its log, told to somebody, and forked for somebody else |
//! | `witness.rs` | a witness of logs, as C2SP tlog-witness has it |
//! | `island.rs` | a community with a plan for an island, the readings that make one, and what its devices say |
//! | `households.rs` | two households and their readings |
//! | `agent.rs` | an agent that says what a test has it say, over a real broker |
//! | `chromium.rs`, `page.rs`, `axe.rs` | a real browser, the console's page in it, and what axe-core finds |
//! | `ports.rs` | ports for nodes that have to be told of each other before they run |
//! | `mosquitto.rs` | a real broker of a test's own |
//! | `prometheus.rs` | a real Prometheus with the alert rules that are shipped |
//! | `secure_broker.rs` | the same with TLS, logins and access rules, as it is shipped |
//! | `certificates.rs` | certificates of a test's own |
//! | `descriptors.rs` | how many files a process has open |
//! | `waiting.rs` | waiting for what comes about by itself |
//! | `words.rs` | what pages say, in every language |

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests use this, and may panic")]

pub mod agent;
pub mod applied;
pub mod axe;
pub mod certificates;
pub mod chromium;
pub mod community;
pub mod descriptors;
pub mod households;
pub mod island;
pub mod mosquitto;
pub mod page;
pub mod ports;
pub mod prometheus;
pub mod secure_broker;
pub mod told;
pub mod waiting;
pub mod witness;
pub mod words;
