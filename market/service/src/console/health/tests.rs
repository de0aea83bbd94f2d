use protocol::{commit::Validator, key::SecretKey};

use super::*;
use crate::console::{BrokerLink, LinkState, ValidatorView};

const MINUTE: Duration = Duration::from_secs(60);

fn key(number: u8) -> protocol::key::ValidatorId {
    SecretKey::from_seed(&[number; 32]).public()
}

/// The node of a validator: at a height, or silent.
fn node(number: u8, height: Option<u64>) -> ValidatorView {
    let url = format!("http://127.0.0.1:2600{number}");
    ValidatorView {
        key: height.map(|_| key(number).to_string()),
        height,
        height_age_ms: height.map(|_| 100),
        block: None,
        silence: height.is_none().then(|| format!("{url}: connection refused")),
        clock_off_s: None,
        equivocations: 0,
        url,
    }
}

/// A market that has heard of a ledger with validators of these powers, and of its broker.
fn signs(powers: &[u64], now: Moment) -> Signs {
    let mut signs = Signs::default();
    let voter = |(number, power): (u8, &u64)| Validator { key: key(number), power: *power };
    signs.voters(&(0..).zip(powers).map(voter).collect::<Vec<_>>());
    for link in [BrokerLink::Readings, BrokerLink::Answers] {
        signs.broker(link, LinkState::Up, now);
    }
    signs.fit();
    signs
}

/// Asks once a second, so often, and hears from those that are not among the `gone`; block follows block, or not.
fn ask(signs: &mut Signs, powers: &[u64], gone: &[u8], times: u64, now: Moment, grows: bool) -> Moment {
    for second in 0..times {
        let height = if grows { 100 + second } else { 100 };
        let view = |number: u8| node(number, (!gone.contains(&number)).then_some(height));
        let views: Vec<ValidatorView> = (0..).take(powers.len()).map(view).collect();
        signs.validators(&views, now.after_s(second));
    }
    now.after_s(times)
}

fn judged(signs: &Signs, now: Moment) -> Health {
    let broker = "mqtt://127.0.0.1:1883";
    judge(signs, &Facts { broker, interval: 15 * MINUTE, block_age: None, unbalanced: None, now })
}

fn kinds(health: &Health) -> Vec<TroubleKind> {
    health.troubles.iter().map(|trouble| trouble.trouble).collect()
}

#[test]
fn all_is_well_and_one_who_is_slow_twice_is_no_news() {
    let start = Moment::now();
    let mut signs = signs(&[1; 4], start);
    let now = ask(&mut signs, &[1; 4], &[], 5, start, true);
    let well = judged(&signs, now);
    assert_eq!(well, Health { level: Level::Well, word: "Live", stale_since: None, troubles: Vec::new() });
    let now = ask(&mut signs, &[1; 4], &[2, 3], 2, now, false);
    assert_eq!(judged(&signs, now), well);
    let now = ask(&mut signs, &[1; 4], &[], 1, now, false);
    assert_eq!(judged(&signs, now), well);
}

#[test]
fn settlement_stops_where_two_thirds_of_the_power_are_not_exceeded() {
    for (powers, gone, expected) in [
        (&[1_u64; 4][..], &[3][..], None),
        (&[1; 4], &[2, 3], Some("2 of 4 validators answer, 3 are needed")),
        (&[1; 4], &[1, 2, 3], Some("1 of 4 validators answers, 3 are needed")),
        (&[1; 3], &[0], Some("2 of 3 validators answer, 3 are needed")),
        (&[1; 7], &[0, 1], None),
        (&[10, 1, 1, 1], &[1, 2, 3], None),
        (&[10, 1, 1, 1], &[0], Some("validators with 3 of 13 parts of the voting power answer, 9 are needed")),
        // Exactly two thirds are not more than two thirds.
        (&[4, 1, 1], &[1, 2], Some("validators with 4 of 6 parts of the voting power answer, 5 are needed")),
        (&[4, 2], &[1], Some("validators with 4 of 6 parts of the voting power answer, 5 are needed")),
    ] {
        let start = Moment::now();
        let mut signs = signs(powers, start);
        let now = ask(&mut signs, powers, &[], 3, start, true);
        let now = ask(&mut signs, powers, gone, 108, now, false);
        let health = judged(&signs, now);
        let trouble = &health.troubles[0];
        let Some(expected) = expected else {
            assert_eq!(
                (kinds(&health), health.level, health.word),
                (vec![TroubleKind::ValidatorsSilent], Level::Warning, "Live")
            );
            assert_eq!(health.stale_since, None);
            continue;
        };
        assert_eq!((kinds(&health), health.level), (vec![TroubleKind::NoQuorum], Level::Stopped), "{powers:?}");
        assert_eq!(health.word, "Settlement stopped");
        assert_eq!(trouble.what, format!("Settlement has stopped: {expected}."));
        assert_eq!((trouble.for_s, &trouble.since), (108, &start.after_s(3).text()));
        assert_eq!(health.stale_since.as_ref(), Some(&trouble.since));
        for number in gone {
            assert!(trouble.action.contains(&format!("http://127.0.0.1:2600{number}: connection refused")));
        }

        // They come back.
        let now = ask(&mut signs, powers, &[], 1, now, true);
        assert_eq!(judged(&signs, now).level, Level::Well);
    }
}

