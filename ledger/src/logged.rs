//! Whether a block is in the log that others have seen: what shows that validators tell one household another history
//! than everyone else, even where all of them do.
//!
//! A receipt proves what more than two thirds of the validators have signed. That they have not signed another block of
//! the same height it cannot prove: whoever has the power to sign one may sign two. A witness is somebody outside who
//! has seen one log of this chain and cosigns nothing that does not go on from it (C2SP tlog-witness). It knows nothing
//! of energy and money, so it says nothing of whether a block is right; what is in the blocks an audit says.

use protocol::{
    block::Header,
    cbor,
    checkpoint::{Checkpoint, Cosigner, SignedCheckpoint, origin},
    commit::{Power, Validator},
    key::ValidatorId,
    log::LogProof,
    note::{NoteKey, SignatureKind},
    receipt::ValidatorStep,
};

use crate::proof::{ProofError, Verifier};

/// Most witnesses that may be named.
pub const WITNESSES_MAX: usize = 50;

/// The witnesses that somebody trusts, and how many of them must have seen a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    witnesses: Vec<NoteKey>,
    demanded: usize,
}

/// Why witnesses cannot be demanded so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than there are.
    #[error("expected at most {named} witnesses to be demanded, as many as are named, found {demanded}; name more")]
    MoreThanNamed {
        /// Witnesses that are named.
        named: usize,
        /// Witnesses that are demanded.
        demanded: usize,
    },
    /// Too many are named.
    #[error("expected at most {WITNESSES_MAX} witnesses, found {0}")]
    TooMany(usize),
    /// The key of a log: it signs whatever its log says.
    #[error("expected the key of a witness, of type 0x04, found that of a log, of type 0x01: {0}")]
    NoWitness(NoteKey),
    /// One key under two names would be two witnesses.
    #[error("expected each witness once, found the key or the name of {0} twice")]
    Twice(NoteKey),
}

impl Policy {
    /// At least `demanded` of `witnesses`, each of which has a name and a key of its own.
    pub fn new(witnesses: Vec<NoteKey>, demanded: usize) -> Result<Policy, PolicyError> {
        if witnesses.len() > WITNESSES_MAX {
            return Err(PolicyError::TooMany(witnesses.len()));
        }
        for (position, witness) in witnesses.iter().enumerate() {
            if witness.kind() != SignatureKind::Cosignature {
                return Err(PolicyError::NoWitness(witness.clone()));
            }
            let same = |other: &NoteKey| other.key() == witness.key() || other.name() == witness.name();
            if witnesses[..position].iter().any(same) {
                return Err(PolicyError::Twice(witness.clone()));
            }
        }
        if demanded > witnesses.len() {
            return Err(PolicyError::MoreThanNamed { named: witnesses.len(), demanded });
        }
        Ok(Policy { witnesses, demanded })
    }

    /// How many of them must have seen a checkpoint.
    pub fn demanded(&self) -> usize {
        self.demanded
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[NoteKey] {
        &self.witnesses
    }
}

/// Why a block does not count as seen by others. In the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// It is of another log.
    #[error("expected a checkpoint of {expected}, found one of {found}")]
    OtherOrigin {
        /// The log of the genesis' chain.
        expected: String,
        /// The checkpoint's.
        found: String,
    },
    /// The changes of the validators do not lead from the genesis to who cosigns.
    #[error("the validators who cosign are not those of the genesis: {0}")]
    Validators(ProofError),
    /// A cosigner's key is not in order: of no validator, out of order, or of whom has not said so.
    #[error("expected the key with which a validator cosigns, said by itself, found one of {0}")]
    OtherCosigner(ValidatorId),
    /// A signature of a validator or a witness is not of this checkpoint.
    #[error("the signature of {0} on the checkpoint does not hold")]
    BadCosignature(String),
    /// The validators that have cosigned it hold too little power.
    #[error("expected validators with more than two thirds of {} voting power to have cosigned the checkpoint, found {}",
        .0.total, .0.signed)]
    TooFewValidators(Power),
    /// Too few of the witnesses have seen it.
    #[error(
        "expected {demanded} of the named witnesses to have seen the ledger as it is told here, up to block {size}, found {}: \
         ask another node; if it stays so, the witnesses were told another history, or none",
        seen_by(found)
    )]
    TooFewWitnesses {
        /// How many are demanded.
        demanded: usize,
        /// The names of those that have.
        found: Vec<String>,
        /// Blocks of the checkpoint.
        size: u64,
    },
    /// It proves something of another block.
    #[error("expected the proof of block {expected}, found one of block {found}")]
    OtherHeight {
        /// Height of the header.
        expected: u64,
        /// Height that the proof is of.
        found: u64,
    },
    /// Its path does not lead to the checkpoint's root: it proves nothing.
    #[error("the path from block {height} does not lead to the checkpoint's root; ask another node")]
    NotProved {
        /// Height that the proof is of.
        height: u64,
    },
    /// The log has another block in its place.
    #[error(
        "block {height} of the ledger that was seen by {} is another one than this: the validators have told others another \
         history; keep both, and show them to your operator and to the witnesses",
        seen_by(witnesses)
    )]
    NotInLog {
        /// Height of the header.
        height: u64,
        /// The witnesses that have seen the log.
        witnesses: Vec<String>,
    },
}

