//! Cards: issued, presented, verified; and each refusal by what leads to it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use member_card::{
    Binding, CARD_BYTES_MAX, Card, CardError, Claims, HolderKey, HolderKeyError, Issuer, Name, Place, PresentError,
    Refusal, Register, Standing, Status, Trusted, VALID_SECONDS, issue, token,
};
use protocol::{hash::Hash, key::SecretKey};
use support::*;

/// Names of the refusals that a section of the docs has in its table.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../docs/protocol.md");
    let (_, section) = page.split_once("\n## A member's card\n").expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let (_, table) = section.split_once("| refusal |").expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_presentation_shows_what_was_disclosed_and_nothing_else() {
    let card = card(41);
    let presented = presented(&card);
    let shown = verified(&presented, |_| {}).unwrap();
    let said: Vec<String> = shown.claims.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["rated_power_w  11000", "technology  solar"]);
    // The day of issue, not the second.
    assert_eq!(shown.expires, NOW - 45_296 + VALID_SECONDS);
    // All that everybody sees: no pseudonym, no device, no name; and as many digests as in a card with fewer claims.
    let payload = presented.split(['.', '~']).nth(1).unwrap();
    let payload = String::from_utf8(decoded(payload)).unwrap();
    for hidden in [member().to_string(), key(3).public().to_string(), key(4).public().multibase(), "Ada".into()] {
        assert!(!payload.contains(&hidden), "{payload}");
    }
    let few = Claims { name: None, meter: None, technology: None, ..claims() };
    let few = issue(new(&few, 41), &Issuer::DidKey(&operator())).unwrap();
    let few = String::from_utf8(decoded(few.split('.').nth(1).unwrap())).unwrap();
    assert_eq!(few.len(), payload.len());
}

#[test]
fn every_refusal_is_documented_and_has_its_cause() {
    let card_text = card(41);
    let presentation = presented(&card_text);
    let with = |text: String| verified(&text, |_| {});
    let parts: Vec<&str> = presentation.split('~').collect();
    let [jwt, one, two, bound] = parts.as_slice() else { panic!("{parts:?}") };
    let whole: Vec<&str> = card_text.split('~').collect();
    let other_issuer = Trusted::DidKey(key(7).public());
    let issued_by = |signer: &SecretKey, change: &dyn Fn(&mut member_card::New<'_>)| {
        let claims = claims();
        let mut new = new(&claims, 41);
        change(&mut new);
        let card = issue(new, &Issuer::DidKey(signer)).unwrap();
        Card::read(&card).unwrap().present(&holder(), &[Name::Technology], binding()).unwrap()
    };
    let present = |to: Binding<'_>| Card::read(&card_text).unwrap().present(&holder(), &[], to).unwrap();
    // A card that says it is the operator's, signed by another.
    let forged = {
        let real = issued_by(&operator(), &|_| {});
        let other = issued_by(&operator(), &|new| new.place.idx = 40);
        let signature = other.split('~').next().unwrap().rsplit('.').next().unwrap().to_owned();
        let own = real.split('~').next().unwrap().rsplit('.').next().unwrap().to_owned();
        assert_ne!(own, signature);
        real.replace(&own, &signature)
    };
    // A card that is another's, with a signature of who found it.
    let stolen = {
        let claims = claims();
        let mut bound_to_other = new(&claims, 41);
        bound_to_other.holder = HolderKey::Ed25519(key(8).public());
        let card = issue(bound_to_other, &Issuer::DidKey(&operator())).unwrap();
        let by_thief = present(binding());
        format!("{card}{}", by_thief.rsplit('~').next().unwrap())
    };
    let revoked = status(&list(Some(Standing { is_revoked: true, device: None, ..standing() })));
    let suspended = status(&list(Some(Standing { device: None, ..standing() })));
    let mut found: Vec<Refusal> = vec![
        with("x".repeat(CARD_BYTES_MAX + 1)).unwrap_err(),
        with(format!("{jwt}~{one}x~{two}~{bound}")).unwrap_err(),
        with(format!("{jwt}~{one}~{two}~")).unwrap_err(),
        verified(&presentation, |expected| expected.issuer = &other_issuer).unwrap_err(),
        with(forged).unwrap_err(),
        with(issued_by(&operator(), &|new| new.chain = Hash::of(b"another community"))).unwrap_err(),
        with(issued_by(&operator(), &|new| new.now = NOW + 200_000)).unwrap_err(),
        verified(&presentation, |expected| expected.now = NOW + VALID_SECONDS).unwrap_err(),
        // 11 kW become 99: the disclosure is another, and its digest in no card.
        with(format!("{jwt}~{}~{two}~{bound}", altered(one))).unwrap_err(),
        with(format!("{jwt}~{one}~{one}~{bound}")).unwrap_err(),
        with(stolen).unwrap_err(),
        // One more of the card's own claims, or one less, than the holder has signed.
        with(format!("{jwt}~{one}~{two}~{}~{bound}", whole[3])).unwrap_err(),
        with(format!("{jwt}~{one}~{bound}")).unwrap_err(),
        verified(&presentation, |expected| expected.audience = "https://school.example.org").unwrap_err(),
        verified(&presentation, |expected| expected.nonce = "another").unwrap_err(),
        verified(&presentation, |expected| expected.now = NOW + 301).unwrap_err(),
        verified(&presentation, |expected| expected.now = NOW - 61).unwrap_err(),
        verified(&presentation, |expected| expected.status = "").unwrap_err(),
        verified(&presentation, |expected| expected.status = &revoked).unwrap_err(),
        verified(&presentation, |expected| expected.status = &suspended).unwrap_err(),
    ];
    let names: Vec<&str> = found.iter().map(Refusal::name).collect();
    assert_eq!(
        names,
        [
            "too_long",
            "malformed",
            "not_bound",
            "other_issuer",
            "bad_signature",
            "other_community",
            "not_yet_valid",
            "expired",
            "claim_changed",
            "claim_changed",
            "not_the_holder",
            "other_claims",
            "other_claims",
            "other_audience",
            "other_nonce",
            "not_fresh",
            "not_fresh",
            "status_unknown",
            "revoked",
            "suspended",
        ]
    );
    // Of another type is tried beside the code: no card of ours is one. The others are said by who keeps nonces.
    found.extend([Refusal::OtherType(String::new()), Refusal::NonceUnknown, Refusal::Replayed]);
    let names: BTreeSet<String> = found.iter().map(|refusal| refusal.name().to_owned()).collect();
    assert_eq!(names, documented());
}

