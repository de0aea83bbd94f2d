//! What a verifier checks (RFC 9901 §7.3).

use protocol::envelope::ChainId;

use crate::{
    card::{BINDING_TYP, BindingPayload, CARD_BYTES_MAX, Parts, TYPE_PATH},
    claim::{Claim, digest},
    issuer::{Es256, Trusted},
    jose::Jws,
    refusal::Refusal,
    status::{Status, read_token},
};

/// How long ago a presentation may have been made, s.
const FRESH_SECONDS: i64 = 300;
/// How far the clock of a household may be ahead, s.
const AHEAD_SECONDS: i64 = 60;
/// Characters of a name that is repeated in a refusal.
const FOUND_CHARACTERS_MAX: usize = 120;

/// What a verifier expects.
pub struct Expected<'a> {
    /// Whose cards count.
    pub issuer: &'a Trusted,
    /// Members of which community.
    pub community: ChainId,
    /// How the verifier calls itself.
    pub audience: &'a str,
    /// What it gave out for this occasion. That it is given out once, and taken once, is the verifier's to see to.
    pub nonce: &'a str,
    /// When it is.
    pub now: i64,
    /// The token of the issuer's status list.
    pub status: &'a str,
    /// Verifies signatures with P-256.
    pub es256: Es256,
}

/// What a presentation has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Whose card it is: no more than was disclosed.
    pub claims: Vec<Claim>,
    /// Until when the card is valid.
    pub expires: i64,
}

/// Verifies a presentation.
pub fn verify(text: &str, expected: &Expected<'_>) -> Result<Shown, Refusal> {
    if text.len() > CARD_BYTES_MAX {
        return Err(Refusal::TooLong(text.len()));
    }
    let parts = Parts::read(text.trim()).ok_or(Refusal::Malformed)?;
    if parts.binding.is_empty() {
        return Err(Refusal::NotBound);
    }
    check_card(&parts, expected)?;
    if let Some(changed) = parts.foreign() {
        return Err(Refusal::ClaimChanged(changed.claim.name));
    }
    check_binding(&parts, expected)?;
    let card = &parts.jws.payload;
    let list = read_token(expected.status, &card.status.status_list.uri, expected.issuer, expected.now, expected.es256)
        .map_err(Refusal::StatusUnknown)?;
    match list.get(card.status.status_list.idx) {
        Some(Status::Valid) => {}
        Some(Status::Suspended) => return Err(Refusal::Suspended),
        Some(Status::Invalid) => return Err(Refusal::Revoked),
        None => return Err(Refusal::StatusUnknown("the card's place is beyond its end".into())),
    }
    let claims = parts.disclosures.iter().map(|disclosure| disclosure.claim.clone()).collect();
    Ok(Shown { claims, expires: card.exp })
}

/// What the issuer has signed.
fn check_card(parts: &Parts<'_>, expected: &Expected<'_>) -> Result<(), Refusal> {
    let (header, card) = (&parts.jws.header, &parts.jws.payload);
    if card.iss != expected.issuer.iss() || !expected.issuer.is_named(header) {
        return Err(Refusal::OtherIssuer { expected: expected.issuer.iss(), found: shortened(&card.iss) });
    }
    if !expected.issuer.verifies(parts.jws.message.as_bytes(), &parts.jws.signature, expected.es256) {
        return Err(Refusal::BadSignature);
    }
    if !card.vct.ends_with(TYPE_PATH) {
        return Err(Refusal::OtherType(shortened(&card.vct)));
    }
    if card.chain != expected.community {
        return Err(Refusal::OtherCommunity { expected: expected.community, found: card.chain });
    }
    if card.iat > expected.now.saturating_add(AHEAD_SECONDS) {
        return Err(Refusal::NotYetValid(card.iat));
    }
    if card.exp <= expected.now {
        return Err(Refusal::Expired(card.exp));
    }
    Ok(())
}

/// What the holder has signed.
fn check_binding(parts: &Parts<'_>, expected: &Expected<'_>) -> Result<(), Refusal> {
    let binding: Jws<'_, BindingPayload> = Jws::read(parts.binding).ok_or(Refusal::Malformed)?;
    if binding.header.typ != BINDING_TYP {
        return Err(Refusal::Malformed);
    }
    let holder = &parts.jws.payload.cnf.jwk;
    let is_signed = holder.verifies(binding.message.as_bytes(), &binding.signature, expected.es256);
    if binding.header.alg != holder.algorithm() || !is_signed {
        return Err(Refusal::NotTheHolder);
    }
    let BindingPayload { iat, aud, nonce, sd_hash } = binding.payload;
    if sd_hash != digest(parts.bound.as_bytes()) {
        return Err(Refusal::OtherClaims);
    }
    if aud != expected.audience {
        return Err(Refusal::OtherAudience { expected: expected.audience.to_owned(), found: shortened(&aud) });
    }
    if nonce != expected.nonce {
        return Err(Refusal::OtherNonce);
    }
    if iat < expected.now.saturating_sub(FRESH_SECONDS) || iat > expected.now.saturating_add(AHEAD_SECONDS) {
        return Err(Refusal::NotFresh(iat));
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(FOUND_CHARACTERS_MAX).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use protocol::{hash::Hash, key::SecretKey, member::MemberId};

    use super::*;
    use crate::{Binding, Card, Claims, DIGESTS, HolderKey, Issuer, New, Place, issue};

    #[test]
    fn another_credential_of_the_same_issuer_is_no_members_card() {
        let (operator, holder) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let claims = Claims {
            member: MemberId::from_bytes([3; 16]),
            device: holder.public(),
            name: None,
            grid_connection: None,
            meter: None,
            rated_power_w: 1,
            technology: None,
            bus: None,
        };
        let community = Hash::of(b"a community");
        let salts = std::array::from_fn::<[u8; 16], DIGESTS, _>(|index| [index as u8; 16]);
        let place = Place { idx: 0, uri: "https://cards.example.org/voisin/status/1".into() };
        let holder_key = HolderKey::Ed25519(holder.public());
        let base = "https://cards.example.org";
        let new = New { claims: &claims, chain: community, holder: holder_key, base, place, now: 86_400, salts };
        let card = issue(new, &Issuer::DidKey(&operator)).unwrap();
        let mut payload = Parts::read(&card).unwrap().jws.payload;
        payload.vct = "https://cards.example.org/library/reader/1".into();
        let other = format!("{}~", Issuer::DidKey(&operator).sign(crate::card::TYP, &payload).unwrap());
        let to = Binding { audience: "town", nonce: "once", now: 86_400 };
        let presentation = Card::read(&other).unwrap().present(&holder, &[], to).unwrap();
        let expected = Expected {
            issuer: &Trusted::DidKey(operator.public()),
            community,
            audience: "town",
            nonce: "once",
            now: 86_400,
            status: "",
            es256: |_, _, _| false,
        };
        let refused = verify(&presentation, &expected).unwrap_err();
        assert_eq!(refused, Refusal::OtherType("https://cards.example.org/library/reader/1".into()));
    }
}
