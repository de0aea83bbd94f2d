//! What validators decide together and members instruct alone: what it changes, from when on, and every refusal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ledger::state::State;
use market::inputs::member_input;
use protocol::{
    block::Transaction,
    commit::Validator,
    correction::inputs_hash,
    decision::Action,
    energy::Energy,
    genesis::{Genesis, GenesisMember, GridLine, GridPlan, Rules, Technology},
    hash::Hash,
    instruction::{MemberAction, Portion},
    key::SecretKey,
    member::{AccountId, MemberId},
    money::Amount,
    order::PriceLimits,
    pack::{NetworkDiscount, RulePack},
    parameters::{Fees, LineFee, Parameters, Share},
    reading::{ChainHead, Registers},
    settlement::Settlement,
};
use testkit::{
    applied::{apply, one_interval, settle, settle_next},
    community::Community,
};

fn amount(nano: i64) -> Amount {
    Amount::from_nano(nano)
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

#[test]
fn a_decision_takes_more_than_two_thirds_of_the_power() {
    let (community, mut state) = one_interval();
    let action = || Action::RevokeDevice { member: community.members[0].id };
    let by = |approvals: &[SecretKey]| community.decide_by(1, action(), approvals);
    let validators = &community.validators;
    assert_eq!(apply(&mut state, &by(&[])), Err("not_approved".into()));
    assert_eq!(apply(&mut state, &by(&validators[..2])), Err("not_approved".into()));
    let stranger = [validators[0].clone(), validators[1].clone(), key(99)];
    assert_eq!(apply(&mut state, &by(&stranger)), Err("not_approved".into()));
    let twice = [validators[0].clone(), validators[0].clone(), validators[1].clone()];
    assert_eq!(apply(&mut state, &by(&twice)), Err("not_approved".into()));
    let Transaction::Decide { decision, mut approvals } = by(validators) else { unreachable!() };
    approvals[1].signature = approvals[0].signature;
    assert_eq!(apply(&mut state, &Transaction::Decide { decision, approvals }), Err("not_approved".into()));

    assert_eq!(apply(&mut state, &community.decide_by(2, action(), validators)), Err("decision_not_next".into()));
    assert_eq!(apply(&mut state, &by(&validators[1..])), Ok(()));
    assert_eq!(apply(&mut state, &by(&validators[..3])), Err("exists".into()), "whoever approves: it is the same");
    let other = Action::RevokeDevice { member: community.members[1].id };
    assert_eq!(apply(&mut state, &community.decide(1, other)), Err("decision_not_next".into()));
}

/// The market need not know of an enrolment that is decided while it clears; one that names whom it knows, as markets
/// did before, settles the same.
#[test]
fn a_settlement_is_the_same_whenever_a_new_member_is_enrolled_before_it() {
    let mut community = Community::new(6, 1);
    let newcomers = community.genesis.members.split_off(4);
    community.genesis.check().unwrap();
    let mut state = community.state();
    let open = state.next();
    let readings: Vec<_> = {
        let mut readings: Vec<_> =
            (0..4).map(|member| community.read(member, open, 100 - 60 * member as i64)).collect();
        readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
        readings
    };
    let before = community.settlement(&state, &readings);
    for (sequence, newcomer) in (1..).zip(newcomers.clone()) {
        state.apply(&community.decide(sequence, Action::RegisterMember(Box::new(newcomer)))).unwrap();
    }
    let blank = |member| member_input(member, None, Some(Technology::Solar), PriceLimits::default(), None);
    let naming = |some: &[GenesisMember]| {
        let mut inputs = community.inputs(&state, &readings);
        assert_eq!(inputs.len(), 4);
        inputs.extend(some.iter().map(|newcomer| blank(newcomer.member)));
        inputs.sort_by_key(|input| input.member);
        Settlement { inputs: inputs_hash(&inputs), ..before.clone() }
    };
    let settle = |settlement| state.clone().apply(&community.transaction(settlement, &readings)).map(|_| ());
    assert_eq!(community.settlement(&state, &readings), before, "the market that knows of it leaves it out as well");
    assert_eq!(settle(before.clone()), Ok(()));
    assert_eq!(settle(naming(&newcomers)), Ok(()));
    assert_eq!(settle(naming(&newcomers[..1])).unwrap_err().name(), "clearing_differs", "all of them or none");

    // From the next interval on it takes part, and is missed where it is not read.
    state.apply(&community.transaction(before, &readings)).unwrap();
    assert_eq!(community.settlement(&state, &[]).provisional.unwrap().unread.len(), 6);
}

#[test]
fn a_new_member_is_settled_from_the_interval_after_the_open_one_on() {
    let (mut community, mut state) = one_interval();
    let newcomer = |member: u8, key: &SecretKey, device: &SecretKey| {
        Action::RegisterMember(Box::new(GenesisMember {
            member: MemberId::from_bytes([member; 16]),
            key: key.public(),
            device: device.public(),
            rated_power_w: 20_000,
            bus: None,
            import_wh: 70,
            export_wh: 0,
            technology: None,
        }))
    };
    let (own_key, own_device) = (key(60), key(61));
    let taken_key = newcomer(7, &community.members[0].key, &own_device);
    assert_eq!(apply(&mut state, &community.decide(1, taken_key)), Err("key_in_use".into()));
    let taken_device = newcomer(7, &own_key, &community.members[0].device);
    assert_eq!(apply(&mut state, &community.decide(1, taken_device)), Err("device_in_use".into()));
    let Action::RegisterMember(mut nowhere) = newcomer(7, &own_key, &own_device) else { unreachable!() };
    nowhere.bus = Some("../bus".into());
    assert_eq!(apply(&mut state, &community.decide(1, Action::RegisterMember(nowhere))), Err("bad_name".into()));
    assert_eq!(apply(&mut state, &community.decide(1, newcomer(7, &own_key, &own_device))), Ok(()));
    let again = newcomer(7, &own_key, &own_device);
    assert_eq!(apply(&mut state, &community.decide(2, again)), Err("exists".into()));
    let other = newcomer(7, &own_key, &key(62));
    assert_eq!(apply(&mut state, &community.decide(2, other)), Err("exists_with_different_device".into()));

    let open = state.next();
    let head = ChainHead {
        sequence: 0,
        hash: protocol::hash::Hash::ZERO,
        interval: open,
        registers: Registers { import_wh: 70, export_wh: 0 },
    };
    let id = MemberId::from_bytes([7; 16]);
    community.members.push(testkit::community::TestMember { id, key: own_key, device: own_device, head });
    let mut readings: Vec<_> = (0..5).map(|member| community.read(member, open, 100)).collect();
    readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
    settle(&community, &mut state, &readings);
    settle_next(&mut community, &mut state);
    let (_, member) = state.members().find(|(found, _)| **found == id).unwrap();
    assert_eq!(member.head().sequence, 1);
    assert!(member.balance() < Amount::ZERO, "it drew energy and owes for it");
}

#[test]
fn keys_are_rotated_and_revoked() {
    let (mut community, mut state) = one_interval();
    let new_key = key(70);
    let rotate = |key: &SecretKey| MemberAction::RotateKey { key: key.public() };
    let taken = community.instruct(0, 1, rotate(&community.members[1].key));
    assert_eq!(apply(&mut state, &taken), Err("key_in_use".into()));
    let rotation = community.instruct(0, 1, rotate(&new_key));
    state.apply(&rotation).unwrap();
    let refusal = state.apply(&rotation).unwrap_err().name();
    assert_eq!(refusal, "unknown_signer", "the old key signs nothing any more");
    let old = community.instruct(0, 2, rotate(&key(71)));
    assert_eq!(apply(&mut state, &old), Err("unknown_signer".into()));
    community.members[0].key = new_key;
    assert!(state.apply(&community.instruct(0, 2, rotate(&key(71)))).is_ok());
}

#[test]
fn a_lost_key_is_replaced_by_decision() {
    let (mut community, mut state) = one_interval();
    let member = community.members[2].id;
    let replace = |key: &SecretKey| Action::ReplaceKey { member, key: key.public() };
    assert_eq!(apply(&mut state, &community.decide(1, replace(&community.members[0].key))), Err("key_in_use".into()));
    let stranger = Action::ReplaceKey { member: MemberId::from_bytes([1; 16]), key: key(80).public() };
    assert_eq!(apply(&mut state, &community.decide(1, stranger)), Err("unknown_member".into()));
    assert_eq!(apply(&mut state, &community.decide(1, replace(&key(80)))), Ok(()));
    community.members[2].key = key(80);
    let action = MemberAction::RevokeDevice;
    assert_eq!(apply(&mut state, &community.instruct(2, 1, action)), Ok(()));
}

#[test]
fn a_stolen_device_key_is_worth_nothing_from_the_next_interval_on() {
    let (mut community, mut state) = one_interval();
    assert_eq!(apply(&mut state, &community.instruct(3, 1, MemberAction::RevokeDevice)), Ok(()));
    settle_next(&mut community, &mut state);
    assert!(state.members().any(|(_, member)| member.device().is_none()));

    let stolen = community.read(3, state.next(), 10);
    let refusal = state.apply(&Transaction::CommitReading((&stolen).into())).unwrap_err().name();
    assert_eq!(refusal, "unknown_signer");
    let again = community.instruct(3, 2, MemberAction::RevokeDevice);
    assert_eq!(apply(&mut state, &again), Err("no_device".into()));

    // Another key for the same meter: registers and chain go on, and nothing of its energy is lost.
    community.members[3].head = *state.members().find(|(id, _)| **id == community.members[3].id).unwrap().1.head();
    let device = key(90);
    let taken = MemberAction::RotateDevice { device: community.members[0].device.public() };
    assert_eq!(apply(&mut state, &community.instruct(3, 2, taken)), Err("device_in_use".into()));
    let rotate = MemberAction::RotateDevice { device: device.public() };
    assert_eq!(apply(&mut state, &community.instruct(3, 2, rotate)), Ok(()));
    let open = state.next();
    let mut others: Vec<_> = [0, 1, 2, 4].map(|member| community.read(member, open, 100)).into();
    others.sort_by_key(|reading| (reading.signer(), reading.sequence));
    settle(&community, &mut state, &others);
    community.members[3].device = device;
    let balance = |state: &State| state.members().find(|(id, _)| **id == community.members[3].id).unwrap().1.balance();
    let before = balance(&state);
    let mut readings: Vec<_> =
        (0..5).map(|member| community.read(member, state.next(), if member == 3 { 500 } else { 1 })).collect();
    readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
    settle(&community, &mut state, &readings);
    let (_, member) = state.members().find(|(id, _)| **id == community.members[3].id).unwrap();
    assert_eq!(member.head().sequence, 3, "the chain of the old key goes on");
    assert_eq!(before.nano() - member.balance().nano(), 500 * 300_000, "the energy of the gap, at the retail price");
}

#[test]
fn a_replaced_meter_begins_where_the_decision_says() {
    let (mut community, mut state) = one_interval();
    let member = community.members[1].id;
    let device = key(91);
    let replace = |registers| Action::ReplaceMeter {
        member,
        device: device.public(),
        registers,
        rated_power_w: 11_000,
        technology: Some(Technology::Wind),
    };
    let registers = Registers { import_wh: 5, export_wh: 6 };
    assert_eq!(apply(&mut state, &community.decide(1, replace(registers))), Ok(()));
    assert_eq!(apply(&mut state, &community.decide(2, replace(registers))), Err("device_in_use".into()), "scheduled");
    settle_next(&mut community, &mut state);
    let (_, found) = state.members().find(|(id, _)| **id == member).unwrap();
    assert_eq!((found.head().sequence, found.head().registers), (0, registers));
    assert_eq!((found.rated_power_w(), found.technology()), (11_000, Some(Technology::Wind)));
    (community.members[1].head, community.members[1].device) = (*found.head(), device);
    settle_next(&mut community, &mut state);
    let (_, found) = state.members().find(|(id, _)| **id == member).unwrap();
    assert_eq!(found.head().sequence, 1);
}

#[test]
fn rules_hold_from_their_interval_on() {
    let (mut community, mut state) = one_interval();
    let open = state.next();
    let rules = |retail: &str| Rules { retail_price: retail.parse().unwrap(), ..community.genesis.rules.clone() };
    let set = |after: i64, rules: Rules, grid: Option<GridPlan>| Action::SetRules {
        from: open.offset(after).unwrap(),
        rules,
        grid: grid.map(Box::new),
    };
    let refused = |action: Action| apply(&mut state.clone(), &community.decide(1, action)).unwrap_err();
    assert_eq!(refused(set(0, rules("0.4"), None)), "rules_too_early");
    assert_eq!(refused(set(1, rules("0.01"), None)), "bad_rules");
    assert_eq!(refused(set(1, Rules { mechanism: "barter".into(), ..rules("0.4") }, None)), "unknown_mechanism");
    let fee = LineFee { line: "nowhere".into(), fee: "0.01".parse().unwrap() };
    let fees = Fees { lines: vec![fee], ..Fees::default() };
    let parameters = Some(Parameters { fees: Some(fees), ..Parameters::default() });
    assert_eq!(refused(set(1, Rules { parameters, ..rules("0.4") }, None)), "bad_terms");
    let lines = vec![GridLine { line: "l".into(), from: "a".into(), to: "b".into(), rated_va: 1 }];
    let plan = GridPlan { transformer: "t".into(), transformer_va: 1, root: "a".into(), lines };
    assert_eq!(refused(set(1, rules("0.4"), Some(plan))), "bad_grid", "nobody says at which bus the members are");

    assert_eq!(apply(&mut state, &community.decide(1, set(2, rules("0.4"), None))), Ok(()));
    let retail = |state: &State| state.rules_at(state.next()).0.rules.retail_price.to_string();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(retail(&state));
        settle_next(&mut community, &mut state);
    }
    assert_eq!(seen, ["0.3", "0.3", "0.4", "0.4"]);
}

