//! How a household asks for the look-ups that concern it: with the key of its member or of its device.

use minicbor::{Decode, Encode};
use protocol::{
    envelope::{ChainId, Payload, Sealed},
    key::PublicKey,
    member::MemberId,
};

/// How long ago a question may have been signed, s.
pub const FRESH_SECONDS: i64 = 300;
/// How far the clock of a household may be ahead, s.
pub const AHEAD_SECONDS: i64 = 60;

/// What a household asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Question {
    /// Who asks, for itself.
    #[n(0)]
    pub member: MemberId,
    /// When it was signed, seconds since 1970: whoever copies it can use it for five minutes.
    #[n(1)]
    pub at: i64,
}

impl Payload for Question {
    const DOMAIN: &'static str = "voisin/accesses/v1";
    const BYTES_MAX: usize = 512;
}

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionFault {
    /// There is none.
    #[error("expected a question that the member has signed, in the header `voisin-signed`, found none")]
    Missing,
    /// It is not signed by the member.
    #[error("expected a question that the member's key or its device's has signed: {0}")]
    Unsigned(String),
    /// It is another member's.
    #[error("expected the question of {expected}, found one of {found}")]
    OtherMember {
        /// Whose look-ups were asked for.
        expected: MemberId,
        /// Who has signed.
        found: MemberId,
    },
    /// It is old, or of the future.
    #[error("expected a question of the last five minutes, found one of {0} (seconds since 1970)")]
    NotFresh(i64),
}

/// Reads a question about `member`, whose keys these are.
pub fn read_question(
    text: Option<&str>,
    chain: &ChainId,
    member: MemberId,
    keys: &[PublicKey],
    now: i64,
) -> Result<(), QuestionFault> {
    let text = text.ok_or(QuestionFault::Missing)?;
    if text.len() > 2 * Question::BYTES_MAX {
        return Err(QuestionFault::Unsigned(format!("found {} characters", text.len())));
    }
    let unsigned = |error: &dyn std::fmt::Display| QuestionFault::Unsigned(error.to_string());
    let sealed: Sealed = text.parse().map_err(|error| unsigned(&error))?;
    let question = sealed.open::<Question>(chain, |key| keys.contains(key)).map_err(|error| unsigned(&error))?;
    if question.member != member {
        return Err(QuestionFault::OtherMember { expected: member, found: question.member });
    }
    if question.at < now.saturating_sub(FRESH_SECONDS) || question.at > now.saturating_add(AHEAD_SECONDS) {
        return Err(QuestionFault::NotFresh(question.at));
    }
    Ok(())
}