#[test]
fn no_changed_letter_of_a_presentation_is_accepted() {
    let presentation = presented(&card(41));
    for at in 0..presentation.len() {
        for letter in ["A", "~", "."] {
            let mut changed = presentation.clone();
            changed.replace_range(at..=at, letter);
            if changed != presentation {
                assert!(verified(&changed, |_| {}).is_err(), "{at}: {letter}");
            }
        }
    }
}

#[test]
fn a_card_is_presented_with_its_own_key_to_a_verifier_that_asked() {
    let card = Card::read(&card(41)).unwrap();
    assert_eq!(card.is_signed(), Some(true));
    let refused = |key: SecretKey, disclose: &[Name], to| card.present(&key, disclose, to).unwrap_err();
    assert_eq!(refused(key(5), &[], binding()), PresentError::OtherKey);
    assert_eq!(refused(holder(), &[Name::Bus], binding()), PresentError::NotClaimed(Name::Bus));
    assert_eq!(refused(holder(), &[], Binding { nonce: "", ..binding() }), PresentError::Unbound);
    assert_eq!(refused(holder(), &[], Binding { now: card.expires(), ..binding() }), PresentError::Expired);
}

#[test]
fn what_is_no_card_is_none() {
    let text = card(41);
    let other =
        issue(member_card::New { salts: salts(60), ..new(&claims(), 41) }, &Issuer::DidKey(&operator())).unwrap();
    let foreign = text.split_once('~').unwrap().0.to_owned() + "~" + other.split_once('~').unwrap().1;
    assert_eq!(Card::read(&foreign).unwrap_err(), CardError::Foreign(Name::Member));
    for wrong in ["", "~", &text[1..], text.strip_suffix('~').unwrap(), &presented(&text), &format!("{text}{text}")] {
        assert_eq!(Card::read(wrong).unwrap_err(), CardError::NotACard, "{wrong}");
    }
    assert!(matches!(Card::read(&"~".repeat(CARD_BYTES_MAX + 1)), Err(CardError::TooLong(_))));
}