#[test]
fn rules_follow_a_rule_pack_that_fits_them_and_no_other() {
    let (mut community, mut state) = one_interval();
    let open = state.next();
    let from = open.offset(1).unwrap();
    let network = NetworkDiscount { price: "0.07".parse().unwrap(), ppm: 570_000 };
    let pack = RulePack {
        id: "at-eeg-local-2026".into(),
        hash: Hash::of(b"its file"),
        currency: "EUR".into(),
        first: from,
        last: open.offset(2).unwrap(),
        mechanisms: vec!["dynamic_key".into(), "static_key".into()],
        network: Some(network),
    };
    let rules = |pack: RulePack| {
        let (mechanism, pack) = ("dynamic_key".to_owned(), Some(Box::new(pack)));
        Rules { mechanism, pack, ..community.genesis.rules.clone() }
    };
    let set = |from, rules: Rules| Action::SetRules { from, rules, grid: None };
    let refused = |from, rules| apply(&mut state.clone(), &community.decide(1, set(from, rules))).unwrap_err();
    let [hour, next_hour] =
        ["2026-06-01T13:00:00Z/PT1H", "2026-06-01T14:00:00Z/PT1H"].map(|text| text.parse().unwrap());
    assert_eq!(refused(open.offset(3).unwrap(), rules(pack.clone())), "pack_ended");
    assert_eq!(refused(from, rules(RulePack { first: pack.last, ..pack.clone() })), "pack_not_begun");
    let hourly = RulePack { first: hour, last: next_hour, ..pack.clone() };
    assert_eq!(refused(from, rules(hourly)), "pack_other_interval");
    assert_eq!(refused(from, rules(RulePack { currency: "CHF".into(), ..pack.clone() })), "pack_other_currency");
    let uniform = Rules { mechanism: "uniform".into(), ..rules(pack.clone()) };
    assert_eq!(refused(from, uniform), "pack_other_mechanism");
    let nothing = RulePack { mechanisms: Vec::new(), ..pack.clone() };
    assert_eq!(refused(from, rules(nothing)), "bad_rules");
    let genesis = Genesis {
        rules: rules(RulePack { first: open.offset(-9).unwrap(), currency: "CHF".into(), ..pack.clone() }),
        ..community.genesis.clone()
    };
    assert_eq!(
        genesis.check().unwrap_err().to_string(),
        "rules: expected rule pack at-eeg-local-2026 to be in EUR, found CHF"
    );

    assert_eq!(apply(&mut state, &community.decide(1, set(from, rules(pack.clone())))), Ok(()));
    // It ends by itself: the rules go on, without its discount.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let next = state.next();
        let followed = state.rules_at(next).0.rules.pack.as_ref();
        seen.push(followed.map(|pack| pack.network_in(next)));
        settle_next(&mut community, &mut state);
    }
    assert_eq!(seen, [None, Some(Some(network)), Some(Some(network)), Some(None)]);
}

