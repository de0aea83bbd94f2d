//! Forms of votes, proposals and certificates, and of what else the engine logs or exchanges to decide a height.

use arc_malachitebft_app_channel::app::{
    consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg},
    types::core::{
        NilOrVal, PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType, RoundSignature,
        SignedMessage, SignedProposal, SignedVote, ValidatorProof, Validity, VoteType,
    },
};
use minicbor::{Decode, Encode};
use protocol::{
    cbor::{self, Element},
    commit::{CommitCertificate, CommitSignature, VoteKind},
    hash::Hash,
    key::{PublicKey, Signature},
    limits::VALIDATORS_MAX,
};

use super::{CodecError, Written};
use crate::consensus::{
    context::{Context, Proposal, Vote},
    words::{Address, Height, OrderedSignature, Value},
};

fn round(round: Round) -> Result<u32, CodecError> {
    round.as_u32().ok_or(CodecError::NoRound)
}

fn kind(kind: VoteType) -> VoteKind {
    match kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    }
}

fn vote_type(kind: VoteKind) -> VoteType {
    match kind {
        VoteKind::Prevote => VoteType::Prevote,
        VoteKind::Precommit => VoteType::Precommit,
    }
}

fn option<T: Copy>(value: &NilOrVal<T>) -> Option<T> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(*value),
    }
}

fn nil_or_val<T>(value: Option<T>) -> NilOrVal<T> {
    value.map_or(NilOrVal::Nil, NilOrVal::Val)
}

/// A signed vote.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct VoteForm {
    #[n(0)]
    kind: VoteKind,
    #[n(1)]
    height: u64,
    #[n(2)]
    round: u32,
    #[n(3)]
    block: Option<Hash>,
    #[n(4)]
    validator: PublicKey,
    #[n(5)]
    signature: Signature,
}

impl Written for SignedVote<Context> {
    type Form = VoteForm;

    fn form(&self) -> Result<VoteForm, CodecError> {
        let Vote { kind: vote_type, height, round: vote_round, block, validator } = &self.message;
        Ok(VoteForm {
            kind: kind(*vote_type),
            height: height.0,
            round: round(*vote_round)?,
            block: option(block),
            validator: validator.0,
            signature: self.signature.0,
        })
    }

    fn read(form: VoteForm) -> Result<Self, CodecError> {
        let vote = Vote {
            kind: vote_type(form.kind),
            height: Height(form.height),
            round: Round::new(form.round),
            block: nil_or_val(form.block),
            validator: Address(form.validator),
        };
        Ok(SignedMessage::new(vote, OrderedSignature(form.signature)))
    }
}

/// A signed proposal.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct ProposalForm {
    #[n(0)]
    height: u64,
    #[n(1)]
    round: u32,
    #[n(2)]
    pol_round: Option<u32>,
    #[n(3)]
    block: Hash,
    #[n(4)]
    proposer: PublicKey,
    #[n(5)]
    signature: Signature,
}

impl Written for SignedProposal<Context> {
    type Form = ProposalForm;

    fn form(&self) -> Result<ProposalForm, CodecError> {
        Ok(ProposalForm {
            height: self.message.height.0,
            round: round(self.message.round)?,
            pol_round: self.message.pol_round.as_u32(),
            block: self.message.value.0,
            proposer: self.message.proposer.0,
            signature: self.signature.0,
        })
    }

    fn read(form: ProposalForm) -> Result<Self, CodecError> {
        let proposal = Proposal {
            height: Height(form.height),
            round: Round::new(form.round),
            value: Value(form.block),
            pol_round: Round::from(form.pol_round),
            proposer: Address(form.proposer),
        };
        Ok(SignedMessage::new(proposal, OrderedSignature(form.signature)))
    }
}

/// A message of a round.
#[derive(Encode, Decode)]
pub(in crate::consensus) enum ConsensusForm {
    #[n(0)]
    Vote(#[n(0)] VoteForm),
    #[n(1)]
    Proposal(#[n(0)] ProposalForm),
}

impl Written for SignedConsensusMsg<Context> {
    type Form = ConsensusForm;

    fn form(&self) -> Result<ConsensusForm, CodecError> {
        Ok(match self {
            SignedConsensusMsg::Vote(vote) => ConsensusForm::Vote(vote.form()?),
            SignedConsensusMsg::Proposal(proposal) => ConsensusForm::Proposal(proposal.form()?),
        })
    }

    fn read(form: ConsensusForm) -> Result<Self, CodecError> {
        Ok(match form {
            ConsensusForm::Vote(vote) => SignedConsensusMsg::Vote(Written::read(vote)?),
            ConsensusForm::Proposal(proposal) => SignedConsensusMsg::Proposal(Written::read(proposal)?),
        })
    }
}

/// A certificate of prevotes: written like one of precommits.
impl Written for PolkaCertificate<Context> {
    type Form = CommitCertificate;

    fn form(&self) -> Result<CommitCertificate, CodecError> {
        let entry = |entry: &PolkaSignature<Context>| CommitSignature {
            validator: entry.address.0,
            signature: entry.signature.0,
        };
        Ok(CommitCertificate {
            height: self.height.0,
            round: round(self.round)?,
            block: self.value_id,
            signatures: self.polka_signatures.iter().map(entry).collect(),
        })
    }

    fn read(form: CommitCertificate) -> Result<Self, CodecError> {
        let entry =
            |entry: CommitSignature| PolkaSignature::new(Address(entry.validator), OrderedSignature(entry.signature));
        Ok(PolkaCertificate {
            height: Height(form.height),
            round: Round::new(form.round),
            value_id: form.block,
            polka_signatures: form.signatures.into_iter().map(entry).collect(),
        })
    }
}

/// Why a new round may be entered.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct RoundForm {
    #[n(0)]
    height: u64,
    #[n(1)]
    round: u32,
    /// More than a third of the votes of the round itself; otherwise two thirds of the precommits of the one before.
    #[n(2)]
    skip: bool,
    #[n(3)]
    #[cbor(decode_with = "cbor::list::<_, _, ROUND_VOTES_MAX>")]
    votes: Vec<RoundVote>,
}

/// Most votes that show why a round is entered: both of every validator.
const ROUND_VOTES_MAX: usize = 2 * VALIDATORS_MAX;

/// A vote among those.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct RoundVote {
    #[n(0)]
    kind: VoteKind,
    #[n(1)]
    block: Option<Hash>,
    #[n(2)]
    validator: PublicKey,
    #[n(3)]
    signature: Signature,
}