#[test]
fn a_holders_key_is_public_and_of_one_of_two_kinds() {
    let own = HolderKey::Ed25519(holder().public());
    assert_eq!(HolderKey::read(own.jwk().as_bytes()), Ok(own));
    // RFC 7517, appendix A.1, with its `use` and `kid`.
    let of_wallet = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#;
    let read = HolderKey::read(of_wallet.as_bytes()).unwrap();
    assert!(matches!(read, HolderKey::P256([4, 0x30, ..])) && !read.jwk().contains("kid"));
    let secret = of_wallet.replacen('{', r#"{"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","#, 1);
    assert_eq!(HolderKey::read(secret.as_bytes()), Err(HolderKeyError::Secret));
    for wrong in ["", "{}", &of_wallet.replace("P-256", "P-384"), &of_wallet.replace("\"y\"", "\"z\"")] {
        assert_eq!(HolderKey::read(wrong.as_bytes()), Err(HolderKeyError::NotAKey), "{wrong}");
    }
    assert_eq!(HolderKey::read(&[b' '; 3_000]), Err(HolderKeyError::NotAKey));
}

#[test]
fn the_ledgers_state_says_how_a_card_stands() {
    let place = |list: &member_card::StatusList| list.get(41).unwrap();
    let of = |standing: Standing| place(&list(Some(standing)));
    assert_eq!(of(standing()), Status::Valid);
    assert_eq!(of(Standing { device: Some(key(6).public()), ..standing() }), Status::Invalid);
    assert_eq!(of(Standing { key: key(6).public(), ..standing() }), Status::Invalid);
    assert_eq!(of(Standing { device: None, is_revoked: true, ..standing() }), Status::Invalid);
    assert_eq!(of(Standing { device: None, ..standing() }), Status::Suspended);
    assert_eq!(place(&list(None)), Status::Invalid, "it is no member any more");
    let mut register = Register::default();
    register.add(issued(), 41);
    let ledger = BTreeMap::from([(member(), standing())]);
    assert_eq!(place(&register.list(&ledger, |_| false)), Status::Invalid, "it has no name any more");
    assert!(register.withdraw(41) && !register.withdraw(41));
    assert_eq!(place(&register.list(&ledger, |_| true)), Status::Invalid, "it was withdrawn");
}

#[test]
fn a_place_is_never_given_again_and_one_card_is_among_a_thousand() {
    let mut register = Register::default();
    let mut places = BTreeSet::new();
    for number in 0..600_u64 {
        let place = register.add(issued(), number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert!(places.insert(place), "{place} again");
        if number % 3 == 0 {
            assert!(register.withdraw(place));
        }
        let long = register.list(&BTreeMap::new(), |_| true).places();
        assert_eq!(long, if number < 512 { 1_024 } else { 2_048 }, "{number}");
        assert!(place < long);
    }
    let again = Register::read(&register.text()).unwrap();
    assert_eq!(again, register);
    assert_eq!(register.erase(member()), 400);
    assert_eq!(register.members(), BTreeSet::new());
    let text = register.text();
    assert!(!text.contains(&member().to_string()) && text.lines().count() == 601, "{text}");
    assert!(places.iter().all(|place| register.list(&BTreeMap::new(), |_| true).get(*place) == Some(Status::Invalid)));
    for wrong in ["", "place\n1,,,,,\n", &(text.clone() + &text), &(text + "7,,,\n")] {
        assert!(Register::read(wrong).is_err());
    }
}

#[test]
fn a_list_counts_for_a_day_under_its_own_address_and_by_its_issuer_alone() {
    let trusted = Trusted::DidKey(operator().public());
    let read = |text: &str, uri: &str, now| member_card::read_token(text, uri, &trusted, now, no_es256);
    let good = good_status();
    assert_eq!(read(&good, URI, NOW + 86_399).unwrap(), list(Some(standing())));
    assert!(read(&good, URI, NOW + 86_400).is_err(), "it is old");
    assert!(read(&good, URI, NOW - 61).is_err(), "it is of the future");
    assert!(read(&good, "https://cards.example.org/voisin/status/2", NOW).is_err());
    let other = token(&list(Some(standing())), URI, NOW, &Issuer::DidKey(&key(7))).unwrap();
    assert!(read(&other, URI, NOW).is_err());
    assert!(read(&card(41), URI, NOW).is_err());
    // A card's place beyond the end of the list.
    let far = presented(
        &issue(
            member_card::New { place: Place { idx: 1_024, uri: URI.into() }, ..new(&claims(), 0) },
            &Issuer::DidKey(&operator()),
        )
        .unwrap(),
    );
    assert_eq!(verified(&far, |_| {}).unwrap_err().name(), "status_unknown");
}