#[test]
fn a_market_that_forgets_who_takes_part_with_a_part_is_refused() {
    let (mut community, mut state) = one_interval();
    let mut forgetful = state.clone();
    let half = community.members.iter().map(|member| Share { member: member.id, ppm: 500_000 }).collect();
    let parameters = Some(Parameters { participation: Some(half), ..Parameters::default() });
    let rules = Rules { parameters, ..community.genesis.rules.clone() };
    let from = state.next().offset(1).unwrap();
    assert_eq!(apply(&mut state, &community.decide(1, Action::SetRules { from, rules, grid: None })), Ok(()));
    let readings = community.read_all(state.next());
    let before = community.transaction(community.settlement(&state, &readings), &readings);
    for state in [&mut state, &mut forgetful] {
        state.apply(&before).unwrap();
    }
    let readings = community.read_all(from);
    let [honest, other] = [&state, &forgetful].map(|state| community.settlement(state, &readings));
    let bought = |settlement: &Settlement| settlement.lines.iter().map(|line| line.bought.wh()).sum::<u64>();
    assert!(bought(&honest) > 0 && bought(&honest) < bought(&other));
    assert_eq!(apply(&mut state, &community.transaction(other, &readings)), Err("clearing_differs".into()));
    state.apply(&community.transaction(honest, &readings)).unwrap();
}

