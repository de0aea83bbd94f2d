//! The published vectors of cards: what a wallet or a verifier in another language is written against.
//!
//! `WRITE_VECTORS=1 cargo test -p member-card --test vectors` writes them anew after a deliberate change.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{env, fs, path::Path};

use member_card::{Card, Name, Standing};
use serde_json::{Value, json};
use support::*;

#[test]
fn the_published_vectors_are_what_is_made() {
    let card_text = card(41);
    let presentation = presented(&card_text);
    let card = Card::read(&card_text).unwrap();
    let claims: serde_json::Map<String, Value> =
        card.claims().map(|claim| (claim.name.to_string(), claim.value.clone())).collect();
    let revoked = status(&list(Some(Standing { is_revoked: true, device: None, ..standing() })));
    let suspended = status(&list(Some(Standing { device: None, ..standing() })));
    let vectors = json!({
        "community": community(),
        "issuer": { "seed": hex(&operator().seed()), "did": operator().public() },
        "holder": { "seed": hex(&holder().seed()), "jwk": card.holder() },
        "issued_at": NOW,
        "salts": salts(100).iter().map(|salt| hex(salt)).collect::<Vec<_>>(),
        "claims": claims,
        "card": card_text,
        "payload": payload(&card_text),
        "presentation": {
            "disclosed": [Name::RatedPowerW.text(), Name::Technology.text()],
            "audience": TOWN,
            "nonce": NONCE,
            "at": NOW,
            "text": presentation,
        },
        "status": { "valid": good_status(), "revoked": revoked, "suspended": suspended },
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/cards.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&vectors).unwrap());
    if env::var_os("WRITE_VECTORS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "the published vectors are others");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
