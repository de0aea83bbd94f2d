use protocol::{
    energy::Energy,
    hash::Hash,
    money::Amount,
    settlement::{Provisional, Tariffs},
};

use super::*;
use crate::alarms::AlarmName;

fn model(first: &str) -> Model {
    Model::new(CommunityInfo {
        community: "test".into(),
        currency: "EUR".into(),
        chain: Hash::ZERO,
        mechanism: "uniform".into(),
        retail_price: Price::from_micro(300_000).unwrap(),
        feed_in_price: Price::from_micro(80_000).unwrap(),
        first_interval: first.parse().unwrap(),
        members: Vec::new(),
        names: BTreeMap::new(),
        broker: "mqtt://127.0.0.1:1883".into(),
        validators: Vec::new(),
    })
}

#[test]
fn a_member_is_called_by_its_name_as_soon_as_there_is_one() {
    let mut model = model("2026-06-01T12:00:00Z/PT15M");
    let first = model.info.first_interval;
    let member = line(1, 0, 0).member;
    model.settled(&settled(first, vec![line(1, 0, 0)]), None, Moment::now());
    let name = |model: &Model| model.households.page(0, 10).households[0].name.clone();
    let (pseudonym, version) = (name(&model), model.version());
    assert_eq!(pseudonym, member.to_string());
    assert!(model.renamed(BTreeMap::from([(member, "Ada".to_owned())])));
    assert_eq!((name(&model), model.version()), ("Ada".to_owned(), version + 1));
    let other = MemberId::from_bytes([250; 16]);
    let more = BTreeMap::from([(member, "Ada".to_owned()), (other, "Bea".to_owned())]);
    assert!(!model.renamed(more), "nobody sees a name of somebody who is not listed");
    assert!(model.renamed(BTreeMap::new()));
    assert_eq!(name(&model), pseudonym);
}

#[test]
fn an_alarm_names_who_was_not_read_for_the_last_interval_and_stays_the_same_with_them() {
    let mut model = model("2026-06-01T12:00:00Z/PT15M");
    let (ada, other) = (MemberId::from_bytes([1; 16]), MemberId::from_bytes([2; 16]));
    model.renamed(BTreeMap::from([(ada, "Ada".to_owned())]));
    let mut interval = model.info.first_interval;
    let mut cause_after = |unread: Vec<MemberId>| {
        let provisional = (!unread.is_empty()).then_some(Provisional { unread, balance: None });
        model.settled(&Settled { provisional, ..settled(interval, Vec::new()) }, None, Moment::now());
        interval = interval.next().unwrap();
        let found = model.judge_alarms(Moment::now());
        found.into_iter().find(|judgement| judgement.name == AlarmName::MetersUnread).map(|judgement| judgement.cause)
    };
    assert_eq!(cause_after(Vec::new()), None);
    let first = cause_after(vec![ada, other]);
    assert!(first.as_deref().is_some_and(|cause| cause.ends_with(&format!(": Ada, {other}."))), "{first:?}");
    assert_eq!(cause_after(vec![ada, other]), first);
    assert!(cause_after(vec![other]).is_some_and(|cause| !cause.contains("Ada")));
    assert_eq!(cause_after(Vec::new()), None);
}

fn settled(interval: Interval, lines: Vec<Line>) -> Settled {
    Settled {
        interval,
        height: 1,
        settlement: Hash::ZERO,
        price: None,
        lines,
        trades: Vec::new(),
        supplier: Amount::ZERO,
        operator: Amount::ZERO,
        provisional: None,
        corrections: 0,
        tariffs: Tariffs {
            retail_price: Price::from_micro(300_000).unwrap(),
            feed_in_price: Price::from_micro(80_000).unwrap(),
        },
    }
}

fn line(member: u32, bought_wh: u64, paid: i64) -> Line {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&member.to_be_bytes());
    Line {
        member: MemberId::from_bytes(id),
        bought: Energy::from_wh(bought_wh),
        sold: Energy::ZERO,
        imported: Energy::ZERO,
        exported: Energy::ZERO,
        paid: Amount::from_nano(paid),
        earned: Amount::ZERO,
        supply_cost: Amount::ZERO,
        supply_revenue: Amount::ZERO,
    }
}

#[test]
fn summaries_are_kept_up_to_their_limit_while_sums_go_on() {
    let mut model = model("2026-06-01T00:00:00Z/PT15M");
    let first = model.info.first_interval;
    let count = SUMMARIES_MAX as i64 + 3;
    for number in 0..count {
        model.settled(&settled(first.offset(number).unwrap(), vec![line(1, 2, 0)]), None, Moment::now());
    }
    assert_eq!(model.summaries.len(), SUMMARIES_MAX);
    assert_eq!(model.details.len(), DETAILS_MAX);
    assert_eq!(model.totals().intervals, count as u64);
    assert_eq!(model.totals().traded_wh, 2 * count as u128);
    assert_eq!(model.intervals(0, 1).intervals[0].start, first.offset(3).unwrap().start_text());
}

