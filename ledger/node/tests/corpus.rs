//! What strangers may send to every decoder: the fuzzer's corpora, and large messages made from short descriptions.
//! Each is decoded as the programs decode it, as a whole, cut off at a hundred places and with a bit flipped there; and
//! whatever it is, it takes no more memory than a few times its bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;
#[path = "../fuzz/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzzer has it as a crate of its own")]
mod targets;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use ledger_node::{node::Ledger, store::MemoryStore};

use protocol::{
    api::Submitted,
    block::Transaction,
    cbor,
    envelope::{Sealed, Signed},
    hash::Hash,
    interval::{Interval, IntervalLength},
    key::SecretKey,
    limits::{BLOCK_BYTES_MAX, READING_BYTES_MIN, TRANSACTION_BYTES_MAX},
    order::Order,
    reading::{Reading, Registers},
};
use support::Community;
use targets::{TARGETS, Target};

/// What a message may take however short it is: a thousand transactions, the text of an error.
const MEMORY_FLOOR: u64 = 160 * 1_024;

/// Places of a message at which it is damaged.
const PLACES_MAX: usize = 100;

/// A message takes milliseconds; only a decoder that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

fn files(kind: &str, target: &Target) -> BTreeMap<String, Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target.name);
    let paths = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// The message that a description is of. Each line is bytes in hex, or a text in single quotes, perhaps so many times:
/// `1000 * 40`.
fn described(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (times, part) = line.split_once(" * ").unwrap_or(("1", line));
        let part = match part.strip_prefix('\'') {
            Some(text) => text.strip_suffix('\'').unwrap().as_bytes().to_vec(),
            None => part.replace(' ', "").parse::<Sealed>().unwrap().bytes().to_vec(),
        };
        bytes.extend(part.repeat(times.parse().unwrap()));
    }
    bytes
}

/// Ends the test where a message is not dealt with in a time in which any is: a decoder that hangs says of what.
struct Watchdog(#[expect(dead_code, reason = "dropping it calls the dog off")] Sender<()>);

impl Watchdog {
    fn over(name: &str) -> Watchdog {
        let (calls_off, called_off) = channel();
        let name = name.to_owned();
        thread::spawn(move || {
            if called_off.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name}: not decoded after {} s", PATIENCE.as_secs());
                process::abort();
            }
        });
        Watchdog(calls_off)
    }
}

/// Decodes, and looks at what that takes. Whether the bytes were accepted.
fn decode(target: &Target, bytes: &[u8], of: &str) -> bool {
    let mut accepted = false;
    let taken = allocation_counter::measure(|| accepted = (target.decode)(bytes));
    let most = (bytes.len() as u64 * target.memory_per_byte).max(MEMORY_FLOOR);
    let found = taken.bytes_max;
    assert!(found <= most, "{of}: expected at most {most} bytes of memory for {} bytes, found {found}", bytes.len());
    accepted
}

#[test]
fn what_is_in_a_corpus_is_decoded_as_its_name_says_whole_or_damaged() {
    for target in &TARGETS {
        let corpus = files("corpus", target);
        assert!(corpus.len() > 1, "{}: too few to be a corpus", target.name);
        for (name, bytes) in &corpus {
            let _dog = Watchdog::over(name);
            let accepted = decode(target, bytes, name);
            assert_eq!(accepted, !name.contains("/bad-"), "{name}");
            for end in (0..bytes.len()).step_by(1 + bytes.len() / PLACES_MAX) {
                decode(target, &bytes[..end], name);
                let mut flipped = bytes.clone();
                flipped[end] ^= 1 << (end % 8);
                decode(target, &flipped, name);
            }
        }
    }
}

#[test]
fn a_large_message_takes_at_most_so_many_times_its_bytes_of_memory() {
    for target in &TARGETS {
        for (name, text) in files("large", target) {
            let _dog = Watchdog::over(&name);
            let bytes = described(std::str::from_utf8(&text).unwrap());
            let accepted = decode(target, &bytes, &name);
            assert_eq!(accepted, !name.contains("/bad-"), "{name}");
            assert!(bytes.len() > 20_000, "{name}: {} bytes are not many", bytes.len());
            assert!(bytes.len() <= 2 * BLOCK_BYTES_MAX, "{name}");
        }
    }
}

#[test]
fn no_reading_is_shorter_than_the_shortest() {
    let reading = Reading {
        interval: Interval::new(0, IntervalLength::Minutes5).unwrap(),
        sequence: 1,
        previous: Hash::ZERO,
        registers: Registers::default(),
        salt: [0; 16],
    };
    let signed = Signed::sign(reading, &Hash::ZERO, &SecretKey::from_seed(&[1; 32]));
    assert_eq!(signed.bytes().len(), READING_BYTES_MIN);
}

/// A settlement of 4 MiB, in which all but the signed message is readings without a byte.
fn with_empty_readings(signed: Sealed) -> Vec<u8> {
    let mut bytes = cbor::encode(&Transaction::Settle { settlement: signed, readings: vec![] });
    assert_eq!(bytes.pop(), Some(0x80), "an empty list");
    let readings = u32::try_from(TRANSACTION_BYTES_MAX - bytes.len() - 5).unwrap();
    bytes.push(0x9a);
    bytes.extend(readings.to_be_bytes());
    bytes.resize(TRANSACTION_BYTES_MAX, 0x40);
    bytes
}

#[test]
fn who_signed_is_looked_at_before_anything_that_is_inside() {
    let community = Community::new(4, 1);
    let (ledger, _submitted) = Ledger::open(community.genesis.clone(), Arc::new(MemoryStore::default()), None).unwrap();
    let valid_from = community.genesis.first_interval;
    let by = |key: &SecretKey| {
        let order = Order { sequence: 1, valid_from, buy: None, sell: None, buy_cap: None, sell_cap: None };
        Sealed::from(&Signed::sign(order, &community.genesis.chain(), key))
    };
    // The market's name under what it did not sign.
    let mut forged = by(&SecretKey::from_seed(&[200; 32])).bytes().to_vec();
    forged[9..41].copy_from_slice(community.genesis.market.as_bytes());
    let order = Transaction::PlaceOrder(by(&SecretKey::from_seed(&[200; 32])));
    for (message, expected) in [
        (with_empty_readings(by(&SecretKey::from_seed(&[200; 32]))), "unknown_signer"),
        (with_empty_readings(Sealed::from(forged)), "bad_signature"),
        (cbor::encode(&order), "unknown_signer"),
    ] {
        let mut answer = None;
        let taken = allocation_counter::measure(|| answer = Some(ledger.submit_encoded(&message)));
        let Submitted::Refused { refusal, .. } = answer.unwrap().unwrap().unwrap() else { panic!("it is taken in") };
        assert_eq!(refusal, expected);
        assert!(taken.bytes_max < 64 * 1_024, "{expected}: {} bytes of memory", taken.bytes_max);
    }
}
