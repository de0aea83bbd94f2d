//! What validators publish beside votes and proposals.

use bytes::Bytes;
use minicbor::{Decode, Encode};
use protocol::{
    hash::Hash,
    key::{Signature, ValidatorId},
};

/// What is published beside votes and proposals.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Part {
    /// A part of a proposed body.
    #[n(0)]
    Body(#[n(0)] Box<BodyPart>),
    /// A resting validator has found work: let the others start, too.
    #[n(1)]
    Start(#[n(0)] Box<Start>),
    /// A validator that keeps silent asks where the others stand.
    #[n(2)]
    Ask(#[n(0)] Box<Ask>),
    /// The answer to that.
    #[n(3)]
    Answer(#[n(0)] Box<Answer>),
}

/// That a validator has started a height.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Start {
    /// The height.
    #[n(0)]
    pub(super) height: u64,
    /// The validator.
    #[n(1)]
    pub(super) validator: ValidatorId,
    /// Its signature.
    #[n(2)]
    pub(super) signature: Signature,
}

/// What all parts of one stream say alike.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Outline {
    /// Height of the proposal.
    #[n(0)]
    pub(super) height: u64,
    /// Round of the proposal.
    #[n(1)]
    pub(super) round: u32,
    /// The earlier round in which it became valid, if it is proposed again.
    #[n(2)]
    pub(super) valid_round: Option<u32>,
    /// Who proposed it. Others may send it again.
    #[n(3)]
    pub(super) proposer: ValidatorId,
    /// Hash of the whole body.
    #[n(4)]
    pub(super) body: Hash,
    /// How many parts there are.
    #[n(5)]
    pub(super) count: u32,
}

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct BodyPart {
    /// The stream it belongs to.
    #[n(0)]
    pub(super) outline: Outline,
    /// Its place, from 0.
    #[n(1)]
    pub(super) index: u32,
    /// The bytes.
    #[n(2)]
    #[cbor(with = "bytes_as_cbor")]
    pub(super) chunk: Bytes,
    /// The validator that sends it.
    #[n(3)]
    pub(super) streamer: ValidatorId,
    /// Its signature.
    #[n(4)]
    pub(super) signature: Signature,
}

/// A silent validator asks where the others stand.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Ask {
    /// Random.
    #[n(0)]
    pub(super) word: Hash,
    /// Who asks.
    #[n(1)]
    pub(super) validator: ValidatorId,
    /// Its signature.
    #[n(2)]
    pub(super) signature: Signature,
}

/// A validator says which block it has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Answer {
    /// The word of the question.
    #[n(0)]
    pub(super) word: Hash,
    /// Height of the last block it has committed.
    #[n(1)]
    pub(super) height: u64,
    /// Who answers.
    #[n(2)]
    pub(super) validator: ValidatorId,
    /// Its signature.
    #[n(3)]
    pub(super) signature: Signature,
}

/// [`Bytes`] as a CBOR byte string.
pub(super) mod bytes_as_cbor {
    use bytes::Bytes;
    use minicbor::{Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write};

    pub(in crate::consensus) fn encode<C, W: Write>(
        bytes: &Bytes,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(bytes)?.ok()
    }

    pub(in crate::consensus) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, DecodeError> {
        d.bytes().map(Bytes::copy_from_slice)
    }
}
