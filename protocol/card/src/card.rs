//! A card: issued by the operator, kept and presented by the household.

use protocol::{envelope::ChainId, key::SecretKey};
use serde::{Deserialize, Serialize};

use crate::{
    claim::{Claim, ClaimError, Claims, Disclosure, Name, digest},
    holder::HolderKey,
    issuer::Issuer,
    jose::{self, Algorithm, Header, Jws},
};

/// Most bytes of a card or a presentation.
pub const CARD_BYTES_MAX: usize = 32_768;
/// How many digests every card has, whatever it claims: those beyond its claims are of nothing.
pub const DIGESTS: usize = 12;
/// How long a card is valid: a year of 365 days, seconds.
pub const VALID_SECONDS: i64 = 365 * DAY;
/// What the type of every card ends with. What is before it is the issuer's.
pub const TYPE_PATH: &str = "/voisin/member/1";
/// A card says the day on which it was issued and not the second, of which each household would have its own.
const DAY: i64 = 86_400;

/// The media type of a card.
pub(crate) const TYP: &str = "dc+sd-jwt";
/// The media type of what binds a presentation to the holder's key.
pub(crate) const BINDING_TYP: &str = "kb+jwt";
/// The only hash that digests are made with.
const DIGEST_ALGORITHM: &str = "sha-256";

/// What the issuer signs: everybody who is shown the card sees all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payload {
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) vct: String,
    pub(crate) chain: ChainId,
    pub(crate) cnf: Confirmation,
    pub(crate) status: StatusClaim,
    #[serde(rename = "_sd")]
    pub(crate) digests: Vec<String>,
    #[serde(rename = "_sd_alg")]
    digest_algorithm: String,
}

/// The key that the card is bound to (RFC 7800 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    pub(crate) jwk: HolderKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusClaim {
    pub(crate) status_list: Place,
}

/// A card's place in a status list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Which of the list, from 0.
    pub idx: u64,
    /// Where the list's token is, and what it calls itself.
    pub uri: String,
}

/// What binds a presentation to its verifier and moment, signed by the holder's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindingPayload {
    pub(crate) iat: i64,
    pub(crate) aud: String,
    pub(crate) nonce: String,
    pub(crate) sd_hash: String,
}

/// A card that is to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New<'a> {
    /// What it says of the member.
    pub claims: &'a Claims,
    /// The community.
    pub chain: ChainId,
    /// The key that it is bound to.
    pub holder: HolderKey,
    /// Where the issuer's types are, such as `https://cards.example.org`.
    pub base: &'a str,
    /// Its place in the issuer's list.
    pub place: Place,
    /// When.
    pub now: i64,
    /// Random: one for each claim and each digest of nothing.
    pub salts: [[u8; 16]; DIGESTS],
}

/// Why a card is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It would claim what no card can.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The issuer's key does not sign.
    #[error("the issuer's key does not sign")]
    NotSigned,
}

/// Issues a card. It is the household's from then on: the issuer needs nothing of it.
pub fn issue(new: New<'_>, issuer: &Issuer<'_>) -> Result<String, IssueError> {
    let claims = new.claims.all()?;
    let disclosures: Vec<Disclosure> =
        claims.into_iter().zip(&new.salts).map(|(claim, salt)| Disclosure::new(salt, claim)).collect();
    let of_nothing = new.salts.iter().skip(disclosures.len()).map(|salt| digest(salt));
    let mut digests: Vec<String> = disclosures.iter().map(Disclosure::digest).chain(of_nothing).collect();
    // In no order that would say which is whose.
    digests.sort_unstable();
    let issued = new.now - new.now.rem_euclid(DAY);
    let payload = Payload {
        iss: issuer.iss(),
        iat: issued,
        exp: issued + VALID_SECONDS,
        vct: format!("{}{TYPE_PATH}", new.base),
        chain: new.chain,
        cnf: Confirmation { jwk: new.holder },
        status: StatusClaim { status_list: new.place },
        digests,
        digest_algorithm: DIGEST_ALGORITHM.into(),
    };
    let jwt = issuer.sign(TYP, &payload).ok_or(IssueError::NotSigned)?;
    Ok(joined(&jwt, &disclosures))
}

/// The card's JWS and disclosures, each followed by a tilde (RFC 9901 §4).
fn joined(jwt: &str, disclosures: &[Disclosure]) -> String {
    let mut text = format!("{jwt}~");
    for disclosure in disclosures {
        text.push_str(&disclosure.text);
        text.push('~');
    }
    text
}

/// A card or a presentation, taken apart. Nothing of it is verified.
pub(crate) struct Parts<'a> {
    pub(crate) jws: Jws<'a, Payload>,
    jwt: &'a str,
    pub(crate) disclosures: Vec<Disclosure>,
    /// All up to what binds it.
    pub(crate) bound: &'a str,
    /// What binds it; empty where nothing does.
    pub(crate) binding: &'a str,
}

