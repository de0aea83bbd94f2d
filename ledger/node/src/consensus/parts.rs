//! Bodies in parts: cutting one up to be published, and putting parts together as they arrive in any order.
//!
//! Gossip is open to anyone, is relayed before we can judge it, and has no order. So every part says everything about
//! the stream it belongs to (its [`Outline`]) and is signed by the validator that sends it. What is kept is therefore
//! bounded by the number of validators, and nobody else can slip a chunk into a validator's stream. Pure: no network,
//! no clock.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use protocol::{
    hash::Hash,
    key::{SecretKey, ValidatorId},
    limits::BLOCK_BYTES_MAX,
};

use super::{
    part::{BodyPart, Outline},
    signing,
};

/// Bytes of a chunk; the last one of a body may be shorter.
pub(super) const CHUNK_BYTES: usize = 64 * 1_024;
/// Most parts of a body.
const PARTS_MAX: usize = BLOCK_BYTES_MAX.div_ceil(CHUNK_BYTES);
/// How many heights beyond the one being decided bodies are kept for. A proposer may be that far ahead of a slow node.
const HEIGHTS_AHEAD_MAX: u64 = 3;
/// How many rounds ahead bodies are taken for: as many as the engine takes votes for.
const ROUNDS_AHEAD_MAX: u32 = 10;
/// Most unfinished or waiting bodies that one validator can make us keep.
const STREAMS_PER_VALIDATOR_MAX: usize = 4;

/// A body put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) outline: Outline,
    pub(super) bytes: Bytes,
}

/// Why a part was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(super) enum Refusal {
    /// For a height that is decided.
    #[error("its height is decided")]
    PastHeight,
    /// For a height too far ahead.
    #[error("its height is too far ahead")]
    FarHeight,
    /// For a round too far ahead.
    #[error("its round is too far ahead")]
    FarRound,
    /// Of impossible length or place.
    #[error("its length or place is impossible")]
    Malformed,
    /// From someone who is no validator.
    #[error("its sender is no validator")]
    UnknownStreamer,
    /// Not signed by the validator that it names.
    #[error("its signature does not verify")]
    BadSignature,
    /// Already here.
    #[error("it is here already")]
    Duplicate,
    /// The validator sends another body for the same round.
    #[error("its sender sends another body for the same round")]
    Conflicting,
    /// The parts do not make the body they promise.
    #[error("the parts do not make the body they promise")]
    WrongBody,
    /// Proposed out of turn.
    #[error("it was proposed out of turn")]
    WrongProposer,
}

/// Cuts a body into signed parts. An empty body has one empty part.
pub(super) fn split(
    chain: &Hash,
    key: &SecretKey,
    candidate: &super::Candidate,
    body: &Bytes,
) -> Result<Vec<BodyPart>, super::Halt> {
    if body.len() > BLOCK_BYTES_MAX {
        return Err(super::Halt::BodyTooLong { found: body.len() });
    }
    let count = body.len().div_ceil(CHUNK_BYTES).max(1);
    let outline = Outline {
        height: candidate.height,
        round: candidate.round,
        valid_round: candidate.valid_round,
        proposer: candidate.proposer,
        body: Hash::of(body),
        count: count as u32,
    };
    let streamer = key.public();
    let parts = (0..count).map(|index| {
        let chunk = body.slice(index * CHUNK_BYTES..body.len().min((index + 1) * CHUNK_BYTES));
        let index = index as u32;
        let signature = key.sign(&signing::part(chain, &outline, index, &chunk));
        BodyPart { outline: outline.clone(), index, chunk, streamer, signature }
    });
    Ok(parts.collect())
}

/// One stream per height, round and sender: a validator has one body to send for a round.
type Key = (u64, u32, ValidatorId);

#[derive(Debug)]
struct Stream {
    outline: Outline,
    state: Arrival,
}

#[derive(Debug)]
enum Arrival {
    /// Some parts are missing.
    Partial { chunks: Vec<Option<Bytes>>, missing: usize },
    /// Complete, for a height that is not there yet.
    Waiting(Bytes),
    /// Done with; kept to know a repetition.
    Done,
}

/// Puts bodies together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    height: u64,
    round: u32,
    streams: BTreeMap<Key, Stream>,
}

impl Assembler {
    /// A round has started. Returns the bodies that were waiting for its height, and forgets what is past.
    pub(super) fn start(&mut self, height: u64, round: u32) -> Vec<Body> {
        (self.height, self.round) = (height, round);
        self.streams.retain(|key, _| key.0 >= height);
        let due = self.streams.values_mut().filter(|stream| stream.outline.height == height);
        due.filter_map(|stream| match std::mem::replace(&mut stream.state, Arrival::Done) {
            Arrival::Waiting(bytes) => Some(Body { outline: stream.outline.clone(), bytes }),
            other => {
                stream.state = other;
                None
            }
        })
        .collect()
    }

