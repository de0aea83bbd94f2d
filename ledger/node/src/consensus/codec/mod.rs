//! How the engine's messages are written: deterministic CBOR arrays, on the wire and, behind a version byte, in the
//! write-ahead log. A change of any form here is a change of both: raise [`WAL_VERSION`] and the version in the
//! protocol names with it.

use arc_malachitebft_app_channel::app::{
    consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg},
    streaming::StreamContent,
    types::{
        codec::{Codec, HasEncodedLen},
        core::ValidatorProof,
        streaming::{StreamId, StreamMessage},
        sync::{Request, Response, Status},
    },
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use protocol::{
    cbor::{self, CborError},
    commit::CommitCertificate,
};
use tokio::sync::mpsc;

use super::{context::Context, part::Part};

mod consensus;
mod sync;

/// Version of the write-ahead log's entries.
const WAL_VERSION: u8 = 1;

/// Bytes that are no message, or a message that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::consensus) enum CodecError {
    #[error(transparent)]
    Cbor(#[from] CborError),
    #[error("a message without a round")]
    NoRound,
    #[error("not a peer's id: {0}")]
    PeerId(String),
    #[error("an empty part")]
    EmptyPart,
    #[error("expected version {WAL_VERSION}, found {0:?}")]
    Version(Option<u8>),
}

/// Writes for the network. Commit certificates that peers send are also shown to the node, which may be waiting for a
/// sign that the others have gone on.
#[derive(Debug, Clone)]
pub(in crate::consensus) struct WireCodec {
    pub(in crate::consensus) certificates: mpsc::Sender<CommitCertificate>,
}

impl<T: Written> Codec<T> for WireCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<T, CodecError> {
        let message = T::read(cbor::decode(&bytes)?)?;
        for certificate in message.certificates() {
            // If the node is behind with reading, it is not waiting for a sign.
            let _ = self.certificates.try_send(certificate);
        }
        Ok(message)
    }

    fn encode(&self, message: &T) -> Result<Bytes, CodecError> {
        Ok(cbor::encode(&message.form()?).into())
    }
}

impl HasEncodedLen<Response<Context>> for WireCodec {
    fn encoded_len(&self, message: &Response<Context>) -> Result<usize, CodecError> {
        Ok(cbor::encode(&message.form()?).len())
    }
}

/// Writes for the write-ahead log.
#[derive(Debug, Clone, Copy)]
pub(in crate::consensus) struct WalCodec;

impl<T: Written> Codec<T> for WalCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<T, CodecError> {
        match bytes.split_first() {
            Some((&WAL_VERSION, entry)) => T::read(cbor::decode(entry)?),
            other => Err(CodecError::Version(other.map(|(version, _)| *version))),
        }
    }

    fn encode(&self, message: &T) -> Result<Bytes, CodecError> {
        let mut bytes = vec![WAL_VERSION];
        bytes.extend(cbor::encode(&message.form()?));
        Ok(bytes.into())
    }
}

/// Whether bytes can be read as any message between validators, or as any entry of the vote log: for tests of what
/// nobody has written.
pub fn can_be_read(bytes: &[u8]) -> bool {
    fn read<T: Written>(bytes: &Bytes) -> bool {
        let wire = WireCodec { certificates: mpsc::channel(1).0 };
        Codec::<T>::decode(&wire, bytes.clone()).is_ok() | Codec::<T>::decode(&WalCodec, bytes.clone()).is_ok()
    }
    let bytes = Bytes::copy_from_slice(bytes);
    read::<SignedConsensusMsg<Context>>(&bytes)
        | read::<LivenessMsg<Context>>(&bytes)
        | read::<ProposedValue<Context>>(&bytes)
        | read::<ValidatorProof<Context>>(&bytes)
        | read::<StreamMessage<Part>>(&bytes)
        | read::<Status<Context>>(&bytes)
        | read::<Request<Context>>(&bytes)
        | read::<Response<Context>>(&bytes)
}

/// A type of the engine that has a written form.
pub(in crate::consensus) trait Written: Sized {
    type Form: Encode<()> + for<'b> Decode<'b, ()>;