#[test]
fn since_when_is_when_one_too_many_went() {
    let start = Moment::now();
    let mut signs = signs(&[1; 4], start);
    let first = ask(&mut signs, &[1; 4], &[], 1, start, false);
    let second = ask(&mut signs, &[1; 4], &[0], 50, first, false);
    let now = ask(&mut signs, &[1; 4], &[0, 1], 20, second, false);
    assert_eq!(judged(&signs, now).troubles[0].since, second.text());
}

#[test]
fn whoever_is_not_asked_is_not_said_to_be_away() {
    let start = Moment::now();
    // Seven vote, and the market asks three of them.
    let mut some = signs(&[1; 7], start);
    let now = ask(&mut some, &[1; 3], &[2], 10, start, false);
    assert_eq!(kinds(&judged(&some, now)), [TroubleKind::ValidatorsSilent]);
    // Two of four that never said who they are can only be the two that nobody has heard of.
    let mut all = signs(&[1; 4], start);
    let now = ask(&mut all, &[1; 4], &[2, 3], 10, start, false);
    assert_eq!(judged(&all, now).troubles[0].what, "Settlement has stopped: 2 of 4 validators answer, 3 are needed.");
    // Where blocks follow each other all the same, it is their answers that do not come, not their votes.
    let now = ask(&mut all, &[1; 4], &[2, 3], 10, now, true);
    assert_eq!(kinds(&judged(&all, now)), [TroubleKind::ValidatorsSilent]);
}

#[test]
fn without_a_ledger_nothing_is_live() {
    let start = Moment::now();
    let mut signs = Signs::default();
    assert_eq!((judged(&signs, start).word, judged(&signs, start).level), ("Starting", Level::Well));
    let now = ask(&mut signs, &[1; 4], &[0, 1, 2, 3], 30, start, false);
    let health = judged(&signs, now);
    assert_eq!(
        (health.word, health.level, kinds(&health)),
        ("No ledger", Level::Stopped, vec![TroubleKind::LedgerSilent])
    );
    let Trouble { what, means, action, for_s, .. } = &health.troubles[0];
    assert_eq!((what.as_str(), *for_s), ("The ledger does not answer: none of its 4 nodes does.", 30));
    assert!(
        means.contains("The broker mqtt://127.0.0.1:1883 is connected to when the ledger has answered."),
        "{means}"
    );
    assert!(action.contains("http://127.0.0.1:26003: connection refused"), "{action}");
}

#[test]
fn a_broker_is_lost_at_the_second_attempt_and_named() {
    let start = Moment::now();
    let mut signs = signs(&[1; 4], start);
    let fail = |signs: &mut Signs, second| {
        let state = LinkState::Failed("I/O: Connection refused".into());
        signs.broker(BrokerLink::Readings, state, start.after_s(second));
    };
    fail(&mut signs, 1);
    assert_eq!(judged(&signs, start.after_s(1)).level, Level::Well, "it may be made again at once");
    fail(&mut signs, 2);
    let health = judged(&signs, start.after_s(11));
    assert_eq!((health.word, health.level), ("No broker", Level::Stopped));
    let Trouble { what, since, for_s, .. } = &health.troubles[0];
    assert_eq!(what, "The broker mqtt://127.0.0.1:1883 is not connected: I/O: Connection refused.");
    assert_eq!((since, *for_s), (&start.after_s(1).text(), 10));
    signs.broker(BrokerLink::Readings, LinkState::Up, start.after_s(12));
    assert_eq!(judged(&signs, start.after_s(12)).level, Level::Well);

    // The other connection counts, too; and one that is of no use.
    signs.broker(BrokerLink::Answers, LinkState::Refused("it does not".into()), start);
    assert_eq!(
        judged(&signs, start).troubles[0].what,
        "The broker mqtt://127.0.0.1:1883 refuses the market: it does not."
    );
}

