//! Streams of bytes with every kind of damage, for the tests of what meters send by themselves.

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// What happens to bytes on their way.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

/// Tries thousands of damaged copies of `stream`, always the same: a short checksum is right once in a while where more
/// than a few bits are wrong. `begin` is where damage begins, and `strange` what comes in between, beside any bytes.
pub(crate) fn try_damaged(
    stream: &[u8],
    begin: usize,
    strange: impl Strategy<Value = Vec<u8>> + 'static,
    check: impl Fn(&[u8]) -> Result<(), String>,
) {
    let at = || 0_usize..4_096;
    let damage = prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), 1_usize..600).prop_map(|(at, count)| Damage::Cut(at, count)),
        (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), strange).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1_usize..600).prop_map(|(at, count)| Damage::Repeat(at, count)),
    ];
    let config = Config { cases: 4_096, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tried = runner.run(&prop::collection::vec(damage, 1..6), |damages| {
        let damaged = damages.iter().fold(stream.to_vec(), |bytes, damage| damage.done_to(bytes, begin));
        check(&damaged).map_err(TestCaseError::fail)
    });
    tried.unwrap();
}

impl Damage {
    fn done_to(&self, mut bytes: Vec<u8>, begin: usize) -> Vec<u8> {
        let within = |at: usize| (begin + at % (bytes.len() - begin).max(1)).min(bytes.len());
        match self {
            Damage::Flip(at, bit) => {
                let at = within(*at);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            Damage::Cut(at, count) => {
                let start = within(*at);
                drop(bytes.drain(start..(start + count).min(bytes.len())));
            }
            Damage::Insert(at, more) => {
                let at = within(*at);
                drop(bytes.splice(at..at, more.iter().copied()));
            }
            Damage::Repeat(at, count) => {
                let start = within(*at);
                let again = bytes[start..(start + count).min(bytes.len())].to_vec();
                drop(bytes.splice(start..start, again));
            }
        }
        bytes
    }
}

/// Every copy of `stream` with one flipped bit, with one run of bytes missing, or begun late; with what was done to it.
/// `begin` is where damage begins.
pub(crate) fn damaged_once(stream: &[u8], begin: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    (begin..stream.len()).flat_map(move |at| {
        let flipped = (0..8).map(move |bit| {
            let mut flipped = stream.to_vec();
            flipped[at] ^= 1 << bit;
            (format!("bit {bit} of byte {at}"), flipped)
        });
        let cut = [1, 2, 3, 5, 8, 13, 40, 200, 500].into_iter().map(move |count| {
            let end = (at + count).min(stream.len());
            (format!("{count} bytes missing at {at}"), [&stream[..at], &stream[end..]].concat())
        });
        let late = std::iter::once((format!("begun at {at}"), stream[at..].to_vec()));
        flipped.chain(cut).chain(late)
    })
}

/// Whether everything that was `found` was `sent`, in its order and once.
pub(crate) fn is_sent<T: PartialEq>(found: &[T], sent: &[T]) -> bool {
    let mut sent = sent.iter();
    found.iter().all(|found| sent.any(|sent| sent == found))
}