    fn form(&self) -> Result<Self::Form, CodecError>;

    fn read(form: Self::Form) -> Result<Self, CodecError>;

    fn certificates(&self) -> Vec<CommitCertificate> {
        Vec::new()
    }
}

impl Written for Part {
    type Form = Part;

    fn form(&self) -> Result<Part, CodecError> {
        Ok(self.clone())
    }

    fn read(form: Part) -> Result<Self, CodecError> {
        Ok(form)
    }
}

/// The engine's frame around a part. It says nothing that the part doesn't, so that only the part is written.
pub(in crate::consensus) fn stream_message(part: Part) -> StreamMessage<Part> {
    let (id, sequence) = match &part {
        Part::Body(part) => (Bytes::copy_from_slice(part.outline.body.as_bytes()), part.index.into()),
        Part::Start(_) | Part::Ask(_) | Part::Answer(_) => (Bytes::new(), 0),
    };
    StreamMessage::new(StreamId::new(id), sequence, StreamContent::Data(part))
}

impl Written for StreamMessage<Part> {
    type Form = Part;

    fn form(&self) -> Result<Part, CodecError> {
        self.content.as_data().cloned().ok_or(CodecError::EmptyPart)
    }

    fn read(form: Part) -> Result<Self, CodecError> {
        Ok(stream_message(form))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use arc_malachitebft_app_channel::app::types::{
        PeerId,
        core::{
            Context as _, NilOrVal, PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType,
            RoundSignature, SignedMessage, Validity, VoteType,
        },
        sync::RawDecidedValue,
    };
    use arc_malachitebft_sync::{ValueRequest, ValueResponse};
    use proptest::prelude::*;
    use protocol::{
        commit::CommitSignature,
        hash::Hash,
        key::{SecretKey, Signature},
    };

    use super::*;
    use crate::consensus::{
        context::{self, Vote},
        part::{BodyPart, Outline, Start},
        words::{Address, Height, OrderedSignature, Value},
    };

    const SIGNATURE: Signature = Signature::from_bytes([9; 64]);

    fn address(seed: u8) -> Address {
        Address(SecretKey::from_seed(&[seed; 32]).public())
    }

    fn wire() -> WireCodec {
        WireCodec { certificates: mpsc::channel(8).0 }
    }

    fn round_trips<T: Written + PartialEq + Debug>(message: &T) {
        let bytes = wire().encode(message).unwrap();
        assert_eq!(&Codec::<T>::decode(&wire(), bytes.clone()).unwrap(), message);
        for cut in 0..bytes.len() {
            assert!(Codec::<T>::decode(&wire(), bytes.slice(..cut)).is_err());
        }
        let logged = WalCodec.encode(message).unwrap();
        assert_eq!((logged[0], logged.slice(1..)), (WAL_VERSION, bytes.clone()));
        assert_eq!(&Codec::<T>::decode(&WalCodec, logged).unwrap(), message);
        let other = Bytes::from([&[WAL_VERSION + 1], &bytes[..]].concat());
        assert!(matches!(Codec::<T>::decode(&WalCodec, other), Err(CodecError::Version(Some(2)))));
        assert!(matches!(Codec::<T>::decode(&WalCodec, Bytes::new()), Err(CodecError::Version(None))));
    }

    fn vote(block: NilOrVal<Hash>) -> SignedMessage<Context, Vote> {
        let vote = Context.new_precommit(Height(4), Round::new(2), block, address(1));
        SignedMessage::new(vote, OrderedSignature(SIGNATURE))
    }

    fn certificate(height: u64) -> CommitCertificate {
        let signatures = vec![CommitSignature { validator: address(1).0, signature: SIGNATURE }];
        CommitCertificate { height, round: 1, block: Hash::of(b"block"), signatures }
    }

    #[test]
    fn every_message_of_a_round_round_trips() {
        let block = Hash::of(b"block");
        let vote = vote(NilOrVal::Val(block));
        round_trips(&SignedConsensusMsg::Vote(vote.clone()));
        round_trips(&SignedConsensusMsg::Vote(self::vote(NilOrVal::Nil)));
        for pol_round in [Round::Nil, Round::new(1)] {
            let proposal = Context.new_proposal(Height(4), Round::new(2), Value(block), pol_round, address(1));
            round_trips(&SignedConsensusMsg::Proposal(SignedMessage::new(proposal, OrderedSignature(SIGNATURE))));
            round_trips(&ProposedValue {
                height: Height(4),
                round: Round::new(2),
                valid_round: pol_round,
                proposer: address(1),
                value: Value(block),
                validity: Validity::Invalid,
            });
        }
        let polka = PolkaCertificate {
            height: Height(4),
            round: Round::new(2),
            value_id: block,
            polka_signatures: vec![PolkaSignature::new(address(2), OrderedSignature(SIGNATURE))],
        };
        round_trips(&polka);
        round_trips(&LivenessMsg::PolkaCertificate(polka));
        round_trips(&LivenessMsg::Vote(vote));
        for cert_type in [RoundCertificateType::Skip, RoundCertificateType::Precommit] {
            let signature = |kind, block| RoundSignature::new(kind, block, address(2), OrderedSignature(SIGNATURE));
            let round_signatures =
                vec![signature(VoteType::Prevote, NilOrVal::Nil), signature(VoteType::Precommit, NilOrVal::Val(block))];
            let (height, round) = (Height(4), Round::new(2));
            round_trips(&LivenessMsg::SkipRoundCertificate(RoundCertificate {
                height,
                round,
                cert_type,
                round_signatures,
            }));
        }
        round_trips(&ValidatorProof::<Context>::new(vec![1, 2], vec![3], OrderedSignature(SIGNATURE)));
    }

    #[test]
    fn every_message_beside_a_round_round_trips() {
        let key = address(1).0;
        let outline = Outline { height: 4, round: 2, valid_round: None, proposer: key, body: Hash::ZERO, count: 2 };
        let part = BodyPart { outline, index: 1, chunk: vec![5; 300].into(), streamer: key, signature: SIGNATURE };
        round_trips(&stream_message(Part::Body(Box::new(part))));
        round_trips(&stream_message(Part::Start(Box::new(Start { height: 4, validator: key, signature: SIGNATURE }))));
        let (tip_height, history_min_height) = (Height(9), Height(1));
        let peer_id = PeerId::from_bytes(&[0, 4, 8, 1, 18, 0]).unwrap();
        round_trips(&Status::<Context> { peer_id, tip_height, history_min_height });
        round_trips(&Request::<Context>::ValueRequest(ValueRequest::new(Height(3)..=Height(8))));
    }

    #[test]
    fn a_peers_history_round_trips_and_its_certificates_are_shown() {
        let decided = |height| {
            RawDecidedValue::new(Bytes::from_static(b"body"), context::engine_certificate(certificate(height)))
        };
        let response = Response::ValueResponse(ValueResponse::new(Height(3), vec![decided(3), decided(4)]));
        round_trips(&response);
        let (certificates, mut shown) = mpsc::channel(1);
        let codec = WireCodec { certificates };
        let bytes = codec.encode(&response).unwrap();
        assert_eq!(codec.encoded_len(&response).unwrap(), bytes.len());
        let _: Response<Context> = codec.decode(bytes).unwrap();
        assert_eq!(shown.try_recv(), Ok(certificate(3)));
        assert!(shown.try_recv().is_err(), "a full channel makes nobody wait");
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = Codec::<SignedConsensusMsg<Context>>::decode(&wire(), bytes.clone());
            let _ = Codec::<LivenessMsg<Context>>::decode(&wire(), bytes.clone());
            let _ = Codec::<StreamMessage<Part>>::decode(&wire(), bytes.clone());
            let _ = Codec::<Response<Context>>::decode(&wire(), bytes.clone());
            let _ = Codec::<SignedConsensusMsg<Context>>::decode(&WalCodec, bytes);
        }
    }
}
