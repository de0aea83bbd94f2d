//! Receipts, registrations and retired certificates, verified offline against nothing but the genesis.

use protocol::{
    block::{Header, validators_hash},
    commit::{CommitCertificate, CommitError, Validator},
    envelope::{ChainId, EnvelopeError},
    genesis::Genesis,
    hash::Hash,
    instruction::Instruction,
    island::ProvedStandby,
    key::{Claim, all_hold},
    neighbour::neighbours_hash,
    receipt::{Receipt, ValidatorStep},
    registration::ProvedRegistration,
    retirement::ProvedRetirement,
};

/// Why a proof proves nothing. In the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is of another ledger.
    #[error("expected a proof of the chain {expected}, found one of {found}")]
    OtherChain {
        /// The chain of the genesis.
        expected: ChainId,
        /// The proof's.
        found: ChainId,
    },
    /// A header was decided by validators that the genesis does not lead to.
    #[error("expected block {height} to be decided by the validators {expected}, found {found}")]
    OtherValidators {
        /// Height of the header.
        height: u64,
        /// Hash of the validators that the genesis and the steps before lead to.
        expected: Hash,
        /// The header's.
        found: Hash,
    },
    /// A certificate is of another block or height than its header.
    #[error("the certificate of block {height} is not of its header")]
    OtherBlock {
        /// Height of the header.
        height: u64,
    },
    /// A certificate does not hold.
    #[error("block {height}: {error}")]
    Certificate {
        /// Height of the header.
        height: u64,
        /// What is wrong.
        error: CommitError,
    },
    /// A step is not later than the one before, or the proof's block not later than the last step.
    #[error("expected a block after height {after}, found height {found}")]
    NotAscending {
        /// Height of the block before.
        after: u64,
        /// Height of this one.
        found: u64,
    },
    /// A step that changes nothing, or to validators that its header does not name.
    #[error("block {height} does not hand over to the validators that follow it")]
    NoHandover {
        /// Height of the step's header.
        height: u64,
    },
    /// The entry is not in the block.
    #[error("the entry is not under the header's root of entries")]
    NotIncluded,
    /// The registration is not in the state after the block.
    #[error("the registration is not under the header's root of the state")]
    NotInState,
    /// The instruction that retires is not in the block.
    #[error("the instruction is not under the header's root of transactions")]
    NotTransacted,
    /// The instruction is in the block, and nobody signed it so.
    #[error("the instruction: {0}")]
    Instruction(EnvelopeError),
    /// The neighbours are others than the entry's.
    #[error("expected neighbours of the hash {}, found {}", or_none(*expected), or_none(*found))]
    OtherNeighbours {
        /// By the entry; none where it says that there are none.
        expected: Option<Hash>,
        /// Of those that are listed.
        found: Option<Hash>,
    },
}

/// Checks proofs against what one genesis leads to. Made once; each check is a hash, a Merkle path and the commit
/// signatures.
#[derive(Debug, Clone)]
pub struct Verifier {
    chain: ChainId,
    validators: Vec<Validator>,
}

impl Verifier {
    /// Trusts `genesis`, and nobody else.
    pub fn new(genesis: &Genesis) -> Verifier {
        Verifier { chain: genesis.chain(), validators: genesis.validators.clone() }
    }

    /// Checks that the receipt's entry is in a block that the validators committed: the chain, every change of the
    /// validators since the genesis, every commit signature, and the entry's Merkle path; and that the neighbours, if
    /// they are listed, are the entry's.
    pub fn verify(&self, receipt: &Receipt) -> Result<(), ProofError> {
        let Receipt { entry, proof, header, certificate, steps, neighbours } = receipt;
        self.check(header, certificate, steps, || {
            if !proof.proves(&receipt.leaf(), &header.entries) {
                return Err(ProofError::NotIncluded);
            }
            let (expected, found) = (entry.neighbours, neighbours_hash(neighbours));
            if found != expected && !receipt.lacks_neighbours() {
                return Err(ProofError::OtherNeighbours { expected, found });
            }
            Ok(())
        })
    }

    /// Checks that a member is registered so in the state after a block that the validators committed.
    pub fn verify_registration(&self, proved: &ProvedRegistration) -> Result<(), ProofError> {
        let ProvedRegistration { member: _, registration: _, proof, header, certificate, steps } = proved;
        self.check(header, certificate, steps, || {
            if proof.proves(&proved.leaf(), &header.state) { Ok(()) } else { Err(ProofError::NotInState) }
        })
    }

    /// Checks that a member may draw so much on an island by the state after a block that the validators committed.
    pub fn verify_standby(&self, proved: &ProvedStandby) -> Result<(), ProofError> {
        let ProvedStandby { member: _, standby: _, proof, header, certificate, steps } = proved;
        self.check(header, certificate, steps, || {
            if proof.proves(&proved.leaf(), &header.state) { Ok(()) } else { Err(ProofError::NotInState) }
        })
    }

