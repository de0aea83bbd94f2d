//! What is done with the bytes of strangers, target by target: by the fuzzer, and by `ledger/node/tests/corpus.rs` over
//! the corpora.

use ledger_node::consensus;
use market::book;
use protocol::{
    answer::{Announcement, Answer},
    block::{Block, Transaction},
    cbor,
    correction::Correction,
    decision::Decision,
    envelope::{self, Sealed, Signed},
    genesis::Genesis,
    hash::Hash,
    instruction::Instruction,
    order::Order,
    reading::Reading,
    receipt::Receipt,
    registration::ProvedRegistration,
    settlement::Settlement,
    unopened::Unopened,
};

/// Something that is decoded.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Decodes as the programs do. Whether the bytes were what they should be.
    pub decode: fn(&[u8]) -> bool,
    /// Most bytes of memory that a byte may take, where there are many.
    pub memory_per_byte: u64,
}

/// What anyone may send takes at most four times its bytes.
const ANYONE: u64 = protocol::limits::MEMORY_PER_BYTE_MAX as u64;
/// A decision is decoded after more than two thirds of the validators have signed it. Its shortest elements are lines
/// of a grid without a name, of which there are at most 40,000.
const VALIDATORS: u64 = 17;

/// All targets.
pub const TARGETS: [Target; 12] = [
    Target { name: "transaction", decode: transaction, memory_per_byte: ANYONE },
    Target { name: "block", decode: block, memory_per_byte: ANYONE },
    Target { name: "envelope", decode: envelope, memory_per_byte: ANYONE },
    Target { name: "cose", decode: cose, memory_per_byte: ANYONE },
    Target { name: "content", decode: content, memory_per_byte: ANYONE },
    Target { name: "decision", decode: decision, memory_per_byte: VALIDATORS },
    Target { name: "receipt", decode: receipt, memory_per_byte: ANYONE },
    Target { name: "registration", decode: registration, memory_per_byte: ANYONE },
    Target { name: "genesis", decode: genesis, memory_per_byte: ANYONE },
    Target { name: "book", decode: book, memory_per_byte: ANYONE },
    Target { name: "market", decode: of_market, memory_per_byte: ANYONE },
    Target { name: "votes", decode: votes, memory_per_byte: ANYONE },
];

/// A transaction, as a node takes it in: whose it is, then what is in it.
pub fn transaction(bytes: &[u8]) -> bool {
    let unopened = Unopened::read(bytes);
    let Ok(transaction) = cbor::decode::<Transaction>(bytes) else { return false };
    let unopened = unopened.expect("what is a transaction was signed by someone");
    assert_eq!(unopened.id(), transaction.id(), "one name for one transaction");
    true
}

/// A block's body.
pub fn block(bytes: &[u8]) -> bool {
    cbor::decode::<Block>(bytes).is_ok()
}

/// A signed message of each kind, whoever signed it.
pub fn envelope(bytes: &[u8]) -> bool {
    let chain = &Hash::ZERO;
    Signed::<Reading>::open(bytes, chain, |_| true).is_ok()
        | Signed::<Order>::open(bytes, chain, |_| true).is_ok()
        | Signed::<Instruction>::open(bytes, chain, |_| true).is_ok()
        | Signed::<Settlement>::open(bytes, chain, |_| true).is_ok()
}

/// The frame of a signed message, which no other reader of COSE may refuse.
pub fn cose(bytes: &[u8]) -> bool {
    let accepted = envelope::check_signer::<Settlement>(bytes, |_| true).is_ok();
    // What coset builds is its own affair, and only of small messages.
    if accepted && bytes.len() < 4_096 {
        let message = <coset::CoseSign1 as coset::CborSerializable>::from_slice(bytes).expect("a COSE_Sign1 message");
        assert!(message.payload.is_some() && message.unprotected.is_empty());
    }
    accepted
}

/// The content of signed messages, after their signatures.
pub fn content(bytes: &[u8]) -> bool {
    cbor::decode::<Reading>(bytes).is_ok()
        | cbor::decode::<Order>(bytes).is_ok()
        | cbor::decode::<Instruction>(bytes).is_ok()
        | cbor::decode::<Settlement>(bytes).is_ok()
        | cbor::decode::<Vec<Sealed>>(bytes).is_ok()
}

/// What validators decide, after their approvals.
pub fn decision(bytes: &[u8]) -> bool {
    cbor::decode::<Decision>(bytes).is_ok() | cbor::decode::<Correction>(bytes).is_ok()
}

/// A receipt.
pub fn receipt(bytes: &[u8]) -> bool {
    Receipt::from_json(bytes).is_ok()
}

/// How a household is said to be registered.
pub fn registration(bytes: &[u8]) -> bool {
    ProvedRegistration::from_json(bytes).is_ok()
}

/// A genesis file.
pub fn genesis(bytes: &[u8]) -> bool {
    Genesis::from_json(bytes).is_ok()
}

/// A book of `market clear`.
pub fn book(bytes: &[u8]) -> bool {
    book::check_json(bytes).is_ok()
}

/// What the market announces and answers.
pub fn of_market(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Announcement>(bytes).is_ok() | serde_json::from_slice::<Answer>(bytes).is_ok()
}

/// Messages between validators, and entries of the vote log.
pub fn votes(bytes: &[u8]) -> bool {
    consensus::can_be_read(bytes)
}
