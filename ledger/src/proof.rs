//! Receipts, verified offline against nothing but the genesis.

use protocol::{
    block::validators_hash, certificate::CertificateError, envelope::ChainId, genesis::Genesis, hash::Hash,
    receipt::Receipt,
};

/// Why a receipt proves nothing. In the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A receipt of another ledger.
    #[error("expected a receipt of the chain {expected}, found one of {found}")]
    OtherChain {
        /// The chain of the genesis.
        expected: ChainId,
        /// The receipt's.
        found: ChainId,
    },
    /// The header was decided by validators that the genesis does not lead to.
    #[error("expected the validators {expected} of the genesis, found {found}")]
    OtherValidators {
        /// Hash of the genesis' validators.
        expected: Hash,
        /// The receipt's.
        found: Hash,
    },
    /// The certificate is of another block or height than the header.
    #[error("the certificate is not of this header")]
    OtherBlock,
    /// The certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The entry is not in the block.
    #[error("the entry is not under the header's root of entries")]
    NotIncluded,
}

/// Checks that the receipt's entry is in a block that the validators of `genesis` committed: the chain, the validator
/// set, every commit signature, and the entry's Merkle path.
pub fn verify(receipt: &Receipt, genesis: &Genesis) -> Result<(), ProofError> {
    let Receipt { entry: _, proof, header, certificate } = receipt;
    let chain = genesis.chain();
    if header.chain != chain {
        return Err(ProofError::OtherChain { expected: chain, found: header.chain });
    }
    let expected = validators_hash(&genesis.validators);
    if header.validators != expected {
        return Err(ProofError::OtherValidators { expected, found: header.validators });
    }
    if certificate.block != header.hash() || certificate.height != header.height {
        return Err(ProofError::OtherBlock);
    }
    certificate.verify(&chain, &genesis.validators)?;
    if proof.proves(&receipt.leaf(), &header.entries) { Ok(()) } else { Err(ProofError::NotIncluded) }
}
