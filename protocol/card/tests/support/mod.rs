//! A community that issues cards, a household that has one, and a town hall that wants to see it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and not every test needs all"
)]

use std::collections::BTreeMap;

use member_card::{
    Binding, Card, Claims, DIGESTS, Expected, HolderKey, Issued, Issuer, Name, New, Place, Refusal, Register, Shown,
    Standing, StatusList, Trusted, issue, token, verify,
};
use protocol::{hash::Hash, key::SecretKey, member::MemberId, technology::Technology};

/// 2026-11-30T12:34:56Z.
pub(crate) const NOW: i64 = 1_796_042_096;
pub(crate) const URI: &str = "https://cards.example.org/voisin/status/1";
pub(crate) const TOWN: &str = "https://town.example.org";
pub(crate) const NONCE: &str = "c2hvdyBtZSB5b3VyIGNhcmQ";

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

pub(crate) fn operator() -> SecretKey {
    key(1)
}

pub(crate) fn holder() -> SecretKey {
    key(2)
}

pub(crate) fn community() -> Hash {
    Hash::of(b"a community")
}

pub(crate) fn member() -> MemberId {
    MemberId::pseudonym(&[9; 16], "Ada")
}

/// Seven claims.
pub(crate) fn claims() -> Claims {
    Claims {
        member: member(),
        device: key(3).public(),
        name: Some("Ada Müller".into()),
        grid_connection: Some("AT0010000000000000001000004392265".into()),
        meter: Some("1ESY1161234567".into()),
        rated_power_w: 11_000,
        technology: Some(Technology::Solar),
        bus: None,
    }
}

pub(crate) fn salts(first: u8) -> [[u8; 16]; DIGESTS] {
    std::array::from_fn(|index| [first + index as u8; 16])
}

pub(crate) fn new(claims: &Claims, idx: u64) -> New<'_> {
    New {
        claims,
        chain: community(),
        holder: HolderKey::Ed25519(holder().public()),
        base: "https://cards.example.org",
        place: Place { idx, uri: URI.into() },
        now: NOW,
        salts: salts(100),
    }
}

pub(crate) fn card(idx: u64) -> String {
    issue(new(&claims(), idx), &Issuer::DidKey(&operator())).unwrap()
}

pub(crate) fn binding() -> Binding<'static> {
    Binding { audience: TOWN, nonce: NONCE, now: NOW }
}

/// The second part of a presentation or card, read.
pub(crate) fn payload(text: &str) -> serde_json::Value {
    serde_json::from_slice(&decoded(text.split('.').nth(1).unwrap())).unwrap()
}

const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes of a text in base64url, by hand.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let value = |digit: u8| DIGITS.iter().position(|it| *it == digit).expect("it is base64url");
    let bits: Vec<bool> =
        text.bytes().flat_map(|digit| (0..6).rev().map(move |bit| value(digit) >> bit & 1 == 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
}

/// Base64url, by hand.
fn encoded(bytes: &[u8]) -> String {
    let bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let digit = |bits: &[bool]| {
        let value = (0..6).fold(0, |sum, bit| sum << 1 | usize::from(bits.get(bit).copied().unwrap_or_default()));
        char::from(DIGITS[value])
    };
    bits.chunks(6).map(digit).collect()
}

/// The disclosure of the rated power with nine times as much of it.
pub(crate) fn altered(disclosure: &str) -> String {
    let text = String::from_utf8(decoded(disclosure)).unwrap();
    let changed = text.replace("11000", "99000");
    assert_ne!(changed, text);
    encoded(changed.as_bytes())
}

pub(crate) fn presented(card: &str) -> String {
    Card::read(card).unwrap().present(&holder(), &[Name::Technology, Name::RatedPowerW], binding()).unwrap()
}

pub(crate) fn issued() -> Issued {
    let (device, key) = (key(3).public(), key(4).public());
    Issued { member: member(), device, key, issued: NOW, expires: NOW + 1_000 }
}

pub(crate) fn standing() -> Standing {
    Standing { key: key(4).public(), device: Some(key(3).public()), is_revoked: false }
}

/// The list of a register with one card at place 41, whose member stands like this.
pub(crate) fn list(standing: Option<Standing>) -> StatusList {
    let mut register = Register::default();
    assert_eq!(register.add(issued(), 41), 41);
    register.list(&standing.map(|standing| (member(), standing)).into_iter().collect::<BTreeMap<_, _>>(), |_| true)
}

pub(crate) fn status(list: &StatusList) -> String {
    token(list, URI, NOW, &Issuer::DidKey(&operator())).unwrap()
}

pub(crate) fn good_status() -> String {
    status(&list(Some(standing())))
}

pub(crate) fn no_es256(_: &[u8; 65], _: &[u8], _: &[u8; 64]) -> bool {
    false
}

pub(crate) fn verified<'a>(presentation: &str, change: impl FnOnce(&mut Expected<'a>)) -> Result<Shown, Refusal> {
    // For as long as whatever takes their place.
    let issuer = Box::leak(Box::new(Trusted::DidKey(operator().public())));
    let status = good_status().leak();
    let mut expected = Expected {
        issuer,
        community: community(),
        audience: TOWN,
        nonce: NONCE,
        now: NOW + 10,
        status,
        es256: no_es256,
    };
    change(&mut expected);
    verify(presentation, &expected)
}