#[test]
fn a_correction_takes_the_place_of_what_it_corrects_once() {
    let mut model = model("2026-06-01T00:00:00Z/PT15M");
    let first = model.info.first_interval;
    let cost = |wh: u64| Amount::from_nano(300_000 * wh as i64);
    let drawn = |wh| Line { imported: Energy::from_wh(wh), supply_cost: cost(wh), ..line(1, 0, 0) };
    let of = |wh, corrections| {
        let lines = vec![drawn(wh), line(2, 7, 0)];
        Settled { supplier: cost(wh), corrections, ..settled(first, lines) }
    };
    let shown = |model: &Model| {
        let Totals { imported_wh, supplier, members, accounts_sum, .. } = model.totals();
        let summary = &model.latest(1)[0];
        (imported_wh, supplier.0, members.0, accounts_sum.0, u128::from(summary.imported_wh))
    };
    let as_of = |wh: u64| {
        let nano = i128::from(cost(wh).nano());
        (u128::from(wh), nano, -nano, 0, u128::from(wh))
    };
    assert_eq!(model.corrections(first), None);
    model.corrected(&of(5, 1), &of(9, 0).lines);
    model.settled(&of(9, 0), None, Moment::now());
    assert_eq!((model.corrections(first), shown(&model)), (Some(0), as_of(9)), "what is not shown is not corrected");
    for _ in 0..2 {
        model.corrected(&of(5, 2), &of(9, 0).lines);
        assert_eq!((model.corrections(first), shown(&model)), (Some(2), as_of(5)));
    }
    assert_eq!(model.households_of(first, 0, 1).unwrap().households[0].sums.imported_wh, 5);
    assert_eq!(model.households(0, 1).households[0].sums.imported_wh, 5);
    assert_eq!(model.totals().intervals, 1);
    // A market that is started later takes over what stands.
    let second = first.next().unwrap();
    model.settled(&Settled { interval: second, ..of(3, 4) }, None, Moment::now());
    assert_eq!(model.corrections(second), Some(4));
}

#[test]
fn until_readings_are_due_the_next_interval_runs() {
    let mut model = model("2026-06-01T00:00:00Z/PT15M");
    let first = model.info.first_interval;
    model.gate = Gate::Open(first);
    model.received = 1;
    let at = |model: &Model| {
        let status = model.status(Moment::now());
        (status.phase, status.open, status.readings_received)
    };
    assert_eq!(at(&model), (Phase::Open, Some(first.start_text()), 1));
    model.settled(&settled(first, vec![line(1, 2, 0)]), None, Moment::now());
    let second = first.next().unwrap();
    assert_eq!(at(&model), (Phase::Running, Some(second.start_text()), 0), "the first is not open any more");
    model.gate = Gate::Open(second);
    assert_eq!(at(&model).0, Phase::Open);
}

#[test]
fn a_large_community_keeps_the_lines_of_fewer_intervals() {
    let mut model = model("2026-06-01T00:00:00Z/PT15M");
    let first = model.info.first_interval;
    let lines = (0..10_000).map(|member| line(member, 1, 0)).collect::<Vec<_>>();
    for number in 0..60 {
        model.settled(&settled(first.offset(number).unwrap(), lines.clone()), None, Moment::now());
    }
    assert_eq!(model.details.len(), DETAIL_ITEMS_MAX / 10_000);
    assert_eq!(model.detail_items, DETAIL_ITEMS_MAX);
    assert!(model.curves(first.offset(59).unwrap()).is_some());
    assert!(model.curves(first.offset(9).unwrap()).is_none());
}

#[test]
fn where_there_is_no_one_price_the_average_is_shown() {
    let mut model = model("2026-06-01T00:00:00Z/PT15M");
    let first = model.info.first_interval;
    for (number, (wh, paid, average)) in
        [(3, 600_001, Some(200_000)), (3, 600_002, Some(200_001)), (2, -3, Some(-1)), (0, 0, None)].iter().enumerate()
    {
        let interval = first.offset(number as i64).unwrap();
        model.settled(&settled(interval, vec![line(1, *wh, *paid)]), None, Moment::now());
        assert_eq!(model.latest(1)[0].average_price.map(Price::micro), *average, "{paid} / {wh}");
    }
    let shown = model.status(Moment::now()).last_price.unwrap();
    assert_eq!((shown.start, shown.price.micro()), (first.offset(2).unwrap().start_text(), -1));
}