    /// Takes a part in; `is_signed` is asked last, because it costs most. Returns the body if this completes one of the
    /// height being decided.
    pub(super) fn insert(
        &mut self,
        part: BodyPart,
        is_signed: impl Fn(&BodyPart) -> bool,
    ) -> Result<Option<Body>, Refusal> {
        self.check(&part)?;
        if !is_signed(&part) {
            return Err(Refusal::BadSignature);
        }
        let BodyPart { outline, index, chunk, streamer, .. } = part;
        let key = (outline.height, outline.round, streamer);
        if !self.streams.contains_key(&key) {
            self.make_room(streamer);
        }
        let count = outline.count as usize;
        let stream = self.streams.entry(key).or_insert_with(|| Stream {
            outline,
            state: Arrival::Partial { chunks: vec![None; count], missing: count },
        });
        let Arrival::Partial { chunks, missing } = &mut stream.state else { return Err(Refusal::Duplicate) };
        if let Some(place @ None) = chunks.get_mut(index as usize) {
            *place = Some(chunk);
            *missing -= 1;
        }
        if *missing > 0 {
            return Ok(None);
        }
        let bytes = join(std::mem::take(chunks));
        stream.state = Arrival::Done;
        if Hash::of(&bytes) != stream.outline.body {
            return Err(Refusal::WrongBody);
        }
        if stream.outline.height > self.height {
            stream.state = Arrival::Waiting(bytes);
            return Ok(None);
        }
        Ok(Some(Body { outline: stream.outline.clone(), bytes }))
    }

    /// What can be said without checking a signature.
    fn check(&self, part: &BodyPart) -> Result<(), Refusal> {
        let BodyPart { outline, index, chunk, streamer, .. } = part;
        if outline.height < self.height {
            return Err(Refusal::PastHeight);
        }
        if outline.height - self.height > HEIGHTS_AHEAD_MAX {
            return Err(Refusal::FarHeight);
        }
        let round = if outline.height == self.height { self.round } else { 0 };
        if outline.round > round.saturating_add(ROUNDS_AHEAD_MAX) {
            return Err(Refusal::FarRound);
        }
        let (count, index) = (outline.count as usize, *index as usize);
        let is_full = chunk.len() == CHUNK_BYTES;
        let is_last = index + 1 == count && chunk.len() <= CHUNK_BYTES && (!chunk.is_empty() || count == 1);
        if index >= count || count > PARTS_MAX || !(is_full || is_last) {
            return Err(Refusal::Malformed);
        }
        match self.streams.get(&(outline.height, outline.round, *streamer)) {
            Some(stream) if stream.outline != *outline => Err(Refusal::Conflicting),
            Some(Stream { state: Arrival::Partial { chunks, .. }, .. }) if chunks.get(index) == Some(&None) => Ok(()),
            Some(_) => Err(Refusal::Duplicate),
            None => Ok(()),
        }
    }

    /// Drops the oldest of a validator's streams if it has as many as it may.
    fn make_room(&mut self, streamer: ValidatorId) {
        let held = |(key, stream): &(&Key, &Stream)| key.2 == streamer && !matches!(stream.state, Arrival::Done);
        if self.streams.iter().filter(held).count() >= STREAMS_PER_VALIDATOR_MAX
            && let Some(oldest) = self.streams.iter().find(held).map(|(key, _)| *key)
        {
            self.streams.remove(&oldest);
        }
    }
}

