//! Receipts, verified offline against nothing but the genesis.

use protocol::{
    block::validators_hash,
    certificate::{CertificateError, Validator},
    envelope::ChainId,
    genesis::Genesis,
    hash::Hash,
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

/// Checks receipts against what one genesis leads to. Made once; each check is a hash, a Merkle path and the commit
/// signatures.
#[derive(Debug, Clone)]
pub struct Verifier {
    chain: ChainId,
    validators: Vec<Validator>,
    validators_hash: Hash,
}

impl Verifier {
    /// Trusts `genesis`, and nobody else.
    pub fn new(genesis: &Genesis) -> Verifier {
        Verifier {
            chain: genesis.chain(),
            validators: genesis.validators.clone(),
            validators_hash: validators_hash(&genesis.validators),
        }
    }

    /// Checks that the receipt's entry is in a block that the validators committed: the chain, the validator set, every
    /// commit signature, and the entry's Merkle path.
    pub fn verify(&self, receipt: &Receipt) -> Result<(), ProofError> {
        let Receipt { entry: _, proof, header, certificate } = receipt;
        if header.chain != self.chain {
            return Err(ProofError::OtherChain { expected: self.chain, found: header.chain });
        }
        if header.validators != self.validators_hash {
            return Err(ProofError::OtherValidators { expected: self.validators_hash, found: header.validators });
        }
        if certificate.block != header.hash() || certificate.height != header.height {
            return Err(ProofError::OtherBlock);
        }
        certificate.verify(&self.chain, &self.validators)?;
        if proof.proves(&receipt.leaf(), &header.entries) { Ok(()) } else { Err(ProofError::NotIncluded) }
    }
}
