//! The state machine: what it books, and every lie that it refuses.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use ledger::{
    chain::{
        BlockError, Foreseen, Readings, Tip, build, build_foreseen, execute, execute_foreseen, execute_last,
        open_blocks,
    },
    state::{ORDERS_PER_MEMBER_MAX, Opened, State},
};
use protocol::{
    block::{Block, Header, Transaction},
    energy::Energy,
    envelope::{Sealed, Signed},
    hash::Hash,
    instruction::MemberAction,
    interval::Interval,
    key::SecretKey,
    limits::BLOCK_TRANSACTIONS_MAX,
    money::{Amount, Price},
    order::Order,
    reading::SignedReading,
    settlement::Settlement,
};
use testkit::community::Community;

fn prepared() -> (Community, State, Vec<SignedReading>, Settlement) {
    let mut community = Community::new(7, 4);
    let state = community.state();
    let readings = community.read_all(state.next());
    let settlement = community.settlement(&state, &readings);
    (community, state, readings, settlement)
}

#[test]
fn an_honest_settlement_is_booked_and_balances() {
    let (community, mut state, readings, settlement) = prepared();
    let traded: u64 = settlement.trades.iter().map(|trade| trade.energy.wh()).sum();
    assert!(traded > 0, "the test trades something");
    state.apply(&community.transaction(settlement.clone(), &readings)).unwrap();
    assert_eq!(state.balances_sum(), 0);
    assert_eq!(state.settled(), Some(settlement.interval));
    assert_eq!(state.settlements(), 1);
    for line in &settlement.lines {
        let (_, member) = state.members().find(|(id, _)| **id == line.member).unwrap();
        assert_eq!(Some(member.balance()), line.net());
    }
}

/// What each of these roots and hashes covers is spelled in the documentation, and stays so.
#[test]
fn many_settlements_lead_to_the_roots_that_they_always_led_to() {
    let mut community = Community::new(12, 4);
    let chain = community.genesis.chain();
    let (mut state, mut tip) = (community.state(), Tip { height: 0, block: chain });
    let mut blocks = Vec::new();
    // Past the end of a day.
    for height in 1..=110 {
        let readings = community.read_all(state.next());
        let transaction = community.transaction(community.settlement(&state, &readings), &readings);
        let (block, executed, refused) = build(&state, tip, [(transaction, Vec::new())]);
        assert!(refused.is_empty(), "{refused:?}");
        (state, tip) = (executed.state, Tip { height, block: block.header.hash() });
        blocks.push(block);
    }
    assert_eq!(
        state.root().to_string(),
        "17c257a1b65876d9cf72332c20fb4a35b00609ab21184ef1eef93816b66ada7e of 29 leaves"
    );
    assert_eq!(tip.block.to_string(), "069835c3a2055798fb00102c265f72f34c1c46d85b30940c4383ef494455d4f4");

    // Whoever follows the blocks with what was opened of all of them, and keeps no state but the last, ends there, too.
    let opened = open_blocks(&chain, &blocks, &[]).unwrap();
    let (mut followed, mut at) = (community.state(), Tip { height: 0, block: chain });
    for (block, opened) in blocks.iter().zip(opened) {
        let executed = execute_last(followed, at, block, Readings::Opened(opened)).unwrap();
        (followed, at) = (executed.state, Tip { height: at.height + 1, block: block.header.hash() });
    }
    assert_eq!((followed.root(), at), (state.root(), tip));
}

#[test]
fn an_opened_settlement_counts_for_itself_alone_and_only_with_the_markets_key() {
    let (community, state, readings, honest) = prepared();
    let chain = community.genesis.chain();
    let transaction = community.transaction(honest.clone(), &readings);
    let opened = |settlement: Settlement, key: &SecretKey| Opened {
        settlement: Some(Arc::new(Signed::sign(settlement, &chain, key))),
        readings: readings.clone().into(),
    };
    let lie = Settlement { operator: Amount::from_nano(1), ..honest.clone() };
    for known in [opened(honest.clone(), &community.market), opened(lie.clone(), &community.market)] {
        assert!(state.clone().apply_opened(&transaction, &known).is_ok());
        let refusal = state.clone().apply_opened(&community.transaction(lie.clone(), &readings), &known).unwrap_err();
        assert_eq!(refusal.name(), "clearing_differs");
    }
    let stranger = &community.members[0].key;
    let known = opened(honest, stranger);
    let settlement = known.settlement.as_ref().unwrap().sealed().clone();
    let forged = Transaction::Settle { settlement, readings: readings.iter().map(Sealed::from).collect() };
    assert_eq!(state.clone().apply_opened(&forged, &known).unwrap_err().name(), "unknown_signer");
}

