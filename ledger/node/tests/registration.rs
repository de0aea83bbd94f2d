//! How a member is registered: proved by the state after any block, and refused if a single byte is another.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use ledger::proof::{ProofError, Verifier};
use ledger_node::node::Ledger;
use protocol::{
    decision::Action,
    genesis::{GenesisMember, Technology},
    interval::Interval,
    key::{DeviceId, PublicKey, SecretKey},
    member::MemberId,
    reading::Registers,
    registration::ProvedRegistration,
};
use support::history::History;

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public()
}

const JOINED: MemberId = MemberId::from_bytes([200; 16]);

/// A ledger that took in a member after the genesis, whose validators have changed since, and the interval that was
/// open then.
fn joined() -> (History, Interval) {
    let mut history = History::new(3, 4);
    history.settle();
    let open = history.state.next();
    let member = GenesisMember {
        member: JOINED,
        key: key(101),
        device: key(102),
        rated_power_w: 17_000,
        bus: None,
        import_wh: 1_204_310,
        export_wh: 88_120,
        technology: Some(Technology::Solar),
    };
    history.block(vec![history.community.decide(1, Action::RegisterMember(Box::new(member)))]);
    (history, open)
}

fn proved(history: &mut History, member: MemberId) -> Option<ProvedRegistration> {
    let store = Arc::new(std::mem::take(&mut history.store));
    let (ledger, _) = Ledger::open(history.community.genesis.clone(), store.clone(), None).unwrap();
    let proved = ledger.registration(member).unwrap();
    drop(ledger);
    history.store = Arc::into_inner(store).unwrap();
    proved
}

#[test]
fn who_joined_learns_who_it_is_and_from_when_on_whatever_was_decided_since() {
    let (mut history, open) = joined();
    let verifier = Verifier::new(&history.community.genesis);
    let at_once = proved(&mut history, JOINED).unwrap();
    history.replace_validator(2, 201);
    history.settle();
    let later = proved(&mut history, JOINED).unwrap();
    assert_eq!((at_once.steps.len(), later.steps.len()), (0, 1));
    for proved in [&at_once, &later] {
        assert_eq!(verifier.verify_registration(proved), Ok(()));
        assert_eq!(ProvedRegistration::from_json(&proved.to_json()).as_ref(), Ok(proved));
        let registration = &proved.registration;
        assert_eq!((registration.key, registration.device), (key(101), Some(key(102))));
        assert_eq!((registration.after, registration.rated_power_w), (open, 17_000));
        assert_eq!(registration.registers, Registers { import_wh: 1_204_310, export_wh: 88_120 });
    }
    assert!(matches!(
        verifier.verify_registration(&ProvedRegistration { steps: Vec::new(), ..later }),
        Err(ProofError::OtherValidators { .. })
    ));
    assert_eq!(proved(&mut history, MemberId::from_bytes([9; 16])), None, "nobody");
}

#[test]
fn another_meter_begins_anew_and_another_key_does_not() {
    let (mut history, open) = joined();
    let device: DeviceId = key(103);
    let registers = Registers { import_wh: 7, export_wh: 9 };
    let replace = Action::ReplaceMeter { member: JOINED, device, registers, rated_power_w: 5_000, technology: None };
    history.block(vec![
        history.community.decide(2, replace),
        history.community.decide(3, Action::ReplaceKey { member: JOINED, key: key(104) }),
    ]);
    let before = proved(&mut history, JOINED).unwrap().registration;
    assert_eq!((before.key, before.device, before.after), (key(104), Some(key(102)), open), "the meter waits");
    let settled = history.settle();
    let after = proved(&mut history, JOINED).unwrap().registration;
    assert_eq!((after.device, after.after, after.registers), (Some(device), settled, registers));
}

#[test]
fn a_proved_registration_with_any_byte_changed_is_refused() {
    let (mut history, _) = joined();
    history.replace_validator(2, 201);
    let verifier = Verifier::new(&history.community.genesis);
    let json = proved(&mut history, JOINED).unwrap().to_json();
    let mut parsed = 0;
    for position in 0..json.len() {
        for change in [1, 2, 0x20] {
            let mut changed = json.clone();
            changed[position] ^= change;
            if let Ok(proved) = ProvedRegistration::from_json(&changed) {
                parsed += 1;
                assert!(verifier.verify_registration(&proved).is_err(), "byte {position} ^ {change}");
            }
        }
    }
    assert!(parsed > 500, "changes that are still well-formed registrations were tried: {parsed}");
}

/// A genesis and a proved registration to check another light client against. Made anew with `VOISIN_WRITE_VECTORS=1`.
#[test]
fn the_published_vectors_are_what_this_program_makes_and_accepts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/vectors/registrations.json");
    let (mut history, _) = joined();
    history.replace_validator(2, 201);
    let proved = proved(&mut history, JOINED).unwrap();
    let leaf: String = proved.leaf().iter().map(|byte| format!("{byte:02x}")).collect();
    let genesis = &history.community.genesis;
    let made = serde_json::json!([{"genesis": genesis, "chain": genesis.chain(), "leaf": leaf, "proved": proved}]);
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    if std::env::var_os("VOISIN_WRITE_VECTORS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}