fn seen_by(witnesses: &[String]) -> String {
    if witnesses.is_empty() { "none".into() } else { witnesses.join(", ") }
}

impl LogFault {
    /// Its name, as it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            LogFault::OtherOrigin { .. } => "other_origin",
            LogFault::Validators(_) => "other_validators",
            LogFault::OtherCosigner(_) => "other_cosigner",
            LogFault::BadCosignature(_) => "bad_cosignature",
            LogFault::TooFewValidators(_) => "too_few_validators",
            LogFault::TooFewWitnesses { .. } => "too_few_witnesses",
            LogFault::OtherHeight { .. } => "other_height",
            LogFault::NotProved { .. } => "not_proved",
            LogFault::NotInLog { .. } => "not_in_log",
        }
    }
}

/// Who has seen a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Blocks of the log.
    pub size: u64,
    /// The power of the validators that have cosigned it.
    pub cosigned: Power,
    /// The named witnesses that have, each with its time, Unix seconds.
    pub witnesses: Vec<(String, u64)>,
}

impl Verifier {
    /// Checks that a header, whose own certificate is checked elsewhere, is in a log that validators with more than two
    /// thirds of the power have cosigned, and as many witnesses as `policy` demands.
    pub fn check_logged(&self, header: &Header, proof: &LogProof, policy: &Policy) -> Result<Seen, LogFault> {
        let seen = self.check_checkpoint(&proof.checkpoint, &proof.extra.steps, &proof.extra.cosigners, policy)?;
        let (height, logged) = (proof.proof.index.saturating_add(1), &proof.extra.header);
        if height != header.height || logged.height != height {
            return Err(LogFault::OtherHeight { expected: header.height, found: logged.height });
        }
        if !proof.proof.proves(&cbor::encode(logged), &proof.checkpoint.checkpoint().root) {
            return Err(LogFault::NotProved { height });
        }
        if logged != header {
            let witnesses = seen.witnesses.into_iter().map(|(name, _)| name).collect();
            return Err(LogFault::NotInLog { height, witnesses });
        }
        Ok(seen)
    }

    /// Checks who has cosigned a checkpoint: validators by the keys that they have said, witnesses by those of
    /// `policy`.
    pub fn check_checkpoint(
        &self,
        signed: &SignedCheckpoint,
        steps: &[ValidatorStep],
        cosigners: &[Cosigner],
        policy: &Policy,
    ) -> Result<Seen, LogFault> {
        let Checkpoint { origin: found, root } = signed.checkpoint();
        let expected = origin(self.chain());
        if *found != expected {
            return Err(LogFault::OtherOrigin { expected, found: found.clone() });
        }
        let validators = self.validators_after(steps).map_err(LogFault::Validators)?;
        let cosigned = self.cosigned_by(signed, validators, cosigners)?;
        if !cosigned.is_enough() {
            return Err(LogFault::TooFewValidators(cosigned));
        }
        let mut witnesses = Vec::new();
        for witness in &policy.witnesses {
            if let Some(time_s) = cosigned_at(signed, witness)? {
                witnesses.push((witness.name().to_owned(), time_s));
            }
        }
        if witnesses.len() < policy.demanded {
            let found = witnesses.into_iter().map(|(name, _)| name).collect();
            return Err(LogFault::TooFewWitnesses { demanded: policy.demanded, found, size: root.leaves });
        }
        Ok(Seen { size: root.leaves, cosigned, witnesses })
    }

    /// The power of the validators that have cosigned.
    fn cosigned_by(
        &self,
        signed: &SignedCheckpoint,
        validators: &[Validator],
        cosigners: &[Cosigner],
    ) -> Result<Power, LogFault> {
        let total = validators.iter().map(|validator| u128::from(validator.power)).sum();
        let mut power = Power { signed: 0, total };
        let mut last = None;
        for cosigner in cosigners {
            let other = || LogFault::OtherCosigner(cosigner.validator);
            let known = validators.iter().find(|known| known.key == cosigner.validator).ok_or_else(other)?;
            if last.replace(cosigner.validator).is_some_and(|last| last >= cosigner.validator) {
                return Err(other());
            }
            let key = cosigner.note_key(self.chain()).ok_or_else(other)?;
            if cosigned_at(signed, &key)?.is_some() {
                power.signed += u128::from(known.power);
            }
        }
        Ok(power)
    }
}

/// When a key cosigned, if it did.
fn cosigned_at(signed: &SignedCheckpoint, key: &NoteKey) -> Result<Option<u64>, LogFault> {
    match signed.note().signed_by(key) {
        Some(None) => Err(LogFault::BadCosignature(key.name().to_owned())),
        Some(time_s) => Ok(time_s),
        None => Ok(None),
    }
}