#[test]
fn every_lie_of_the_market_is_refused_by_name_and_the_honest_settlement_still_passes() {
    let (community, state, readings, honest) = prepared();
    type Lie = (&'static str, &'static str, fn(&mut Settlement, &mut Vec<SignedReading>));
    let lies: [Lie; 12] = [
        ("moves the price by one tick", "clearing_differs", |settlement, _| {
            settlement.price = settlement.price.and_then(|price| Price::from_micro(price.micro() - 1));
        }),
        ("claims tariffs that nobody decided", "clearing_differs", |settlement, _| {
            settlement.tariffs.retail_price = settlement.tariffs.feed_in_price;
        }),
        ("changes one watt-hour", "clearing_differs", |settlement, _| {
            settlement.lines[0].sold = Energy::from_wh(settlement.lines[0].sold.wh() + 1);
        }),
        ("drops a member's line", "clearing_differs", |settlement, _| {
            settlement.lines.remove(2);
        }),
        ("drops a trade", "clearing_differs", |settlement, _| {
            settlement.trades.pop();
        }),
        ("pays itself", "clearing_differs", |settlement, _| settlement.operator = Amount::from_nano(1)),
        ("pays the supplier more", "clearing_differs", |settlement, _| {
            settlement.supplier = settlement.supplier.checked_add(Amount::from_nano(1)).unwrap();
        }),
        ("commits to a reading that it leaves out", "readings_differ", |_, readings| {
            readings.remove(0);
        }),
        ("adds a reading that it does not commit to", "readings_differ", |_, readings| {
            readings.push(readings[0].clone());
        }),
        ("counts a reading twice", "readings_not_ascending", |settlement, readings| {
            settlement.readings.insert(0, settlement.readings[0]);
            readings.insert(0, readings[0].clone());
        }),
        ("sorts readings in another way", "readings_not_ascending", |settlement, readings| {
            settlement.readings.swap(0, 1);
            readings.swap(0, 1);
        }),
        ("settles the interval after the next", "interval_not_next", |settlement, _| {
            settlement.interval = settlement.interval.next().unwrap();
        }),
    ];
    for (lie, name, tell) in lies {
        let (mut settlement, mut told) = (honest.clone(), readings.clone());
        tell(&mut settlement, &mut told);
        assert!(settlement != honest || told != readings, "{lie}: nothing was changed");
        let mut after = state.clone();
        let refusal = after.apply(&community.transaction(settlement, &told)).unwrap_err();
        assert_eq!(refusal.name(), name, "{lie}: {refusal}");
        assert_eq!(after.root(), state.root(), "{lie}: the refused transaction changed the state");
    }
    state.clone().apply(&community.transaction(honest, &readings)).unwrap();
}

#[test]
fn another_intervals_readings_are_refused() {
    let (mut community, mut state, readings, honest) = prepared();
    state.apply(&community.transaction(honest.clone(), &readings)).unwrap();
    let replayed = Settlement { interval: state.next(), ..honest };
    let refusal = state.apply(&community.transaction(replayed, &readings)).unwrap_err();
    assert_eq!(refusal.name(), "reading_refused", "{refusal}");

    let next = community.read_all(state.next());
    let settlement = community.settlement(&state, &next);
    state.apply(&community.transaction(settlement, &next)).unwrap();
    assert_eq!((state.settlements(), state.balances_sum()), (2, 0));
}