fn join(chunks: Vec<Option<Bytes>>) -> Bytes {
    let mut chunks: Vec<_> = chunks.into_iter().flatten().collect();
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    let mut bytes = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAIN: Hash = Hash::ZERO;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn parts(height: u64, round: u32, body: &[u8]) -> Vec<BodyPart> {
        let proposer = key(1).public();
        let candidate =
            super::super::Candidate { block: Hash::ZERO, height, round, proposer, valid_round: None, valid: true };
        split(&CHAIN, &key(1), &candidate, &Bytes::copy_from_slice(body)).unwrap()
    }

    fn at(height: u64, round: u32) -> Assembler {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.start(height, round), []);
        assembler
    }

    fn insert(assembler: &mut Assembler, part: &BodyPart) -> Result<Option<Bytes>, Refusal> {
        let body = assembler.insert(part.clone(), |part| signing::part_is_signed(&CHAIN, part))?;
        Ok(body.map(|body| body.bytes))
    }

    /// A body of `parts` full parts and a short one.
    fn body(parts: usize) -> Vec<u8> {
        (0..parts * CHUNK_BYTES + 5).map(|i| (i % 251) as u8).collect()
    }

    proptest! {
        #[test]
        fn parts_in_any_order_make_the_body_once(
            len in prop_oneof![Just(0), Just(1), Just(CHUNK_BYTES), Just(2 * CHUNK_BYTES), 0..5 * CHUNK_BYTES],
            order in any::<[u16; 8]>(),
        ) {
            let body: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
            let mut parts = parts(7, 2, &body);
            parts.sort_by_key(|part| order[part.index as usize]);
            let mut assembler = at(7, 0);
            let done: Vec<_> = parts.iter().filter_map(|part| insert(&mut assembler, part).unwrap()).collect();
            prop_assert_eq!(done, [Bytes::from(body)]);
            for part in &parts {
                prop_assert_eq!(insert(&mut assembler, part), Err(Refusal::Duplicate));
            }
        }
    }

    #[test]
    fn a_body_longer_than_a_block_may_be_is_not_sent() {
        let candidate = |round| super::super::Candidate {
            block: Hash::ZERO,
            height: 1,
            round,
            proposer: key(1).public(),
            valid_round: None,
            valid: true,
        };
        let longest = Bytes::from(vec![0; BLOCK_BYTES_MAX]);
        let mut assembler = at(1, 0);
        let parts = split(&CHAIN, &key(1), &candidate(0), &longest).unwrap();
        let done = parts.iter().filter_map(|part| insert(&mut assembler, part).unwrap()).count();
        assert_eq!(done, 1);
        let longer = Bytes::from(vec![0; BLOCK_BYTES_MAX + 1]);
        assert!(matches!(split(&CHAIN, &key(1), &candidate(0), &longer), Err(super::super::Halt::BodyTooLong { .. })));
    }

    #[test]
    fn a_body_for_a_later_height_waits_for_it() {
        let mut assembler = at(7, 0);
        assert_eq!(insert(&mut assembler, &parts(8, 0, b"later")[0]), Ok(None));
        assert_eq!(assembler.start(7, 1), []);
        let due = assembler.start(8, 0);
        assert_eq!(due.iter().map(|body| &body.bytes[..]).collect::<Vec<_>>(), [b"later"]);
        assert_eq!(assembler.start(8, 1), []);
        assert_eq!(insert(&mut assembler, &parts(8, 0, b"later")[0]), Err(Refusal::Duplicate));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let mut assembler = at(7, 3);
        let good = &parts(7, 3, &body(1))[0];
        let mut refuses = |change: &dyn Fn(&mut BodyPart), refusal| {
            let mut part = good.clone();
            change(&mut part);
            assert_eq!(insert(&mut assembler, &part), Err(refusal));
        };
        refuses(&|part| part.outline.height = 6, Refusal::PastHeight);
        refuses(&|part| part.outline.height = 8 + HEIGHTS_AHEAD_MAX, Refusal::FarHeight);
        refuses(&|part| part.outline.height = u64::MAX, Refusal::FarHeight);
        refuses(&|part| part.outline.round = 4 + ROUNDS_AHEAD_MAX, Refusal::FarRound);
        refuses(&|part| part.index = 2, Refusal::Malformed);
        refuses(&|part| part.outline.count = 0, Refusal::Malformed);
        refuses(&|part| part.outline.count = u32::MAX, Refusal::Malformed);
        refuses(&|part| part.chunk = part.chunk.slice(1..), Refusal::Malformed);
        refuses(&|part| part.chunk = vec![0; CHUNK_BYTES + 1].into(), Refusal::Malformed);
        refuses(&|part| part.chunk = vec![0; CHUNK_BYTES].into(), Refusal::BadSignature);
        refuses(&|part| part.index = 1, Refusal::BadSignature);
        refuses(&|part| part.outline.valid_round = Some(0), Refusal::BadSignature);
        refuses(&|part| part.outline.proposer = key(2).public(), Refusal::BadSignature);
        refuses(&|part| part.streamer = key(2).public(), Refusal::BadSignature);
        assert_eq!(insert(&mut assembler, good), Ok(None));
        assert_eq!(insert(&mut assembler, good), Err(Refusal::Duplicate));
        assert_eq!(insert(&mut assembler, &parts(7, 3, b"another")[0]), Err(Refusal::Conflicting));
    }

    #[test]
    fn a_validator_that_promises_another_body_is_found_out() {
        let mut part = parts(7, 0, b"body").remove(0);
        part.outline.body = Hash::of(b"promised");
        part.signature = key(1).sign(&signing::part(&CHAIN, &part.outline, 0, &part.chunk));
        assert_eq!(insert(&mut at(7, 0), &part), Err(Refusal::WrongBody));
    }

    #[test]
    fn one_validator_cannot_fill_the_memory() {
        let mut assembler = at(7, 0);
        for round in 0..=ROUNDS_AHEAD_MAX {
            assert_eq!(insert(&mut assembler, &parts(7, round, &body(1))[0]), Ok(None));
            assert!(assembler.streams.len() <= STREAMS_PER_VALIDATOR_MAX);
        }
        // The newest stream is among those kept.
        assert_eq!(insert(&mut assembler, &parts(7, ROUNDS_AHEAD_MAX, &body(1))[1]), Ok(Some(body(1).into())));
    }
}
