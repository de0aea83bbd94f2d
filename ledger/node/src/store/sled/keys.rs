//! Keys and values as sled holds them: the first byte of a key says what it holds, a value carries a checksum over its
//! key and itself.

use protocol::{cbor, hash::Hash, interval::Interval, member::AccountId};

use super::super::StoreError;

/// Most bytes of one value: anything that can be longer is cut into chunks. sled writes a leaf of its tree, up to
/// [`LEAF_VALUES`] neighbours, in one piece, and what is longer than a quarter of a segment into a file that it never
/// syncs.
pub(super) const CHUNK_BYTES: usize = 5 * 1024;
/// Most values in a leaf of sled's tree: it is split when it has 17 and the next one comes, and one of fewer than 4 is
/// added to its neighbour. Some more, to be sure.
const LEAF_VALUES: usize = 24;
/// A quarter of sled's segment, less what it adds to a leaf: a header, and each key.
const LEAF_BYTES_MAX: usize = 128 * 1024 - 4 * 1024;
const _: () = assert!(LEAF_VALUES * (CHECKSUM_BYTES + CHUNK_BYTES) <= LEAF_BYTES_MAX);
/// Bytes of a value's checksum: a truncated SHA-256. It guards against accidents; signatures guard against forgery.
pub(super) const CHECKSUM_BYTES: usize = 8;

/// The chain that the directory belongs to.
pub(super) const CHAIN: u8 = b'g';
/// The height of the last committed block.
pub(super) const TIP: u8 = b't';
/// A committed block's certificate, by height.
pub(super) const CERTIFICATE: u8 = b'c';
/// A chunk of a committed block's body, by height and number.
pub(super) const BODY: u8 = b'b';
/// The height that settled an interval, by its start.
pub(super) const INTERVAL: u8 = b'i';
/// The height of a correction, by the interval's start and number.
pub(super) const CORRECTION: u8 = b'k';
/// The height of a member's instruction, by member and sequence number.
pub(super) const INSTRUCTION: u8 = b'n';
/// The height of a decision, by sequence number.
pub(super) const DECISION: u8 = b'd';
/// A height after which others validate.
pub(super) const VALIDATORS: u8 = b'v';
/// That something happened on an account, by account, open interval and height.
pub(super) const EVENT: u8 = b'e';
/// An interval's inputs, by its start.
pub(super) const INPUTS: u8 = b'r';
/// What is left of a block's pruned readings, by height.
pub(super) const PRUNED: u8 = b'h';
/// The height of the last block whose readings were pruned.
pub(super) const PRUNED_TO: u8 = b'u';
/// A device's last pruned reading, by device.
pub(super) const PRUNED_READING: u8 = b'a';
/// An entry of the state, by its key.
pub(super) const ENTRY: u8 = b's';
/// A chunk of the changes of a block that are no [`ENTRY`] yet, by height and number.
pub(super) const JOURNAL: u8 = b'j';
/// The log's nodes that became complete with a block, by its height.
pub(super) const LOG: u8 = b'm';
/// How many blocks are in the log.
pub(super) const LOG_SIZE: u8 = b'w';
/// A candidate, by height, round and hash.
pub(super) const CANDIDATE: u8 = b'p';
/// A chunk of a candidate's body, by height, hash and number.
pub(super) const CANDIDATE_BODY: u8 = b'q';
/// A chunk of a value after its first, by the value's key and number.
const REST: u8 = b'l';

pub(super) fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(super) fn interval_key(kind: u8, interval: Interval) -> Vec<u8> {
    key(kind, &[&interval.start_s().to_be_bytes(), &interval.length().minutes().to_be_bytes()])
}

/// A height follows.
pub(super) fn event_key(account: AccountId, interval: Interval) -> Vec<u8> {
    key(EVENT, &[&cbor::encode(&account), &interval_key(INTERVAL, interval)])
}

pub(super) fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hash::of_parts(&[&(key.len() as u64).to_be_bytes(), key, value]);
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

pub(super) fn insert(batch: &mut sled::Batch, key: Vec<u8>, value: &[u8]) {
    let mut sealed = Vec::with_capacity(CHECKSUM_BYTES + value.len());
    sealed.extend_from_slice(&checksum(&key, value));
    sealed.extend_from_slice(value);
    batch.insert(key, sealed);
}

pub(super) fn insert_chunks(batch: &mut sled::Batch, prefix: &[u8], body: &[u8]) {
    for (number, chunk) in body.chunks(CHUNK_BYTES).enumerate() {
        insert(batch, [prefix, &(number as u32).to_be_bytes()].concat(), chunk);
    }
}

/// Inserts a value that may be longer than a chunk: its first chunk under the key, the others under [`rest_of`] it.
pub(super) fn insert_long(batch: &mut sled::Batch, key: Vec<u8>, value: &[u8]) {
    let (first, rest) = value.split_at(value.len().min(CHUNK_BYTES));
    insert_chunks(batch, &rest_of(&key), rest);
    insert(batch, key, first);
}

/// Where what follows the first chunk of a value is, if that is a whole chunk.
pub(super) fn rest_of(key: &[u8]) -> Vec<u8> {
    // With the length, because one key may begin as another.
    [&[REST], &(key.len() as u16).to_be_bytes()[..], key].concat()
}

pub(super) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match sealed.split_at_checked(CHECKSUM_BYTES) {
        Some((sum, value)) if sum == checksum(key, value) => Ok(value),
        _ => Err(damaged(key, "its checksum does not match")),
    }
}

pub(super) fn damaged(key: &[u8], reason: impl Into<String>) -> StoreError {
    let what = match key.first() {
        Some(&CHAIN) => "the chain's name",
        Some(&TIP) => "the height",
        Some(&CERTIFICATE) => "a certificate",
        Some(&BODY) => "a block",
        Some(&INTERVAL) => "the index of intervals",
        Some(&CORRECTION) => "the index of corrections",
        Some(&INSTRUCTION) => "the index of instructions",
        Some(&DECISION) => "the index of decisions",
        Some(&VALIDATORS) => "the index of changes of validators",
        Some(&EVENT) => "the index of accounts",
        Some(&INPUTS) => "the inputs of an interval",
        Some(&PRUNED | &PRUNED_TO | &PRUNED_READING) => "what is left of pruned readings",
        Some(&ENTRY | &JOURNAL) => "the state",
        Some(&LOG | &LOG_SIZE) => "the log of headers",
        Some(&CANDIDATE | &CANDIDATE_BODY) => "a candidate",
        Some(&REST) => return damaged(key.get(3..).unwrap_or_default(), reason),
        _ => "an unknown value",
    };
    let height = match key {
        [CERTIFICATE | BODY | JOURNAL | LOG | CANDIDATE | CANDIDATE_BODY, height @ ..] => {
            height.first_chunk().map(|height| format!(" of height {}", u64::from_be_bytes(*height)))
        }
        _ => None,
    };
    let key = format!("{what}{}", height.unwrap_or_default());
    // Where it is knows who asked (`named`).
    StoreError::Damaged { place: String::new(), key, reason: reason.into() }
}

/// What sled says: that its files are damaged, unless the system said something else.
pub(super) fn io(error: sled::Error) -> StoreError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error {
        sled::Error::Io(error) if !matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof) => {
            StoreError::Io { place: String::new(), error: error.to_string() }
        }
        error => broken(error.to_string().replace('\n', " ")),
    }
}

/// sled's own files are not what it wrote.
pub(super) fn broken(reason: impl Into<String>) -> StoreError {
    StoreError::Damaged { place: String::new(), key: "the database".into(), reason: reason.into() }
}
