//! What the engine has seen validators sign twice, in our words.

use arc_malachitebft_app_channel::app::{
    consensus::MisbehaviorEvidence,
    types::core::{NilOrVal, SignedMessage, VoteType},
};
use ledger::evidence::{Evidence, Said, Statement};
use protocol::hash::Hash;

use super::context::{Context, Proposal, Vote};

/// Every pair of contradicting messages. What names no round, no honest validator signs, and nobody accepts.
pub(super) fn evidence(chain: Hash, seen: &MisbehaviorEvidence<Context>) -> Vec<Evidence> {
    let votes = seen.votes.iter().flat_map(|(_, pairs)| pairs).filter_map(|(one, other)| of_votes(chain, one, other));
    let proposals =
        seen.proposals.iter().flat_map(|(_, pairs)| pairs).filter_map(|(one, other)| of_proposals(chain, one, other));
    votes.chain(proposals).collect()
}

fn of_votes(chain: Hash, one: &SignedMessage<Context, Vote>, other: &SignedMessage<Context, Vote>) -> Option<Evidence> {
    let Vote { kind, height, round, validator, .. } = &one.message;
    let said = match kind {
        VoteType::Prevote => Said::Prevote,
        VoteType::Precommit => Said::Precommit,
    };
    let statement = |signed: &SignedMessage<Context, Vote>| Statement {
        block: match signed.message.block {
            NilOrVal::Nil => None,
            NilOrVal::Val(block) => Some(block),
        },
        pol_round: None,
        signature: signed.signature.0,
    };
    let statements = [statement(one), statement(other)];
    Some(Evidence { chain, validator: validator.0, said, height: height.0, round: round.as_u32()?, statements })
}

fn of_proposals(
    chain: Hash,
    one: &SignedMessage<Context, Proposal>,
    other: &SignedMessage<Context, Proposal>,
) -> Option<Evidence> {
    let Proposal { height, round, proposer, .. } = &one.message;
    let statement = |signed: &SignedMessage<Context, Proposal>| Statement {
        block: Some(signed.message.value.0),
        pol_round: signed.message.pol_round.as_u32(),
        signature: signed.signature.0,
    };
    let statements = [statement(one), statement(other)];
    let (validator, said) = (proposer.0, Said::Proposal);
    Some(Evidence { chain, validator, said, height: height.0, round: round.as_u32()?, statements })
}
