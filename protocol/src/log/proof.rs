//! The proof that a block is in the log that others have seen (C2SP tlog-proof v1): its way to the root of a
//! checkpoint, and that checkpoint with its signatures, in one text that whoever has it checks offline.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    block::Header,
    checkpoint::{Cosigner, SignedCheckpoint, hash_of_base64, hash_to_base64},
    json,
    limits::{LOG_PATH_MAX, LOG_PROOF_BYTES_MAX, VALIDATORS_MAX},
    merkle::MerkleProof,
    receipt::ValidatorStep,
    text::ParseError,
};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXPECTED: &str = "a proof that a block is in the log (c2sp.org/tlog-proof@v1)";

/// What is in the log, and what the validators' cosignatures are checked by, beside the genesis. Nothing of it has to
/// be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofExtra {
    /// The header that is in the log.
    pub header: Header,
    /// How the validators of the genesis became those who cosign: every change, in order.
    pub steps: Vec<ValidatorStep>,
    /// The keys with which validators cosign, in ascending order of validator.
    #[serde(deserialize_with = "json::list::<_, _, VALIDATORS_MAX>")]
    pub cosigners: Vec<Cosigner>,
}

/// That a block is in the log of a checkpoint. It has one text, and needs no other to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// What is in the log, and what the validators' cosignatures are checked by.
    pub extra: ProofExtra,
    /// The place of the header in the log, its height less one, and the way from there to the root.
    pub proof: MerkleProof,
    /// The checkpoint with that root.
    pub checkpoint: SignedCheckpoint,
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra = BASE64_STANDARD.encode(json::to_canonical(&self.extra));
        writeln!(f, "{FIRST_LINE}\nextra {extra}\nindex {}", self.proof.index)?;
        self.proof.path.iter().try_for_each(|hash| writeln!(f, "{}", hash_to_base64(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = ParseError;

    /// Reads at most [`LOG_PROOF_BYTES_MAX`] bytes.
    fn from_str(text: &str) -> Result<LogProof, ParseError> {
        let read = || {
            let (head, checkpoint) = text.split_once("\n\n").filter(|_| text.len() <= LOG_PROOF_BYTES_MAX)?;
            let mut lines = head.split('\n');
            lines.next().filter(|line| *line == FIRST_LINE)?;
            let extra = BASE64_STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
            let extra = json::from_canonical(&extra, EXPECTED).ok()?;
            let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
            let path = lines.take(LOG_PATH_MAX + 1).map(hash_of_base64).collect::<Option<Vec<_>>>()?;
            let proof = MerkleProof { index, path };
            let read = LogProof { extra, proof, checkpoint: checkpoint.parse().ok()? };
            // One text for one proof.
            (read.proof.path.len() <= LOG_PATH_MAX && read.to_string() == text).then_some(read)
        };
        read().ok_or_else(|| ParseError::new(EXPECTED, text))
    }
}
