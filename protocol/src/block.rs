//! Transactions and blocks of the ledger.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, Element, Encoded},
    commit::{CommitSignature, Validator},
    decision::Decision,
    envelope::{ChainId, Sealed},
    hash::Hash,
    limits::{BLOCK_TRANSACTIONS_MAX, SETTLEMENT_READINGS_MAX, VALIDATORS_MAX},
    merkle::MerkleRoot,
};

/// A change of the ledger's state. Its id is the hash of what is signed, so that handing it in twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Transaction {
    /// Settle an interval.
    #[n(0)]
    Settle {
        /// The [`Settlement`](crate::settlement::Settlement), signed by the market.
        #[n(0)]
        settlement: Sealed,
        /// The [`Reading`](crate::reading::Reading)s it was computed from, in the order of its commitments. They
        /// travel beside it: neither the transaction's id nor any root covers them, so they can be pruned.
        #[n(1)]
        #[cbor(decode_with = "cbor::list::<_, _, SETTLEMENT_READINGS_MAX>")]
        readings: Vec<Sealed>,
    },
    /// Place a standing order, signed by the member.
    #[n(1)]
    PlaceOrder(#[n(0)] Sealed),
    /// Commit the market to a [`Reading`](crate::reading::Reading), signed by the device: no settlement may leave it
    /// out any more. For a member that the market does not answer.
    #[n(2)]
    CommitReading(#[n(0)] Sealed),
    /// Do what a member instructs: an [`Instruction`](crate::instruction::Instruction), signed by the member.
    #[n(3)]
    Instruct(#[n(0)] Sealed),
    /// Do what the validators have decided.
    #[n(4)]
    Decide {
        /// The decision, opened once it is known who approves.
        #[n(0)]
        decision: Encoded<Decision>,
        /// Signatures over it, in ascending order of validator key. They travel beside it: the transaction's id does
        /// not cover them, so that any two thirds make the same transaction.
        #[n(1)]
        #[cbor(decode_with = "cbor::list::<_, _, VALIDATORS_MAX>")]
        approvals: Vec<CommitSignature>,
    },
    /// Suspend a device that signed two [`Reading`](crate::reading::Reading)s under one sequence number. Whoever knows
    /// them may report it: the signatures are the proof.
    #[n(5)]
    ReportConflict {
        /// The one with the lower hash, so that the two make one transaction.
        #[n(0)]
        first: Sealed,
        /// The other one; none where that is the device's last settled reading, which the ledger knows by its hash.
        #[n(1)]
        second: Option<Sealed>,
    },
    /// Say what stands behind a meter: a [`DeviceStatus`](crate::status::DeviceStatus), signed by the device.
    #[n(6)]
    ReportStatus(#[n(0)] Sealed),
}

impl Transaction {
    /// The report of two readings, in either order; or of one that contradicts the last settled one.
    pub fn report_conflict(one: &Sealed, other: Option<&Sealed>) -> Transaction {
        let (first, second) = match other {
            Some(other) if other.hash() < one.hash() => (other, Some(one)),
            other => (one, other),
        };
        Transaction::ReportConflict { first: first.clone(), second: second.cloned() }
    }

    /// The transaction's id: the hash of its signed message, of the decision, or of the hashes of the readings.
    pub fn id(&self) -> Hash {
        match self {
            Transaction::Settle { settlement, .. } => settlement.hash(),
            Transaction::PlaceOrder(message)
            | Transaction::CommitReading(message)
            | Transaction::Instruct(message)
            | Transaction::ReportStatus(message) => message.hash(),
            Transaction::Decide { decision, .. } => decision.id(),
            Transaction::ReportConflict { first, second } => {
                conflict_id(first.hash(), second.as_ref().map(Sealed::hash))
            }
        }
    }

    /// The signed settlement in it, if it settles an interval.
    pub fn settlement(&self) -> Option<&Sealed> {
        match self {
            Transaction::Settle { settlement, .. } => Some(settlement),
            Transaction::PlaceOrder(_)
            | Transaction::CommitReading(_)
            | Transaction::Instruct(_)
            | Transaction::Decide { .. }
            | Transaction::ReportConflict { .. }
            | Transaction::ReportStatus(_) => None,
        }
    }

    /// The signed readings in it that are settled or to be settled.
    pub fn readings(&self) -> &[Sealed] {
        match self {
            Transaction::Settle { readings, .. } => readings,
            Transaction::CommitReading(reading) => std::slice::from_ref(reading),
            Transaction::PlaceOrder(_)
            | Transaction::Instruct(_)
            | Transaction::Decide { .. }
            | Transaction::ReportConflict { .. }
            | Transaction::ReportStatus(_) => &[],
        }
    }
}

/// The id of a report of two readings, or of one.
pub(crate) fn conflict_id(first: Hash, second: Option<Hash>) -> Hash {
    Hash::of(&cbor::encode(&("voisin/conflict/v1", first, second)))
}

impl Element for Transaction {
    /// Of a decision of one byte that nobody approves. All others have a signature.
    const BYTES_MIN: usize = 5;
}

/// What a block promises: the roots that receipts and audits are checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cbor(array)]
pub struct Header {
    /// The chain: the hash of its genesis.
    #[n(0)]
    pub chain: ChainId,
    /// 1 for the first block.
    #[n(1)]
    pub height: u64,
    /// Hash of the block before; the chain's name for the first.
    #[n(2)]
    pub previous: Hash,
    /// Hash of the validator set that decides this height.
    #[n(3)]
    pub validators: Hash,
    /// Hash of the validator set that decides the next height: with it, a light client can follow changes.
    #[n(4)]
    pub next_validators: Hash,
    /// Merkle root of the ids of the block's transactions.
    #[n(5)]
    pub transactions: MerkleRoot,
    /// Merkle root of the [entries](crate::settlement::Entry) settled or corrected in this block.
    #[n(6)]
    pub entries: MerkleRoot,
    /// Merkle root of the state after this block.
    #[n(7)]
    pub state: MerkleRoot,
}

impl Header {
    /// The block's hash, its name.
    pub fn hash(&self) -> Hash {
        Hash::of(&cbor::encode(self))
    }
}

/// A block with everything needed to recompute it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Block {
    /// The header.
    #[n(0)]
    pub header: Header,
    /// The transactions, in the order they apply.
    #[n(1)]
    #[cbor(decode_with = "cbor::sparse_list::<_, _, BLOCK_TRANSACTIONS_MAX>")]
    pub transactions: Vec<Transaction>,
}

/// The hash of a validator set, as [`Header::validators`] has it.
pub fn validators_hash(validators: &[Validator]) -> Hash {
    Hash::of(&cbor::encode(&validators.to_vec()))
}