#[test]
fn a_reading_that_its_device_committed_is_not_left_out() {
    let (mut community, mut state, readings, honest) = prepared();
    let commit = |reading: &SignedReading| Transaction::CommitReading(Sealed::from(reading));
    let left_out = 2;
    let without: Vec<SignedReading> = readings
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != left_out)
        .map(|(_, reading)| reading.clone())
        .collect();
    let partial = community.settlement(&state, &without);
    state.clone().apply(&community.transaction(partial.clone(), &without)).expect("nothing is committed yet");

    state.apply(&commit(&readings[left_out])).unwrap();
    let committed = state.clone();
    let refusal = state.apply(&community.transaction(partial, &without)).unwrap_err();
    assert_eq!(refusal.name(), "committed_reading_left_out", "{refusal}");

    // The same again, another one under its number, one of somebody unknown: nothing changes.
    assert_eq!(state.apply(&commit(&readings[left_out])).unwrap_err().name(), "exists");
    let device = community.members.iter().find(|member| member.device.public() == readings[left_out].signer()).unwrap();
    let mut other = readings[left_out].payload().clone();
    other.registers.import_wh += 1;
    let other = Signed::sign(other, &community.genesis.chain(), &device.device);
    assert_eq!(state.apply(&commit(&other)).unwrap_err().name(), "exists_with_different_reading");
    let stranger = Signed::sign(other.payload().clone(), &community.genesis.chain(), &community.market);
    assert_eq!(state.apply(&commit(&stranger)).unwrap_err().name(), "unknown_signer");
    let following = community.read_all(state.next().next().unwrap());
    let early = following.iter().find(|reading| reading.signer() == readings[0].signer()).unwrap();
    assert_eq!(state.apply(&commit(early)).unwrap_err().name(), "reading_refused", "not the next link");
    assert_eq!(state.root(), committed.root());

    state.apply(&community.transaction(honest, &readings)).unwrap();
    assert!(state.members().all(|(_, member)| member.committed().is_none()));
    assert_eq!(state.apply(&commit(&readings[left_out])).unwrap_err().name(), "exists", "it is settled");
    assert_eq!(state.balances_sum(), 0);
}

#[test]
fn only_the_market_settles_and_only_with_intact_signatures() {
    let (community, state, readings, honest) = prepared();
    let chain = community.genesis.chain();
    let by_a_member = Signed::sign(honest.clone(), &chain, &community.members[0].key);
    let forged = Transaction::Settle {
        settlement: Sealed::from(&by_a_member),
        readings: readings.iter().map(Sealed::from).collect(),
    };
    assert_eq!(state.clone().apply(&forged).unwrap_err().name(), "unknown_signer");

    let Transaction::Settle { settlement, readings } = community.transaction(honest, &readings) else { unreachable!() };
    let mut flipped = settlement.bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let forged = Transaction::Settle { settlement: flipped.into(), readings: readings.clone() };
    assert_eq!(state.clone().apply(&forged).unwrap_err().name(), "bad_signature");

    let garbage = Sealed::from(&settlement.bytes()[..20]);
    let forged = Transaction::Settle { settlement: garbage, readings };
    assert_eq!(state.clone().apply(&forged).unwrap_err().name(), "malformed");
}

#[test]
fn a_forged_reading_is_refused_even_if_the_market_commits_to_it() {
    let (community, state, mut readings, mut settlement) = prepared();
    let thief = community.market.clone();
    let forged = Signed::sign(readings[0].payload().clone(), &community.genesis.chain(), &thief);
    settlement.readings[0] = forged.hash();
    readings[0] = forged;
    let refusal = state.clone().apply(&community.transaction(settlement, &readings)).unwrap_err();
    assert_eq!(refusal.name(), "unknown_signer");
}

#[test]
fn energy_that_comes_late_is_settled_with_the_supplier_and_never_lost() {
    let mut community = Community::new(4, 1);
    let mut state = community.state();
    let [first, second] = [state.next(), state.next().next().unwrap()];
    let mut on_time: Vec<_> = (1..4).map(|member| community.read(member, first, 100)).collect();
    let late = community.read(0, first, -500);
    on_time.sort_by_key(Signed::signer);
    let settlement = community.settlement(&state, &on_time);
    assert_eq!(settlement.lines.len(), 3);
    state.apply(&community.transaction(settlement, &on_time)).unwrap();

    let mut readings: Vec<_> =
        (0..4).map(|member| community.read(member, second, if member == 0 { -90 } else { 100 })).collect();
    readings.push(late);
    readings.sort_by_key(|reading| (reading.signer(), reading.sequence));
    let settlement = community.settlement(&state, &readings);
    let line = settlement.lines.iter().find(|line| line.member == community.members[0].id).unwrap();
    assert_eq!((line.sold.wh(), line.exported.wh()), (90, 500));
    state.apply(&community.transaction(settlement, &readings)).unwrap();
    assert_eq!(state.balances_sum(), 0);
}

