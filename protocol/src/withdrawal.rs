//! Withdrawals: a validator takes back its approval of a decision that is not made yet.
//!
//! An approval is a signature, and nothing makes one unsaid. A withdrawal is signed as well, so that every node that
//! hears of it can stop counting the approval, and tell others. The ledger knows of none: whoever has kept the approval
//! can still hand it in, with those of enough others.

use minicbor::{Decode, Encode};

use crate::{envelope::Payload, hash::Hash, limits::MESSAGE_BYTES_MAX};

/// What a validator approves no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Withdrawal {
    /// The decision's number: once that is decided, there is nothing to be withdrawn.
    #[n(0)]
    pub sequence: u64,
    /// The decision's id.
    #[n(1)]
    pub decision: Hash,
}

impl Payload for Withdrawal {
    const DOMAIN: &'static str = "voisin/withdrawal/v1";
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;
}