#[test]
fn another_market_signs_from_the_next_interval_on() {
    let (mut community, mut state) = one_interval();
    let new = key(95);
    assert_eq!(apply(&mut state, &community.decide(1, Action::SetMarket { key: new.public() })), Ok(()));
    settle_next(&mut community, &mut state);
    let readings = community.read_all(state.next());
    let settlement = community.settlement(&state, &readings);
    let by_the_old = community.transaction(settlement, &readings);
    assert_eq!(state.clone().apply(&by_the_old).unwrap_err().name(), "unknown_signer");
    community.market = new;
    settle(&community, &mut state, &readings);
}

#[test]
fn validators_change_by_the_present_ones_power() {
    let (community, mut state) = one_interval();
    let set = |validators: Vec<(SecretKey, u64)>| {
        let mut validators: Vec<Validator> =
            validators.into_iter().map(|(key, power)| Validator { key: key.public(), power }).collect();
        validators.sort_by_key(|validator| validator.key);
        Action::SetValidators { validators }
    };
    let old = &community.validators;
    let mut unsorted = state.validators().to_vec();
    unsorted.sort_by_key(|validator| std::cmp::Reverse(validator.key));
    let bad = [
        set(vec![]),
        set(vec![(key(1), 0)]),
        set(vec![(key(1), 1), (key(1), 2)]),
        Action::SetValidators { validators: unsorted },
    ];
    for action in bad {
        assert_eq!(apply(&mut state, &community.decide(1, action)), Err("bad_validators".into()));
    }
    // More than there may be are not even read.
    let too_many = set((0..101).map(|seed| (key(seed), 1)).collect());
    assert_eq!(apply(&mut state, &community.decide(1, too_many)), Err("malformed".into()));
    let new = key(40);
    let power = [(old[0].clone(), 10), (old[1].clone(), 1), (new.clone(), 2)];
    assert_eq!(apply(&mut state, &community.decide(1, set(power.into()))), Ok(()));
    let next = |by: &[SecretKey]| community.decide_by(2, set(vec![(old[0].clone(), 1)]), by);
    assert_eq!(apply(&mut state, &next(&[old[1].clone(), new])), Err("not_approved".into()));
    assert_eq!(apply(&mut state, &next(old)), Err("not_approved".into()), "two of them are none any more");
    assert_eq!(apply(&mut state, &next(&old[..1])), Ok(()));
}