#[test]
fn an_order_stands_from_its_interval_on() {
    let (mut community, mut state, ..) = prepared();
    let open = state.next();
    let order = |sequence, after: i64, buy: &str| Order {
        sequence,
        valid_from: open.offset(after).unwrap(),
        buy: Some(buy.parse().unwrap()),
        sell: None,
        buy_cap: None,
        sell_cap: None,
    };
    let cases = [
        (order(1, 0, "0.2"), Err("order_too_late")),
        (order(0, 1, "0.2"), Err("order_sequence_not_higher")),
        (order(1, 1, "0.2"), Ok(())),
        (order(1, 1, "0.2"), Err("exists")),
        (order(1, 1, "0.21"), Err("order_sequence_not_higher")),
        (order(2, 2, "0.1"), Ok(())),
    ];
    for (order, expected) in cases {
        let found = state.apply(&community.order(0, order.clone())).map(drop).map_err(|refusal| refusal.name());
        assert_eq!(found, expected.map_err(String::from), "{order:?}");
    }
    let mut crowded = state.clone();
    let later = |count: u64| community.order(0, order(2 + count, 10 + count as i64, "0.1"));
    let taken = (1..20).take_while(|count| crowded.apply(&later(*count)).is_ok()).count();
    assert_eq!(taken, ORDERS_PER_MEMBER_MAX - 2, "two wait already");
    assert_eq!(crowded.apply(&later(20)).unwrap_err().name(), "too_many_orders");
    let member = community.members[0].id;
    let buy = |state: &State| {
        let (_, found) = state.members().find(|(id, _)| **id == member).unwrap();
        found.limits(state.next()).buy.map(|price| price.to_string())
    };
    let mut seen = vec![buy(&state)];
    for _ in 0..3 {
        // The community's readings of `prepared` were never settled: start their chains again.
        let readings = if seen.len() == 1 { fresh(&mut community, &state) } else { community.read_all(state.next()) };
        let settlement = community.settlement(&state, &readings);
        state.apply(&community.transaction(settlement, &readings)).unwrap();
        seen.push(buy(&state));
    }
    assert_eq!(seen, [None, Some("0.2".into()), Some("0.1".into()), Some("0.1".into())]);
}

fn fresh(community: &mut Community, state: &State) -> Vec<SignedReading> {
    let heads: Vec<_> = state.members().map(|(_, member)| *member.head()).collect();
    for (member, head) in community.members.iter_mut().zip(heads) {
        member.head = head;
    }
    community.read_all(state.next())
}

#[test]
fn the_state_is_restored_from_its_entries() {
    let (community, mut state, readings, settlement) = prepared();
    state.apply(&community.transaction(settlement, &readings)).unwrap();
    let (root, changed) = state.seal();
    let changes = state.changes(&changed);
    let entries = changes.iter().filter_map(|(key, value)| Some((key.as_slice(), value.as_deref()?)));
    let restored = State::from_entries(&community.genesis, entries).unwrap();
    assert_eq!((restored.root(), state.root()), (root, root));
    assert_ne!(restored.root(), community.state().root());
}

