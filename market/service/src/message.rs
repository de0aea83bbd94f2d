//! A message from the broker.

use protocol::{envelope::Sealed, hash::Hash};

/// A message that waits for its acknowledgement.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) body: Body,
    pub(crate) delivery: Delivery,
}

/// What a message holds.
#[derive(Debug)]
pub(crate) enum Body {
    /// The bytes.
    Whole(Sealed),
    /// More bytes than any message of an agent has: only what they are called is kept.
    TooLarge {
        /// Hash of the bytes.
        hash: Hash,
        /// How many they are.
        bytes: usize,
    },
}

/// Names a delivery to the broker. Worth nothing on another connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    /// Its quality of service, 0 to 2.
    pub(crate) qos: u8,
    /// The packet's id.
    pub(crate) packet: u16,
    pub(crate) connection: u64,
}
