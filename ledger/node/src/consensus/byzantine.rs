//! A validator that lies, for tests: the engine's own proxy stands between its consensus and the network. What it signs
//! there goes past the record of what was signed, as a liar's would.

use arc_malachitebft_app_channel::{
    ByzantineContext, NetworkIdentity,
    app::types::core::{SignedMessage, ValidatorProof, VoteExtensionScope},
};
use arc_malachitebft_engine_byzantine::{ByzantineConfig, Trigger};
use arc_malachitebft_signing::{Error, Signer};
use async_trait::async_trait;
use protocol::{
    hash::Hash,
    key::{SecretKey, Signature},
};

use super::{
    codec::WireCodec,
    context::{Context, Proposal, Vote},
    signing,
    words::{Address, OrderedSignature, Value},
};

/// What a liar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Signs a second vote that contradicts the first.
    VotesTwice,
    /// Signs a second proposal that contradicts the first. It has no body.
    ProposesTwice,
    /// Keeps its votes to itself.
    HidesVotes,
    /// Keeps its proposals to itself.
    HidesProposals,
    /// Does not hear the proposals of others.
    IgnoresProposals,
}

impl Lie {
    /// All of them.
    pub const ALL: [Lie; 5] =
        [Lie::VotesTwice, Lie::ProposesTwice, Lie::HidesVotes, Lie::HidesProposals, Lie::IgnoresProposals];
}

/// A validator that lies every other time, by the dice of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Byzantine {
    /// What it does.
    pub lie: Lie,
    /// Seed of its dice.
    pub seed: u64,
}

impl Byzantine {
    pub(super) fn network(
        self,
        identity: NetworkIdentity,
        codec: WireCodec,
        chain: Hash,
        key: SecretKey,
    ) -> ByzantineContext<Context, WireCodec> {
        let now_and_then = Trigger::Random { probability: 0.5 };
        let honest = ByzantineConfig::new(Some(self.seed));
        let config = match self.lie {
            Lie::VotesTwice => honest.with_equivocate_votes(now_and_then),
            Lie::ProposesTwice => honest.with_equivocate_proposals(now_and_then),
            Lie::HidesVotes => honest.with_drop_votes(now_and_then),
            Lie::HidesProposals => honest.with_drop_proposals(now_and_then),
            Lie::IgnoresProposals => honest.with_drop_inbound_proposals(now_and_then),
        };
        ByzantineContext {
            identity,
            codec,
            config,
            address: Address(key.public()),
            signer: Box::new(Forger { chain, key }),
            conflicting_value_fn: Some(Box::new(|value| Value(other(Some(&value.0))))),
            conflicting_vote_value_fn: Some(Box::new(other)),
        }
    }
}

/// A block that there is not.
fn other(block: Option<&Hash>) -> Hash {
    Hash::of(block.unwrap_or(&Hash::ZERO).as_bytes())
}

/// Signs whatever it is asked to.
struct Forger {
    chain: Hash,
    key: SecretKey,
}

impl Forger {
    fn sign<T>(&self, message: T, bytes: Option<Vec<u8>>) -> Result<SignedMessage<Context, T>, Error> {
        let bytes = bytes.ok_or_else(|| Error::from_source("a message without a round"))?;
        let signature: Signature = self.key.sign(&bytes);
        Ok(SignedMessage::new(message, OrderedSignature(signature)))
    }
}

#[async_trait]
impl Signer<Context> for Forger {
    async fn sign_vote(&self, message: Vote) -> Result<SignedMessage<Context, Vote>, Error> {
        let bytes = signing::vote(&self.chain, &message);
        self.sign(message, bytes)
    }

    async fn sign_proposal(&self, message: Proposal) -> Result<SignedMessage<Context, Proposal>, Error> {
        let bytes = signing::proposal(&self.chain, &message);
        self.sign(message, bytes)
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Context>,
        (): (),
    ) -> Result<SignedMessage<Context, ()>, Error> {
        Err(Error::from_source("votes carry no extensions"))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Context>, Error> {
        Ok(signing::proof(&self.key, public_key, peer_id))
    }
}
