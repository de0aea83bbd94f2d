//! Retired certificates, proved by the block that took the claim in.

use protocol::{
    block::{Block, Transaction},
    commit::CommitCertificate,
    hash::Hash,
    instruction::Instruction,
    receipt::ValidatorStep,
    retirement::{ProvedRetirement, Retirement},
};

use crate::chain::ids;

/// The proof that a committed block has an instruction, by its id, that retires certificates; none where it has no such
/// instruction. `steps` lead from the genesis' validators to the header's.
pub fn retirement(
    block: &Block,
    certificate: &CommitCertificate,
    steps: &[ValidatorStep],
    id: Hash,
) -> Option<ProvedRetirement> {
    let index = block.transactions.iter().position(|transaction| transaction.id() == id)?;
    let Transaction::Instruct(sealed) = block.transactions.get(index)? else { return None };
    let instruction = sealed.open::<Instruction>(&block.header.chain, |_| true).ok()?;
    Some(ProvedRetirement {
        retirement: Retirement::of(&instruction)?,
        key: instruction.signer(),
        signature: instruction.signature(),
        proof: ids(&block.transactions).prove(index)?,
        header: block.header.clone(),
        certificate: certificate.clone(),
        steps: steps.to_vec(),
    })
}