#[test]
fn what_is_foreseen_is_what_a_block_leads_to_and_counts_for_nothing_else() {
    let (community, state, readings, settlement) = prepared();
    let tip = Tip { height: 0, block: community.genesis.chain() };
    let transaction = Arc::new(community.transaction(settlement, &readings));
    let order = Order {
        sequence: 1,
        // Late enough in a block that settles the open interval before it.
        valid_from: state.next().offset(2).unwrap(),
        buy: Some(Price::from_micro(200_000).unwrap()),
        sell: None,
        buy_cap: None,
        sell_cap: None,
    };
    let order = community.order(3, order);
    let foreseen = Foreseen::new(&state, tip, transaction.clone(), &readings.clone().into()).unwrap();
    let sealed = |transactions: Vec<Transaction>| transactions.into_iter().map(|transaction| (transaction, []));
    for transactions in [
        vec![(*transaction).clone()],
        vec![(*transaction).clone(), order.clone()],
        // It was applied to the state before the first transaction of a block, and to no other.
        vec![order, (*transaction).clone()],
    ] {
        let (block, executed, refused) = build(&state, tip, sealed(transactions.clone()));
        assert!(refused.is_empty(), "{refused:?}");
        let (again, known, _) = build_foreseen(&state, tip, sealed(transactions), Some(&foreseen));
        assert_eq!((&again, known.root, known.changes()), (&block, executed.root, executed.changes()));
        let known = execute_foreseen(&state, tip, &block, Readings::Sealed, Some(&foreseen)).unwrap();
        assert_eq!((known.root, known.changes()), (executed.root, executed.changes()));
        assert_eq!(known.booked, executed.booked);
    }

    // Not the id says what a transaction is: here another has it, with a reading that nobody signed.
    let (mut block, executed, _) = build(&state, tip, sealed(vec![(*transaction).clone()]));
    let Transaction::Settle { readings: spoilt, .. } = &mut block.transactions[0] else { unreachable!() };
    let mut bytes = spoilt[2].bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    spoilt[2] = bytes.into();
    assert_eq!(block.transactions[0].id(), transaction.id());
    let outcome = execute_foreseen(&state, tip, &block, Readings::Opened(vec![readings.into()]), Some(&foreseen));
    assert!(matches!(outcome, Err(BlockError::Refused { .. })), "{outcome:?}");
    // Nor does it hold after another block.
    let tip = Tip { height: 1, block: block.header.hash() };
    assert!(!foreseen.is_of(tip, &transaction));
    let (_, _, refused) = build_foreseen(&executed.state, tip, [(transaction, [])], Some(&foreseen));
    assert_eq!(refused[0].1.name(), "interval_not_next");
}

#[test]
fn a_block_whose_header_is_not_what_its_transactions_lead_to_is_refused_by_the_field() {
    const OTHER: Hash = Hash::from_bytes([9; 32]);
    let (community, state, readings, settlement) = prepared();
    let tip = Tip { height: 0, block: community.genesis.chain() };
    let transaction = community.transaction(settlement, &readings);
    let (block, _, refused) = build(&state, tip, [(transaction, Vec::new())]);
    assert!(refused.is_empty(), "{refused:?}");
    let name = |block: &Block| execute(&state, tip, block, Readings::Sealed).unwrap_err().name();
    type Lie = (&'static str, fn(&mut Header));
    let lies: [Lie; 8] = [
        ("header_chain", |header| header.chain = OTHER),
        ("header_height", |header| header.height += 1),
        ("header_previous", |header| header.previous = OTHER),
        ("header_validators", |header| header.validators = OTHER),
        ("header_next_validators", |header| header.next_validators = OTHER),
        ("header_transactions", |header| header.transactions.hash = OTHER),
        ("header_entries", |header| header.entries.leaves += 1),
        ("header_state", |header| header.state.hash = OTHER),
    ];
    for (expected, lie) in lies {
        let mut lying = block.clone();
        lie(&mut lying.header);
        assert_eq!(name(&lying), expected);
    }
    let mut full = block.clone();
    full.transactions = vec![block.transactions[0].clone(); BLOCK_TRANSACTIONS_MAX + 1];
    assert_eq!(name(&full), "too_many_transactions");
    assert!(execute(&state, tip, &block, Readings::Sealed).is_ok());
}

#[test]
fn at_the_end_of_time_nothing_is_settled_and_nothing_scheduled() {
    let mut community = Community::new(3, 4);
    let last: Interval = "9998-12-31T23:45:00Z/PT15M".parse().unwrap();
    assert_eq!(last.next(), None);
    community.genesis.first_interval = last;
    for member in &mut community.members {
        member.head.interval = last.offset(-1).unwrap();
    }
    let mut state = community.state();
    let (root, readings) = (state.root(), community.read_all(last));
    let settlement = community.transaction(community.settlement(&state, &readings), &readings);
    let device = MemberAction::RotateDevice { device: SecretKey::from_seed(&[1; 32]).public() };
    for transaction in [settlement, community.instruct(0, 1, device)] {
        let refusal = state.apply(&transaction).unwrap_err();
        assert_eq!(refusal.name(), "end_of_time", "{refusal}");
        assert_eq!(state.root(), root);
    }
}
