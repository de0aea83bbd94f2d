//! Cards before verifiers that others wrote: npm's @sd-jwt/sd-jwt-vc and PyPI's openvc-core.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::SystemTime,
};

use member_card::{Binding, Card, HolderKey, Issuer, Name, Standing, issue, token};
use serde_json::{Value, json};
use support::*;

/// They ask the clock themselves.
fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A presentation of two of seven claims, and what becomes of it under way.
fn cases() -> Value {
    let claims = claims();
    let card = issue(member_card::New { now: now(), ..new(&claims, 41) }, &Issuer::DidKey(&operator())).unwrap();
    let card = Card::read(&card).unwrap();
    assert_eq!(card.claims().count(), 7);
    let to = Binding { audience: TOWN, nonce: NONCE, now: now() };
    let good = card.present(&holder(), &[Name::Technology, Name::RatedPowerW], to).unwrap();
    let list = |standing| token(&list(Some(standing)), URI, now(), &Issuer::DidKey(&operator())).unwrap();
    let (valid, revoked) = (list(standing()), list(Standing { is_revoked: true, device: None, ..standing() }));
    let suspended = list(Standing { device: None, ..standing() });
    let parts: Vec<&str> = good.split('~').collect();
    let more = format!("{}~{}~{}~{}", parts[0], altered(parts[1]), parts[2], parts[3]);
    let case = |name: &str, presentation: &str, audience: &str, nonce: &str, status: &str| json!({ "name": name, "presentation": presentation, "audience": audience, "nonce": nonce, "status": status });
    let issuer: Value = serde_json::from_str(&HolderKey::Ed25519(operator().public()).jwk()).unwrap();
    json!({
        "issuer": issuer,
        "cases": [
            case("good", &good, TOWN, NONCE, &valid),
            case("altered", &more, TOWN, NONCE, &valid),
            case("wrong_nonce", &good, TOWN, "another", &valid),
            case("wrong_audience", &good, "https://school.example.org", NONCE, &valid),
            case("revoked", &good, TOWN, NONCE, &revoked),
            case("suspended", &good, TOWN, NONCE, &suspended),
            // The next time the town hall asks, it asks with another nonce.
            case("replay", &good, TOWN, "the next time", &valid),
        ],
    })
}

/// What the verifier says of each case.
fn said(mut verifier: Command, cases: &Value) -> BTreeMap<String, Value> {
    let mut running = verifier.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let read = |line| {
        let said: Value = serde_json::from_str(line).unwrap();
        (said["name"].as_str().unwrap().to_owned(), said)
    };
    lines.lines().map(read).collect()
}

/// The good one is accepted with its two claims and no other, and each other one is refused for its reason.
fn check(said: &BTreeMap<String, Value>, reasons: &[(&str, &str)]) {
    let claims = &said["good"]["claims"];
    assert_eq!((&claims["rated_power_w"], &claims["technology"]), (&json!(11_000), &json!("solar")), "{said:#?}");
    assert_eq!(claims["chain"], json!(community()));
    for hidden in [Name::Member, Name::Device, Name::Name, Name::GridConnection, Name::Meter] {
        assert_eq!(claims.get(hidden.text()), None, "{claims}");
    }
    for (name, reason) in reasons {
        let refused = said[*name]["refused"].as_str().unwrap_or_else(|| panic!("{name}: {:#?}", said[*name]));
        assert!(refused.contains(reason), "{name}: {refused}");
    }
    assert_eq!(said.len(), reasons.len() + 1);
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
#[ignore = "needs node and @sd-jwt/sd-jwt-vc in target/cards: .ci/run installs them"]
fn sd_jwt_vc_of_npm_takes_a_card_and_refuses_what_was_made_of_it() {
    let mut node = Command::new("node");
    node.arg(here("tests/sd_jwt_vc.mjs")).arg(here("../../target/cards"));
    check(
        &said(node, &cases()),
        &[
            ("altered", "Invalid sd_hash"),
            ("wrong_nonce", "Invalid Nonce"),
            ("wrong_audience", "Another audience"),
            ("revoked", "Status is not valid"),
            ("suspended", "Status is not valid"),
            ("replay", "Invalid Nonce"),
        ],
    );
}

#[test]
#[ignore = "needs openvc-core in target/cards: .ci/run installs it"]
fn openvc_of_pypi_takes_a_card_and_refuses_what_was_made_of_it() {
    let mut python = Command::new(here("../../target/cards/bin/python"));
    python.arg(here("tests/openvc_verifier.py"));
    check(
        &said(python, &cases()),
        &[
            ("altered", "sd_hash does not match"),
            ("wrong_nonce", "nonce"),
            ("wrong_audience", "aud"),
            ("revoked", "CredentialRevoked"),
            ("suspended", "CredentialSuspended"),
            ("replay", "nonce"),
        ],
    );
}