#[test]
fn money_is_given_by_whoever_has_it() {
    let (community, mut state) = one_interval();
    let [giver, taker] = [0, 1].map(|number: usize| community.members[number].id);
    let balance =
        |state: &State, id: MemberId| state.members().find(|(found, _)| **found == id).unwrap().1.balance().nano();
    let (has, had) = (balance(&state, giver), balance(&state, taker));
    assert!(has > 0, "the first member has sold");
    let give =
        |to, nano, reference: &str| MemberAction::Transfer { to, amount: amount(nano), reference: reference.into() };
    let to = AccountId::Member(taker);
    let stranger = AccountId::Member(MemberId::from_bytes([3; 16]));
    let cases = [
        (give(to, has + 1, ""), "exceeds_balance"),
        (give(to, 0, ""), "amount_not_positive"),
        (give(to, -5, ""), "amount_not_positive"),
        (give(AccountId::Member(giver), 5, ""), "same_account"),
        (give(stranger, 5, ""), "unknown_member"),
        (give(to, 5, &"x".repeat(141)), "bad_text"),
        (give(to, 5, "\u{1b}[2J"), "bad_text"),
    ];
    for (action, name) in cases {
        assert_eq!(apply(&mut state, &community.instruct(0, 1, action)), Err(name.into()));
    }
    assert_eq!(apply(&mut state, &community.instruct(0, 2, give(to, 5, ""))), Err("instruction_not_next".into()));
    assert_eq!(apply(&mut state, &community.instruct(0, 1, give(to, has, "for the cake"))), Ok(()));
    assert_eq!((balance(&state, giver), balance(&state, taker)), (0, had + has));

    let payout = |from, to| Action::Transfer { from, to, amount: amount(7), reference: "bank".into() };
    let nobody = payout(stranger, AccountId::Supplier);
    assert_eq!(apply(&mut state, &community.decide(1, nobody)), Err("unknown_member".into()));
    assert_eq!(apply(&mut state, &community.decide(1, payout(to, AccountId::Supplier))), Ok(()));
    assert_eq!(balance(&state, taker), had + has - 7);
}

