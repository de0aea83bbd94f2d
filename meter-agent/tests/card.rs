//! `meter-agent credential`, as a program: what it shows of a card, and to whom it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    process::{Command, Output},
};

use member_card::{Claims, DIGESTS, Expected, HolderKey, Issuer, New, Place, Refusal, Trusted, issue, verify};
use protocol::{hash::Hash, key::SecretKey};
use support::Home;

const URI: &str = "https://cards.example.org/voisin/status/1";

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A household with a key for a card, and the card.
struct Holder {
    home: Home,
    operator: SecretKey,
}

impl Holder {
    fn new() -> Holder {
        let holder = Holder { home: Home::new(1, &[(1, 0)]), operator: SecretKey::from_seed(&[1; 32]) };
        let made = holder.run("credential new-key town.key");
        let jwk = HolderKey::read(&made.stdout).unwrap();
        fs::write(holder.home.path("town.sdjwt"), holder.card(jwk, holder.home.genesis.chain())).unwrap();
        holder
    }

    fn card(&self, key: HolderKey, chain: Hash) -> String {
        let claims = Claims {
            member: self.home.genesis.members[0].member,
            device: self.home.device.public(),
            name: Some("Ada".into()),
            grid_connection: None,
            meter: None,
            rated_power_w: 11_000,
            technology: None,
            bus: None,
        };
        let salts = std::array::from_fn::<[u8; 16], DIGESTS, _>(|index| [index as u8; 16]);
        let place = Place { idx: 417, uri: URI.into() };
        let base = "https://cards.example.org";
        let new = New { claims: &claims, chain, holder: key, base, place, now: now(), salts };
        issue(new, &Issuer::DidKey(&self.operator)).unwrap()
    }

    fn run(&self, arguments: &str) -> Output {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_meter-agent"));
        agent.args(arguments.split(' ')).current_dir(self.home.dir.path()).output().unwrap()
    }

    fn refused(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{arguments}: {line}");
        assert!(output.stdout.is_empty(), "nothing is shown");
        line
    }
}

const PRESENT: &str = "credential present town.sdjwt --key town.key --aud town --nonce once";

#[test]
fn what_is_shown_is_what_was_asked_for_and_a_pseudonym_not_without_a_warning() {
    let holder = Holder::new();
    let shown = |disclose: &str| {
        let output = holder.run(&format!("{PRESENT}{disclose}"));
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let verified = |presentation: &str, audience: &str| {
        let expected = Expected {
            issuer: &Trusted::DidKey(holder.operator.public()),
            community: holder.home.genesis.chain(),
            audience,
            nonce: "once",
            now: now(),
            status: "",
            es256: |_, _, _| false,
        };
        verify(presentation, &expected).unwrap_err()
    };
    let (presentation, said) = shown("");
    assert!(said.is_empty(), "{said}");
    assert_eq!(presentation.matches('~').count(), 1, "no claim");
    // All but the list was good, which nobody gave.
    assert!(matches!(verified(&presentation, "town"), Refusal::StatusUnknown(_)));
    assert!(matches!(verified(&presentation, "school"), Refusal::OtherAudience { .. }));
    let (presentation, said) = shown(" --disclose rated_power_w,name");
    assert_eq!((presentation.matches('~').count(), said.as_str()), (3, ""));
    for claim in ["member", "device"] {
        let (_, said) = shown(&format!(" --disclose rated_power_w,{claim}"));
        assert!(said.contains(&format!("warning: `{claim}` leads to your pseudonym")), "{said}");
    }
    let said = String::from_utf8(holder.run("credential show town.sdjwt --genesis genesis.json").stdout).unwrap();
    for expected in ["it has signed this card", "417 in the list at", "rated_power_w  11000\n", "(leads to all that"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_card_that_cannot_be_shown_is_said_in_one_line() {
    let holder = Holder::new();
    let write = |name: &str, text: &str| fs::write(holder.home.path(name), text).unwrap();
    holder.run("credential new-key other.key");
    assert!(holder.refused("credential new-key town.key").contains("is not overwritten"));
    assert!(holder.refused(&PRESENT.replace("town.key", "other.key")).contains("expected the key that this card"));
    assert!(holder.refused(&format!("{PRESENT} --disclose bus")).contains("found `bus`, of which it says nothing"));
    assert!(holder.refused(&format!("{PRESENT} --disclose iban")).contains("found `iban`"));
    let card = fs::read_to_string(holder.home.path("town.sdjwt")).unwrap();
    let signature = card.split('~').next().unwrap().rsplit('.').next().unwrap();
    let forged = format!("{}{}", "A".repeat(10), &signature[10..]);
    write("forged.sdjwt", &card.replace(signature, &forged));
    assert!(holder.refused("credential show forged.sdjwt").contains("expected the signature of its issuer"));
    let key = HolderKey::Ed25519(holder.home.member.public());
    write("other.sdjwt", &holder.card(key, Hash::of(b"another community")));
    let refused = holder.refused("credential show other.sdjwt --genesis genesis.json");
    assert!(refused.contains("expected a card of the community"), "{refused}");
    write("none.sdjwt", "no card");
    assert!(holder.refused("credential show none.sdjwt").contains("none.sdjwt: expected a card"));
}