#[test]
fn what_waits_for_too_long_is_said_unless_something_graver_explains_it() {
    let start = Moment::now();
    let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
    let mut signs = signs(&[1; 4], start);
    signs.opened(Some(interval), start);
    assert_eq!(judged(&signs, start.after_s(30)).level, Level::Well);
    let health = judged(&signs, start.after_s(31));
    assert_eq!((health.word, health.level), ("Waiting for readings", Level::Waiting));
    assert_eq!(health.troubles[0].what, "The market waits: no meter has been heard of for 2026-06-01T12:00:00Z.");
    signs.read(1);
    assert_eq!(judged(&signs, start.after_s(31)).level, Level::Well);

    signs.closed(interval, start.after_s(40));
    assert_eq!(judged(&signs, start.after_s(70)).level, Level::Well);
    let health = judged(&signs, start.after_s(71));
    assert_eq!((health.word, kinds(&health)), ("Not settled", vec![TroubleKind::NotSettled]));
    let now = ask(&mut signs, &[1; 4], &[0, 1], 3, start.after_s(71), false);
    assert_eq!(kinds(&judged(&signs, now)), [TroubleKind::NoQuorum]);
    let now = ask(&mut signs, &[1; 4], &[], 1, now, false);
    signs.settled(interval);
    assert_eq!(judged(&signs, now).level, Level::Well);
}

#[test]
fn a_settlement_that_is_refused_a_third_time_is_named() {
    let start = Moment::now();
    let interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
    let mut signs = signs(&[1; 4], start);
    for second in 0..3 {
        assert_eq!(judged(&signs, start).level, Level::Well, "refused {second} times");
        signs.settlement_refused(interval, "clearing_differs: at d001".into(), start.after_s(second));
    }
    let health = judged(&signs, start.after_s(9));
    assert_eq!((health.word, health.troubles[0].for_s), ("Settlement refused", 9));
    assert_eq!(
        health.troubles[0].what,
        "The ledger refuses the settlement of 2026-06-01T12:00:00Z: clearing_differs: at d001."
    );
    signs.settled(interval);
    assert_eq!(judged(&signs, start).level, Level::Well);
}

#[test]
fn the_rest_is_said_too() {
    let start = Moment::now();
    let mut signs = signs(&[1; 4], start);
    signs.unfit("a mechanism of tomorrow".into(), start);
    assert_eq!(judged(&signs, start).word, "Needs an upgrade");
    signs.fit();

    let facts = |block_age, unbalanced| Facts { broker: "", interval: 15 * MINUTE, block_age, unbalanced, now: start };
    let judged = |facts: Facts<'_>| judge(&signs, &facts);
    assert_eq!(judged(facts(Some(16 * MINUTE), None)).level, Level::Well);
    let stands_still = judged(facts(Some(17 * MINUTE), None));
    assert_eq!((stands_still.word, stands_still.troubles[0].for_s), ("Ledger stands still", 17 * 60));
    let wrong = judged(facts(None, Some(("0.01".into(), start))));
    assert_eq!((wrong.level, kinds(&wrong)), (Level::Warning, vec![TroubleKind::Unbalanced]));
    assert_eq!(wrong.troubles[0].what, "The accounts do not balance: their sum is 0.01.");
}

#[test]
fn every_kind_has_its_name_in_metrics_as_in_json_and_its_row_in_the_operators_page() {
    let page = include_str!("../../../../../docs/operator.md");
    for kind in TroubleKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        let row = format!("| `{}` |", kind.name());
        assert!(page.lines().any(|line| line.starts_with(&row)), "docs/operator.md has no row for {}", kind.name());
    }
}