#[test]
fn certificates_follow_the_trade_and_are_retired_once() {
    let (community, mut state) = one_interval();
    let interval = state.settled().unwrap();
    let issues = state.record(interval).unwrap().issues;
    let sellers: Vec<MemberId> = [0, 3].map(|number: usize| community.members[number].id).into();
    assert_eq!(issues.iter().map(|issue| issue.producer).collect::<Vec<_>>(), sellers);
    let minted: u64 = issues.iter().flat_map(|issue| &issue.bundles).map(|bundle| bundle.energy.wh()).sum();
    assert_eq!(minted, 700 + 700 + 13 * 3, "a certificate for every Wh fed in");
    let bundle = issues[0].bundles.iter().find(|bundle| !sellers.contains(&bundle.holder)).unwrap();
    let holder = community.members.iter().position(|member| member.id == bundle.holder).unwrap();
    let other = (0..5).find(|number| *number != holder && *number != 0).unwrap();
    let mut first = 0;
    for earlier in issues[0].bundles.iter().take_while(|earlier| *earlier != bundle) {
        first += earlier.energy.wh();
    }
    let portion = |first, wh| Portion { interval, device: issues[0].device, first, energy: Energy::from_wh(wh) };
    let own = portion(first, bundle.energy.wh());
    let retire_for = |certificates, beneficiary: Option<&str>| MemberAction::RetireCertificates {
        certificates,
        purpose: "own consumption".into(),
        beneficiary: beneficiary.map(str::to_owned),
    };
    let retire = |certificates| retire_for(certificates, None);
    let give = |certificates| MemberAction::TransferCertificates { certificates, to: community.members[other].id };

    assert_eq!(apply(&mut state, &community.instruct(other, 1, retire(own))), Err("certificates_not_held".into()));
    let foreign = Portion { device: community.market.public(), ..own };
    assert_eq!(apply(&mut state, &community.instruct(holder, 1, retire(foreign))), Err("unknown_certificates".into()));
    let future = Portion { interval: state.next(), ..own };
    assert_eq!(apply(&mut state, &community.instruct(holder, 1, retire(future))), Err("unknown_certificates".into()));
    assert_eq!(apply(&mut state, &community.instruct(holder, 1, give(portion(first, 10)))), Ok(()));
    assert_eq!(apply(&mut state, &community.instruct(other, 1, retire(portion(first, 10)))), Ok(()));
    assert_eq!(
        apply(&mut state, &community.instruct(other, 2, retire(portion(first, 10)))),
        Err("certificates_retired".into())
    );
    assert_eq!(
        apply(&mut state, &community.instruct(other, 2, give(portion(first, 1)))),
        Err("certificates_retired".into())
    );
    let rest = portion(first + 10, bundle.energy.wh() - 10);
    for nobody in ["", " ", "a\nb", &"x".repeat(141)] {
        let refused = apply(&mut state, &community.instruct(holder, 2, retire_for(rest, Some(nobody))));
        assert_eq!(refused, Err("bad_text".into()), "{nobody:?}");
    }
    assert_eq!(apply(&mut state, &community.instruct(holder, 2, retire_for(rest, Some("Café am Eck")))), Ok(()));
    let after = state.record(interval).unwrap().issues;
    let still: u64 = after.iter().flat_map(|issue| &issue.bundles).map(|bundle| bundle.energy.wh()).sum();
    assert_eq!(still, minted);
}