impl<'a> Parts<'a> {
    /// Takes it apart; none where it has another form.
    pub(crate) fn read(text: &'a str) -> Option<Parts<'a>> {
        let (head, binding) = text.rsplit_once('~')?;
        let bound = &text[..head.len() + 1];
        let mut parts = head.split('~');
        let jwt = parts.next()?;
        let disclosures: Vec<&str> = parts.take(DIGESTS + 1).collect();
        if disclosures.len() > DIGESTS {
            return None;
        }
        let disclosures = disclosures.into_iter().map(Disclosure::read).collect::<Option<_>>()?;
        let jws: Jws<'a, Payload> = Jws::read(jwt)?;
        let digests = &jws.payload.digests;
        let is_whole = digests.len() == DIGESTS && digests.is_sorted_by(|one, next| one < next);
        let is_card = jws.header.typ == TYP && jws.payload.digest_algorithm == DIGEST_ALGORITHM;
        (is_card && is_whole).then_some(Parts { jws, jwt, disclosures, bound, binding })
    }

    /// The first disclosure that is of no digest of the card, or that comes twice.
    pub(crate) fn foreign(&self) -> Option<&Disclosure> {
        let foreign = |(index, disclosure): &(usize, &Disclosure)| {
            let digest = disclosure.digest();
            let is_again = self.disclosures[..*index].iter().any(|it| it.claim.name == disclosure.claim.name);
            is_again || !self.jws.payload.digests.contains(&digest)
        };
        self.disclosures.iter().enumerate().find(foreign).map(|(_, disclosure)| disclosure)
    }
}

/// Why a text is no card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// Longer than any card.
    #[error("expected a card of at most {CARD_BYTES_MAX} bytes, found {0}")]
    TooLong(usize),
    /// Of another form.
    #[error("expected a card (an SD-JWT that ends with ~), found something else")]
    NotACard,
    /// A disclosure that is not one of this card.
    #[error("expected a card whose disclosures are its own, found one of `{0}` that is not; ask for the card again")]
    Foreign(Name),
}

/// A card as its household keeps it: with a disclosure for each claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    jwt: String,
    payload: Payload,
    disclosures: Vec<Disclosure>,
}

/// What a presentation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The verifier, as it calls itself.
    pub audience: &'a str,
    /// What the verifier asked to have in it, this once.
    pub nonce: &'a str,
    /// When.
    pub now: i64,
}

/// Why a card is not presented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresentError {
    /// The card is bound to another key.
    #[error("expected the key that this card is bound to, found another one; every card has its own")]
    OtherKey,
    /// The card does not claim it.
    #[error("expected a claim of this card, found `{0}`, of which it says nothing; `credential show` lists its claims")]
    NotClaimed(Name),
    /// It is valid no more.
    #[error("expected a card that is still valid, found one that has expired; ask your operator for another one")]
    Expired,
    /// The verifier has no name, or asked for nothing.
    #[error("expected an audience and a nonce of the verifier, found an empty one")]
    Unbound,
}

impl Card {
    /// Reads a card. Who signed it is for the caller to look at.
    pub fn read(text: &str) -> Result<Card, CardError> {
        if text.len() > CARD_BYTES_MAX {
            return Err(CardError::TooLong(text.len()));
        }
        let parts = Parts::read(text.trim()).filter(|parts| parts.binding.is_empty()).ok_or(CardError::NotACard)?;
        if let Some(foreign) = parts.foreign() {
            return Err(CardError::Foreign(foreign.claim.name));
        }
        Ok(Card { jwt: parts.jwt.to_owned(), payload: parts.jws.payload, disclosures: parts.disclosures })
    }

    /// Who issued it, by its own word.
    pub fn issuer(&self) -> &str {
        &self.payload.iss
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        &self.payload.vct
    }

    /// The community.
    pub fn chain(&self) -> ChainId {
        self.payload.chain
    }

    /// The beginning of the day on which it was issued.
    pub fn issued(&self) -> i64 {
        self.payload.iat
    }

    /// From when on it is valid no more.
    pub fn expires(&self) -> i64 {
        self.payload.exp
    }

    /// The key that it is bound to.
    pub fn holder(&self) -> &HolderKey {
        &self.payload.cnf.jwk
    }

    /// Its place in the issuer's list.
    pub fn place(&self) -> &Place {
        &self.payload.status.status_list
    }

    /// What can be disclosed of it.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.disclosures.iter().map(|disclosure| &disclosure.claim)
    }

    /// Whether its issuer's key, which its issuer's name is, has signed it; none where the name is no key.
    pub fn is_signed(&self) -> Option<bool> {
        let issuer: protocol::key::PublicKey = self.payload.iss.parse().ok()?;
        let trusted = crate::issuer::Trusted::DidKey(issuer);
        let jws: Jws<'_, Payload> = Jws::read(&self.jwt)?;
        let verifies = trusted.verifies(jws.message.as_bytes(), &jws.signature, |_, _, _| false);
        Some(trusted.is_named(&jws.header) && verifies)
    }

    /// Presents these claims of it and no others, to this verifier and no other.
    pub fn present(&self, key: &SecretKey, disclose: &[Name], to: Binding<'_>) -> Result<String, PresentError> {
        if *self.holder() != HolderKey::Ed25519(key.public()) {
            return Err(PresentError::OtherKey);
        }
        if to.now >= self.payload.exp {
            return Err(PresentError::Expired);
        }
        if to.audience.is_empty() || to.nonce.is_empty() {
            return Err(PresentError::Unbound);
        }
        let claimed = |name: Name| self.disclosures.iter().any(|disclosure| disclosure.claim.name == name);
        if let Some(name) = disclose.iter().find(|name| !claimed(**name)) {
            return Err(PresentError::NotClaimed(*name));
        }
        let shown: Vec<Disclosure> =
            self.disclosures.iter().filter(|disclosure| disclose.contains(&disclosure.claim.name)).cloned().collect();
        let bound = joined(&self.jwt, &shown);
        let header = Header { alg: Algorithm::EdDsa, typ: BINDING_TYP.into(), kid: None, x5c: None };
        let payload = BindingPayload {
            iat: to.now,
            aud: to.audience.to_owned(),
            nonce: to.nonce.to_owned(),
            sd_hash: digest(bound.as_bytes()),
        };
        let message = jose::message(&header, &payload);
        let signature = key.sign(message.as_bytes());
        Ok(format!("{bound}{}", jose::signed(message, signature.as_bytes())))
    }
}