impl Element for RoundVote {
    const BYTES_MIN: usize = 103;
}

impl Written for RoundCertificate<Context> {
    type Form = RoundForm;

    fn form(&self) -> Result<RoundForm, CodecError> {
        let vote = |vote: &RoundSignature<Context>| RoundVote {
            kind: kind(vote.vote_type),
            block: option(&vote.value_id),
            validator: vote.address.0,
            signature: vote.signature.0,
        };
        Ok(RoundForm {
            height: self.height.0,
            round: round(self.round)?,
            skip: self.cert_type == RoundCertificateType::Skip,
            votes: self.round_signatures.iter().map(vote).collect(),
        })
    }

    fn read(form: RoundForm) -> Result<Self, CodecError> {
        let vote = |RoundVote { kind, block, validator, signature }| {
            RoundSignature::new(vote_type(kind), nil_or_val(block), Address(validator), OrderedSignature(signature))
        };
        Ok(RoundCertificate {
            height: Height(form.height),
            round: Round::new(form.round),
            cert_type: if form.skip { RoundCertificateType::Skip } else { RoundCertificateType::Precommit },
            round_signatures: form.votes.into_iter().map(vote).collect(),
        })
    }
}

/// A message that keeps rounds going.
#[derive(Encode, Decode)]
pub(in crate::consensus) enum LivenessForm {
    #[n(0)]
    Vote(#[n(0)] Box<VoteForm>),
    #[n(1)]
    Polka(#[n(0)] CommitCertificate),
    #[n(2)]
    Round(#[n(0)] RoundForm),
}

impl Written for LivenessMsg<Context> {
    type Form = LivenessForm;

    fn form(&self) -> Result<LivenessForm, CodecError> {
        Ok(match self {
            LivenessMsg::Vote(vote) => LivenessForm::Vote(Box::new(vote.form()?)),
            LivenessMsg::PolkaCertificate(certificate) => LivenessForm::Polka(certificate.form()?),
            LivenessMsg::SkipRoundCertificate(certificate) => LivenessForm::Round(certificate.form()?),
        })
    }

    fn read(form: LivenessForm) -> Result<Self, CodecError> {
        Ok(match form {
            LivenessForm::Vote(vote) => LivenessMsg::Vote(Written::read(*vote)?),
            LivenessForm::Polka(certificate) => LivenessMsg::PolkaCertificate(Written::read(certificate)?),
            LivenessForm::Round(certificate) => LivenessMsg::SkipRoundCertificate(Written::read(certificate)?),
        })
    }
}

/// Proof that a validator owns a network key.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct ProofForm {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    public_key: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    peer_id: Vec<u8>,
    #[n(2)]
    signature: Signature,
}

impl Written for ValidatorProof<Context> {
    type Form = ProofForm;

    fn form(&self) -> Result<ProofForm, CodecError> {
        let (public_key, peer_id) = (self.public_key.clone(), self.peer_id.clone());
        Ok(ProofForm { public_key, peer_id, signature: self.signature.0 })
    }

    fn read(form: ProofForm) -> Result<Self, CodecError> {
        Ok(ValidatorProof::new(form.public_key, form.peer_id, OrderedSignature(form.signature)))
    }
}

/// A judged proposal; only in the write-ahead log.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct ProposedForm {
    #[n(0)]
    height: u64,
    #[n(1)]
    round: u32,
    #[n(2)]
    valid_round: Option<u32>,
    #[n(3)]
    proposer: PublicKey,
    #[n(4)]
    block: Hash,
    #[n(5)]
    valid: bool,
}

impl Written for ProposedValue<Context> {
    type Form = ProposedForm;

    fn form(&self) -> Result<ProposedForm, CodecError> {
        Ok(ProposedForm {
            height: self.height.0,
            round: round(self.round)?,
            valid_round: self.valid_round.as_u32(),
            proposer: self.proposer.0,
            block: self.value.0,
            valid: self.validity.to_bool(),
        })
    }

    fn read(form: ProposedForm) -> Result<Self, CodecError> {
        Ok(ProposedValue {
            height: Height(form.height),
            round: Round::new(form.round),
            valid_round: Round::from(form.valid_round),
            proposer: Address(form.proposer),
            value: Value(form.block),
            validity: Validity::from_bool(form.valid),
        })
    }
}
