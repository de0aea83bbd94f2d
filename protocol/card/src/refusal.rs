//! Why a presentation is refused.

use protocol::envelope::ChainId;

use crate::{card::CARD_BYTES_MAX, claim::Name};

/// Why a presentation is refused. In the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than any presentation.
    #[error("expected at most {CARD_BYTES_MAX} bytes, found {0}")]
    TooLong(usize),
    /// Not of the form of a card's presentation.
    #[error("expected the presentation of a member's card, found something else")]
    Malformed,
    /// Nothing binds it to its holder: whoever finds a card could show it.
    #[error("expected a card with a signature of its holder for this occasion, found the card alone")]
    NotBound,
    /// Of another issuer.
    #[error("expected a card of {expected}, found one of {found}")]
    OtherIssuer {
        /// Who is trusted.
        expected: String,
        /// Who it says has signed it, shortened.
        found: String,
    },
    /// Not signed by the issuer that it names.
    #[error("expected the issuer's signature, found one that is not")]
    BadSignature,
    /// Another type of credential.
    #[error("expected a member's card, found `{0}`")]
    OtherType(String),
    /// Of another community.
    #[error("expected a card of the community {expected}, found one of {found}")]
    OtherCommunity {
        /// The one whose members count here.
        expected: ChainId,
        /// The one that it says.
        found: ChainId,
    },
    /// Issued in the future.
    #[error("expected a card that is valid already, found one from {0} on (seconds since 1970)")]
    NotYetValid(i64),
    /// Valid no more.
    #[error("expected a card that is still valid, found one until {0} (seconds since 1970)")]
    Expired(i64),
    /// A claim that the issuer did not make, or made otherwise; or one twice.
    #[error("expected claims as the issuer made them, found `{0}` changed, added or twice")]
    ClaimChanged(Name),
    /// Not signed by the key that the card is bound to.
    #[error("expected a signature of the key that the card is bound to, found one of another")]
    NotTheHolder,
    /// The holder signed other claims than come with it.
    #[error("expected the claims that the holder has signed, found others")]
    OtherClaims,
    /// Made for another verifier.
    #[error("expected a presentation for `{expected}`, found one for `{found}`")]
    OtherAudience {
        /// Who verifies.
        expected: String,
        /// Whom it is for, shortened.
        found: String,
    },
    /// Made for another occasion.
    #[error("expected the nonce of this occasion, found another one")]
    OtherNonce,
    /// Made too long ago, or in the future.
    #[error("expected a presentation of the last five minutes, found one of {0} (seconds since 1970)")]
    NotFresh(i64),
    /// Nothing says how the card stands.
    #[error("expected the list of the card's issuer that says how it stands: {0}")]
    StatusUnknown(String),
    /// The member, the device or the card counts no more.
    #[error("expected a card that counts, found one that was revoked")]
    Revoked,
    /// The device contradicted itself, and until it is replaced the card does not count.
    #[error("expected a card that counts, found one that is suspended")]
    Suspended,
    /// The verifier asked for no such nonce, or too long ago.
    #[error("expected a nonce that was given out here in the last ten minutes, found another one")]
    NonceUnknown,
    /// The same presentation, or another for the same occasion, was accepted before.
    #[error("expected a presentation for the first time, found one for an occasion that has passed")]
    Replayed,
}

impl Refusal {
    /// The name, as it appears in answers and docs.
    pub const fn name(&self) -> &'static str {
        match self {
            Refusal::TooLong(_) => "too_long",
            Refusal::Malformed => "malformed",
            Refusal::NotBound => "not_bound",
            Refusal::OtherIssuer { .. } => "other_issuer",
            Refusal::BadSignature => "bad_signature",
            Refusal::OtherType(_) => "other_type",
            Refusal::OtherCommunity { .. } => "other_community",
            Refusal::NotYetValid(_) => "not_yet_valid",
            Refusal::Expired(_) => "expired",
            Refusal::ClaimChanged(_) => "claim_changed",
            Refusal::NotTheHolder => "not_the_holder",
            Refusal::OtherClaims => "other_claims",
            Refusal::OtherAudience { .. } => "other_audience",
            Refusal::OtherNonce => "other_nonce",
            Refusal::NotFresh(_) => "not_fresh",
            Refusal::StatusUnknown(_) => "status_unknown",
            Refusal::Revoked => "revoked",
            Refusal::Suspended => "suspended",
            Refusal::NonceUnknown => "nonce_unknown",
            Refusal::Replayed => "replayed",
        }
    }
}