    /// Checks that a member retired certificates so in a block that the validators committed. They commit no
    /// instruction of certificates that its signer does not hold, or that were retired before.
    pub fn verify_retirement(&self, proved: &ProvedRetirement) -> Result<(), ProofError> {
        let ProvedRetirement { proof, header, certificate, steps, .. } = proved;
        self.check(header, certificate, steps, || {
            let message = proved.message();
            if !proof.proves(message.hash().as_bytes(), &header.transactions) {
                return Err(ProofError::NotTransacted);
            }
            message.open::<Instruction>(&self.chain, |_| true).map(|_| ()).map_err(ProofError::Instruction)
        })
    }

    /// Checks that the validators committed the block of a header, and then what is under it.
    fn check(
        &self,
        header: &Header,
        certificate: &CommitCertificate,
        steps: &[ValidatorStep],
        under_it: impl FnOnce() -> Result<(), ProofError>,
    ) -> Result<(), ProofError> {
        let mut promised = Vec::new();
        let walked = self.walk(header, certificate, steps, &mut promised).and_then(|()| under_it());
        // One that does not hold comes before whatever is wrong with a later block.
        all_promises_hold(&promised)?;
        walked
    }

    /// Goes from the genesis' validators to those of the header. Checks all but the commit signatures, which it adds to
    /// `promised` in their order.
    fn walk(
        &self,
        header: &Header,
        certificate: &CommitCertificate,
        steps: &[ValidatorStep],
        promised: &mut Vec<(u64, Claim)>,
    ) -> Result<(), ProofError> {
        let (validators, after) = self.follow(steps, promised)?;
        self.check_block(header, certificate, validators, after)?;
        promised.extend(self.promises(certificate));
        Ok(())
    }

    /// Goes from the genesis' validators to those after the last step, and says after which height. Checks what
    /// [`walk`](Self::walk) does.
    fn follow<'a>(
        &'a self,
        steps: &'a [ValidatorStep],
        promised: &mut Vec<(u64, Claim)>,
    ) -> Result<(&'a [Validator], u64), ProofError> {
        let mut validators = &self.validators;
        let mut after = 0;
        for ValidatorStep { header, certificate, validators: next } in steps {
            self.check_block(header, certificate, validators, after)?;
            promised.extend(self.promises(certificate));
            let hands_over =
                header.next_validators != header.validators && header.next_validators == validators_hash(next);
            if !hands_over {
                return Err(ProofError::NoHandover { height: header.height });
            }
            (validators, after) = (next, header.height);
        }
        Ok((validators, after))
    }

    /// The validators after every one of `steps`, in the order in which the genesis or the last step has them.
    pub(crate) fn validators_after<'a>(&'a self, steps: &'a [ValidatorStep]) -> Result<&'a [Validator], ProofError> {
        let mut promised = Vec::new();
        let followed = self.follow(steps, &mut promised);
        all_promises_hold(&promised)?;
        followed.map(|(validators, _)| validators)
    }

    /// The chain of the genesis.
    pub(crate) fn chain(&self) -> &ChainId {
        &self.chain
    }

    fn promises(&self, certificate: &CommitCertificate) -> impl Iterator<Item = (u64, Claim)> {
        let height = certificate.height;
        certificate.claims(&self.chain).into_iter().map(move |claim| (height, claim))
    }

    /// Checks that `validators` are said to have committed the block of `header`, and that it comes after a height.
    fn check_block(
        &self,
        header: &Header,
        certificate: &CommitCertificate,
        validators: &[Validator],
        after: u64,
    ) -> Result<(), ProofError> {
        let height = header.height;
        if header.chain != self.chain {
            return Err(ProofError::OtherChain { expected: self.chain, found: header.chain });
        }
        if height <= after {
            return Err(ProofError::NotAscending { after, found: height });
        }
        let expected = validators_hash(validators);
        if header.validators != expected {
            return Err(ProofError::OtherValidators { height, expected, found: header.validators });
        }
        if certificate.block != header.hash() || certificate.height != height {
            return Err(ProofError::OtherBlock { height });
        }
        certificate.check_signers(validators).map_err(|error| ProofError::Certificate { height, error })
    }
}

/// Whether all signatures hold, verified together; else which one does not.
fn all_promises_hold(promised: &[(u64, Claim)]) -> Result<(), ProofError> {
    if !all_hold(promised.iter().map(|(_, claim)| claim))
        && let Some((height, claim)) = promised.iter().find(|(_, claim)| !claim.holds())
    {
        let error = CommitError::BadSignature(claim.signer);
        return Err(ProofError::Certificate { height: *height, error });
    }
    Ok(())
}

fn or_none(hash: Option<Hash>) -> String {
    hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
}
