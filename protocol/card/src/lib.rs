//! A member's card: what a household shows others of its membership, claim by claim, and to nobody twice.
//!
//! It is an SD-JWT VC (RFC 9901; draft-ietf-oauth-sd-jwt-vc-19) with key binding, always, and with a place in a Token
//! Status List (draft-ietf-oauth-status-list). `docs/protocol.md`, "A member's card", says what is in it.
//!
//! | file | what is in it |
//! |---|---|
//! | `claim.rs` | what a card can say, and a disclosure of it |
//! | `holder.rs` | the key that a card is bound to, a JWK |
//! | `issuer.rs` | who signs cards, and how others know that key |
//! | `card.rs` | a card: issued, read back, presented |
//! | `verify.rs` | what a verifier checks, in its order |
//! | `refusal.rs` | why a presentation is refused |
//! | `status.rs` | the status list and its token |
//! | `register.rs` | which card has which place in the list, and what the ledger's state makes of each |
//! | `jose.rs` | JWS in its compact form, of which only as much is read as is written here |
//!
//! Moments are whole seconds since 1970 (UTC) and given by the caller, as all randomness is.

mod card;
mod claim;
mod holder;
mod issuer;
mod jose;
mod refusal;
mod register;
mod status;
mod verify;

pub use self::{
    card::{
        Binding, CARD_BYTES_MAX, Card, CardError, DIGESTS, IssueError, New, Place, PresentError, TYPE_PATH,
        VALID_SECONDS, issue,
    },
    claim::{Claim, ClaimError, Claims, Name},
    holder::{HolderKey, HolderKeyError},
    issuer::{Es256, Issuer, Trusted},
    refusal::Refusal,
    register::{Issued, Register, RegisterError, Standing},
    status::{Status, StatusList, TTL_SECONDS, read_token, token},
    verify::{Expected, Shown, verify},
};
