//! A scenario played interval by interval comes to what a run of it comes to, whoever asks for the prices.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use protocol::{interval::Interval, money::Price};
use simulator::{
    offline::{Asked, Community, Options, Steps, run, sums::MemberSums},
    scenario::Scenario,
};

/// Two days in June of 20 homes, some with batteries that follow prices, in an hour of which prices are higher.
const HOMES: &str = "[community.drawn]\nhomes = 20\npv_share = 0.5\n[period]\nfrom = '2016-06-06T00:00:00Z'\ndays = 2\n\
    [[tariffs.windows]]\nfrom = '12:00'\nto = '13:00'\nretail = '0.40'\n\
    [[equipment]]\nshare = 0.4\n\
    battery = { capacity_wh = 8000, power_w = 2000, round_trip_efficiency = 0.9, \
    dispatch = 'price_driven', charge_below = '0.16', discharge_above = '0.17' }\n";

/// Half of them learn, and their meters
const LEARNING: &str = "[[strategies]]\nshare = 0.5\nstrategy = 'roth_erev'\n";
/// are out of reach at times, or
const UNREAD: &str = "[faults]\noffline = 0.5\ndays = 0.5\n";
/// lie.
const DISHONEST: &str = "[faults.dishonest]\nshare = 0.2\nhides = 0.5\n";

/// What an interval came to, by its sums and its price.
type Came = (Interval, MemberSums, Option<Price>);

fn community(text: &str) -> (Scenario, Arc<Community>) {
    let scenario = Scenario::parse(text).unwrap();
    let community = Arc::new(Community::of(&scenario).unwrap());
    (scenario, community)
}

fn of_run(text: &str) -> Vec<Came> {
    let (scenario, community) = community(text);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let options = Options { out, threads: 1, lines: false, details: BTreeSet::new(), report: false };
    let outcome = run(&scenario, &community, &options, &|_| ControlFlow::Continue(())).unwrap();
    outcome.intervals.into_iter().map(|(interval, sums)| (interval, sums.sums, sums.price)).collect()
}

fn of_steps(text: &str, asked: &[Asked]) -> Vec<Came> {
    let (scenario, community) = community(text);
    let mut steps = Steps::new(&scenario, community);
    let mut came = Vec::new();
    while let Some((interval, _)) = steps.upcoming() {
        let stepped = steps.step(asked).unwrap().unwrap();
        assert_eq!(stepped.interval, interval);
        let sum = |mut sums: MemberSums, line: &MemberSums| {
            sums.add(line);
            sums
        };
        came.push((interval, stepped.lines.iter().fold(MemberSums::default(), sum), stepped.price));
    }
    assert!(steps.step(asked).unwrap().is_none(), "after the last one");
    came
}

#[test]
fn where_nothing_is_asked_for_each_interval_is_that_of_a_run() {
    for faults in ["", UNREAD, DISHONEST] {
        let text = format!("{HOMES}{LEARNING}{faults}");
        assert_eq!(of_steps(&text, &[]), of_run(&text), "{faults}");
    }
}

#[test]
fn what_is_asked_for_counts_like_a_strategy_that_asks_for_it() {
    let price = |micro| Price::from_micro(micro);
    let fixed = format!("{HOMES}[[strategies]]\nshare = 1.0\nstrategy = 'fixed'\nbuy = '0.2'\nsell = '0.15'\n");
    let asked = [Asked { buy: price(200_000), sell: price(150_000) }; 20];
    let expected = of_run(&fixed);
    assert_eq!(of_steps(HOMES, &asked), expected);
    assert_ne!(of_steps(HOMES, &[]), expected, "without being asked, nobody asks for it");
    let half = [Asked { buy: price(200_000), sell: None }; 20];
    assert_eq!(of_steps(&fixed, &half), expected, "what is not asked for is the strategy's");
}
